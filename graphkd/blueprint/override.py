"""Change single values of a blueprint by `dotted.path=value` words."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from graphkd.blueprint.fields import keys_of
from graphkd.blueprint.located import Located, Where
from graphkd.blueprint.merge import put, spelt_out
from graphkd.blueprint.model import Blueprint
from graphkd.blueprint.read import read_value
from graphkd.errors import BlueprintError, Place, Problem, did_you_mean, mistake, shown


def override(located: Located, words: Iterable[str]) -> Located:
    """Apply `dotted.path=value` words, one after the other.

    The first part is a section (`train.lr`), or a node's name (`student.model`). Flows are found by
    number, from 1, or by name; phases by name or number. The value is YAML, and it is merged as a
    file over one that it extends.

    Raises:
        BlueprintError: a word leads nowhere; all such words at once.
    """
    problems: list[Problem] = []
    for word in words:
        try:
            located = _override_one(located, word)
        except BlueprintError as error:
            problems += error.problems
    if problems:
        raise BlueprintError(problems)
    return located


def _override_one(located: Located, word: str) -> Located:
    place = Place(word)
    dotted, equals, text = word.partition("=")
    parts = dotted.strip().split(".")
    if not equals or not all(parts):
        raise mistake("is no override; write path=value, like train.lr=3e-4", place)
    path = _resolve(located, parts, place)
    return put(located, path, attrs.evolve(read_value(text, place), key=place))


def _resolve(located: Located, parts: list[str], place: Place) -> Where:
    """Turn the dotted words into a way through the data."""
    sections = keys_of(Blueprint)
    nodes = _content(located).get("nodes")
    names = _content(nodes) if nodes else {}
    if parts[0] not in sections:
        if parts[0] not in names:
            hint = did_you_mean(parts[0], [*names, *sections])
            raise mistake(f"no node or section {shown(parts[0])}{hint}", place)
        parts = ["nodes", *parts]
    if parts[0] == "nodes" and len(parts) > 1 and parts[1] not in names:
        raise mistake(f"no node {shown(parts[1])}{did_you_mean(parts[1], names)}", place)
    return _numbered(located, parts, place)


def _content(located: Located) -> dict[str, Located]:
    return located.content if isinstance(located.content, dict) else {}


def _numbered(located: Located, parts: list[str], place: Place) -> Where:
    """Replace the words that pick an item of a list by its number, from 0."""
    path: Where = ()
    here: Located | None = located
    above = ""
    for part in parts:
        value = spelt_out(here, path).content if here else None
        if isinstance(value, list):
            index = _index(value, above, part, place)
            path, here = (*path, index), value[index]
        elif isinstance(value, dict) or value is None:
            path, here = (*path, part), (value or {}).get(part)
        else:
            raise mistake(f"{shown(above)} is {shown(value)}, which has no {shown(part)}", place)
        above = part
    return path


def _index(items: list[Located], section: str, part: str, place: Place) -> int:
    names = [_name(each) for each in items]
    if part in names:
        return names.index(part)
    if part in map(str, range(1, len(items) + 1)):
        return int(part) - 1
    what = section.removesuffix("s") if section in ("flows", "phases") else f"item of {section}"
    known = [*filter(None, names), f"1 to {len(items)}" if len(items) > 1 else "1"]
    hint = did_you_mean(part, known) if items else " (there are none)"
    raise mistake(f"no {what} {shown(part)}{hint}", place)


def _name(item: Located) -> str:
    name = _content(item).get("name")
    return str(name.content) if name else ""
