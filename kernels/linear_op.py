"""Linear layer and loss as an operator that `torch.compile` and `torch.export` know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from graphkd.kernels.linear import Head, in_chunks
from graphkd.kernels.precision import wide
from graphkd.kernels.terms import NUMBERS, Term, from_numbers, to_numbers


def by_operator(
    student: Head,
    terms: Sequence[Term],
    teachers: Sequence[Head],
    label: Tensor | None,
    weights: Tensor,
    scale: Tensor,
    chunk: int,
) -> tuple[Tensor, Tensor]:
    """Compute total and values through the operator; see `in_chunks`."""
    made = linear_kd_operator(
        student.hidden,
        student.weight,
        student.bias,
        [part.detach() for each in teachers for part in each if part is not None],
        label,
        weights,
        scale,
        [int(each.bias is not None) for each in teachers],
        [number for term in terms for number in to_numbers(term)],
        chunk,
    )
    return made[0], made[1]


# the schema is read from these annotations
@torch.library.custom_op("graphkd::linear_kd", mutates_args=())
def linear_kd_operator(
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    teachers: list[Tensor],
    label: Tensor | None,
    weights: Tensor,
    scale: Tensor,
    with_bias: list[int],
    terms: list[float],
    chunk: int,
) -> list[Tensor]:
    """Compute the total, "", the values, "k", and the gradients of hidden, weight and bias.

    Args:
        hidden: "b d".
        weight: "c d".
        bias: "c", if there is one.
        teachers: of each teacher the same in turn.
        label: "b" or "b c", if there is one.
        weights: "k", float32.
        scale: "" or "1", float32, what the gradients are multiplied with.
        with_bias: of each teacher whether it has a bias.
        terms: as numbers.
        chunk: rows at a time.
    """
    parts = iter(teachers)
    heads = [Head(next(parts), next(parts), next(parts) if has else None) for has in with_bias]
    starts = range(0, len(terms), NUMBERS)
    total, values, gradients = in_chunks(
        Head(hidden, weight, bias),
        [from_numbers(terms[start : start + NUMBERS]) for start in starts],
        heads,
        label,
        weights,
        scale,
        chunk,
    )
    return [total, values, *(each for each in gradients if each is not None)]


@linear_kd_operator.register_fake
def _shapes(
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    teachers: list[Tensor],
    label: Tensor | None,
    weights: Tensor,
    scale: Tensor,
    with_bias: list[int],
    terms: list[float],
    chunk: int,
) -> list[Tensor]:
    dtype = wide(weight[:0]).dtype
    made = [weight.new_empty((), dtype=dtype), weight.new_empty(weights.shape, dtype=dtype)]
    made += [torch.empty_like(hidden), torch.empty_like(weight, dtype=dtype)]
    return made if bias is None else [*made, torch.empty_like(bias, dtype=dtype)]


def _keep(ctx: Any, inputs: tuple[Any, ...], output: list[Tensor]) -> None:
    _, weight, bias, teachers, _, _, scale, *_ = inputs
    ctx.num_teachers = len(teachers)
    ctx.dtypes = weight.dtype, None if bias is None else bias.dtype
    ctx.save_for_backward(scale, *output[2:])


def _gradient(ctx: Any, incoming: list[Tensor | None]) -> tuple[Any, ...]:
    scale, by_hidden, by_weight, *by_bias = ctx.saved_tensors
    found: list[Tensor | None] = [None, None, None]
    if incoming[0] is not None:
        factor = incoming[0] / scale.reshape(())
        of_weight, of_bias = ctx.dtypes
        found[0] = (wide(by_hidden) * factor).to(by_hidden.dtype)
        found[1] = (by_weight * factor).to(of_weight)
        if by_bias:
            found[2] = (by_bias[0] * factor).to(of_bias)
    return *found, [None] * ctx.num_teachers, None, None, None, None, None, None


linear_kd_operator.register_autograd(_gradient, setup_context=_keep)
