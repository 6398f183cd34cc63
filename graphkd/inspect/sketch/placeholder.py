"""Boxes for what a blueprint names, and nobody knows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs

from graphkd.blueprint.parts import NODE_KINDS
from graphkd.component import DataSpec, Port, names
from graphkd.errors import ComponentError

UNKNOWN = "?"
"""What stands behind the name of something that is not there, or when no name was written."""
_READS = (Port("input", "...", many=True, optional=True),)
_COMPARES = (Port("student", "..."), Port("teacher", "..."))


@attrs.frozen
class Placeholder:
    """Stands where a component cannot be made.

    Attributes:
        component_kind: the kind that it is drawn as.
        component_name: what the blueprint calls it.
        ports: so that what it reads can be drawn.
        learns: whether flows into it teach; nothing says that they do not.
    """

    component_kind: str = attrs.field(metadata={"key": None})
    component_name: str = attrs.field(metadata={"key": None})
    ports: tuple[Port, ...] = attrs.field(default=(), metadata={"key": None})
    learns: bool = attrs.field(default=True, metadata={"key": None})

    def spec(self, folder: Path) -> DataSpec:
        """Refuse to describe a data set of which nothing is known."""
        raise ComponentError("nothing is known of it", field="dataset")


def placeholder(kind: str, written: Any) -> Placeholder:
    """Make the placeholder of a component.

    Args:
        kind: `dataset`, `loss`, or `transform` for any node.
        written: what stands where its name should; a name that no component has gets a `?`.
    """
    name = written if isinstance(written, str) else ""
    ports = {"loss": _COMPARES, "transform": _READS}.get(kind, ())
    return Placeholder(kind, name if _known(kind, name) else name + UNKNOWN, ports)


def missing_node() -> Placeholder:
    """Make what stands for a node that is named, but not there."""
    return Placeholder("transform", "no such node", _READS)


def _known(kind: str, name: str) -> bool:
    kinds = NODE_KINDS if kind == "transform" else (kind,)
    return any(name in names(each) for each in kinds)
