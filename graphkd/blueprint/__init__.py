"""The blueprint: its attrs model, YAML in and out, overrides, schema."""

from graphkd.blueprint.load import find_file, load, loads, shipped
from graphkd.blueprint.model import (
    Augment,
    Blueprint,
    Cache,
    Data,
    Extra,
    Flow,
    Handle,
    Node,
    Phase,
    Ramp,
    Ref,
    Train,
    Via,
    data_of,
    flow_name,
    recipe_of,
)
from graphkd.blueprint.save import dumps, save

__all__ = [
    "Augment",
    "Blueprint",
    "Cache",
    "Data",
    "Extra",
    "Flow",
    "Handle",
    "Node",
    "Phase",
    "Ramp",
    "Ref",
    "Train",
    "Via",
    "data_of",
    "dumps",
    "find_file",
    "flow_name",
    "load",
    "loads",
    "recipe_of",
    "save",
    "shipped",
]
