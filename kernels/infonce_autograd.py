"""InfoNCE by kernels for autograd."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from graphkd.kernels.infonce_gradients import gradient_dtype, gradient_places
from graphkd.kernels.infonce_group import groups_of
from graphkd.kernels.infonce_plan import Results, plan
from graphkd.kernels.infonce_reference import ContrastProblem, ContrastValues, grouped_reference

# fields of a problem that are tensors, if they are there
_OPTIONAL = ("bank", "index", "bank_index", "label", "bank_label")


class _Packed(NamedTuple):
    """Problems as tensors and numbers, as operators take them.

    Attributes:
        inputs: what a gradient may flow into: students, knowledges, then scales and weights.
        others: the other tensors.
        layout: for each problem: place of the scale in `inputs`, -1 for a number; places of the
            optional tensors in `others`, -1 for none; symmetric, knowledge_gradient, anchor.
        numbers: for each problem scale and weight, where those are numbers.
        gradient: compute gradients.
    """

    inputs: list[Tensor]
    others: list[Tensor]
    layout: list[int]
    numbers: list[float]
    gradient: bool


def infonce_by_kernels(
    problems: Sequence[ContrastProblem],
    weights: Tensor | Sequence[float],
) -> ContrastValues:
    """Compute problems that have a kernel, see `infonce_grouped`."""
    packed = _pack(problems, weights)
    if torch.compiler.is_compiling():
        # imported late: to register an operator imports the compiler
        from graphkd.kernels.infonce_op import infonce_operator

        total, values = infonce_operator(*packed)[:2]
    else:
        total, values = _Grouped.apply(packed[1:], *packed.inputs)
    return ContrastValues(total, values.detach())


def _pack(
    problems: Sequence[ContrastProblem],
    weights: Tensor | Sequence[float],
) -> _Packed:
    inputs = [each.student for each in problems] + [each.knowledge for each in problems]
    others: list[Tensor] = []
    layout: list[int] = []
    numbers: list[float] = []
    for number, problem in enumerate(problems):
        scale, weight = problem.scale, 1.0 if isinstance(weights, Tensor) else weights[number]
        numbers += [1.0 if isinstance(scale, Tensor) else float(scale), float(weight)]
        layout.append(len(inputs) if isinstance(scale, Tensor) else -1)
        if isinstance(scale, Tensor):
            inputs.append(scale)
        for name in _OPTIONAL:
            value = getattr(problem, name)
            layout.append(-1 if value is None else len(others))
            if value is not None:
                others.append(value)
        layout += [problem.symmetric, problem.knowledge_gradient, problem.anchor == "knowledge"]
    if isinstance(weights, Tensor):
        inputs.append(weights)
    gradient = torch.is_grad_enabled() and any(each.requires_grad for each in inputs)
    return _Packed(inputs, others, layout, numbers, gradient)


def unpack(
    inputs: Sequence[Tensor], others: Sequence[Tensor], layout: list[int], numbers: list[float]
) -> tuple[list[ContrastProblem], Tensor | list[float]]:
    """Give the problems, and the weights, of what was packed: see `_Packed`."""
    num, width = len(numbers) // 2, len(_OPTIONAL) + 4
    problems = []
    for number in range(num):
        scale_place, *rest = layout[number * width : (number + 1) * width]
        symmetric, knowledge_gradient, of_knowledge = map(bool, rest[len(_OPTIONAL) :])
        problems.append(
            ContrastProblem(
                student=inputs[number],
                knowledge=inputs[num + number],
                scale=numbers[2 * number] if scale_place < 0 else inputs[scale_place],
                symmetric=symmetric,
                knowledge_gradient=knowledge_gradient,
                anchor="knowledge" if of_knowledge else "student",
                **{
                    name: None if place < 0 else others[place]
                    for name, place in zip(_OPTIONAL, rest, strict=False)
                },
            )
        )
    num_scales = sum(isinstance(each.scale, Tensor) for each in problems)
    if len(inputs) > 2 * num + num_scales:
        return problems, inputs[-1]
    return problems, numbers[1::2]


def compute(
    problems: list[ContrastProblem],
    weights: Tensor | list[float],
    gradient: bool,
) -> tuple[Results, list[Tensor]]:
    """Run the launches of all groups; the second are the groups' flat gradients."""
    results = empty_results(problems)
    gradients = []
    for numbers in groups_of(problems):
        planned = plan(
            [problems[number] for number in numbers],
            numbers,
            results,
            weights=(
                weights if isinstance(weights, Tensor) else [weights[number] for number in numbers]
            ),
            gradient=gradient,
            first=numbers[0] == 0,
        )
        for launch in planned.launches:
            launch.run()
        if planned.gradients is not None:
            gradients.append(planned.gradients)
    return results, gradients


def empty_results(problems: list[ContrastProblem]) -> Results:
    """Make room for the sums of all launches."""
    double = any(each.student.dtype == torch.float64 for each in problems)
    like = problems[0].student.new_empty(0, dtype=torch.float64 if double else torch.float32)
    num = len(problems)
    return Results(like.new_empty(()), like.new_empty(num), like.new_empty(num))


def empty_gradients(problems: list[ContrastProblem]) -> list[Tensor]:
    """Make room for the flat gradient of each group."""
    made = []
    for numbers in groups_of(problems):
        chosen = [problems[number] for number in numbers]
        student = chosen[0].student
        dtype = gradient_dtype(student.dtype)
        made.append(student.new_empty(gradient_places(chosen)[1], dtype=dtype))
    return made


def spread_gradients(
    packed: tuple[Any, ...],
    inputs: Sequence[Tensor],
    incoming: Tensor,
    saved: Sequence[Tensor],
) -> list[Tensor | None]:
    """Multiply the gradients with the incoming one and give each input its part."""
    others, layout, numbers, _ = packed
    values, slopes, *flats = saved
    problems, _ = unpack(inputs, others, layout, numbers)
    num = len(problems)
    spread: list[Tensor | None] = [None] * len(inputs)
    for flat, members in zip(flats, groups_of(problems), strict=True):
        chosen = [problems[number] for number in members]
        # a new tensor each time: the saved one serves the next backward
        flat = (flat * incoming).to(chosen[0].student.dtype)
        for number, places in zip(members, gradient_places(chosen)[0], strict=True):
            shape = problems[number].student.shape
            for side, place in enumerate(places):
                part = flat[place : place + shape.numel()]
                spread[number + num * side] = part.view(shape)
    for number in range(num):
        place = layout[number * (len(_OPTIONAL) + 4)]
        if place >= 0:
            scale = inputs[place]
            slope = (slopes[number] * incoming).to(scale.dtype).reshape(scale.shape)
            before = spread[place]
            spread[place] = slope if before is None else before + slope
    if len(inputs) > 2 * num + sum(isinstance(each.scale, Tensor) for each in problems):
        spread[-1] = (values * incoming).to(inputs[-1].dtype)
    return spread


class _Grouped(torch.autograd.Function):
    """The weighted sum of the losses and, not differentiable, the losses."""

    @staticmethod
    def forward(ctx: Any, packed: tuple[Any, ...], *inputs: Tensor) -> tuple[Tensor, Tensor]:
        others, layout, numbers, gradient = packed
        problems, weights = unpack(inputs, others, layout, numbers)
        results, gradients = compute(problems, weights, gradient)
        ctx.packed = packed
        ctx.num_inputs = len(inputs)
        if gradient:
            ctx.save_for_backward(*inputs, results.values, results.slopes, *gradients)
        ctx.mark_non_differentiable(results.values)
        ctx.set_materialize_grads(False)
        return results.total, results.values

    @staticmethod
    def backward(ctx: Any, incoming: Tensor | None, _: object) -> tuple[Tensor | None, ...]:
        if incoming is None:
            return (None,) * (int(ctx.num_inputs) + 1)
        inputs = ctx.saved_tensors[: ctx.num_inputs]
        if torch.is_grad_enabled():
            # for a gradient of the gradient
            return (None, *differentiate_reference(ctx.packed, inputs, incoming))
        saved = ctx.saved_tensors[ctx.num_inputs :]
        spread = spread_gradients(ctx.packed, inputs, incoming, saved)
        needed = ctx.needs_input_grad[1:]
        chosen: list[Tensor | None]
        chosen = [each if wanted else None for each, wanted in zip(spread, needed, strict=True)]
        return (None, *chosen)


def differentiate_reference(
    packed: tuple[Any, ...], inputs: Sequence[Tensor], incoming: Tensor
) -> list[Tensor | None]:
    """Compute the inputs' gradients in a way that has a gradient itself."""
    others, layout, numbers, *_ = packed
    # one may come from another, whose gradient by that way autograd adds itself
    inputs = [each.view_as(each) for each in inputs]
    problems, weights = unpack(inputs, others, layout, numbers)
    if not isinstance(weights, Tensor):
        weights = problems[0].student.new_tensor(weights, dtype=torch.float32)
    total = grouped_reference(problems, weights=weights).total
    wanted = [number for number, each in enumerate(inputs) if each.requires_grad]
    found = torch.autograd.grad(
        total,
        [inputs[number] for number in wanted],
        incoming,
        create_graph=True,
        allow_unused=True,
    )
    spread: list[Tensor | None] = [None] * len(inputs)
    for number, each in zip(wanted, found, strict=True):
        spread[number] = each
    return spread
