"""Measures steps on a GPU: the schedule beside a loop written by hand and timm's task.

Every contestant starts from the same weights and sees the same batches, which lie ready on the GPU.
Before the clock starts each takes six steps with all in float32 and six in the precision that is
measured. The losses are those of the hand-written loop within 1e-4 and 1e-2, and what learns has
moved by the same within 5e-2 and 0.5 of the way. Bits differ, as kernels compute losses by other
formulas and add up in other orders; six steps amplify that, most of all where values are rounded to
bfloat16. The steps in float32 are those that tell.

Then each takes warm-up steps, and measured turns of some steps between two synchronizations, and no
other one is there. Shown are the median time of a step over the turns and the most memory that was
reserved at a time, both as ratios to the hand-written loop too. timm has a task for distillation by
logits, and none for the other methods.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import attrs
import torch

from graphkd.bench.gpu_by_graph import ByGraph
from graphkd.bench.gpu_by_hand import ByHand, by_task
from graphkd.bench.gpu_cases import CASES, LOW_TEACHER, TIMM, GpuCase
from graphkd.bench.gpu_check import TOLERANCES, Trace, check, trace
from graphkd.bench.gpu_clock import Figures, clock, free
from graphkd.errors import mistake

PLAIN = "plain PyTorch"
Contestant = ByHand | ByGraph
T = TypeVar("T")
CONTESTANTS: dict[str, Callable[[GpuCase, Path, torch.device], Contestant]] = {
    PLAIN: lambda case, folder, device: ByHand(case.start(folder, device), case.by_hand),
    TIMM: lambda case, folder, device: ByHand(case.start(folder, device), by_task),
    "graphkd": lambda case, folder, device: ByGraph(case.start(folder, device)),
    "graphkd, side stream": lambda case, folder, device: ByGraph(
        case.start(folder, device, train={"streams": True})
    ),
    LOW_TEACHER: lambda case, folder, device: ByGraph(
        case.start(folder, device, placed={"precision": "bfloat16"})
    ),
    "graphkd, captured": lambda case, folder, device: ByGraph(
        case.start(folder, device, train={"capture": True})
    ),
}
CHECKED = 6
"""Steps that are compared; a captured one replays from the fourth on."""


@attrs.frozen
class Row:
    """What one contestant took for one case.

    Attributes:
        case: name of the case.
        contestant: who ran it.
        step: milliseconds a step; None where it does not take part.
        memory: megabytes at most; None where there is no GPU too.
        time_ratio: time over that of the hand-written loop.
        memory_ratio: memory over that of the hand-written loop.
        left_out: why it does not take part; empty where it does.
    """

    case: str
    contestant: str
    step: float | None = None
    memory: float | None = None
    time_ratio: float | None = None
    memory_ratio: float | None = None
    left_out: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the row as JSON types, `null` where there is nothing to tell."""
        return attrs.asdict(self)


def measure_all(*, repeats: int = 9) -> list[Row]:
    """Measure all contestants on all cases.

    Args:
        repeats: measured turns of each, at least 1.

    Raises:
        BlueprintError: there is no GPU here.
        AssertionError: two contestants do not compute the same.
    """
    if not torch.cuda.is_available():
        raise mistake("bench step --gpu: no CUDA device here; leave --gpu out for the CPU")
    return [row for case in CASES for row in measure(case, torch.device("cuda"), repeats=repeats)]


def measure(case: GpuCase, device: torch.device, *, repeats: int) -> list[Row]:
    """Measure all contestants on one case, one after another.

    Raises:
        AssertionError: two contestants do not compute the same.
    """

    def clocked(contestant: Contestant) -> Figures:
        return clock(contestant, case, device, repeats=repeats)

    with tempfile.TemporaryDirectory() as folder:
        if case.precision != "float32":
            full = attrs.evolve(case, precision="float32")
            _in_turn(full, Path(folder), device, use=lambda contestant: None)
        found = _in_turn(case, Path(folder), device, use=clocked)
    return [_row(case, name, found) for name in CONTESTANTS]


def _in_turn(
    case: GpuCase, folder: Path, device: torch.device, *, use: Callable[[Contestant], T]
) -> dict[str, T]:
    """Build one contestant after the other, compare some of its steps, and use it.

    Raises:
        AssertionError: one does not compute what the hand-written loop computes.
    """
    plain: Trace | None = None
    used: dict[str, T] = {}
    for name, build in CONTESTANTS.items():
        if name in case.left_out:
            continue
        contestant = build(case, folder, device)
        # convolutions of float32 would else be computed with 10 bits
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            found = trace(contestant, case.batches(CHECKED, device))
        # the hand-written loop comes first
        plain = plain or found
        coarsest = "bfloat16" if name == LOW_TEACHER else case.precision
        try:
            check(found, plain, TOLERANCES[coarsest])
        except AssertionError as error:
            error.add_note(f"{case.name}: {name} beside {PLAIN}, {case.precision}")
            raise
        used[name] = use(contestant)
        del contestant
        free(device)
    return used


def _row(case: GpuCase, name: str, found: dict[str, Figures]) -> Row:
    if name not in found:
        return Row(case.name, name, left_out=case.left_out[name])
    (step, memory), (plain_step, plain_memory) = found[name], found[PLAIN]
    ratio = memory / plain_memory if memory and plain_memory else None
    return Row(case.name, name, step, memory, step / plain_step, ratio)


def table(rows: Sequence[Row]) -> str:
    """Write rows as a Markdown table."""
    head = ("case", "contestant", "ms a step", "ratio", "MB at most", "ratio")
    lines = [head, ("---", "---", *["---:"] * 4)]
    lines += [(row.case, row.contestant, *_cells(row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in lines)


def page(rows: Sequence[Row]) -> str:
    """Write a Markdown page: the table, on what it was measured, and how."""
    assert __doc__ is not None
    versions = f"torch {torch.__version__}, timm {version('timm')}"
    return "\n\n".join(
        (
            "# What a step costs on a GPU",
            "Written by `graphkd bench step --gpu --out FILE`.",
            table(rows),
            f"Measured on {torch.cuda.get_device_name()} with {versions}.",
            "## How",
            __doc__.strip(),
        )
    )


def _cells(row: Row) -> tuple[str, str, str, str]:
    if row.step is None:
        return row.left_out, "", "", ""
    memory = "" if row.memory is None else f"{row.memory:.0f}"
    ratio = "" if row.memory_ratio is None else f"{row.memory_ratio:.2f}"
    return f"{row.step:.2f}", f"{row.time_ratio:.2f}", memory, ratio
