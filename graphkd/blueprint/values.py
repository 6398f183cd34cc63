"""Plain data to Python values, strictly: what cattrs must be told so that it guesses nothing."""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

import attrs
import cattrs
from cattrs.errors import AttributeValidationNote, BaseValidationError, IterableValidationNote

from graphkd.blueprint.located import Where
from graphkd.blueprint.mistakes import Mistake, Mistakes, wrong
from graphkd.blueprint.refs import Ref
from graphkd.errors import nearest, shown

Hook = Callable[[Any, Any], Any]

converter = cattrs.Converter(forbid_extra_keys=True)


def structure(value: Any, cls: Any) -> tuple[Any, list[tuple[Where, Mistake]]]:
    """Turn plain data into a value of a type.

    Args:
        value: what was read.
        cls: the type it should have.

    Returns:
        The value and no mistakes, or None and all mistakes with the ways to them.
    """
    try:
        return converter.structure(value, cls), []
    except (ValueError, TypeError, BaseValidationError) as error:
        return None, list(_flatten(error, value, ()))


def _flatten(error: BaseException, value: Any, path: Where) -> Iterator[tuple[Where, Mistake]]:
    """Collect our own mistakes, and those that cattrs finds in types it has hooks for itself."""
    for note in getattr(error, "__notes__", ()):
        if isinstance(note, IterableValidationNote):
            path = (*path, note.index)
        elif isinstance(note, AttributeValidationNote):
            path = (*path, note.name)
    if isinstance(error, Mistakes):
        yield from (((*path, *where), found) for where, found in error.found)
    elif isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _flatten(each, value, path)
    else:
        yield path, Mistake(f"is {shown(value)}: {error}")


def all_right(done: Mapping[Any, tuple[Any, list[tuple[Where, Mistake]]]]) -> dict[Any, Any]:
    """Return the structured parts by their step.

    Raises:
        Mistakes: some are wrong; those of all parts.
    """
    found = [((step, *way), each) for step, (_, all_) in done.items() for way, each in all_]
    if found:
        raise Mistakes(found)
    return {step: made for step, (made, _) in done.items()}


def _integer(value: Any, _: Any) -> int:
    # 1e3 is a whole number too, as in JSON Schema
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise wrong(f"is {shown(value)}, not a whole number")
    return value


def _number(value: Any, _: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise wrong(f"is {shown(value)}, not a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise wrong(f"is {shown(value)}, not a finite number")
    return number


def _boolean(value: Any, _: Any) -> bool:
    if not isinstance(value, bool):
        raise wrong(f"is {shown(value)}, not true or false")
    return value


def _text(value: Any, _: Any) -> str:
    if isinstance(value, str):
        return value
    hint = "; put it in quotes" if isinstance(value, (bool, int, float)) else ""
    raise wrong(f"is {shown(value)}, not a text{hint}")


def _ref(value: Any, _: Any) -> Ref:
    if isinstance(value, str) and all(value.split(".")) and value == "".join(value.split()):
        return Ref.parse(value)
    raise wrong(f"is {shown(value)}, not a tap; write node.tap, like teacher.logits")


def _literal(value: Any, cls: Any) -> Any:
    choices = typing.get_args(cls)
    for choice in choices:
        if type(choice) is type(value) and choice == value:
            return choice
    near = nearest(value, map(str, choices)) if isinstance(value, str) else ""
    hint = f"; did you mean '{near}'?" if near else ""
    raise wrong(f"is {shown(value)}, not one of {', '.join(map(str, choices))}{hint}")


def _sequence_hook(cls: Any) -> Hook:
    """Lists and tuples of any length: one item may stand alone, and empty is none."""
    item, make = typing.get_args(cls)[0], list if typing.get_origin(cls) is list else tuple

    def hook(value: Any, _: Any) -> Any:
        if value is None:
            return make()
        if not isinstance(value, (list, tuple)):
            made, found = structure(value, item)
            if found:
                raise Mistakes(found)
            return make([made])
        return make(all_right({i: structure(each, item) for i, each in enumerate(value)}).values())

    return hook


def _tuple_hook(cls: Any) -> Hook:
    items = typing.get_args(cls)

    def hook(value: Any, _: Any) -> tuple[Any, ...]:
        if not isinstance(value, (list, tuple)) or len(value) != len(items):
            raise wrong(f"is {shown(value)}, not a list of {len(items)}")
        pairs = enumerate(zip(value, items, strict=True))
        return tuple(all_right({i: structure(each, item) for i, (each, item) in pairs}).values())

    return hook


def _mapping_hook(cls: Any) -> Hook:
    _, item = typing.get_args(cls)

    def hook(value: Any, _: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise wrong(f"is {shown(value)}, not a mapping")
        return all_right({key: structure(each, item) for key, each in value.items()})

    return hook


def _union_hook(cls: Any) -> Hook:
    """A mapping is the attrs class among the members, anything else the first that takes it."""
    members = typing.get_args(cls)
    classes = [each for each in members if attrs.has(each)]
    plain = [each for each in members if each is not types.NoneType and each not in classes]

    def hook(value: Any, _: Any) -> Any:
        if value is None and types.NoneType in members:
            return None
        found: list[list[tuple[Where, Mistake]]] = []
        for each in classes if classes and isinstance(value, Mapping) else plain:
            made, mistakes = structure(value, each)
            if not mistakes:
                return made
            found.append(mistakes)
        raise Mistakes(found[0])

    return hook


def _origin(cls: Any) -> Any:
    return typing.get_origin(cls)


def _is_fixed_tuple(cls: Any) -> bool:
    return _origin(cls) is tuple and typing.get_args(cls)[-1:] != (Ellipsis,)


def _register() -> None:
    scalars = ((int, _integer), (float, _number), (bool, _boolean), (str, _text), (Ref, _ref))
    for cls, hook in scalars:
        converter.register_structure_hook(cls, hook)
    factories: tuple[tuple[Callable[[Any], bool], Callable[[Any], Hook]], ...] = (
        (lambda cls: _origin(cls) in (list, tuple, Sequence), _sequence_hook),
        (_is_fixed_tuple, _tuple_hook),
        (lambda cls: _origin(cls) in (dict, Mapping), _mapping_hook),
        (lambda cls: _origin(cls) in (typing.Union, types.UnionType), _union_hook),
    )
    # cattrs asks the last first
    for predicate, factory in factories:
        converter.register_structure_hook_factory(predicate, factory)
    converter.register_structure_hook_func(lambda cls: _origin(cls) is Literal, _literal)


_register()
