"""Plain data to blueprint objects, strictly: cattrs for values, one rule for attrs classes."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, Literal

import attrs
import cattrs
from cattrs.errors import AttributeValidationNote, BaseValidationError, IterableValidationNote

from graphkd.blueprint.fields import (
    component_field,
    default_of,
    find_component,
    keys_of,
    type_of,
)
from graphkd.blueprint.model import (
    RUN_WIDE,
    Augment,
    Data,
    Flow,
    Node,
    Phase,
    Ramp,
    Ref,
    Train,
    Via,
    Where,
)
from graphkd.errors import did_you_mean


class Mistake(ValueError):
    """What is wrong with one value; the reader of it adds its name and place.

    Attributes:
        said: text behind the name: `is 'x', not a number`.
        key: whether the key is at fault, not its value.
    """

    def __init__(self, said: str, *, key: bool = False) -> None:
        super().__init__(said)
        self.said = said
        self.key = key


class Mistakes(ValueError):
    """Several mistakes at paths below one value."""

    def __init__(self, found: list[tuple[Where, Mistake]]) -> None:
        super().__init__(f"{len(found)} mistakes")
        self.found = found


def structure(value: Any, cls: Any) -> tuple[Any, list[tuple[Where, Mistake]]]:
    """Turn plain data into an object.

    Args:
        value: what was read.
        cls: the type it should have.

    Returns:
        The object and no mistakes, or None and all mistakes with their paths.
    """
    try:
        return _converter.structure(value, cls), []
    except (Mistake, Mistakes, BaseValidationError) as error:
        return None, list(_flatten(error, ()))


def _flatten(error: BaseException, path: Where) -> typing.Iterator[tuple[Where, Mistake]]:
    for note in getattr(error, "__notes__", ()):
        if isinstance(note, IterableValidationNote):
            path = (*path, note.index)
        elif isinstance(note, AttributeValidationNote):
            path = (*path, note.name)
    if isinstance(error, Mistakes):
        for where, mistake in error.found:
            yield (*path, *where), mistake
    elif isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _flatten(each, path)
    elif isinstance(error, Mistake):
        yield path, error
    else:
        yield path, Mistake(f"is not right: {error}")


def shown(value: Any) -> str:
    """Write a value as a message quotes it, cut when long."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "empty"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…'"


def _scalar(accepts: tuple[type, ...], what: str) -> Callable[[Any, Any], Any]:
    def hook(value: Any, cls: Any) -> Any:
        if isinstance(value, bool) and bool not in accepts or not isinstance(value, accepts):
            raise Mistake(f"is {shown(value)}, not {what}")
        return cls(value) if cls is float else value

    return hook


def _literal(value: Any, cls: Any) -> Any:
    choices = typing.get_args(cls)
    for choice in choices:
        if type(choice) is type(value) and choice == value:
            return choice
    hint = did_you_mean(value, map(str, choices)) if isinstance(value, str) else ""
    options = ", ".join(map(str, choices))
    raise Mistake(f"is {shown(value)}, not one of {options}" + (hint if "mean" in hint else ""))


def _ref(value: Any, _: Any) -> Ref:
    if not isinstance(value, str) or not value.strip():
        raise Mistake(f"is {shown(value)}, not a tap; write node.tap, like teacher.logits")
    return Ref.parse(value)


def _list_of(item: Any) -> Callable[[Any, Any], Any]:
    def hook(value: Any, _: Any) -> tuple[Any, ...]:
        values = [value] if not isinstance(value, (list, tuple)) and value is not None else value
        if values is None:
            return ()
        found: list[tuple[Where, Mistake]] = []
        done = []
        single = values is not value
        for index, each in enumerate(values):
            made, mistakes = structure(each, item)
            where: Where = () if single else (index,)
            found += [((*where, *path), mistake) for path, mistake in mistakes]
            done.append(made)
        if found:
            raise Mistakes(found)
        return tuple(done)

    return hook


def _tuple_factory(cls: Any) -> Callable[[Any, Any], Any]:
    items = typing.get_args(cls)
    if len(items) == 2 and items[1] is Ellipsis:
        return _list_of(items[0])

    def fixed(value: Any, _: Any) -> tuple[Any, ...]:
        if not isinstance(value, (list, tuple)) or len(value) != len(items):
            raise Mistake(f"is {shown(value)}, not a list of {len(items)}")
        done = [structure(each, item) for each, item in zip(value, items, strict=True)]
        found = [((i, *path), m) for i, (_, each) in enumerate(done) for path, m in each]
        if found:
            raise Mistakes(found)
        return tuple(made for made, _ in done)

    return fixed


def _mapping_factory(cls: Any) -> Callable[[Any, Any], Any]:
    _, item = typing.get_args(cls)

    def hook(value: Any, _: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise Mistake(f"is {shown(value)}, not a mapping")
        done = {key: structure(each, item) for key, each in value.items()}
        found = [((key, *path), m) for key, (_, each) in done.items() for path, m in each]
        if found:
            raise Mistakes(found)
        return {key: made for key, (made, _) in done.items()}

    return hook


def _union_factory(cls: Any) -> Callable[[Any, Any], Any]:
    members = typing.get_args(cls)
    classes = [each for each in members if attrs.has(each)]
    plain = [each for each in members if each is not type(None) and each not in classes]

    def hook(value: Any, _: Any) -> Any:
        if value is None and type(None) in members:
            return None
        if isinstance(value, Mapping) and classes:
            return _converter.structure(value, classes[0])
        mistakes = []
        for each in plain:
            made, found = structure(value, each)
            if not found:
                return made
            mistakes.append(found)
        raise Mistakes(mistakes[0])

    return hook


def _attrs_factory(cls: type) -> Callable[[Any, Any], Any]:
    def hook(value: Any, _: Any) -> Any:
        field = component_field(cls)
        if field is not None and isinstance(value, str):
            value = {field.metadata["key"]: value}
        if not isinstance(value, Mapping):
            raise Mistake(f"is {shown(value)}, not a mapping")
        found: list[tuple[Where, Mistake]] = []
        fields = structure_fields(cls, value, found)
        if found:
            raise Mistakes(found)
        return cls(**fields)

    return hook


def structure_fields(
    cls: type, value: Mapping[str, Any], found: list[tuple[Where, Mistake]], *, partly: bool = False
) -> dict[str, Any]:
    """Turn a mapping into the constructor arguments of an attrs class.

    Args:
        cls: the class.
        value: the mapping, with the keys that a blueprint writes.
        found: mistakes are added here.
        partly: whether required fields may be missing.

    Returns:
        The arguments that are right, by field name.
    """
    done: dict[str, Any] = {}
    keys = dict(keys_of(cls))
    own = component_field(cls)
    inner: type | None = None
    if own is not None:
        key = own.metadata["key"]
        keys.pop(key)
        if key in value or not partly:
            inner = _component_class(own, key, value, found)
    inner_keys = keys_of(inner) if inner else {}
    unsure = own is not None and inner is None and not partly
    known = [*keys, *inner_keys, *([own.metadata["key"]] if own else [])]
    for each in value:
        if each not in known and not unsure:
            hint = did_you_mean(each, known)
            found.append(((each,), Mistake(f"unknown key '{each}'{hint}", key=True)))
    if inner and own:
        parameters = {k: v for k, v in value.items() if k in inner_keys and k not in keys}
        before = len(found)
        arguments = structure_fields(inner, parameters, found)
        if len(found) == before:
            done[own.name] = _construct(inner, arguments, found)
    for key, field in keys.items():
        if key in value:
            _structure_field(cls, key, field, value[key], done, found)
        elif field.default is attrs.NOTHING and not partly:
            found.append(((), Mistake(f"'{key}' is missing")))
    return done


def _component_class(
    field: attrs.Attribute[Any],
    key: str,
    value: Mapping[str, Any],
    found: list[tuple[Where, Mistake]],
) -> type | None:
    if key not in value:
        found.append(((), Mistake(f"'{key}' is missing")))
        return None
    if not isinstance(value[key], str):
        found.append(((key,), Mistake(f"is {shown(value[key])}, not a name")))
        return None
    try:
        return find_component(field.metadata["kinds"], value[key])
    except KeyError as error:
        found.append(((key,), Mistake(str(error.args[0]), key=True)))
        return None


def _construct(
    cls: type, arguments: dict[str, Any], found: list[tuple[Where, Mistake]]
) -> Any | None:
    try:
        return cls(**arguments)
    except ValueError as error:
        found.append(((), Mistake(str(error), key=True)))
        return None


def _structure_field(
    cls: type,
    key: str,
    field: attrs.Attribute[Any],
    value: Any,
    done: dict[str, Any],
    found: list[tuple[Where, Mistake]],
) -> None:
    made, mistakes = structure(value, type_of(cls, field.name))
    found += [((key, *path), mistake) for path, mistake in mistakes]
    if mistakes:
        return
    said = broken_rule(field, made)
    if said:
        found.append(((key,), Mistake(said)))
    else:
        done[field.name] = made


_WORDS = {">": "above", ">=": "at least", "<": "below", "<=": "at most"}


def broken_rule(field: attrs.Attribute[Any], value: Any) -> str:
    """Say how a value breaks its field's validator; empty when it does not."""
    if field.validator is None:
        return ""
    try:
        field.validator(None, field, value)
    except (ValueError, TypeError) as error:
        rule = _rule(field.validator, value)
        default = default_of(field)
        try_this = "" if default is attrs.NOTHING or default is None else f"; try {default}"
        if rule:
            return f"is {shown(value)}, not {rule}{try_this}"
        return f"is {shown(value)}: {error.args[0] if error.args else error}"
    return ""


def _rule(validator: Any, value: Any) -> str:
    inner = getattr(validator, "validator", None)
    if inner is not None and not hasattr(validator, "bound"):
        return _rule(inner, value)
    if hasattr(validator, "_validators"):
        for each in validator._validators:
            try:
                each(None, _NAMELESS, value)
            except (ValueError, TypeError):
                return _rule(each, value)
    if hasattr(validator, "compare_op"):
        return f"{_WORDS.get(validator.compare_op, validator.compare_op)} {validator.bound:g}"
    if hasattr(validator, "options"):
        return "one of " + ", ".join(map(str, validator.options))
    return ""


@attrs.frozen
class _Nameless:
    name: str = "value"


_NAMELESS = _Nameless()


def _phase(value: Any, _: Any) -> Phase:
    if not isinstance(value, Mapping):
        raise Mistake(f"is {shown(value)}, not a mapping")
    found: list[tuple[Where, Mistake]] = []
    own = {k: v for k, v in value.items() if k in ("name", "train", "fit")}
    recipe_keys = [key for key in keys_of(Train) if key not in RUN_WIDE]
    recipe = {k: v for k, v in value.items() if k in recipe_keys}
    for key in value:
        if key not in own and key not in recipe and key != "data":
            known = ["name", "train", "fit", "data", *recipe_keys]
            hint = did_you_mean(key, known)
            if key in RUN_WIDE:
                hint = "; it holds for the whole run: write it under train"
            found.append(((key,), Mistake(f"unknown key '{key}'{hint}", key=True)))
    fields = structure_fields(Phase, own, found)
    changes = structure_fields(Train, recipe, found, partly=True)
    data: dict[str, Any] = {}
    if "data" in value:
        data = _data_changes(value["data"], found)
    if found:
        raise Mistakes(found)
    return Phase(**fields, recipe=changes, data=data)


def _data_changes(value: Any, found: list[tuple[Where, Mistake]]) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        found.append((("data",), Mistake(f"is {shown(value)}, not a mapping")))
        return {}
    below: list[tuple[Where, Mistake]] = []
    allowed = dict(value)
    if "dataset" in allowed:
        below.append((("dataset",), Mistake("a phase cannot change the data set", key=True)))
        del allowed["dataset"]
    changes = structure_fields(Data, allowed, below, partly=True)
    found += [(("data", *path), mistake) for path, mistake in below]
    return changes


def _make_converter() -> cattrs.Converter:
    converter = cattrs.Converter(forbid_extra_keys=True, detailed_validation=True)
    converter.register_structure_hook(int, _scalar((int,), "a whole number"))
    converter.register_structure_hook(float, _scalar((int, float), "a number"))
    converter.register_structure_hook(bool, _scalar((bool,), "true or false"))
    converter.register_structure_hook(str, _scalar((str,), "a text"))
    converter.register_structure_hook_func(
        lambda cls: typing.get_origin(cls) is Literal, _literal
    )
    converter.register_structure_hook_factory(
        lambda cls: typing.get_origin(cls) is tuple, _tuple_factory
    )
    converter.register_structure_hook_factory(
        lambda cls: typing.get_origin(cls) is list, lambda cls: _list_of(typing.get_args(cls)[0])
    )
    converter.register_structure_hook_factory(
        lambda cls: typing.get_origin(cls) in (dict, Mapping), _mapping_factory
    )
    converter.register_structure_hook_factory(
        lambda cls: typing.get_origin(cls) in (typing.Union, types.UnionType), _union_factory
    )
    for cls in (Augment, Data, Flow, Node, Ramp, Train, Via):
        converter.register_structure_hook(cls, _attrs_factory(cls))
    converter.register_structure_hook(Phase, _phase)
    converter.register_structure_hook(Ref, _ref)
    return converter


_converter = _make_converter()
