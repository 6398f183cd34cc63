"""Measures steps on a GPU: the schedule beside a loop written by hand and timm's task.

Every contestant starts from the same weights and sees the same batches, which lie ready on the GPU.
Each has the GPU for itself: it is built, takes warm-up steps, then measured turns of some steps
between two synchronizations. Shown are the median time of a step over the turns and the most memory
that tensors took at a time, both as ratios to the hand-written loop too.
"""

from __future__ import annotations

import gc
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import attrs
import torch

from graphkd.bench.gpu_cases import CASES, ByGraph, ByHand, GpuCase
from graphkd.errors import mistake

PLAIN = "plain PyTorch"
Contestant = ByHand | ByGraph
CONTESTANTS: dict[str, Callable[[GpuCase, Path, torch.device], Contestant]] = {
    PLAIN: lambda case, folder, device: ByHand(case.start(folder, device)),
    "timm's task": lambda case, folder, device: ByHand(case.start(folder, device), by_task=True),
    "graphkd": lambda case, folder, device: ByGraph(case.start(folder, device)),
    "graphkd, side stream": lambda case, folder, device: ByGraph(
        case.start(folder, device, streams=True)
    ),
    "graphkd, bfloat16 teacher": lambda case, folder, device: ByGraph(
        case.start(folder, device, placed=", precision: bfloat16")
    ),
}
WARM_UP, STEPS = 10, 20
"""Steps before the clock starts, and of a turn."""


@attrs.frozen
class Row:
    """What one contestant took for one case.

    Attributes:
        case: name of the case.
        contestant: who ran it.
        step: milliseconds a step.
        memory: megabytes at most; None where there is no GPU.
        time_ratio: time over that of the hand-written loop.
        memory_ratio: memory over that of the hand-written loop.
    """

    case: str
    contestant: str
    step: float
    memory: float | None
    time_ratio: float
    memory_ratio: float | None

    def as_dict(self) -> dict[str, Any]:
        """Return the row as JSON types, `null` where there is nothing to tell."""
        return attrs.asdict(self)


def measure_all(*, repeats: int = 9) -> list[Row]:
    """Measure all contestants on all cases.

    Args:
        repeats: measured turns of each, at least 1.

    Raises:
        BlueprintError: there is no GPU here.
    """
    if not torch.cuda.is_available():
        raise mistake("bench step --gpu: no CUDA device here; leave --gpu out for the CPU")
    return [row for case in CASES for row in measure(case, torch.device("cuda"), repeats=repeats)]


def measure(case: GpuCase, device: torch.device, *, repeats: int) -> list[Row]:
    """Measure all contestants on one case, one after another."""
    found: dict[str, tuple[float, float | None]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, build in CONTESTANTS.items():
            found[name] = _one(build(case, Path(folder), device), case, device, repeats=repeats)
    plain_time, plain_memory = found[PLAIN]
    return [
        Row(
            case.name,
            name,
            step,
            memory,
            step / plain_time,
            None if memory is None or not plain_memory else memory / plain_memory,
        )
        for name, (step, memory) in found.items()
    ]


def _one(
    contestant: Contestant, case: GpuCase, device: torch.device, *, repeats: int
) -> tuple[float, float | None]:
    """Return milliseconds a step, and megabytes."""
    on_gpu = device.type == "cuda"
    gc.collect()
    contestant.run(case.batches(WARM_UP, device))
    # one batch again and again: more would count as memory of the step
    batches = case.batches(1, device) * STEPS
    if on_gpu:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    times = [_turn(contestant, batches, on_gpu=on_gpu) for _ in range(repeats)]
    memory = torch.cuda.max_memory_allocated(device) / 1e6 if on_gpu else None
    return statistics.median(times), memory


def _turn(contestant: Contestant, batches: Sequence[Any], *, on_gpu: bool) -> float:
    begin = time.perf_counter()
    contestant.run(batches)
    if on_gpu:
        torch.cuda.synchronize()
    return (time.perf_counter() - begin) * 1000 / len(batches)


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
    memory = "" if row.memory is None else f"{row.memory:.0f}"
    ratio = "" if row.memory_ratio is None else f"{row.memory_ratio:.2f}"
    return f"{row.step:.2f}", f"{row.time_ratio:.2f}", memory, ratio
