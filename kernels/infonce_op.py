"""The InfoNCE kernels as an operator that `torch.compile` and `torch.export` know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from graphkd.kernels.infonce_autograd import (
    compute,
    differentiate_reference,
    empty_gradients,
    empty_results,
    spread_gradients,
    unpack,
)
from graphkd.kernels.infonce_group import has_kernel


@torch.library.custom_op("graphkd::infonce", mutates_args=())
def infonce_operator(
    inputs: Sequence[Tensor],
    others: Sequence[Tensor],
    layout: Sequence[int],
    numbers: Sequence[float],
    gradient: bool,
) -> list[Tensor]:
    """Compute packed problems, see `_Packed`.

    Returns:
        The weighted sum of the losses; the losses; the slopes on the scales; then the flat
        gradient of each group, if `gradient`.
    """
    problems, weights = unpack(inputs, others, list(layout), list(numbers))
    if not all(map(has_kernel, problems)):
        device = problems[0].student.device
        raise ValueError(f"infonce was compiled for a GPU but runs on {device}; compile it there")
    results, gradients = compute(problems, weights, gradient)
    return [*results, *gradients]


@infonce_operator.register_fake
def _(
    inputs: Sequence[Tensor],
    others: Sequence[Tensor],
    layout: Sequence[int],
    numbers: Sequence[float],
    gradient: bool,
) -> list[Tensor]:
    problems, _ = unpack(inputs, others, list(layout), list(numbers))
    return [*empty_results(problems), *(empty_gradients(problems) if gradient else [])]


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: list[Tensor]) -> None:
    tensors, *packed = inputs
    # gradients go back in the form of the arguments
    ctx.nothing = [None] * len(packed[0]), None, None, None
    ctx.packed = tuple(packed)
    ctx.num_inputs = len(tensors)
    ctx.save_for_backward(*tensors, *output[1:])
    ctx.mark_non_differentiable(*output[1:])
    ctx.set_materialize_grads(False)


def _operator_backward(ctx: Any, incoming: list[Tensor | None]) -> tuple[Any, ...]:
    total, *_ = incoming
    inputs = ctx.saved_tensors[: ctx.num_inputs]
    if total is None:
        return [None] * len(inputs), *ctx.nothing
    if torch.is_grad_enabled():
        return differentiate_reference(ctx.packed, inputs, total), *ctx.nothing
    saved = ctx.saved_tensors[ctx.num_inputs :]
    return spread_gradients(ctx.packed, inputs, total, saved), *ctx.nothing


infonce_operator.register_autograd(_operator_backward, setup_context=_setup_context)
