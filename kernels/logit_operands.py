"""Problems as the logit kernels read them, and what they fill: terms as numbers, and buffers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, get_args

import torch
from torch import Tensor

from graphkd.kernels.kl import Direction
from graphkd.kernels.labels import class_of
from graphkd.kernels.problem import LogitProblem
from graphkd.kernels.terms import DKD, KL, NKD, OFA, CrossEntropy, Term, needs_label

_LN_2 = math.log(2.0)


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
