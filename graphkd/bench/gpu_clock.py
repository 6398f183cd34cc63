"""The time of a step on a GPU, and its memory."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Sequence
from typing import Any

import torch

from graphkd.bench.gpu_cases import GpuCase
from graphkd.bench.gpu_check import Stepping

WARM_UP, STEPS = 10, 20
"""Steps before the clock starts, and of a turn."""
Figures = tuple[float, float | None]
"""Milliseconds a step; megabytes, None where there is no GPU."""


def clock(contestant: Stepping, case: GpuCase, device: torch.device, *, repeats: int) -> Figures:
    """Take warm-up steps, and measure turns of some steps between two synchronizations.

    Args:
        contestant: who steps.
        case: of whose batches.
        device: where they lie.
        repeats: turns, at least 1.

    Returns:
        The median over the turns, and the most memory that was reserved in them.
    """
    on_gpu = device.type == "cuda"
    contestant.run(case.batches(WARM_UP, device))
    # one batch again and again: more would count as memory of the step
    batches = case.batches(1, device) * STEPS
    free(device)
    if on_gpu:
        torch.cuda.reset_peak_memory_stats(device)
    times = [_turn(contestant, batches, on_gpu=on_gpu) for _ in range(repeats)]
    # a replay allocates nothing: what it works in is reserved, and not counted as allocated
    memory = torch.cuda.max_memory_reserved(device) / 1e6 if on_gpu else None
    return statistics.median(times), memory


def free(device: torch.device) -> None:
    """Give back what no tensor needs; networks and their hooks lie in cycles."""
    if device.type == "cuda":
        gc.collect()
        torch.cuda.empty_cache()


def _turn(contestant: Stepping, batches: Sequence[Any], *, on_gpu: bool) -> float:
    begin = time.perf_counter()
    contestant.run(batches)
    if on_gpu:
        torch.cuda.synchronize()
    return (time.perf_counter() - begin) * 1000 / len(batches)
