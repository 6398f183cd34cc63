"""How a launch of the logit kernel is laid out."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor

from graphkd.kernels.factors import is_capturing, numbers_on_device
from graphkd.kernels.launch import Launch, num_multiprocessors
from graphkd.kernels.logit_layout import Layout, layout_for, power_of_2, specs_for
from graphkd.kernels.logit_operands import Operands, Outputs

FIRST_TIME, AGAIN = range(2)
"""What a launch is for, as in `logit_sums`."""

# programs whose sums the last one adds up at a time
_MANY = 128
# sums that one group of lanes stores, on every GPU
_WIDEST_TOGETHER = 32
_NEVER = float("nan")


def plan(
    given: Operands,
    made: Outputs,
    *,
    scale: Tensor,
    expected: Tensor | None = None,
    mode: int = FIRST_TIME,
    clusters: bool | None = None,
    counter: Tensor | None = None,
) -> list[Launch]:
    """Lay out the launch for some problems, and one to add up where clusters cannot.

    Args:
        given: the operands; all problems have a row and a class at least.
        made: what is filled; for AGAIN its numbers of rows with a label are read.
        scale: "1" or "", float32, what all gradients are multiplied with.
        expected: for AGAIN: what they were multiplied with before; None: whatever they were.
        mode: FIRST_TIME or AGAIN.
        clusters: whether blocks of threads may share a long row; by default where they can.
        counter: "1", int32, 0, used by no other launch; one that is kept by default.
    """
    from graphkd.kernels.logit_kernel import logit_finish_kernel, logit_kernel

    device = given.students[0].device
    layout = layout_for(given, clusters=_has_clusters(device) if clusters is None else clusters)
    num_rows = tuple(len(each) for each in given.students)
    num_programs = layout.num_programs(num_rows, num_multiprocessors(device))
    constants = _constants(given, made, layout)
    width = constants["WIDTH"]
    partials = made.results.new_empty(num_programs * width if mode != AGAIN else 1)
    apart = layout.num_ctas > 1 or width > _WIDEST_TOGETHER
    first = Launch(
        kernel=logit_kernel,
        grid=(num_programs,),
        arguments=(
            *_operands(given, made),
            scale,
            _expected(expected, scale, mode, device),
            num_rows,
            tuple(each.shape[1] for each in given.students),
            partials,
            made.results,
            _counter(device) if counter is None else counter,
        ),
        constants={
            **constants,
            "MODE": mode,
            "APART": apart,
            "num_warps": layout.num_warps,
            "num_ctas": layout.num_ctas,
        },
    )
    if not apart or mode == AGAIN:
        return [first]
    arguments = (given.weights, num_rows, partials, num_programs, made.results)
    return [first, Launch(logit_finish_kernel, (1,), arguments, {**constants, "num_warps": 4})]


def _constants(given: Operands, made: Outputs, layout: Layout) -> dict[str, Any]:
    """Say what both kernels are compiled with."""
    import triton.language as tl

    num_terms = sum(len(each) for each in given.specs)
    return {
        "SPECS": specs_for(given, made, layout),
        "NUM_TERMS": num_terms,
        "WIDTH": power_of_2(num_terms + len(given.students)),
        "ACC": tl.float64 if given.students[0].dtype == torch.float64 else tl.float32,
        "MANY": _MANY,
        "enable_fp_fusion": True,
    }


def _operands(given: Operands, made: Outputs) -> tuple[Any, ...]:
    """Give the kernel's tensors; a pointer that is not read stands for what is absent."""
    student = given.students[0]
    return (
        tuple(given.students),
        tuple(student if each is None else each for each in made.gradients),
        tuple(given.teachers) or (student,),
        tuple(given.labels),
        tuple(given.soft_labels),
        given.weights,
    )


def _has_clusters(device: torch.device) -> bool:
    """Say whether blocks of threads can reduce together: Triton 3.9 and Hopper or later."""
    if device.type != "cuda" or torch.version.hip is not None:
        return False
    return _triton_version() >= (3, 9) and torch.cuda.get_device_capability(device) >= (9, 0)


@cache
def _triton_version() -> tuple[int, int]:
    import triton

    major, minor, *_ = triton.__version__.split(".")
    return int(major), int(minor)


def _expected(expected: Tensor | None, scale: Tensor, mode: int, device: torch.device) -> Tensor:
    """Give what gradients were multiplied with before; the first time nobody reads it."""
    if expected is not None:
        return expected
    return scale if mode == FIRST_TIME else numbers_on_device((_NEVER,), device)


def _counter(device: torch.device) -> Tensor:
    """Give a counter at 0 that no launch on another stream uses; the kernel sets it back."""
    if is_capturing(device):
        # the graph's own, filled whenever it is replayed
        return torch.zeros(1, dtype=torch.int32, device=device)
    stream = torch.cuda.current_stream(device).cuda_stream if device.type == "cuda" else 0
    return _counters(device, stream)


@cache
def _counters(device: torch.device, stream: int) -> Tensor:
    with torch.inference_mode(False):
        return torch.zeros(1, dtype=torch.int32, device=device)
