"""How long the device, and how long the host, is busy with a computation."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from graphkd.bench.kernels_cases import Case, Outputs, Solve

REPEATS = 50
"""Measurements of each; the median counts."""
PASSED = 180_000_000
"""Bytes of inputs between two uses of the same, more than any cache of a GPU holds."""
_MOST_SETS = 128
_COPIED = 1 << 30
_PRODUCT = 8192
_WARM_UP = 3

Sets = Sequence[Sequence[Tensor]]


def input_sets(case: Case, generator: torch.Generator, dtype: torch.dtype) -> Sets:
    """Draw as many inputs as must pass before the first may come again."""
    first = case.make(generator, dtype)
    size = sum(each.numel() * each.element_size() for each in first)
    count = min(_MOST_SETS, -(-PASSED // size))
    return [first, *(case.make(generator, dtype) for _ in range(count - 1))]


def graph_ms(solve: Solve, sets: Sets) -> float:
    """Measure the device's time with a CUDA graph of all sets, one after the other.

    Returns:
        Milliseconds for one set, the median over `REPEATS` launches of the graph.
    """
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(_WARM_UP):
            solve(sets[0])
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        # kept until the end, so that no two results share memory
        results = [solve(inputs) for inputs in sets]
    graph.replay()
    found = statistics.median(_event_ms(graph.replay) for _ in range(REPEATS))
    del results
    return found / len(sets)


def _event_ms(run: Callable[[], object]) -> float:
    begin, end = _event(), _event()
    begin.record()
    run()
    end.record()
    end.synchronize()
    return float(begin.elapsed_time(end))


def _event() -> torch.cuda.Event:
    return torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]


def kernels_ms(solve: Solve, sets: Sets) -> float:
    """Add up the times of the kernels, for what waits on the host and fits in no graph.

    The pauses between kernels are left out.

    Returns:
        Milliseconds for one set, the median over `REPEATS`.
    """
    for _ in range(_WARM_UP):
        solve(sets[0])
    return statistics.median(
        _profiled_ms(solve, sets[number % len(sets)]) for number in range(REPEATS)
    )


def _profiled_ms(solve: Solve, inputs: Sequence[Tensor]) -> float:
    cuda = torch.profiler.ProfilerActivity.CUDA
    with torch.profiler.profile(activities=[cuda]) as profile:
        solve(inputs)
        torch.cuda.synchronize()
    return float(sum(each.self_device_time_total for each in profile.key_averages())) / 1000


def host_ms(
    solve: Solve,
    sets: Sets,
    *,
    wait: Callable[[], object] = lambda: None,
    clock: Callable[[], int] = time.perf_counter_ns,
) -> float:
    """Measure the host's time from the call to the result.

    Args:
        solve: what is measured.
        sets: inputs, taken in turn.
        wait: waits for the device.
        clock: nanoseconds.

    Returns:
        Milliseconds, the median over `REPEATS`.
    """
    for _ in range(_WARM_UP):
        solve(sets[0])
    times = []
    for number in range(REPEATS):
        inputs = sets[number % len(sets)]
        wait()
        begin = clock()
        solve(inputs)
        wait()
        times.append((clock() - begin) / 1e6)
    return statistics.median(times)


def copy_rate() -> float:
    """Measure bytes a second, read and written, of a copy on the device."""
    source = torch.randn(_COPIED // 4, device="cuda")
    sink = torch.empty_like(source)

    def copy(_: Sequence[Tensor]) -> Outputs:
        return (sink.copy_(source),)

    return 2 * _COPIED / graph_ms(copy, [()]) * 1000


def product_rate() -> float:
    """Measure operations a second of a product of bfloat16 matrices on the device."""
    left, right = (torch.randn(_PRODUCT, _PRODUCT, device="cuda").bfloat16() for _ in range(2))

    def multiply(_: Sequence[Tensor]) -> Outputs:
        return (left @ right,)

    return 2.0 * _PRODUCT**3 / graph_ms(multiply, [()]) * 1000
