"""What went wrong in a blueprint, where, and what to write instead."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import attrs

Given = TypeVar("Given")
Made = TypeVar("Made")


@attrs.frozen(order=True)
class Place:
    """A position in a blueprint file, or the name of another origin (`command line`).

    Attributes:
        file: path of the file as the user gave it, or where else the value was written.
        line: 1-based line; 0 when the origin has no lines.
        column: 1-based column; 0 when the origin has no lines.
    """

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        """Write `file:line:column`, as editors understand it."""
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@attrs.frozen
class Problem:
    """One mistake in a blueprint.

    Attributes:
        message: what stands there, what is wrong with it, what to write instead.
        place: where it was written; None for a blueprint made in Python.
    """

    message: str
    place: Place | None = None

    def __str__(self) -> str:
        """Write `place: message`."""
        return f"{self.place}: {self.message}" if self.place else self.message


class BlueprintError(ValueError):
    """A user's mistake; `problems` holds every one that was found.

    Attributes:
        problems: all mistakes, sorted by place.
    """

    def __init__(self, problems: Problem | Iterable[Problem], *, source: str = "") -> None:
        found = [problems] if isinstance(problems, Problem) else list(dict.fromkeys(problems))
        self.problems = tuple(sorted(found, key=lambda each: each.place or Place("")))
        self.source = source
        # what the constructor takes, so that a copy from another process is whole
        super().__init__(self.problems)

    def __str__(self) -> str:
        """Write a single problem as one line, several below a line with their number."""
        if len(self.problems) == 1 and (self.problems[0].place or not self.source):
            return str(self.problems[0])
        count = f"{len(self.problems)} problem{'s' if len(self.problems) != 1 else ''}"
        head = f"{self.source}: {count}" if self.source else count
        return "\n  ".join([head, *map(str, self.problems)])


def mistake(message: str, place: Place | None = None) -> BlueprintError:
    """Make the error for a single mistake."""
    return BlueprintError(Problem(message, place))


def gather(make: Callable[[Given], Made], items: Iterable[Given]) -> list[Made]:
    """Make something of each item, and tell the mistakes in all of them at once.

    Raises:
        BlueprintError: with the problems of every item.
    """
    made, errors = [], []
    for item in items:
        try:
            made.append(make(item))
        except BlueprintError as error:
            errors.append(error)
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise BlueprintError([problem for error in errors for problem in error.problems])
    return made


def did_you_mean(word: str, known: Iterable[str], *, show: int = 12) -> str:
    """Say the nearest known name, or else the choices.

    Args:
        word: what the user wrote.
        known: the names that would have been right.
        show: how many choices to list when nothing is near.

    Returns:
        `; did you mean 'x'?`, or ` (has a, b, c)`, or an empty text.
    """
    choices = list(dict.fromkeys(known))
    near = nearest(word, choices)
    if near:
        return f"; did you mean '{near}'?"
    if not choices:
        return ""
    return f" (has {listing(choices, show=show)})"


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the known name that looks most like the word, in any case; empty when none does."""
    names = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), names, n=1, cutoff=0.6)
    return names[near[0]] if near else ""


def shown(value: object, *, longest: int = 60) -> str:
    """Write a value on one line, as messages quote it: `'x'`, `-4`, `true`, `[1, 2]`.

    Args:
        value: plain data.
        longest: characters after which it is cut.
    """
    match value:
        case None:
            return "empty"
        case bool():
            return "true" if value else "false"
        case float():
            return repr(value).removesuffix(".0")
        case dict():
            return "a mapping"
        case list() | tuple():
            text = f"[{', '.join(map(shown, value[:10]))}]"
            return text if len(value) <= 10 and len(text) <= longest else "a list"
    text = repr(value)
    return text if len(text) <= longest else f"{text[: longest - 2]}…{text[-1]}"


def listing(names: Sequence[str], *, show: int = 12) -> str:
    """Join names with commas, and say how many were left out."""
    shown = ", ".join(names[:show])
    return f"{shown}, … {len(names) - show} more" if len(names) > show else shown


class ComponentError(ValueError):
    """A component cannot be built from its parameters; graphkd adds where they were written.

    Attributes:
        field: the parameter that is wrong, or an empty text for the whole component.
    """

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field
