"""JSON Schema (draft 7) of blueprint files, from the attrs classes and the registered components.

Editors read it to complete names of components and their parameters, and to show their help.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from typing import Any, Literal

import attrs

from graphkd.blueprint.fields import component_field, default_of, find_component, keys_of, type_of
from graphkd.blueprint.model import (
    RUN_WIDE,
    Augment,
    Blueprint,
    Data,
    Flow,
    Node,
    Phase,
    Ramp,
    Ref,
    Train,
    Via,
)
from graphkd.component import help_of, names, summary_of

Schema = dict[str, Any]
_PLAIN = {int: "integer", float: "number", bool: "boolean", str: "string"}


def schema() -> Schema:
    """Return the schema of a whole blueprint file."""
    top = _object(Blueprint)
    properties = top["properties"]
    properties["nodes"] = {
        "type": "object",
        "description": help_of(Blueprint)["nodes"],
        "additionalProperties": {"$ref": "#/definitions/Node"},
    }
    properties["extends"] = {
        "type": "string",
        "description": "Another blueprint file, or a shipped one, that this file changes.",
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "graphkd blueprint",
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        "anyOf": [{"required": ["blueprint", "data"]}, {"required": ["extends"]}],
        "definitions": _definitions(),
    }


def _definitions() -> dict[str, Schema]:
    made = {cls.__name__: _tagged(cls) for cls in (Augment, Data, Flow, Node, Via)}
    made["Ramp"] = _object(Ramp)
    made["Train"] = _object(Train)
    made["Phase"] = _phase()
    return made


def _object(cls: type) -> Schema:
    required = [key for key, field in keys_of(cls).items() if field.default is attrs.NOTHING]
    made: Schema = {
        "type": "object",
        "additionalProperties": False,
        "properties": {key: _property(cls, field) for key, field in keys_of(cls).items()},
    }
    if required and cls is not Blueprint:
        made["required"] = required
    return made


def _property(cls: type, field: attrs.Attribute[Any]) -> Schema:
    made = _type(type_of(cls, field.name))
    made |= _bounds(field.validator)
    text = help_of(cls).get(field.name)
    if text:
        made["description"] = text
    default = default_of(field)
    if isinstance(default, (int, float, str)) and default != "":
        made["default"] = default
    return made


def _type(cls: Any) -> Schema:
    if cls in _PLAIN:
        return {"type": _PLAIN[cls]}
    if cls is Ref:
        return {"type": "string", "examples": ["teacher.logits", "data.label"]}
    if cls in (Augment, Data, Flow, Node, Phase, Ramp, Train, Via):
        return {"allOf": [{"$ref": f"#/definitions/{cls.__name__}"}]}
    origin, arguments = typing.get_origin(cls), typing.get_args(cls)
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in (list, tuple):
        if len(arguments) == 2 and arguments[1] is not Ellipsis:
            return {"type": "array", "items": [_type(a) for a in arguments], "minItems": 2}
        item = _type(arguments[0])
        return {"anyOf": [{"type": "array", "items": item}, item]}
    if origin in (dict, Mapping) or origin is typing.get_origin(Mapping[str, Any]):
        return {"type": "object", "additionalProperties": _type(arguments[1])}
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [_type(each) for each in arguments]}
    if cls is type(None):
        return {"type": "null"}
    return {}


_KEYWORDS = {">": "exclusiveMinimum", ">=": "minimum", "<": "exclusiveMaximum", "<=": "maximum"}


def _bounds(validator: Any) -> Schema:
    if validator is None:
        return {}
    if hasattr(validator, "compare_op"):
        return {_KEYWORDS[validator.compare_op]: validator.bound}
    if hasattr(validator, "options"):
        return {"enum": list(validator.options)}
    made: Schema = {}
    for each in getattr(validator, "_validators", ()):
        made |= _bounds(each)
    return made


def _tagged(cls: type) -> Schema:
    """Describe a class whose component's parameters stand beside its own keys.

    The schema of a component applies when its name is written: `if` name, `then` its parameters.
    """
    own = component_field(cls)
    assert own is not None
    key, kinds = own.metadata["key"], own.metadata["kinds"]
    common = {k: _property(cls, field) for k, field in keys_of(cls).items() if field is not own}
    common = {k: v for k, v in common.items() if k != key}
    known = sorted(name for kind in kinds for name in names(kind))
    summaries = [summary_of(find_component(kinds, name)) for name in known]
    tag = {
        "enum": known,
        "description": help_of(cls)[own.name],
        "enumDescriptions": summaries,
    }
    required = [k for k, f in keys_of(cls).items() if f.default is attrs.NOTHING]
    made: Schema = {
        "type": "object",
        "required": sorted({*required, key}),
        "properties": {key: tag, **common},
        "allOf": [_branch(kinds, key, name, tag, common) for name in known],
    }
    if cls in (Via, Augment):
        return {"anyOf": [{"enum": known, "enumDescriptions": summaries}, made]}
    return made


def _branch(
    kinds: tuple[str, ...], key: str, name: str, tag: Schema, common: Mapping[str, Schema]
) -> Schema:
    cls = find_component(kinds, name)
    parameters = {k: _property(cls, field) for k, field in keys_of(cls).items()}
    required = [k for k, field in keys_of(cls).items() if field.default is attrs.NOTHING]
    then: Schema = {
        "additionalProperties": False,
        "properties": {key: {"description": summary_of(cls)}, **parameters, **common},
    }
    if required:
        then["required"] = required
    return {"if": {"properties": {key: {"const": name}}, "required": [key]}, "then": then}


def _phase() -> Schema:
    own = {
        key: _property(Phase, field)
        for key, field in keys_of(Phase).items()
        if key in ("name", "train", "fit")
    }
    recipe = {
        key: _property(Train, field) for key, field in keys_of(Train).items() if key not in RUN_WIDE
    }
    data = {
        key: _property(Data, field) for key, field in keys_of(Data).items() if key != "dataset"
    }
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["name"],
        "properties": {
            **recipe,
            **own,
            "data": {
                "type": "object",
                "additionalProperties": False,
                "properties": data,
                "description": help_of(Phase)["data"],
            },
        },
    }
