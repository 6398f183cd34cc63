"""The Component base: parameters, ports, sites, and the registry they are found in."""

from graphkd.component.base import (
    ImageSpec,
    Network,
    Port,
    Site,
    Socket,
    help_of,
    kind_of,
    name_of,
    ports_of,
    reference_fields,
    summary_of,
)
from graphkd.component.data import Dataset, DataSpec, Samples, Splits
from graphkd.component.fusion import Fusion, Launch, Member, fusion_of
from graphkd.component.registry import (
    FUSION,
    KINDS,
    component,
    find,
    find_model,
    load_plugin,
    names,
    register_model,
)

__all__ = [
    "FUSION",
    "KINDS",
    "DataSpec",
    "Dataset",
    "Fusion",
    "ImageSpec",
    "Launch",
    "Member",
    "Network",
    "Port",
    "Samples",
    "Site",
    "Socket",
    "Splits",
    "component",
    "find",
    "find_model",
    "fusion_of",
    "help_of",
    "kind_of",
    "load_plugin",
    "name_of",
    "names",
    "ports_of",
    "reference_fields",
    "register_model",
    "summary_of",
]
