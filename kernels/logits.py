"""Losses over logits, any weighted sum of terms: one launch for the loss and its gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from graphkd.kernels.factors import scale_on_device, weights_on_device
from graphkd.kernels.launch import takes_kernel
from graphkd.kernels.logit_operands import Operands, accumulated, operands, outputs
from graphkd.kernels.logit_plan import AGAIN, plan
from graphkd.kernels.logit_reference import weighted_sum
from graphkd.kernels.precision import wide
from graphkd.kernels.problem import LogitProblem, check_problem, check_together, check_weights
from graphkd.kernels.terms import Term


class LogitLoss(NamedTuple):
    """What a loss over logits gives.

    Attributes:
        total: "", the weighted sum of the terms, nats; its gradient flows into the students.
        values: "k", each term without its weight, nats; detached.
    """

    total: Tensor
    values: Tensor


def kd_logits(
    student: Tensor,
    terms: Sequence[Term],
    *,
    teachers: Sequence[Tensor] = (),
    label: Tensor | None = None,
    weights: Sequence[float] | Tensor | None = None,
    gradient_scale: float | Tensor = 1.0,
) -> LogitLoss:
    """Compute the weighted sum of terms over one student's logits.

    On a GPU one launch reads the logits once, and writes the values and the student's gradient:
    6 bytes a class and row for bfloat16 logits and one teacher. The backward only corrects that
    gradient where it must: where it is handed another factor than `gradient_scale`, or some rows
    had no label. Elsewhere this is the sum of the terms' references, see `graphkd.kernels.terms`.

    Args:
        student: "b c", logits, finite; floating point.
        terms: what to add up, at least one.
        teachers: each "b c", logits; a term names its teacher by the number in this list. No
            gradient flows into them.
        label: "b", class numbers, int64, -1 for none; or "b c", probabilities. On a GPU a row whose
            number is neither -1 nor a class makes the loss and the row's gradient NaN.
        weights: factor of each term, or "k", float32; all 1 by default.
        gradient_scale: what the backward of `total` will be handed, as the factor of a loss scaler:
            float16 gradients are rounded once, after it. Another factor then is right too, but
            takes another launch.

    Returns:
        The total and the values, float32 (float64 for float64 logits).

    Raises:
        ValueError: an argument does not fit, with what was expected.
    """
    problem = LogitProblem(student, terms, teachers, label)
    return kd_logits_grouped([problem], weights=weights, gradient_scale=gradient_scale)


def kd_logits_grouped(
    problems: Sequence[LogitProblem],
    *,
    weights: Sequence[float] | Tensor | None = None,
    gradient_scale: float | Tensor = 1.0,
) -> LogitLoss:
    """Compute the weighted sum over several problems of any shapes, in one launch on a GPU.

    Args:
        problems: at least one; all on one device. A tensor may stand in several.
        weights: factor of each term of each problem in turn, or "k", float32; all 1 by default.
        gradient_scale: see `kd_logits`.

    Returns:
        The total over all problems, and the value of each term in turn.

    Raises:
        ValueError: an argument does not fit, with what was expected.
    """
    if not problems:
        raise ValueError("problems is empty; give at least one")
    for each in problems:
        check_problem(each)
    check_together(problems, gradient_scale)
    check_weights(weights, sum(len(each.terms) for each in problems), problems[0].student)
    if not takes_kernel(*(each.student for each in problems)):
        return LogitLoss(*weighted_sum(problems, weights))
    full = [each for each in problems if each.student.numel()]
    if len(full) < len(problems):
        return _without_empty(problems, weights, gradient_scale)
    device = problems[0].student.device
    factors = weights_on_device(weights, sum(len(each.terms) for each in problems), device)
    scale = scale_on_device(gradient_scale, device)
    if torch.compiler.is_compiling():
        # imported late: to register an operator imports the compiler
        from graphkd.kernels.logit_op import by_operator

        return LogitLoss(*by_operator(problems, factors, scale))
    students = [each.student for each in problems]
    if not torch.is_grad_enabled():
        # no gradient is written then
        students = [each.detach() for each in students]
    total, values = _Fused.apply(problems, factors, scale, *students)
    return LogitLoss(total, values)


def one_term(
    student: Tensor, term: Term, teacher: Tensor | None = None, label: Tensor | None = None
) -> Tensor:
    """Compute one term by the kernel, "", nats; see `kd_logits`."""
    teachers = () if teacher is None else (teacher.detach(),)
    return kd_logits(student, (term,), teachers=teachers, label=label).total


def _without_empty(
    problems: Sequence[LogitProblem], weights: Any, gradient_scale: float | Tensor
) -> LogitLoss:
    """Compute the rest where some problems have no row or no class: those are 0."""
    numbers = [index for index, each in enumerate(problems) for _ in each.terms]
    full = [bool(each.student.numel()) for each in problems]
    kept = [place for place, index in enumerate(numbers) if full[index]]
    first = problems[0].student
    zero = first.new_zeros((), dtype=accumulated(first))
    nothing = zero + sum(wide(each.student).sum() for each in problems if not each.student.numel())
    if not kept:
        return LogitLoss(nothing, zero.expand(len(numbers)).clone())
    # one by one: a list of numbers would be copied, and waited for
    factors = weights_on_device(weights, len(numbers), first.device).unbind()
    rest = kd_logits_grouped(
        [each for each, is_full in zip(problems, full, strict=True) if is_full],
        weights=torch.stack([factors[place] for place in kept]),
        gradient_scale=gradient_scale,
    )
    found = iter(rest.values.unbind())
    values = [next(found) if full[index] else zero for index in numbers]
    return LogitLoss(rest.total + nothing, torch.stack(values))


class _Fused(torch.autograd.Function):
    """The launch of the forward, and the conditional one of the backward."""

    @staticmethod
    def forward(
        ctx: Any,
        problems: Sequence[LogitProblem],
        weights: Tensor,
        scale: Tensor,
        *students: Tensor,
    ) -> tuple[Tensor, Tensor]:
        wanted = [each.requires_grad for each in students]
        given = operands(problems, weights)
        made = outputs(given, wanted=wanted)
        for each in plan(given, made, scale=scale):
            each.run()
        ctx.problems = problems
        ctx.save_for_backward(*students)
        ctx.given, ctx.made, ctx.scale, ctx.weights = given, made, scale, weights
        ctx.versions = _versions(given)
        num_terms = sum(len(each.terms) for each in problems)
        total, values, _ = made.results.split([1, num_terms, len(problems)])
        ctx.mark_non_differentiable(values)
        return total.view(()), values

    @staticmethod
    def backward(ctx: Any, incoming: Tensor, _: Tensor | None) -> tuple[Tensor | None, ...]:
        students = ctx.saved_tensors
        # true under create_graph: the gradient itself is to be differentiated
        if torch.is_grad_enabled():
            return None, None, None, *_differentiable(ctx, students, incoming)
        given: Operands = ctx.given
        made, expected = ctx.made, ctx.scale
        # the buffers go to the caller once; whoever comes again gets new ones, written whole
        if made is None:
            wanted = ctx.needs_input_grad[3:]
            made, expected = outputs(given, wanted=wanted), None
            made.results.copy_(ctx.results)
        ctx.made, ctx.results = None, made.results
        if ctx.versions != _versions(given):
            raise RuntimeError(
                "a teacher, label or weight was changed in place after the loss was computed"
            )
        scale = incoming.to(made.results.dtype)
        again = plan(given, made, scale=scale, expected=expected, mode=AGAIN)
        for each in again:
            each.run()
        return None, None, None, *made.gradients


def _versions(given: Operands) -> list[int]:
    """Count the changes in place of what a backward reads again."""
    every = (*given.teachers, *given.labels, *given.soft_labels, given.weights)
    return [0 if each.is_inference() else each._version for each in every]


def _differentiable(ctx: Any, students: Sequence[Tensor], incoming: Tensor) -> list[Tensor | None]:
    """Compute the students' gradient in a way that has a gradient itself."""
    # one may come from another, whose gradient by that way autograd adds itself
    students = [each.view_as(each) for each in students]
    problems = [
        each._replace(student=student) for each, student in zip(ctx.problems, students, strict=True)
    ]
    total, _ = weighted_sum(problems, ctx.weights)
    wanted = [each for each in students if each.requires_grad]
    found = iter(torch.autograd.grad(total, wanted, incoming, create_graph=True))
    return [next(found) if each.requires_grad else None for each in students]
