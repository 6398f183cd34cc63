"""Read of a faulty file what can be read."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from os.path import realpath
from pathlib import Path

import attrs

from graphkd.blueprint.load import extended, find_file
from graphkd.blueprint.located import Located
from graphkd.blueprint.override import override
from graphkd.blueprint.read import LARGEST, read_text
from graphkd.errors import BlueprintError

_REACH = 8
"""Lines above an error in which its cause is looked for."""
_MOST = 100_000
"""Characters that are read again at most while it is looked for."""


@attrs.frozen
class Reading:
    """What a file holds.

    Attributes:
        file: where it lies.
        lines: its text.
        located: the data, with what it extends and the overrides; None when none can be read.
        lost: numbers of the lines, from 1, that are left out because they are no YAML.
        folder: where relative paths start.
    """

    file: Path
    lines: tuple[str, ...]
    located: Located | None
    lost: tuple[int, ...]
    folder: Path


def read_partly(path: str | Path, overrides: Iterable[str] = ()) -> Reading | None:
    """Read a blueprint file as far as possible.

    Args:
        path: as `load` takes it.
        overrides: as `load` takes them; wrong ones are left out.

    Returns:
        What was found; None where there is no such file, or it is no text.
    """
    try:
        file = find_file(path)
    except BlueprintError:
        return None
    text = _text(file)
    if text is None:
        return None
    lines = tuple(text.split("\n"))
    folder = file.parent if Path(path) == file else Path()
    located, lost = _repaired(lines, str(file))
    if located is not None:
        located = _overridden(_with_base(located, file), overrides)
    return Reading(file, lines, located, lost, folder)


def _text(file: Path) -> str | None:
    """Read a file; a pipe is empty by now, and what is too large is no blueprint."""
    try:
        if not file.is_file() or file.stat().st_size > LARGEST:
            return None
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _repaired(lines: tuple[str, ...], name: str) -> tuple[Located | None, tuple[int, ...]]:
    """Read a text, if need be without a few lines at its errors, or without all behind."""
    located, wrong = _tried(lines, name)
    if located is not None or not wrong:
        return located, ()
    tries = _MOST // (sum(map(len, lines)) + len(lines))
    for lost in islice(_cuts(lines, min(wrong, len(lines)), name), tries):
        located, _ = _tried(_without(lines, lost), name)
        if located is not None:
            return located, lost
    return None, ()


def _cuts(lines: tuple[str, ...], wrong: int, name: str) -> Iterator[tuple[int, ...]]:
    """Go through the lines to leave out, few first."""
    firsts = range(wrong, max(wrong - _REACH, 0), -1)
    for first in firsts:
        yield (first,)
        if first < wrong:
            yield tuple(range(first, wrong + 1))
    # then each line at which there is an error still
    lost: tuple[int, ...] = ()
    while 0 < wrong <= len(lines) and wrong not in lost and len(lost) < _REACH:
        lost = (*lost, wrong)
        yield lost
        _, wrong = _tried(_without(lines, lost), name)
    for first in firsts:
        yield tuple(range(first, len(lines) + 1))


def _without(lines: tuple[str, ...], lost: Collection[int]) -> tuple[str, ...]:
    """Empty some lines, by their numbers from 1, so that all others keep theirs."""
    return tuple("" if number in lost else line for number, line in enumerate(lines, 1))


def _tried(lines: tuple[str, ...], name: str) -> tuple[Located | None, int]:
    """Return the mapping that a text holds, or else the line of its first error."""
    try:
        located = read_text("\n".join(lines), name)
    except BlueprintError as error:
        place = error.problems[0].place
        return None, place.line if place else 0
    return (located if isinstance(located.content, dict) else None), 0


def _with_base(located: Located, file: Path) -> Located:
    """Put a file over what it extends, where that can be read."""
    try:
        return extended(located, file.parent, (realpath(file),))
    except BlueprintError:
        assert isinstance(located.content, dict)
        own = {key: each for key, each in located.content.items() if key != "extends"}
        return attrs.evolve(located, content=own)


def _overridden(located: Located, words: Iterable[str]) -> Located:
    for word in words:
        try:
            located = override(located, [word])
        except BlueprintError:
            continue
    return located
