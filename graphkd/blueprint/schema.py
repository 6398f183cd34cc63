"""JSON Schema (draft 7) of blueprint files, from the attrs classes and the registered components.

Editors read it to complete the names of components and parameters, and to show their help.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import attrs

from graphkd.blueprint.fields import (
    bare_key,
    component_field,
    default_of,
    find_component,
    keys_of,
    required_keys,
    type_of,
)
from graphkd.blueprint.model import (
    Augment,
    Blueprint,
    Cache,
    Data,
    Extra,
    Flow,
    Node,
    Phase,
    Ramp,
    Ref,
    Train,
    Via,
)
from graphkd.blueprint.recipe import DATA_CHANGES, RECIPE_CHANGES
from graphkd.component import help_of, names, summary_of

Schema = dict[str, Any]

_CLASSES = (Augment, Cache, Data, Extra, Flow, Node, Phase, Ramp, Train, Via)
_PLAIN = {int: "integer", float: "number", bool: "boolean", str: "string", types.NoneType: "null"}
_BOUNDS = {">": "exclusiveMinimum", ">=": "minimum", "<": "exclusiveMaximum", "<=": "maximum"}
_EXTENDS = "Another blueprint file, or the name of a shipped one, that this file changes."


def schema() -> Schema:
    """Return the schema of a whole blueprint file."""
    properties = _properties(Blueprint, keys_of(Blueprint))
    whole = {key: properties.pop(key) for key in ("data", "nodes")}
    changes = {
        "data": _reference("DataChange", whole["data"]["description"]),
        "nodes": {
            "type": "object",
            "description": whole["nodes"]["description"],
            "additionalProperties": {"anyOf": [_reference("NodeChange"), {"type": "null"}]},
        },
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            **properties,
            # what they hold depends on whether this file stands alone
            **{key: {"description": each["description"]} for key, each in whole.items()},
            "extends": {"type": "string", "description": _EXTENDS},
        },
        "if": {"required": ["extends"]},
        "then": {"properties": changes},
        "else": {"properties": whole, "required": required_keys(Blueprint)},
        "definitions": {
            **{cls.__name__: _tagged(cls) for cls in (Augment, Data, Extra, Flow, Node, Via)},
            **{f"{cls.__name__}Change": _tagged(cls, partly=True) for cls in (Data, Node)},
            **{cls.__name__: _object(cls) for cls in (Cache, Ramp, Train)},
            "Phase": _phase(),
        },
    }


def _reference(name: str, description: str = "") -> Schema:
    # draft 7 ignores what stands beside a reference, hence the list of one
    made: Schema = {"allOf": [{"$ref": f"#/definitions/{name}"}]}
    return made | {"description": description} if description else made


def _object(cls: type) -> Schema:
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": _properties(cls, keys_of(cls)),
        "required": required_keys(cls),
    }


def _properties(cls: type, keys: Iterable[str]) -> dict[str, Schema]:
    return {key: _property(cls, keys_of(cls)[key]) for key in keys}


def _property(cls: type, field: attrs.Attribute[Any]) -> Schema:
    made = _type(type_of(cls, field.name)) | _bounds(field.validator)
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
    if cls in _CLASSES:
        return _reference(cls.__name__)
    origin: Any = typing.get_origin(cls)
    arguments = typing.get_args(cls)
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in (list, tuple):
        return _list(origin, arguments)
    if origin in (dict, Mapping):
        return {"type": "object", "additionalProperties": _type(arguments[1])}
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [_type(each) for each in arguments]}
    return {}


def _list(origin: Any, arguments: tuple[Any, ...]) -> Schema:
    if origin is tuple and Ellipsis not in arguments:
        count = len(arguments)
        items = [_type(each) for each in arguments]
        return {"type": "array", "items": items, "minItems": count, "maxItems": count}
    item = _type(arguments[0])
    return {"anyOf": [{"type": "array", "items": item}, item]}


def _bounds(validator: Any) -> Schema:
    """Say what attrs' validators ask for, as far as a schema can; others check it in any case."""
    match type(validator).__name__:
        case "_NumberValidator":
            return {_BOUNDS[validator.compare_op]: validator.bound}
        case "_InValidator":
            return {"enum": list(validator.options)}
        case "_MinLengthValidator":
            return {"minLength": validator.min_length, "minItems": validator.min_length}
        case "_OptionalValidator":
            return _bounds(validator.validator)
    made: Schema = {}
    for each in getattr(validator, "_validators", ()):
        made |= _bounds(each)
    return made


def _tagged(cls: type, *, partly: bool = False) -> Schema:
    """Describe a class whose component's parameters stand beside its own keys.

    Where a component's name is written, its parameters apply: `if` that name, `then` those.

    Args:
        cls: the class.
        partly: whether all may be missing, since it changes what another file holds.
    """
    own = component_field(cls)
    assert own is not None
    key, kinds = own.metadata["key"], own.metadata["kinds"]
    classes = {name: find_component(kinds, name) for kind in kinds for name in names(kind)}
    common = _properties(cls, [each for each in keys_of(cls) if each != key])
    tag: Schema = {
        "enum": list(classes),
        "enumDescriptions": [summary_of(each) for each in classes.values()],
        "description": help_of(cls)[own.name],
    }
    made: Schema = {
        "type": "object",
        "properties": {key: tag, **common},
        "allOf": [
            _branch(key, name, each, common, partly=partly) for name, each in classes.items()
        ],
    }
    if not partly:
        made["required"] = required_keys(cls)
    return made if bare_key(cls) is None else {"anyOf": [made, tag]}


def _branch(
    key: str, name: str, cls: type, common: Mapping[str, Schema], *, partly: bool
) -> Schema:
    parameters = _properties(cls, keys_of(cls))
    then: Schema = {
        "additionalProperties": False,
        "properties": {
            key: {"description": summary_of(cls)},
            **{each: _or_empty(made) if partly else made for each, made in parameters.items()},
            # the parameters are what is seldom known by heart, but own keys win
            **dict.fromkeys(common, True),
        },
    }
    if not partly and required_keys(cls):
        then["required"] = required_keys(cls)
    return {"if": {"properties": {key: {"const": name}}, "required": [key]}, "then": then}


def _or_empty(made: Schema) -> Schema:
    """Let what takes a mapping be empty, which takes away all that another file has in it."""
    return made | {"type": ["object", "null"]} if made.get("type") == "object" else made


def _phase() -> Schema:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": required_keys(Phase),
        "properties": {
            **_properties(Train, RECIPE_CHANGES),
            **_properties(Phase, ("name", "train", "fit")),
            "data": {
                "type": "object",
                "additionalProperties": False,
                "properties": _properties(Data, DATA_CHANGES),
                "description": help_of(Phase)["data"],
            },
        },
    }
