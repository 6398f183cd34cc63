"""The logit kernel as an operator that `torch.compile` and `torch.export` know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from graphkd.kernels.logit_gradient import loss_and_gradient
from graphkd.kernels.logit_operands import accumulated
from graphkd.kernels.precision import wide
from graphkd.kernels.problem import LogitProblem
from graphkd.kernels.terms import NUMBERS, from_numbers, to_numbers


def by_operator(
    problems: Sequence[LogitProblem], weights: Tensor, scale: Tensor
) -> tuple[Tensor, Tensor]:
    """Compute total and values through the operator.

    Args:
        problems: at least one; none empty.
        weights: "k", float32, factor of each term in turn.
        scale: "" or "1", float32, what the backward of the total will be handed.
    """
    made = kd_logits_operator(
        [each.student for each in problems],
        [teacher.detach() for each in problems for teacher in each.teachers],
        [each.label.detach() for each in problems if each.label is not None],
        weights,
        scale,
        [
            number
            for each in problems
            for number in (len(each.teachers), int(each.label is not None), len(each.terms))
        ],
        [number for each in problems for term in each.terms for number in to_numbers(term)],
    )
    return made[0], made[1]


# the operator's schema is read from these annotations, which must be objects
@torch.library.custom_op("graphkd::kd_logits", mutates_args=())
def kd_logits_operator(
    students: list[Tensor],
    teachers: list[Tensor],
    labels: list[Tensor],
    weights: Tensor,
    scale: Tensor,
    counts: list[int],
    terms: list[float],
) -> list[Tensor]:
    """Compute the total, "", the values, "k", and the gradient of each student times the scale.

    Args:
        students: each "b c", logits.
        teachers: of all students in turn, each "b c", logits.
        labels: of those students that have one.
        weights: "k", float32.
        scale: "" or "1", float32.
        counts: of each student, its numbers of teachers, labels and terms.
        terms: of all students in turn, each as numbers.
    """
    problems = _problems(students, teachers, labels, counts, terms)
    return loss_and_gradient(problems, weights, scale)


def _problems(
    students: Sequence[Tensor],
    teachers: Sequence[Tensor],
    labels: Sequence[Tensor],
    counts: Sequence[int],
    terms: Sequence[float],
) -> list[LogitProblem]:
    starts = range(0, len(terms), NUMBERS)
    all_terms = iter([from_numbers(terms[start : start + NUMBERS]) for start in starts])
    all_teachers, all_labels = iter(teachers), iter(labels)
    problems = []
    for index, student in enumerate(students):
        num_teachers, num_labels, num_terms = counts[3 * index : 3 * index + 3]
        problems.append(
            LogitProblem(
                student,
                [next(all_terms) for _ in range(num_terms)],
                [next(all_teachers) for _ in range(num_teachers)],
                next(all_labels) if num_labels else None,
            )
        )
    return problems


@kd_logits_operator.register_fake
def _shapes(
    students: list[Tensor],
    teachers: list[Tensor],
    labels: list[Tensor],
    weights: Tensor,
    scale: Tensor,
    counts: list[int],
    terms: list[float],
) -> list[Tensor]:
    dtype = accumulated(students[0])
    total = students[0].new_empty((), dtype=dtype)
    values = students[0].new_empty(weights.shape, dtype=dtype)
    return [total, values, *(each.new_empty(each.shape) for each in students)]


def _keep(ctx: Any, inputs: tuple[Any, ...], output: list[Tensor]) -> None:
    students, teachers, labels, _, scale, *_ = inputs
    ctx.lengths = len(students), len(teachers), len(labels)
    ctx.save_for_backward(scale, *output[2:])


def _gradient(ctx: Any, incoming: list[Tensor | None]) -> tuple[Any, ...]:
    scale, *gradients = ctx.saved_tensors
    found: list[Tensor | None] = [None] * len(gradients)
    if incoming[0] is not None:
        factor = incoming[0] / scale.reshape(())
        # a number on a GPU would take the type of half precision, which has no 65536
        found = [(wide(each) * factor).to(each.dtype) for each in gradients]
    _, num_teachers, num_labels = ctx.lengths
    return found, [None] * num_teachers, [None] * num_labels, None, None, None, None


kd_logits_operator.register_autograd(_gradient, setup_context=_keep)
