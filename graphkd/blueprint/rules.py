"""Say in words how a value breaks an attrs validator."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs

from graphkd.blueprint.fields import default_of
from graphkd.blueprint.located import Where
from graphkd.errors import shown


def broken_rules(field: attrs.Attribute[Any], value: Any) -> Iterator[tuple[Where, str]]:
    """Compare a value with its field's validator.

    Args:
        field: the field of an attrs class.
        value: a value of the right type.

    Yields:
        The way to each part that is wrong, and `is -4, not above 0; try 4`.
    """
    for where, part, error, rule in _failures(field.validator, field, value, ()):
        said = f", not {rule}" if rule else f": {error.args[0] if error.args else error}"
        yield where, f"is {shown(part)}{said}{_hint(field, where)}"


def _hint(field: attrs.Attribute[Any], where: Where) -> str:
    default = default_of(field)
    for part in where:
        if not isinstance(default, tuple) or not isinstance(part, int) or part >= len(default):
            return ""
        default = default[part]
    plain = isinstance(default, (int, float, str, tuple)) and default not in ("", ())
    return f"; try {shown(default).strip(chr(39))}" if plain else ""


def _failures(
    validator: Any, field: attrs.Attribute[Any], value: Any, where: Where
) -> Iterator[tuple[Where, Any, Exception, str]]:
    """Go down to the parts of a validator that fail, each with its part of the value."""
    inner = _inner(validator, value)
    if inner is None:
        error = _error(validator, field, value)
        if error is not None:
            yield where, value, error, _words(validator)
        return
    for each, part, step in inner:
        found = list(_failures(each, field, part, (*where, *step)))
        yield from found
        if found and not step:
            return


def _inner(validator: Any, value: Any) -> list[tuple[Any, Any, Where]] | None:
    """Return what a validator is made of, each with the value it looks at and the way there."""
    name = type(validator).__name__
    if name == "_AndValidator":
        return [(each, value, ()) for each in validator._validators]
    if name == "_OptionalValidator":
        return [] if value is None else [(validator.validator, value, ())]
    if name == "_DeepIterable":
        whole = [(validator.iterable_validator, value, ())]
        return [*whole, *((validator.member_validator, each, (i,)) for i, each in enumerate(value))]
    if name == "_DeepMapping":
        parts = [(validator.value_validator, each, (key,)) for key, each in value.items()]
        return [(validator.mapping_validator, value, ()), *parts]
    return None


def _error(validator: Any, field: attrs.Attribute[Any], value: Any) -> Exception | None:
    if validator is None:
        return None
    try:
        validator(None, field, value)
    except (ValueError, TypeError) as error:
        return error
    except AttributeError:
        # it looks at the other fields, which are not there yet: the constructor will ask it again
        return None
    return None


_COMPARED = {">": "above", ">=": "at least", "<": "below", "<=": "at most"}


def _words(validator: Any) -> str:
    """Say what attrs' own validators ask for; empty for others, which have their own words."""
    match type(validator).__name__:
        case "_NumberValidator":
            return f"{_COMPARED[validator.compare_op]} {shown(validator.bound)}"
        case "_InValidator":
            return "one of " + ", ".join(map(str, validator.options))
        case "_MinLengthValidator":
            return f"of length {validator.min_length} or more"
        case "_MaxLengthValidator":
            return f"of length {validator.max_length} or less"
    return ""
