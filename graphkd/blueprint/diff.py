"""What differs between two blueprints."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

import attrs

from graphkd.blueprint.model import Blueprint, flow_name
from graphkd.blueprint.save import to_plain

ORDERED = ("flows", "phases")
"""Keys whose entries are written in an order that matters."""


@attrs.frozen
class Change:
    """One difference.

    Attributes:
        path: where, dotted; flows and phases by name.
        kind: `+` where only the second blueprint has something, `-` where only the first has, `~`
            where both have.
        before: the value in the first blueprint; None where it has none.
        after: the value in the second.
    """

    path: str
    kind: Literal["+", "-", "~"]
    before: Any
    after: Any

    def __str__(self) -> str:
        """Write `~ path: before -> after`, `+ path: after` or `- path: before`."""
        match self.kind:
            case "+":
                return f"+ {self.path}: {_shown(self.after)}"
            case "-":
                return f"- {self.path}: {_shown(self.before)}"
        return f"~ {self.path}: {_shown(self.before)} -> {_shown(self.after)}"


def diff(one: Blueprint, other: Blueprint) -> list[Change]:
    """List what differs, in the order of the first blueprint, then what only the second has.

    A value that a blueprint does not write is its default, and differs from one that it writes.
    """
    before, after = _named(one), _named(other)
    return [*_changes("", before, after), *_moves(before, after)]


def _named(blueprint: Blueprint) -> dict[str, Any]:
    """Turn the lists of flows and phases into mappings, so that one more shifts no other."""
    plain: dict[str, Any] = to_plain(blueprint)
    flows: dict[str, Any] = {}
    for flow, written in zip(blueprint.flows, plain.get("flows", ()), strict=True):
        flows[_free(flow_name(flow), flows)] = written
    phases: dict[str, Any] = {}
    for phase, written in zip(blueprint.phases, plain.get("phases", ()), strict=True):
        phases[_free(phase.name, phases)] = written
    return plain | {"flows": flows, "phases": phases}


def _free(name: str, taken: Mapping[str, Any]) -> str:
    number = 2
    found = name
    while found in taken:
        found = f"{name}#{number}"
        number += 1
    return found


def _changes(path: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[Change]:
    for key, before in one.items():
        inner = f"{path}.{key}" if path else key
        if key not in other:
            yield Change(inner, "-", before, None)
        elif isinstance(before, Mapping) and isinstance(other[key], Mapping):
            yield from _changes(inner, before, other[key])
        elif not _same(before, other[key]):
            yield Change(inner, "~", before, other[key])
    for key, after in other.items():
        if key not in one:
            yield Change(f"{path}.{key}" if path else key, "+", None, after)


def _same(one: Any, other: Any) -> bool:
    # to Python True is 1, to a blueprint it is not
    return bool(one == other and isinstance(one, bool) is isinstance(other, bool))


def _moves(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[Change]:
    """Tell where entries that both blueprints have stand in another order."""
    for key in ORDERED:
        before = _common(one[key], other[key])
        after = _common(other[key], one[key])
        if before != after:
            yield Change(key, "~", before, after)


def _common(one: Iterable[str], other: Iterable[str]) -> list[str]:
    known = set(other)
    return [each for each in one if each in known]


def _shown(value: Any) -> str:
    """Write a value as its file would, on one line; a text as it is where that cannot mislead."""
    if isinstance(value, str) and value.isprintable() and value.strip():
        return value
    return json.dumps(value, ensure_ascii=False)
