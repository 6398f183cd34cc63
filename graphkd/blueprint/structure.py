"""Mappings to the classes of a blueprint; a component's parameters stand beside its name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import attrs

from graphkd.blueprint.fields import (
    bare_key,
    component_field,
    find_component,
    keys_of,
    required_keys,
    type_of,
)
from graphkd.blueprint.located import Where
from graphkd.blueprint.mistakes import Mistake, Mistakes, wrong
from graphkd.blueprint.parts import Data
from graphkd.blueprint.recipe import DATA_CHANGES, RECIPE_CHANGES, RUN_WIDE, Phase, Train
from graphkd.blueprint.refs import Ref
from graphkd.blueprint.rules import broken_rules
from graphkd.blueprint.values import converter, structure
from graphkd.errors import ComponentError, did_you_mean, shown

Found = list[tuple[Where, Mistake]]


def structure_fields(
    cls: type, value: Mapping[str, Any], found: Found, *, only: Iterable[str] | None = None
) -> dict[str, Any]:
    """Turn a mapping into the constructor arguments of an attrs class.

    Args:
        cls: the class.
        value: the mapping, with the keys that a blueprint writes.
        found: mistakes are added here.
        only: the keys that may be there, none of which must be; by default all keys of the class,
            and those without a default must be there.

    Returns:
        The arguments that are right, by field name.
    """
    keys = keys_of(cls) if only is None else {key: keys_of(cls)[key] for key in only}
    own = component_field(cls) if only is None else None
    inner, known = _component_class(cls, own, value, found) if own else (None, True)
    parameters = keys_of(inner) if inner else {}
    if known:
        _refuse_unknown(value, [*keys, *parameters], found)
    done: dict[str, Any] = {}
    for key, field in keys.items():
        if field is own:
            continue
        if key in value:
            _structure_field(cls, field, value[key], key, done, found)
        elif only is None and key in required_keys(cls):
            found.append(((), Mistake(f"'{key}' is missing", sentence=True)))
    if own is not None and inner is not None:
        beside = {k: v for k, v in value.items() if k in parameters and k not in keys}
        done[own.name] = _construct(inner, beside, found)
    return done


def _refuse_unknown(value: Mapping[str, Any], known: list[str], found: Found) -> None:
    for key in value:
        if key not in known:
            text = f"unknown key {shown(key)}{did_you_mean(key, known)}"
            found.append(((key,), Mistake(text, sentence=True, key=True)))


def _structure_field(
    cls: type,
    field: attrs.Attribute[Any],
    value: Any,
    key: str,
    done: dict[str, Any],
    found: Found,
) -> None:
    made, mistakes = structure(value, type_of(cls, field.name))
    if not mistakes:
        mistakes = [(way, Mistake(said)) for way, said in broken_rules(field, made)]
    found += [((key, *way), each) for way, each in mistakes]
    if not mistakes:
        done[field.name] = made


def _component_class(
    owner: type, field: attrs.Attribute[Any], value: Mapping[str, Any], found: Found
) -> tuple[type | None, bool]:
    """Return the class that is named, and whether its parameters are known."""
    key, kinds = field.metadata["key"], field.metadata["kinds"]
    name = value.get(key)
    if key not in value:
        found.append(((), Mistake(f"'{key}' is missing", sentence=True)))
    elif not isinstance(name, str):
        found.append(((key,), Mistake(f"is {shown(name)}, not a name")))
    else:
        try:
            cls = find_component(kinds, name)
        except KeyError as error:
            found.append(((key,), Mistake(str(error.args[0]), sentence=True)))
            return None, False
        for clash in sorted(keys_of(owner).keys() & keys_of(cls).keys()):
            text = f"{name} has a parameter '{clash}', which is a key beside it; rename it in"
            found.append(((key,), Mistake(f"{text} {cls.__module__}", sentence=True)))
        return cls, True
    return None, False


def _construct(cls: type, value: Mapping[str, Any], found: Found) -> Any | None:
    """Make a component from its parameters, or None and say what is wrong with them."""
    mistakes: Found = []
    arguments = structure_fields(cls, value, mistakes)
    if not mistakes:
        try:
            return cls(**arguments)
        except ComponentError as error:
            # a rule about several parameters together
            way: Where = (error.field,) if error.field in value else ()
            mistakes.append((way, Mistake(str(error), sentence=True)))
        except ValueError as error:
            mistakes.append(((), Mistake(str(error), sentence=True)))
    found += mistakes
    return None


def _attrs_hook(cls: type) -> Callable[[Any, Any], Any]:
    bare = bare_key(cls)

    def hook(value: Any, _: Any) -> Any:
        content = {bare: value} if bare is not None and isinstance(value, str) else value
        if not isinstance(content, Mapping):
            raise wrong(f"is {shown(value)}, not a mapping")
        found: Found = []
        fields = structure_fields(cls, content, found)
        if found:
            raise Mistakes(found)
        return cls(**fields)

    return hook


def _phase(value: Any, _: Any) -> Phase:
    """A phase's changes of the recipe stand beside its own keys."""
    if not isinstance(value, Mapping):
        raise wrong(f"is {shown(value)}, not a mapping")
    found: Found = []
    own = ("name", "train", "fit")
    for key in value:
        if key in (*own, "data", *RECIPE_CHANGES):
            continue
        hint = did_you_mean(key, [*own, "data", *RECIPE_CHANGES])
        if key in RUN_WIDE:
            hint = " in a phase; it holds for the whole run: write it under train"
        found.append(((key,), Mistake(f"unknown key {shown(key)}{hint}", sentence=True, key=True)))
    changes = {key: each for key, each in value.items() if key in RECIPE_CHANGES and key not in own}
    fields = structure_fields(Phase, {k: v for k, v in value.items() if k in own}, found)
    recipe = structure_fields(Train, changes, found, only=RECIPE_CHANGES)
    data = _data_changes(value.get("data"), found)
    if found:
        raise Mistakes(found)
    return Phase(**fields, recipe=recipe, data=data)


def _data_changes(value: Any, found: Found) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        found.append((("data",), Mistake(f"is {shown(value)}, not a mapping")))
        return {}
    below: Found = []
    if "dataset" in value:
        text = "a phase cannot change the data set"
        below.append((("dataset",), Mistake(text, sentence=True, key=True)))
    rest = {key: each for key, each in value.items() if key != "dataset"}
    changes = structure_fields(Data, rest, below, only=DATA_CHANGES)
    found += [(("data", *way), each) for way, each in below]
    return changes


converter.register_structure_hook_factory(
    lambda cls: isinstance(cls, type) and attrs.has(cls) and cls not in (Ref, Phase), _attrs_hook
)
converter.register_structure_hook(Phase, _phase)
