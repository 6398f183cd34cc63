"""What checkpoints and records cost, as a page."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from statistics import median

import attrs

from tests.soak.page import machine

HEAD = """\
# What checkpoints and records cost

A student learns the digits, a thousand images an epoch, in one thread, with a record of every step
and a checkpoint after every epoch. The training thread copies the state and goes on; another thread
hashes and writes the copy. Each time is that of an epoch, by the clock, and in brackets by the CPU
of the training thread, which does not count what other programs on the machine take. `together` is
copying and records in percent of the rest of the epoch. The runs take turns with others of the same
blueprint that copy, write and record nothing. `make soak` does it again.
"""


@attrs.frozen
class Spent:
    """Seconds.

    Attributes:
        wall: by the clock.
        cpu: that the thread computed.
    """

    wall: float = 0.0
    cpu: float = 0.0

    def __add__(self, other: Spent) -> Spent:
        """Add up."""
        return Spent(self.wall + other.wall, self.cpu + other.cpu)

    def __truediv__(self, number: float) -> Spent:
        """Take a part."""
        return Spent(self.wall / number, self.cpu / number)


@attrs.frozen
class Times:
    """What an epoch of a run took.

    Attributes:
        epoch: its steps and their records.
        copying: the state for a checkpoint.
        records: of its steps.
        best: putting the best weights aside, in the validation.
        writing: the checkpoint, in a thread of its own.
    """

    epoch: Spent
    copying: Spent
    records: Spent
    best: Spent
    writing: Spent = Spent()


@attrs.frozen
class Pair:
    """Two runs, one after the other.

    Attributes:
        own: as a user has it.
        bare: with neither checkpoints nor records.
    """

    own: Times
    bare: Times


def together(pair: Pair, kind: str) -> float:
    """Say how much copying and records take, in percent of the rest of the epoch."""
    epoch, copying, records = (
        getattr(each, kind) for each in (pair.own.epoch, pair.own.copying, pair.own.records)
    )
    return 100.0 * float(copying + records) / float(epoch - records)


def slower(pair: Pair, kind: str) -> float:
    """Say how much longer an epoch took than that of the other run, in percent."""
    own = getattr(pair.own.epoch + pair.own.copying, kind)
    return 100.0 * (float(own) / float(getattr(pair.bare.epoch, kind)) - 1.0)


def _middle(pairs: Sequence[Pair], value: Callable[[Pair], float]) -> float:
    return median(value(each) for each in pairs)


def _spent(pairs: Sequence[Pair], value: Callable[[Pair], Spent], *, unit: str) -> str:
    factor, digits = {"s": (1.0, 2), "ms": (1000.0, 1)}[unit]
    wall, cpu = (
        factor * _middle(pairs, lambda pair, kind=kind: getattr(value(pair), kind))  # type: ignore[misc]
        for kind in ("wall", "cpu")
    )
    return f"{wall:.{digits}f} {unit} ({cpu:.{digits}f})"


def line(name: str, pairs: Sequence[Pair]) -> str:
    """Write a row of the table: the median of each column."""
    cells = (
        name,
        _spent(pairs, lambda pair: pair.own.epoch, unit="s"),
        _spent(pairs, lambda pair: pair.own.copying, unit="ms"),
        _spent(pairs, lambda pair: pair.own.records, unit="ms"),
        f"{_middle(pairs, lambda pair: together(pair, 'wall')):.2f} % "
        f"({_middle(pairs, lambda pair: together(pair, 'cpu')):.2f})",
        _spent(pairs, lambda pair: pair.bare.epoch, unit="s"),
    )
    return f"| {' | '.join(cells)} |"


def _range(pairs: Sequence[Pair], kind: str) -> str:
    found = [slower(each, kind) for each in pairs]
    return f"{median(found):.1f} % (from {min(found):.1f} to {max(found):.1f})"


def page(pairs: Sequence[Pair], *, model: str, epochs: int, seconds: float) -> str:
    """Write the page.

    Args:
        pairs: of runs.
        model: of the student.
        epochs: of a run.
        seconds: that all of it took.
    """
    day = datetime.now(UTC).date().isoformat()
    writing = _spent(pairs, lambda pair: pair.own.writing, unit="s")
    lines = [
        f"{day}, {machine()}, load {os.getloadavg()[2]:.1f}; {model}, {epochs} epochs a run; "
        f"{seconds / 60:.0f} minutes.",
        "",
        "| run | epoch | copying | records | together | epoch of the other run |",
        "|---|---|---|---|---|---|",
        *(line(str(number), [each]) for number, each in enumerate(pairs, start=1)),
        line("median", pairs),
        "",
        f"Writing a checkpoint takes {writing} of its own thread; where no",
        "core is free, that time is the training's. An epoch and its copying took longer than the",
        f"epoch of the other run by {_range(pairs, 'wall')} by the",
        f"clock and by {_range(pairs, 'cpu')} by the CPU, in which is",
        "also the noise of a machine that others use. The first copy of a run is the slowest, as",
        "its memory is new. Putting the best weights aside belongs to the validation and is not",
        f"counted: {_spent(pairs, lambda pair: pair.own.best, unit='ms')}.",
    ]
    return f"{HEAD}\n" + "\n".join(lines) + "\n"
