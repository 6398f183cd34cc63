"""Load a blueprint: read, extend, override, structure; all mistakes at once."""

from __future__ import annotations

import importlib.resources
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import attrs

from graphkd.blueprint.fields import keys_of, type_of
from graphkd.blueprint.merge import extend, override
from graphkd.blueprint.model import KEY, Blueprint, Where, flow_name
from graphkd.blueprint.read import Located, read_file, read_text
from graphkd.blueprint.structure import Mistake, structure
from graphkd.errors import BlueprintError, Place, Problem, did_you_mean, mistake

_DEEPEST_EXTENDS = 20


def load(path: str | Path, overrides: Iterable[str] = ()) -> Blueprint:
    """Load a blueprint file.

    Args:
        path: a file, or the name of a shipped blueprint (`hinton`).
        overrides: `dotted.path=value` words, as on the command line.

    Returns:
        The blueprint; names of nodes and taps in it are checked by the compiler, not here.

    Raises:
        BlueprintError: with every mistake in the file, what it extends, and the overrides.
    """
    file = find_file(path)
    located = _read_extended(file, ())
    return structure_blueprint(override(located, overrides), source=str(file), folder=file.parent)


def loads(text: str, *, name: str = "blueprint", folder: Path | None = None) -> Blueprint:
    """Load a blueprint from its text.

    Args:
        text: YAML 1.2.
        name: how places call it.
        folder: where relative paths start; the current folder by default.

    Raises:
        BlueprintError: with every mistake.
    """
    return structure_blueprint(read_text(text, name), source=name, folder=folder or Path())


def shipped() -> dict[str, Path]:
    """Return the blueprint files that come with graphkd, by name."""
    folder = Path(str(importlib.resources.files("graphkd"))) / "blueprints"
    return {file.stem: file for file in sorted(folder.glob("*.yaml"))}


def find_file(path: str | Path) -> Path:
    """Return the file of that path, or else the shipped blueprint of that name.

    Raises:
        BlueprintError: there is neither.
    """
    file = Path(path)
    if file.exists():
        return file
    known = shipped()
    if str(path) in known:
        return known[str(path)]
    hint = did_you_mean(str(path), known) if "/" not in str(path) else ""
    raise mistake(f"{path}: no such file{hint if 'mean' in hint else ''}")


def _read_extended(file: Path, seen: tuple[Path, ...]) -> Located:
    located = read_file(file)
    if not isinstance(located.value, dict):
        raise mistake("a blueprint is a mapping; write 'blueprint: NAME' first", Place(str(file)))
    if "extends" not in located.value:
        return located
    other = located.value["extends"]
    place = located.places[("extends",)]
    if not isinstance(other, str):
        raise mistake("'extends' is not the path of a blueprint file", place)
    base = file.parent / other
    if not base.exists():
        try:
            base = find_file(other)
        except BlueprintError as error:
            raise mistake(f"'extends': {error.problems[0].message}", place) from error
    if base.resolve() in seen or base.resolve() == file.resolve():
        raise mistake(f"'extends' comes back to {base}", place)
    if len(seen) >= _DEEPEST_EXTENDS:
        raise mistake("'extends' goes too deep", place)
    return extend(_read_extended(base, (*seen, file.resolve())), located)


def structure_blueprint(located: Located, *, source: str, folder: Path) -> Blueprint:
    """Turn plain data into a blueprint.

    Raises:
        BlueprintError: with every mistake.
    """
    value, places = located.value, located.places
    if not isinstance(value, dict):
        raise mistake("a blueprint is a mapping; write 'blueprint: NAME' first", places.get(()))
    problems: list[Problem] = []
    done: dict[str, Any] = {}
    keys = keys_of(Blueprint)
    for key in value:
        if key not in keys:
            hint = did_you_mean(key, keys)
            problems.append(Problem(f"unknown key '{key}'{hint}", places.get((key, KEY))))
    for key, field in keys.items():
        if key in value and (value[key] is not None or field.default is attrs.NOTHING):
            made, mistakes = structure(value[key], type_of(Blueprint, field.name))
            problems += [_problem(value, places, (key, *path), m) for path, m in mistakes]
            done[field.name] = made if not isinstance(made, tuple) or key == "deliver" else list(made)
        elif field.default is attrs.NOTHING:
            problems.append(Problem(f"'{key}' is missing", places.get(())))
    if problems:
        raise BlueprintError(problems, source=source)
    blueprint = Blueprint(**done, folder=folder, places=places)
    problems = list(_clashes(blueprint))
    if problems:
        raise BlueprintError(problems, source=source)
    return blueprint


def _problem(
    value: Mapping[str, Any], places: Mapping[Where, Place], path: Where, found: Mistake
) -> Problem:
    where = path
    while where and where not in places:
        where = where[:-1]
    place = places.get((*path, KEY) if found.key and (*path, KEY) in places else where)
    named = found.said if found.key else f"{_leaf(path)} {found.said}"
    if found.said.endswith("is missing"):
        named = found.said
    context = describe(value, path)
    return Problem(f"{context}: {named}" if context else named, place)


def _leaf(path: Where) -> str:
    name = ""
    for part in path:
        name = f"{name}[{part}]" if isinstance(part, int) else str(part)
    return name


def describe(value: Any, path: Where) -> str:
    """Name the node, flow or phase that a path lies in."""
    match path:
        case ("nodes", str(name), *_):
            return f"node '{name}'"
        case ("flows", int(index), *_):
            return f"flow {index + 1}"
        case ("phases", int(index), *_):
            each = value["phases"][index] if isinstance(value.get("phases"), list) else None
            name = each.get("name") if isinstance(each, Mapping) else None
            return f"phase '{name}'" if isinstance(name, str) else f"phase {index + 1}"
        case ("data" | "train" as section, *rest) if rest:
            return str(section)
    return ""


def _clashes(blueprint: Blueprint) -> Iterable[Problem]:
    for name in blueprint.nodes:
        if name == "data":
            text = "a node cannot be called 'data': that is the data set"
            yield Problem(text, blueprint.place_of_key("nodes", name))
        elif "." in name or not name.strip():
            text = f"a node's name holds no '.': '{name}'"
            yield Problem(text, blueprint.place_of_key("nodes", name))
    seen: set[str] = set()
    for index, phase in enumerate(blueprint.phases):
        if phase.name in seen:
            place = blueprint.place("phases", index, "name")
            yield Problem(f"phase '{phase.name}' is there twice", place)
        seen.add(phase.name)
    named: set[str] = set()
    for index, flow in enumerate(blueprint.flows):
        if flow.name and flow_name(flow) in named:
            place = blueprint.place("flows", index, "name")
            yield Problem(f"flow {index + 1}: name '{flow.name}' is taken", place)
        named.add(flow_name(flow))
