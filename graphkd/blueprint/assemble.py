"""Located data to a blueprint, or all that is wrong with it at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from graphkd.blueprint.fields import required_keys
from graphkd.blueprint.located import KEY, Located, Where
from graphkd.blueprint.mistakes import Mistake
from graphkd.blueprint.model import Blueprint, wrong_node_name
from graphkd.blueprint.structure import Found, structure_fields
from graphkd.errors import BlueprintError, Place, Problem, mistake


def assemble(located: Located, *, source: str, folder: Path) -> Blueprint:
    """Turn plain data into a blueprint.

    Args:
        located: the data of a whole file, with what it extends and the overrides.
        source: what the head line of the error names.
        folder: where relative paths start.

    Raises:
        BlueprintError: with every mistake.
    """
    value, places = located.value, located.places()
    if not isinstance(value, dict):
        raise mistake("a blueprint is a mapping; write 'blueprint: NAME' first", places[()])
    required = required_keys(Blueprint)
    # a section that is left empty is as good as none
    written = {key: each for key, each in value.items() if each is not None or key in required}
    found: Found = []
    fields = structure_fields(Blueprint, written, found)
    found += _clashes(written)
    wrong_yaml = {each.place for each in located.problems}
    problems = [_problem(value, places, way, each) for way, each in found]
    # what could not be read is empty, which is then wrong too
    problems = [each for each in problems if each.place not in wrong_yaml]
    if located.problems or problems:
        raise BlueprintError([*located.problems, *problems], source=source)
    return Blueprint(**fields, folder=folder, places=places)


def _problem(value: Any, places: Mapping[Where, Place], path: Where, found: Mistake) -> Problem:
    where = path
    while where not in places:
        where = where[:-1]
    place = places.get((*where, KEY), places[where]) if found.key else places[where]
    context, rest = _context(value, path)
    if found.sentence:
        return Problem(f"{context}: {found.said}" if context else found.said, place)
    names = [context, _leaf(rest)]
    return Problem(f"{': '.join(name for name in names if name)} {found.said}", place)


def _context(value: Any, path: Where) -> tuple[str, Where]:
    """Name the section, node, flow or phase that a path lies in; the rest of the path."""
    match path:
        case ("nodes", str(name), *rest):
            return f"node '{name}'", tuple(rest)
        case ("flows", int(index), *rest):
            return f"flow {index + 1}", tuple(rest)
        case ("phases", int(index), *rest):
            each = value["phases"][index]
            phase = each.get("name") if isinstance(each, Mapping) else None
            text = f"phase '{phase}'" if isinstance(phase, str) else f"phase {index + 1}"
            return text, tuple(rest)
        case (("data" | "train") as section, *rest):
            return str(section), tuple(rest)
    return "", path


def _leaf(path: Where) -> str:
    """Name a value by its key, an item of a list also by its number, from 1."""
    name = ""
    for part in path:
        name = f"{name} {part + 1}" if isinstance(part, int) else part
    return name


def _clashes(value: Mapping[str, Any]) -> Iterator[tuple[Where, Mistake]]:
    """Names must be possible, and mean one thing each."""
    nodes = value.get("nodes")
    for name in nodes if isinstance(nodes, Mapping) else ():
        wrong = wrong_node_name(name)
        if wrong:
            yield ("nodes", name), Mistake(wrong, sentence=True, key=True)
    for section in ("flows", "phases"):
        items = value.get(section)
        seen: set[str] = set()
        for index, each in enumerate(items if isinstance(items, list) else ()):
            name = each.get("name") if isinstance(each, Mapping) else None
            if isinstance(name, str) and name in seen:
                text = f"the name is taken by a {section.removesuffix('s')} before"
                yield (section, index, "name"), Mistake(text, sentence=True)
            elif isinstance(name, str):
                seen.add(name)
