"""Measures one optimizer step of the schedule beside plain loops and another framework.

Every contestant starts from the same weights and sees the same batches, which lie ready on the
CPU; each normalizes the images, runs teacher and student, computes the same weighted losses, goes
backwards and takes one step of SGD; none logs or reads a loss. Before the clock starts, five steps
are compared: losses and weights are equal bit for bit to those of the hand-written loop, close for
other frameworks. Then, on one thread, each repeat runs all contestants one after another, a new
one first each time, and takes the CPU time of each. Shown is the median over the repeats of the
time of a step, and of its difference to the hand-written loop in the same repeat.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from itertools import cycle, islice
from typing import Any

import attrs
import torch

from graphkd.bench.cases import CASES, Case, Contestant, Start, make_batches
from graphkd.bench.plain import Plain
from graphkd.bench.scheduled import Scheduled
from graphkd.bench.torchdistill_box import Torchdistill
from graphkd.run.step import Batch

PLAIN, OURS, PEER = "plain PyTorch", "graphkd", "torchdistill"
CONTESTANTS: dict[str, Callable[[Start], Contestant]] = {
    PLAIN: Plain,
    OURS: Scheduled,
    PEER: Torchdistill,
}
CHECKED = 5
"""Steps whose losses are compared before the clock starts."""


@attrs.frozen
class Row:
    """What one contestant took for one case.

    Attributes:
        case: name of the case.
        contestant: who ran it.
        step: microseconds of CPU time a step; None when it is not installed.
        extra: microseconds more than the hand-written loop; None for that loop itself.
        low: first quartile of `extra` over the repeats.
        high: third quartile of `extra` over the repeats.
    """

    case: str
    contestant: str
    step: float | None = None
    extra: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def ratio(self) -> float | None:
        """Time of a step over that of the hand-written loop."""
        if self.step is None or self.extra is None:
            return None
        return self.step / (self.step - self.extra)

    def as_dict(self) -> dict[str, Any]:
        """Return the row as JSON types, `null` where there is nothing to tell."""
        return {**attrs.asdict(self), "ratio": self.ratio, "installed": self.step is not None}


def measure_all(*, repeats: int = 9, steps: int = 200) -> list[Row]:
    """Measure all contestants on all cases.

    Args:
        repeats: measurements of each, at least 2.
        steps: optimizer steps of a measurement, at least 1.

    Returns:
        One row for each case and contestant.

    Raises:
        AssertionError: two contestants do not compute the same.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return [row for case in CASES for row in _measure(case, repeats=repeats, steps=steps)]
    finally:
        torch.set_num_threads(threads)


def _measure(case: Case, *, repeats: int, steps: int) -> list[Row]:
    contestants = start(case)
    check(contestants)
    feed = list(islice(cycle(make_batches(8)), steps))
    for each in contestants.values():
        each.run(feed)
    times = _times(contestants, feed, repeats=repeats)
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
            exact: dict[str, float] = {"rtol": 0.0, "atol": 0.0} if name == OURS else {}
            torch.testing.assert_close(each.loss(), plain.loss(), **exact)
            torch.testing.assert_close(
                each.student.state_dict(), plain.student.state_dict(), **exact
            )


def _times(
    contestants: dict[str, Contestant], feed: Sequence[Batch], *, repeats: int
) -> dict[str, list[float]]:
    """Return microseconds a step, for each contestant in each repeat."""
    names = list(contestants)
    times: dict[str, list[float]] = {name: [] for name in names}
    for repeat in range(repeats):
        first = repeat % len(names)
        for name in (*names[first:], *names[:first]):
            times[name].append(_time(contestants[name], feed))
    return times


def _time(contestant: Contestant, feed: Sequence[Batch]) -> float:
    gc.collect()
    gc.disable()
    try:
        begin = time.process_time_ns()
        contestant.run(feed)
        return (time.process_time_ns() - begin) / 1000 / len(feed)
    finally:
        gc.enable()


def _row(case: Case, name: str, times: dict[str, list[float]]) -> Row:
    if name not in times:
        return Row(case.name, name)
    step = statistics.median(times[name])
    if name == PLAIN:
        return Row(case.name, name, step)
    extra = [own - plain for own, plain in zip(times[name], times[PLAIN], strict=True)]
    low, middle, high = statistics.quantiles(extra, n=4, method="inclusive")
    return Row(case.name, name, step, middle, low, high)


def table(rows: Sequence[Row]) -> str:
    """Write rows as a Markdown table."""
    head = ("case", "contestant", "µs a step", "extra µs", "quartiles", "ratio")
    lines = ["| " + " | ".join(head) + " |", "|---|---|" + "---:|" * 4]
    for row in rows:
        lines.append("| " + " | ".join((row.case, row.contestant, *_cells(row))) + " |")
    return "\n".join(lines)


def _cells(row: Row) -> tuple[str, str, str, str]:
    if row.step is None:
        return ("not installed", "", "", "")
    if row.extra is None:
        return (f"{row.step:.0f}", "", "", "")
    assert row.low is not None and row.high is not None and row.ratio is not None
    spread = f"{row.low:.0f} to {row.high:.0f}"
    return (f"{row.step:.0f}", f"{row.extra:.0f}", spread, f"{row.ratio:.2f}")
