"""What differs between two blueprints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from graphkd.blueprint.model import Blueprint, flow_name
from graphkd.blueprint.save import to_plain


@attrs.frozen
class Change:
    """One difference.

    Attributes:
        path: where, dotted; flows and phases by name.
        before: the value in the first blueprint; None when it is not there.
        after: the value in the second.
    """

    path: str
    before: Any
    after: Any

    def __str__(self) -> str:
        """Write `~ path: before -> after`, `+ path: after` or `- path: before`."""
        if self.before is None:
            return f"+ {self.path}: {self.after}"
        if self.after is None:
            return f"- {self.path}: {self.before}"
        return f"~ {self.path}: {self.before} -> {self.after}"


def diff(one: Blueprint, other: Blueprint) -> list[Change]:
    """List what differs, in the order of the first blueprint."""
    return list(_changes("", _named(one), _named(other)))


def _named(blueprint: Blueprint) -> dict[str, Any]:
    plain: dict[str, Any] = to_plain(blueprint)
    names: list[str] = []
    for flow in blueprint.flows:
        name = flow_name(flow)
        same = sum(each == name or each.startswith(f"{name}#") for each in names)
        names.append(f"{name}#{same + 1}" if same else name)
    if "flows" in plain:
        plain["flows"] = dict(zip(names, plain["flows"], strict=True))
    if "phases" in plain:
        plain["phases"] = {phase["name"]: phase for phase in plain["phases"]}
    return plain


def _changes(path: str, one: Any, other: Any) -> Iterator[Change]:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in [*one, *(key for key in other if key not in one)]:
            inner = f"{path}.{key}" if path else key
            yield from _changes(inner, one.get(key), other.get(key))
    elif one != other:
        yield Change(path, one, other)
