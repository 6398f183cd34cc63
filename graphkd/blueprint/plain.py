"""A blueprint as plain data, and as YAML in the usual look."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from graphkd.blueprint.fields import bare_key, component_field, default_of, keys_of
from graphkd.blueprint.model import Blueprint, Data, Node, Phase, Ref
from graphkd.blueprint.values import converter
from graphkd.blueprint.yaml12 import write
from graphkd.component import name_of


def to_plain(value: Any) -> Any:
    """Turn a blueprint, or a part of it, into what its file holds; defaults are left out.

    Raises:
        TypeError: a value is of a type that a file cannot hold.
    """
    if isinstance(value, Ref):
        return str(value)
    if isinstance(value, Phase):
        return _plain_phase(value)
    if attrs.has(type(value)):
        return _plain_fields(value)
    if isinstance(value, Mapping):
        return {str(key): to_plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(each) for each in value]
    return _plain_scalar(value)


def _plain_scalar(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    for cls in (int, float, str):
        if isinstance(value, cls):
            # numpy's float64 is a float that YAML cannot write
            return cls(value)
    plain = converter.unstructure(value)
    if type(plain) is type(value):
        raise TypeError(f"a blueprint cannot hold {value!r}, a {type(value).__name__}")
    return to_plain(plain)


def _plain_fields(value: Any) -> Any:
    cls: type = type(value)
    own = component_field(cls)
    done: dict[str, Any] = {}
    for key, field in keys_of(cls).items():
        each = getattr(value, field.name)
        if field is own:
            done[key] = name_of(each)
            done |= _plain_fields(each)
        elif each != default_of(field):
            done[key] = to_plain(each)
    if cls not in (Node, Data) and list(done) == [bare_key(cls)]:
        return name_of(value.component)
    return done


def _plain_phase(phase: Phase) -> dict[str, Any]:
    done: dict[str, Any] = {"name": phase.name}
    for key in ("train", "fit"):
        if getattr(phase, key):
            done[key] = list(getattr(phase, key))
    done |= to_plain(phase.recipe)
    if phase.data:
        done["data"] = to_plain(phase.data)
    return done


def same(one: Any, other: Any) -> bool:
    """Compare plain data; true is not 1, but 1.0 is."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def dumps(blueprint: Blueprint) -> str:
    """Write a blueprint as YAML text."""
    plain = to_plain(blueprint)
    first = {key: plain[key] for key in ("blueprint", "about") if key in plain}
    return entries_text(first | plain)


def entries_text(plain: Mapping[str, Any]) -> str:
    """Write keys of a whole blueprint with the usual look: one node, flow or phase a line."""
    root = CommentedMap()
    for key, value in plain.items():
        if key == "nodes" and isinstance(value, Mapping):
            root[key] = CommentedMap((name, _inline(node)) for name, node in value.items())
        elif key in ("flows", "phases") and isinstance(value, list):
            root[key] = CommentedSeq(_inline(each) for each in value)
        else:
            root[key] = _inline(value)
    return write(root)


def inline_text(value: Any) -> str:
    """Write a value within one line."""
    return write(_inline([value])).strip()[1:-1]


def entry_text(key: str, value: Any) -> str:
    """Write a key with its value within one line."""
    return write(_inline({key: value})).strip()[1:-1]


def _inline(value: Any) -> Any:
    if isinstance(value, Mapping):
        made = CommentedMap((_inline(key), _inline(each)) for key, each in value.items())
        made.fa.set_flow_style()
        return made
    if isinstance(value, list):
        items = CommentedSeq(_inline(each) for each in value)
        items.fa.set_flow_style()
        return items
    # ruamel.yaml writes some line breaks of Unicode as they are, and reads them as blanks;
    # without quotes, `<<` is a merge to YAML 1.1
    odd = isinstance(value, str) and (not value.isprintable() or value == "<<")
    return DoubleQuotedScalarString(value) if odd else value
