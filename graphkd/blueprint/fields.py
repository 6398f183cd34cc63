"""What the attrs fields of blueprint classes and components say about themselves."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from functools import cache
from typing import Any

import attrs

from graphkd.component import find, names
from graphkd.errors import did_you_mean, shown


@cache
def keys_of(cls: type) -> Mapping[str, attrs.Attribute[Any]]:
    """Return the fields of a class by the key that a blueprint writes."""
    return {
        key: field
        for field in attrs.fields(cls)
        if field.init and (key := field.metadata.get("key", field.name)) is not None
    }


@cache
def type_of(cls: type, name: str) -> Any:
    """Return the type of a field, with forward references resolved."""
    return typing.get_type_hints(cls)[name]


@cache
def component_field(cls: type) -> attrs.Attribute[Any] | None:
    """Return the field that holds a component whose parameters stand beside it, if any."""
    fields: tuple[attrs.Attribute[Any], ...] = attrs.fields(cls)
    return next((field for field in fields if "kinds" in field.metadata), None)


@cache
def bare_key(cls: type) -> str | None:
    """Return the key whose value may stand alone: a component's name, when all else has defaults.

    So `via: linear` is short for `via: {type: linear}`.
    """
    own = component_field(cls)
    if own is None or len(required_keys(cls)) > 1:
        return None
    return str(own.metadata["key"])


def required_keys(cls: type) -> list[str]:
    """Return the keys that must be written."""
    return [key for key, field in keys_of(cls).items() if field.default is attrs.NOTHING]


def find_component(kinds: tuple[str, ...], name: str) -> type:
    """Return the component class of that name among some kinds.

    Raises:
        KeyError: there is none; the text says the nearest name.
    """
    known: dict[str, str] = {each: kind for kind in kinds for each in names(kind)}
    if name in known:
        return find(known[name], name)
    what = kinds[0] if len(kinds) == 1 else "node type"
    raise KeyError(f"no {what} {shown(name)}{did_you_mean(name, sorted(known))}")


def default_of(field: attrs.Attribute[Any]) -> Any:
    """Return a field's default; `attrs.NOTHING` when it has none of its own."""
    default: Any = field.default
    if not isinstance(default, attrs.Factory):  # type: ignore[arg-type]
        return default
    return attrs.NOTHING if default.takes_self else default.factory()
