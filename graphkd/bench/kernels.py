"""Measures the kernels beside PyTorch and other libraries, on the same inputs in one process.

What is measured is always loss and gradient, of random inputs. Before the clock starts, every
contestant computes a small version of the case, in the type that is measured, and its loss and
gradients are compared by relative norm with hand-written PyTorch in float64; one that differs is
not measured, and graphkd itself must not.

On a GPU inputs are bfloat16. The device's time is that of a CUDA graph in which the computation
stands once for each set of inputs, over their number; as many sets are drawn as make 180 MB, so
that no cache holds what comes next, and all results are kept, so that no two share memory. Where a
contestant waits on the host, no graph can hold it: then the times of its kernels are added up,
without the pauses between them, which flatters it. The host's time is from the call to the result,
without a graph. Each is the median of 50. In the same run a copy and a product of matrices are
measured; the share is what the floor of bytes or products would take at those rates, over the
device's time.

Without a GPU the kernels do not run: the references that take their place do, in float32 on one
thread. Their time is that of the CPU, which other processes disturb less than the time of day.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from importlib.util import find_spec
from time import process_time_ns

import attrs
import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor

from graphkd.bench.kernels_cases import CASES, CPU_CASES, Case, Solve
from graphkd.bench.kernels_contestants import (
    CONTESTANTS,
    CPU_CONTESTANTS,
    OURS,
    Contestant,
    by_autograd,
)
from graphkd.bench.kernels_plain import plain_loss
from graphkd.bench.kernels_rows import Found, Rates, Row
from graphkd.bench.kernels_timing import (
    Sets,
    copy_rate,
    graph_ms,
    host_ms,
    input_sets,
    kernels_ms,
    product_rate,
)
from graphkd.bench.step import processor
from graphkd.errors import did_you_mean, mistake

# relative norm of the difference to float64; a bfloat16 number is off by up to 0.004, and the
# scores of a materialized InfoNCE are such numbers
TOLERANCES = {torch.float32: 1e-4, torch.bfloat16: 3e-2}
NO_GPU = "no GPU found: the kernels were not run; measured are the references, on the CPU"
_PACKAGES = ("torch", "triton", "liger_kernel")


def measure_all(numbers: Sequence[str] = ()) -> Found:
    """Measure all contestants, on the GPU if there is one.

    Args:
        numbers: of the cases; empty for all.

    Raises:
        AssertionError: graphkd does not compute what the float64 reference computes.
        BlueprintError: there is no such case.
    """
    on_gpu = torch.cuda.is_available()
    cases = _chosen(CASES if on_gpu else CPU_CASES, numbers)
    packages = {name: version(name) for name in _PACKAGES if find_spec(name) is not None}
    versions = {"python": platform.python_version(), **packages}
    if not on_gpu:
        with _one_thread():
            rows = _measure(cases, CPU_CONTESTANTS, rates=None)
        return Found(None, processor(), versions, None, rows)
    rates = Rates(copy_rate(), product_rate())
    rows = _measure(cases, CONTESTANTS, rates=rates)
    return Found(torch.cuda.get_device_name(), processor(), versions, rates, rows)


def _chosen(cases: Sequence[Case], numbers: Sequence[str]) -> list[Case]:
    known = [case.number for case in cases]
    for number in numbers:
        if number not in known:
            raise mistake(f"no case '{number}'{did_you_mean(number, known, show=len(known))}")
    return [case for case in cases if not numbers or case.number in numbers]


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _measure(
    cases: Sequence[Case], contestants: Sequence[Contestant], *, rates: Rates | None
) -> list[Row]:
    console = Console(stderr=True)
    shown = track(
        cases, "bench kernels", console=console, transient=True, disable=not console.is_terminal
    )
    return [row for case in shown for row in measure_case(case, contestants, rates=rates)]


def measure_case(
    case: Case, contestants: Sequence[Contestant], *, rates: Rates | None
) -> list[Row]:
    """Measure all contestants that have something for a case.

    Args:
        case: what is computed.
        contestants: who computes; graphkd first.
        rates: of the GPU; None to measure on the CPU.

    Returns:
        A row for each, in their order.

    Raises:
        AssertionError: graphkd does not compute what the float64 reference computes.
    """
    # each case compiles its own functions, of which PyTorch allows a few
    torch.compiler.reset()
    dtype = torch.float32 if rates is None else torch.bfloat16
    generator = torch.Generator("cpu" if rates is None else "cuda").manual_seed(0)
    sets = input_sets(case, generator, dtype)
    found = (_contest(case, each, sets, rates=rates) for each in contestants)
    rows = [row for row in found if row is not None]
    ours = next(row.time_ms for row in rows if row.contestant == OURS)
    return [_compared(row, ours) for row in rows]


def _compared(row: Row, ours: float | None) -> Row:
    if row.time_ms is None or ours is None:
        return row
    return attrs.evolve(row, ratio=row.time_ms / ours)


def _contest(case: Case, contestant: Contestant, sets: Sets, *, rates: Rates | None) -> Row | None:
    """Check and measure one; None where it has nothing for the case."""
    row = Row(case.number, case.operation, case.shape, contestant.name, goal_ms=case.goal)
    if not contestant.is_installed:
        return attrs.evolve(row, note="not installed")
    try:
        solve = contestant.build(case)
        if solve is None:
            return None
        check(case, contestant, sets[0])
        if rates is None:
            return attrs.evolve(row, host_ms=host_ms(solve, sets, clock=process_time_ns))
        return _on_gpu(row, case, contestant, solve, sets, rates=rates)
    except Exception as error:
        # what others cannot compute is told, and the rest goes on
        if contestant.name == OURS:
            raise
        first, *_ = str(error).strip().splitlines() or [""]
        return attrs.evolve(row, note=f"{type(error).__name__}: {first[:120]}")


def check(case: Case, contestant: Contestant, like: Sequence[Tensor]) -> None:
    """Compare a small version of a case with hand-written PyTorch in float64.

    Args:
        case: the case.
        contestant: has something for the case.
        like: the first tensor has the device and the type to compare on.

    Raises:
        AssertionError: loss or gradients differ.
    """
    device, dtype = like[0].device, like[0].dtype
    # without a GPU the cases are small themselves
    small = case.small() if device.type == "cuda" else case
    inputs = small.make(torch.Generator(device).manual_seed(1), dtype)
    solve = contestant.build(small)
    assert solve is not None
    wide = [each.double() if each.is_floating_point() else each for each in inputs]
    truth = by_autograd(plain_loss(small), small.learners)(wide)
    names = ("loss", *(f"gradient {number}" for number in range(small.learners)))
    for name, got, expected in zip(names, solve(inputs), truth, strict=True):
        off = _difference(got, expected)
        assert off <= TOLERANCES[dtype], (
            f"{contestant.name}, {case.operation}: {name} is off by {off:.1e} of its norm"
        )


def _difference(got: Tensor, expected: Tensor) -> float:
    """Return the relative norm of the difference; a number that is none counts as infinite."""
    off = (got.double() - expected).norm() / expected.norm()
    return float(off.nan_to_num(nan=float("inf")))


def _on_gpu(
    row: Row, case: Case, contestant: Contestant, solve: Solve, sets: Sets, *, rates: Rates
) -> Row:
    # what the contestant before it has left
    torch.cuda.empty_cache()
    host = host_ms(solve, sets, wait=torch.cuda.synchronize)
    device = graph_ms(solve, sets) if contestant.capturable else kernels_ms(solve, sets)
    width = sets[0][0].element_size()
    floor = max(case.num_bytes(width) / rates.copy, case.num_flops() / rates.product) * 1000
    note = "" if contestant.capturable else "sum of its kernels"
    return attrs.evolve(row, host_ms=host, device_ms=device, share=floor / device, note=note)
