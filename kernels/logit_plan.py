"""How a launch of the logit kernels is laid out: terms as numbers, blocks, programs, buffers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple, get_args

import torch
from torch import Tensor

from graphkd.kernels.factors import is_capturing, numbers_on_device
from graphkd.kernels.kl import Direction
from graphkd.kernels.labels import class_of
from graphkd.kernels.launch import Launch, num_multiprocessors
from graphkd.kernels.problem import LogitProblem
from graphkd.kernels.terms import DKD, KL, NKD, OFA, CrossEntropy, Term, needs_label

LONGEST_ROW = 2048
"""Classes of a row that is held, half as many with many terms; others are read in such parts."""
LONGEST_NEAR = 16384
"""Classes of a row that is still in a cache when it is read again."""
FIRST_TIME, AGAIN = range(2)
"""What a launch is for, as in `logit_sums`."""

_LN_2 = math.log(2.0)
_CROSS_ENTROPY, _NKD, _SPLIT = 0, 6, (4, 6)
# exponents that are a few products
_POWERS = (2.0, 4.0, 8.0)
# threads of a multiprocessor that are given a program at once
_WARPS_AT_ONCE = 32
# programs whose sums the last one adds up at a time
_MANY = 128
# elements of a tile of short rows
_TILE = 1024
# elements of a warp, and blocks of threads of a cluster
_ELEMENTS_OF_A_WARP, _CTAS = 256, 8
# sums that one group of lanes stores, on every GPU
_WIDEST_TOGETHER = 32
# elements of one access in half precision
_WIDE = 8
# terms of a problem that are not many
_FEW = 2
_NEVER = float("nan")


class Operands(NamedTuple):
    """Problems as the kernels read them.

    Attributes:
        students: each "b c", rows of neighbouring classes.
        teachers: those of all problems.
        labels: of each problem "b", class numbers; the student where there are none.
        soft_labels: of each problem "b c", probabilities; the student where there are none.
        weights: "k", float32.
        specs: the problems as numbers, see `logit_terms`, without what depends on memory.
    """

    students: list[Tensor]
    teachers: list[Tensor]
    labels: list[Tensor]
    soft_labels: list[Tensor]
    weights: Tensor
    specs: Specs


Number = int | float | bool
TermSpec = tuple[Number, ...]
Specs = tuple[tuple[TermSpec, ...], ...]
"""Terms as numbers, of each problem."""


def operands(problems: Sequence[LogitProblem], weights: Tensor) -> Operands:
    """Turn problems into what the kernels read."""
    students, labels, soft_labels, specs = [], [], [], []
    teachers: list[Tensor] = []
    for problem in problems:
        student = _rows(problem.student)
        hard, soft = _labels(problem)
        first = len(teachers)
        students.append(student)
        teachers.extend(_rows(each.detach()) for each in problem.teachers)
        labels.append(student if hard is None else hard)
        soft_labels.append(student if soft is None else soft)
        terms = problem.terms
        specs.append(tuple(_encode(each, first, soft=soft is not None) for each in terms))
    return Operands(students, teachers, labels, soft_labels, weights, tuple(specs))


def _rows(tensor: Tensor) -> Tensor:
    """Bring the classes of a row next to each other."""
    return tensor if tensor.stride(-1) == 1 or tensor.shape[-1] == 1 else tensor.contiguous()


def _labels(problem: LogitProblem) -> tuple[Tensor | None, Tensor | None]:
    """Give class numbers and class probabilities, as far as the terms read them."""
    label = problem.label
    if label is None or not any(needs_label(each) for each in problem.terms):
        return None, None
    label = label.detach()
    if not label.is_floating_point():
        return label.contiguous(), None
    numbers = any(isinstance(each, (DKD, OFA, NKD)) for each in problem.terms)
    soft = any(isinstance(each, CrossEntropy) for each in problem.terms)
    return class_of(label) if numbers else None, _rows(label) if soft else None


def _encode(term: Term, first_teacher: int, *, soft: bool) -> TermSpec:
    """Write a term as numbers: see the top of `logit_terms`."""
    after: TermSpec
    match term:
        case CrossEntropy(smoothing):
            return (0, -1, 1.0, float(smoothing), 0.0, False, _LN_2, 1.0, soft, not soft)
        case KL(number, t, direction):
            kind = 1 + get_args(Direction).index(direction)
            after = (_LN_2 * t**2, float(t), kind != 1, False)
            return (kind, first_teacher + number, float(t), 0.0, 0.0, False, *after)
        case DKD(number, t, alpha, beta):
            after = (float(alpha), float(beta), False, _LN_2 * t**2, float(t), False, True)
            return (4, first_teacher + number, float(t), *after)
        case OFA(number, t, gamma, power):
            after = (float(gamma), 0.0, power, _LN_2, 1.0 / t, gamma != 1.0, True)
            return (5, first_teacher + number, float(t), *after)
        case NKD(number, t, gamma):
            after = (float(gamma), 0.0, False, _LN_2, 1.0, False, True)
            return (6, first_teacher + number, float(t), *after)


class Outputs(NamedTuple):
    """What a launch fills.

    Attributes:
        results: "1 + k + p", the weighted sum, the value of each term, and the number of rows with
            a label of each problem.
        gradients: of each problem "b c", or None.
    """

    results: Tensor
    gradients: list[Tensor | None]


def outputs(
    given: Operands, *, wanted: Sequence[bool], dtype: torch.dtype | None = None
) -> Outputs:
    """Make room for what a launch fills.

    Args:
        given: the operands.
        wanted: for each problem whether its gradient is wanted.
        dtype: of the gradients, the students' own by default.
    """
    student = given.students[0]
    num_terms = sum(len(each) for each in given.specs)
    return Outputs(
        student.new_empty(1 + num_terms + len(given.specs), dtype=accumulated(student)),
        [
            torch.empty_like(each, dtype=dtype, memory_format=torch.contiguous_format)
            if want
            else None
            for each, want in zip(given.students, wanted, strict=True)
        ],
    )


def accumulated(student: Tensor) -> torch.dtype:
    """Give the type that sums over logits of this type are kept in."""
    return torch.float64 if student.dtype == torch.float64 else torch.float32


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
    import triton.language as tl

    from graphkd.kernels.logit_kernel import logit_finish_kernel, logit_kernel

    student = given.students[0]
    device = student.device
    layout = _layout(given, clusters=_has_clusters(device) if clusters is None else clusters)
    num_rows = tuple(len(each) for each in given.students)
    num_programs = layout.num_programs(num_rows, num_multiprocessors(device))
    num_terms = sum(len(each) for each in given.specs)
    width = _power_of_2(num_terms + len(num_rows))
    partials = made.results.new_empty(num_programs * width if mode != AGAIN else 1)
    constants = {
        "SPECS": _specs(given, made, layout),
        "NUM_TERMS": num_terms,
        "WIDTH": width,
        "ACC": tl.float64 if student.dtype == torch.float64 else tl.float32,
        "MODE": mode,
        "MANY": _MANY,
        "enable_fp_fusion": True,
    }
    apart = layout.num_ctas > 1 or width > _WIDEST_TOGETHER
    first = Launch(
        kernel=logit_kernel,
        grid=(num_programs,),
        arguments=(
            tuple(given.students),
            # a pointer that is not read stands for what is absent
            tuple(student if each is None else each for each in made.gradients),
            tuple(given.teachers) or (student,),
            tuple(given.labels),
            tuple(given.soft_labels),
            given.weights,
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
            "APART": apart,
            "num_warps": layout.num_warps,
            "num_ctas": layout.num_ctas,
        },
    )
    if not apart or mode == AGAIN:
        return [first]
    arguments = (given.weights, num_rows, partials, num_programs, made.results)
    constants = {name: each for name, each in constants.items() if name != "MODE"}
    return [first, Launch(logit_finish_kernel, (1,), arguments, {**constants, "num_warps": 4})]


class _Layout(NamedTuple):
    """Sizes of tiles.

    Attributes:
        blocks: columns of each problem's tile; fewer than the classes: rows are streamed.
        rows: rows of each problem's tile.
        num_warps: of a block of threads.
        num_ctas: blocks of threads that share a program's rows.
    """

    blocks: tuple[int, ...]
    rows: tuple[int, ...]
    num_warps: int
    num_ctas: int = 1

    def num_programs(self, num_rows: Sequence[int], multiprocessors: int) -> int:
        tiles = max(-(-count // rows) for count, rows in zip(num_rows, self.rows, strict=True))
        at_once = max(1, _WARPS_AT_ONCE // (self.num_warps * self.num_ctas))
        return min(tiles, multiprocessors * at_once)


def _layout(given: Operands, *, clusters: bool) -> _Layout:
    """Choose tiles of eight elements a thread, what one access loads in half precision."""
    widths = [each.shape[1] for each in given.students]
    # the more terms there are, the more stands in registers for an element
    few = max(len(each) for each in given.specs) <= _FEW
    longest = LONGEST_ROW if few else LONGEST_ROW // 2
    blocks = [max(16, _power_of_2(each)) if each <= longest else longest for each in widths]
    rows = [min(16, max(1, _TILE // block)) for block in blocks]
    num_warps = max(4, max(blocks) // _ELEMENTS_OF_A_WARP)
    if min(widths) > LONGEST_NEAR and clusters:
        return _Layout((longest * _CTAS,) * len(widths), (1,) * len(widths), num_warps, _CTAS)
    return _Layout(tuple(blocks), tuple(rows), num_warps)


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


def _specs(given: Operands, made: Outputs, layout: _Layout) -> tuple[Any, ...]:
    """Add to the terms what depends on sizes and strides."""
    specs, first = [], 0
    for index, terms in enumerate(given.specs):
        student, gradient = given.students[index], made.gradients[index]
        label, soft = given.labels[index], given.soft_labels[index]
        specs.append(
            (
                student.shape[1],
                student.stride(0),
                -1 if gradient is None else gradient.stride(0),
                label is not student,
                soft is not student,
                soft.stride(0),
                first,
                layout.blocks[index],
                layout.rows[index],
                *_with_sums([_with_stride(each, given.teachers) for each in terms]),
                _is_shifted(index, given, made),
            )
        )
        first += len(terms)
    return tuple(specs)


def _is_shifted(index: int, given: Operands, made: Outputs) -> bool:
    """Say whether rows start anywhere, but those of all tensors alike."""
    student, gradient = given.students[index], made.gradients[index]
    soft = given.soft_labels[index]
    read = {term[1] for term in given.specs[index] if term[1] >= 0}
    others = [gradient, soft, *(given.teachers[int(each)] for each in read)]
    stride = student.stride(0)
    return stride % _WIDE > 0 and all(each is None or each.stride(0) == stride for each in others)


def _with_stride(term: TermSpec, teachers: Sequence[Tensor]) -> TermSpec:
    kind, teacher, *rest = term
    stride = teachers[int(teacher)].stride(0) if teacher >= 0 else 0
    return (kind, max(int(teacher), 0), stride, *rest)


def _with_sums(terms: Sequence[TermSpec]) -> tuple[tuple[TermSpec, ...], tuple[TermSpec, ...]]:
    """Add to each term the numbers of the log2 sums it needs, and list these once each.

    A sum is a teacher's number, or -1 for the student, the stride of its rows, a temperature, and
    whether the label's class is left out; then the number of a sum at a multiple of its
    temperature, or -1, and that multiple.
    """
    wanted = [_sums_of(each) for each in terms]
    # those at a multiple first
    sums = sorted({each for group in wanted for each in group}, key=lambda each: -each[2])
    numbered = tuple(
        (*term, *(sums.index(group[min(index, len(group) - 1)]) for index in range(4)))
        for term, group in zip(terms, wanted, strict=True)
    )
    return numbered, tuple((*each, *_multiple(each, sums)) for each in sums)


def _sums_of(term: TermSpec) -> list[TermSpec]:
    """Name the sums of student and teacher, for NKD also those over all classes at 1."""
    kind, teacher, stride, temperature, *_ = term
    of_teacher = (teacher, stride) if kind != _CROSS_ENTROPY else (-1, 0)
    split = kind in _SPLIT
    sums: list[TermSpec] = [(-1, 0, temperature, split), (*of_teacher, temperature, split)]
    if kind == _NKD:
        sums += [(-1, 0, 1.0, False), (*of_teacher, 1.0, False)]
    return sums


def _multiple(own: TermSpec, sums: Sequence[TermSpec]) -> tuple[int, int]:
    """Find the sum of which an exponential is the root of this one's."""
    for number, each in enumerate(sums):
        same = (*own[:2], own[3]) == (*each[:2], each[3])
        if same and each[2] / own[2] in _POWERS:
            return number, int(each[2] / own[2])
    return -1, 1


def _power_of_2(count: int) -> int:
    return 1 << max(count - 1, 0).bit_length()


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
