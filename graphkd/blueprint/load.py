"""Load a blueprint: read, extend, override, assemble."""

from __future__ import annotations

import importlib.resources
from collections.abc import Iterable
from os.path import realpath
from pathlib import Path

from graphkd.blueprint.assemble import assemble
from graphkd.blueprint.located import Located
from graphkd.blueprint.merge import extend
from graphkd.blueprint.model import Blueprint
from graphkd.blueprint.override import override
from graphkd.blueprint.read import read_file, read_text
from graphkd.errors import BlueprintError, Place, mistake, nearest, shown

_DEEPEST_EXTENDS = 20


def load(path: str | Path, overrides: Iterable[str] = ()) -> Blueprint:
    """Load a blueprint file.

    Args:
        path: a file, or the name of a shipped blueprint (`hinton`). Relative paths in the blueprint
            start from the file's folder; for a shipped one from the current folder.
        overrides: `dotted.path=value` words, as on the command line.

    Returns:
        The blueprint; names of nodes and taps in it are checked by the compiler, not here.

    Raises:
        BlueprintError: with every mistake in the file, what it extends, and the overrides.
    """
    file = find_file(path)
    located = extended(read_file(file), file.parent, (realpath(file),))
    # a shipped file holds no paths: those that an override adds start where the user is
    folder = file.parent if Path(path) == file else Path()
    return assemble(override(located, overrides), source=str(file), folder=folder)


def loads(text: str, *, name: str = "blueprint", folder: Path | None = None) -> Blueprint:
    """Load a blueprint from its text.

    Args:
        text: YAML 1.2.
        name: how places call it.
        folder: where relative paths start; the current folder by default.

    Raises:
        BlueprintError: with every mistake.
    """
    start = folder or Path()
    return assemble(extended(read_text(text, name), start, ()), source=name, folder=start)


def shipped() -> dict[str, Path]:
    """Return the blueprint files that come with graphkd, by name.

    A file in a folder is called by both: `scale/tas_cifar100`, a recipe of a paper in its own size.
    """
    folder = Path(str(importlib.resources.files("graphkd"))) / "blueprints"
    found = [*sorted(folder.glob("*.yaml")), *sorted(folder.glob("*/*.yaml"))]
    return {file.relative_to(folder).with_suffix("").as_posix(): file for file in found}


def find_file(path: str | Path) -> Path:
    """Return the file of that path, or else the shipped blueprint of that name.

    Raises:
        BlueprintError: there is neither.
    """
    found = _find(Path(path), str(path))
    if found is None:
        raise mistake(f"no such file{_nearest_shipped(str(path))}", Place(str(path)))
    return found


def _find(file: Path, name: str) -> Path | None:
    known = shipped()
    try:
        if file.is_file() or (file.exists() and name not in known):
            return file
    except OSError:
        # not to be looked at, or no possible name: reading it will say so
        return file
    return known.get(name)


def _nearest_shipped(name: str) -> str:
    near = nearest(name, shipped())
    return f"; did you mean '{near}'?" if near else ""


def extended(located: Located, folder: Path, seen: tuple[str, ...]) -> Located:
    """Put a file over what it extends, which may extend others."""
    if not isinstance(located.content, dict):
        text = "a blueprint is a mapping; write 'blueprint: NAME' first"
        raise BlueprintError([*located.problems, mistake(text, located.place).problems[0]])
    if "extends" not in located.content:
        return located
    other = located.content["extends"]
    file = _extended_file(other, folder)
    if realpath(file) in seen:
        raise mistake(f"'extends' comes back to {file}", other.place)
    if len(seen) >= _DEEPEST_EXTENDS:
        raise mistake(f"'extends' goes through more than {_DEEPEST_EXTENDS} files", other.place)
    base = extended(read_file(file), file.parent, (*seen, realpath(file)))
    return extend(base, located)


def _extended_file(other: Located, folder: Path) -> Path:
    if not isinstance(other.content, str):
        text = f"extends is {shown(other.content)}, not a file or a shipped blueprint"
        raise mistake(text, other.place)
    found = _find(folder / other.content, other.content)
    if found is None:
        hint = _nearest_shipped(other.content)
        raise mistake(f"extends: no file {shown(other.content)}{hint}", other.place)
    return found
