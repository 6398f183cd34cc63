"""InfoNCE: find one's own sample's knowledge among everybody's."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from graphkd.kernels.factors import numbers_on_device
from graphkd.kernels.infonce_autograd import infonce_by_kernels
from graphkd.kernels.infonce_checks import check_group, check_problem
from graphkd.kernels.infonce_group import has_kernel
from graphkd.kernels.infonce_reference import (
    Anchor,
    ContrastProblem,
    ContrastValues,
    grouped_reference,
    infonce_reference,
)

__all__ = [
    "ContrastProblem",
    "ContrastValues",
    "infonce",
    "infonce_grouped",
    "infonce_reference",
]


def infonce(
    student: Tensor,
    knowledge: Tensor,
    *,
    scale: Tensor | float,
    bank: Tensor | None = None,
    symmetric: bool = False,
    index: Tensor | None = None,
    bank_index: Tensor | None = None,
    label: Tensor | None = None,
    bank_label: Tensor | None = None,
    knowledge_gradient: bool = False,
    anchor: Anchor = "student",
) -> Tensor:
    """Compute `infonce_reference`, on a GPU without the matrix of all pairs in memory.

    The kernels compute float32, float16 and bfloat16 at widths up to 512; all else is computed by
    the reference. Their products take the vectors as they are and keep sums in float32; products of
    float32 vectors are exact to about 21 bits. The same call gives the same bits every time.

    Args:
        student: "b d".
        knowledge: "b d", row n belongs to student n; no gradient unless `knowledge_gradient`.
        scale: "" or "1", 1 / temperature, no unit, above 0; a gradient flows into a tensor.
        bank: "m d", further knowledge that belongs to none of the students; no gradient.
        symmetric: take both directions.
        index: "b", int64, numbers of the samples; equal ones off the diagonal are left out.
        bank_index: "m", int64, those of the bank.
        label: "b", int64; pairs of equal labels are positives. A negative label equals none.
        bank_label: "m", int64, those of the bank.
        knowledge_gradient: the gradient flows into the knowledge too.
        anchor: who looks for its own.

    Returns:
        "", nats, float32 (float64 for float64 inputs).

    Raises:
        ValueError: an argument does not fit the others.
    """
    problem = ContrastProblem(
        student,
        knowledge,
        scale,
        bank,
        symmetric,
        index,
        bank_index,
        label,
        bank_label,
        knowledge_gradient,
        anchor,
    )
    check_problem(problem)
    if has_kernel(problem):
        return infonce_by_kernels([problem], (1.0,)).total
    return infonce_reference(**problem._asdict())


def infonce_grouped(
    problems: Sequence[ContrastProblem],
    *,
    weights: Tensor | Sequence[float] | None = None,
) -> ContrastValues:
    """Compute sum_i weight_i * loss_i of several InfoNCE problems, many in one launch.

    Problems share launches that agree in dtype, width, direction and in which optional arguments
    they have; their sizes and scales may differ.

    Args:
        problems: at least one, see `infonce`; all on one device.
        weights: "problems", float32, a gradient flows into it, or numbers; 1 without.

    Returns:
        The sum, from which gradients flow, and the losses, detached.

    Raises:
        ValueError: an argument does not fit the others.
    """
    problems = tuple(problems)
    if weights is not None and not isinstance(weights, Tensor):
        weights = tuple(weights)
    check_group(problems, weights)
    by_kernels = [number for number, each in enumerate(problems) if has_kernel(each)]
    if len(by_kernels) == len(problems):
        numbers = (1.0,) * len(problems) if weights is None else weights
        return infonce_by_kernels(problems, numbers)
    if not by_kernels:
        return grouped_reference(problems, weights=_as_tensor(weights, problems))
    return _mixed(problems, weights)


def _as_tensor(
    weights: Tensor | Sequence[float] | None, problems: Sequence[ContrastProblem]
) -> Tensor | None:
    if weights is None or isinstance(weights, Tensor):
        return weights
    return numbers_on_device(tuple(map(float, weights)), problems[0].student.device)


def _mixed(
    problems: tuple[ContrastProblem, ...],
    weights: Tensor | tuple[float, ...] | None,
) -> ContrastValues:
    """Compute problems of which some have no kernel."""
    weights = (1.0,) * len(problems) if weights is None else weights
    values: dict[int, Tensor] = {}
    totals = []
    for by_kernels in (True, False):
        numbers = [n for n, each in enumerate(problems) if has_kernel(each) == by_kernels]
        chosen = [problems[number] for number in numbers]
        if isinstance(weights, Tensor):
            parts: Tensor | list[float] = torch.stack([weights[number] for number in numbers])
        else:
            parts = [weights[number] for number in numbers]
        if by_kernels:
            total, found = infonce_by_kernels(chosen, parts)
        else:
            total, found = grouped_reference(chosen, weights=_as_tensor(parts, chosen))
        totals.append(total)
        values |= dict(zip(numbers, found, strict=True))
    ordered = [values[number] for number in range(len(problems))]
    return ContrastValues(totals[0] + totals[1], torch.stack(ordered))
