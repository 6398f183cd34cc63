"""Measures one optimizer step of the schedule beside a plain loop and another framework.

Every contestant starts from the same weights and sees the same batches, which lie ready on the
CPU. Each normalizes the images, runs teacher and student, computes the same weighted losses, goes
backwards, takes one step of SGD and drops the gradients; none logs or reads a loss. Before the
clock starts, five steps are compared: the losses and weights of the schedule are those of the
hand-written loop bit for bit, another framework's are close.

Then all take turns in one process, on one thread, another one first in each round. A turn is ten
steps that are not measured, so that the caches hold the contestant's own code, and forty that are:
their CPU time, which other processes disturb less than the time of day, over their number. A
repeat is five rounds. Shown is the median over all rounds of a step's time, and of its difference
to the hand-written loop's in the same round.
"""

from __future__ import annotations

import gc
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import attrs
import torch
from rich.console import Console
from rich.progress import track

from graphkd.bench.cases import CASES, Case, Contestant, Start, make_batches
from graphkd.bench.plain import Plain
from graphkd.bench.scheduled import Scheduled
from graphkd.bench.torchdistill_box import Torchdistill
from graphkd.run.backwards import Batch

PLAIN, OURS, PEER = "plain PyTorch", "graphkd", "torchdistill"
CONTESTANTS: dict[str, Callable[[Start], Contestant]] = {
    PLAIN: Plain,
    OURS: Scheduled,
    PEER: Torchdistill,
}
CHECKED = 5
"""Steps whose losses are compared before the clock starts."""
ROUNDS, WARM_UP, STEPS = 5, 10, 40
"""Rounds in a repeat, and steps of a turn before and while the clock runs."""


@attrs.frozen
class Row:
    """What one contestant took for one case.

    Attributes:
        case: name of the case.
        contestant: who ran it.
        step: microseconds of CPU time a step; None when it is not installed.
        extra: microseconds more than the hand-written loop; None for that loop itself.
        low: first quartile of `extra` over the rounds.
        high: third quartile of `extra` over the rounds.
        ratio: time of the hand-written loop and `extra`, over that time.
    """

    case: str
    contestant: str
    step: float | None = None
    extra: float | None = None
    low: float | None = None
    high: float | None = None
    ratio: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the row as JSON types, `null` where there is nothing to tell."""
        return attrs.asdict(self)


def measure_all(*, repeats: int = 9) -> list[Row]:
    """Measure all contestants on all cases.

    Args:
        repeats: measurements of 200 steps of each, at least 1.

    Returns:
        One row for each case and contestant.

    Raises:
        AssertionError: two contestants do not compute the same.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    console = Console(stderr=True)
    # without a thread of its own, which would be measured too
    cases = track(
        CASES,
        "bench step",
        console=console,
        auto_refresh=False,
        transient=True,
        disable=not console.is_terminal,
    )
    try:
        return [row for case in cases for row in _measure(case, rounds=repeats * ROUNDS)]
    finally:
        torch.set_num_threads(threads)


def _measure(case: Case, *, rounds: int) -> list[Row]:
    contestants = start(case)
    check(contestants)
    times = _times(contestants, rounds=rounds)
    return [_row(case, name, times) for name in CONTESTANTS]


def start(case: Case) -> dict[str, Contestant]:
    """Build every contestant that is installed."""
    return {
        name: build(case.start())
        for name, build in CONTESTANTS.items()
        if name != PEER or find_spec(PEER) is not None
    }


def check(contestants: dict[str, Contestant]) -> None:
    """Take some steps with every contestant, and compare losses and weights.

    Raises:
        AssertionError: one does not compute what the hand-written loop computes.
    """
    plain = contestants[PLAIN]
    for batch in make_batches(CHECKED):
        for name, each in contestants.items():
            each.run([batch])
            tolerance = 0.0 if name == OURS else None
            torch.testing.assert_close(
                {"loss": each.loss(), **each.student.state_dict()},
                {"loss": plain.loss(), **plain.student.state_dict()},
                rtol=tolerance,
                atol=tolerance,
            )


def _times(contestants: dict[str, Contestant], *, rounds: int) -> dict[str, list[float]]:
    """Return microseconds a step, for each contestant in each round."""
    names = list(contestants)
    times: dict[str, list[float]] = {name: [] for name in names}
    batches = make_batches(WARM_UP + STEPS)
    for each in contestants.values():
        each.run(batches)
    gc.collect()
    gc.disable()
    try:
        for number in range(rounds):
            first = number % len(names)
            for name in (*names[first:], *names[:first]):
                times[name].append(_turn(contestants[name], batches))
    finally:
        gc.enable()
    return times


def _turn(contestant: Contestant, batches: Sequence[Batch]) -> float:
    contestant.run(batches[:WARM_UP])
    begin = time.process_time_ns()
    contestant.run(batches[WARM_UP:])
    return (time.process_time_ns() - begin) / 1000 / STEPS


def _row(case: Case, name: str, times: dict[str, list[float]]) -> Row:
    if name not in times:
        return Row(case.name, name)
    step = statistics.median(times[name])
    if name == PLAIN:
        return Row(case.name, name, step)
    extras = [own - plain for own, plain in zip(times[name], times[PLAIN], strict=True)]
    low, extra, high = statistics.quantiles(extras, n=4, method="inclusive")
    return Row(
        case.name, name, step, extra, low, high, 1.0 + extra / statistics.median(times[PLAIN])
    )


def table(rows: Sequence[Row]) -> str:
    """Write rows as a Markdown table."""
    head = ("case", "contestant", "µs a step", "extra µs", "quartiles", "ratio")
    lines = [head, ("---", "---", *["---:"] * 4)]
    lines += [(row.case, row.contestant, *_cells(row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in lines)


def _cells(row: Row) -> tuple[str, str, str, str]:
    if row.step is None:
        return ("not installed", "", "", "")
    if row.extra is None:
        return (f"{row.step:.0f}", "", "", "")
    return (
        f"{row.step:.0f}",
        f"{row.extra:.0f}",
        f"{row.low:.0f} to {row.high:.0f}",
        f"{row.ratio:.2f}",
    )


def page(rows: Sequence[Row]) -> str:
    """Write a Markdown page: the table, on what it was measured, and how."""
    assert __doc__ is not None
    packages = [name for name in ("torch", "timm", PEER) if find_spec(name) is not None]
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    return "\n\n".join(
        (
            "# What a step costs beside a plain loop",
            "Written by `graphkd bench step --out FILE`; the last columns compare with the "
            "hand-written loop of the same case.",
            table(rows),
            f"Measured on {processor()} with Python {platform.python_version()}, {versions}.",
            "## How",
            __doc__.strip(),
        )
    )


def processor() -> str:
    """Name the CPU."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            return next(line.split(":")[1].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
