"""Linear layer and loss over its logits, in chunks of rows: the logits are never all there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from graphkd.kernels.check import described
from graphkd.kernels.factors import numbers_on_device, scale_on_device, weights_on_device
from graphkd.kernels.labels import UNLABELLED
from graphkd.kernels.logit_gradient import loss_and_gradient
from graphkd.kernels.logit_reference import weighted_sum
from graphkd.kernels.logits import LogitLoss
from graphkd.kernels.precision import no_autocast, wide
from graphkd.kernels.problem import LogitProblem, check_problem, check_weights
from graphkd.kernels.terms import Term, needs_label


class Head(NamedTuple):
    """The linear layer that makes logits, hidden weight^T + bias, and what goes into it.

    Attributes:
        hidden: "b d".
        weight: "c d".
        bias: "c", if there is one.
    """

    hidden: Tensor
    weight: Tensor
    bias: Tensor | None = None


def linear_kd_reference(
    student: Head,
    terms: Sequence[Term],
    *,
    teachers: Sequence[Head] = (),
    label: Tensor | None = None,
    weights: Sequence[float] | Tensor | None = None,
) -> LogitLoss:
    """Say in plain PyTorch what `linear_kd` must compute: all logits, then `kd_logits`."""
    logits, knowledge = _wide_logits(student), [_wide_logits(each).detach() for each in teachers]
    return LogitLoss(*weighted_sum([LogitProblem(logits, terms, knowledge, label)], weights))


def _wide_logits(head: Head) -> Tensor:
    """Compute logits in float32 at least: what was rounded once does not come back."""
    hidden, weight, bias = head
    weight = weight.to(hidden.dtype)
    with no_autocast(hidden):
        return F.linear(wide(hidden), wide(weight), None if bias is None else wide(bias))


def _logits(head: Head) -> Tensor:
    """Compute the same, without autograd, by products of half precision where they are fast."""
    hidden, weight, bias = head
    if not _multiplies_halves(hidden):
        return _wide_logits(head)
    logits = torch.mm(hidden, weight.T, out_dtype=torch.float32)
    return logits if bias is None else logits + bias


def _multiplies_halves(hidden: Tensor) -> bool:
    return hidden.is_cuda and hidden.dtype in (torch.float16, torch.bfloat16)


def linear_kd(
    student: Head,
    terms: Sequence[Term],
    *,
    teachers: Sequence[Head] = (),
    label: Tensor | None = None,
    weights: Sequence[float] | Tensor | None = None,
    chunk: int = 2048,
    gradient_scale: float | Tensor = 1.0,
) -> LogitLoss:
    """Compute `kd_logits` of linear layers' logits without holding all logits.

    Loss and gradients are computed in one pass over chunks of rows. Beside the gradients themselves
    it needs memory for the logits of one chunk: 4 chunk c (1 + teachers) + (2 or 4) chunk c bytes.
    Gradients of the weight are summed in float32.

    Args:
        student: gradients flow into all three tensors. A float32 weight of hidden in half precision
            is rounded to it for the products, as under autocast.
        terms: see `kd_logits`.
        teachers: a term names its teacher by the number in this list; of the student's number of
            rows and classes. No gradient flows into them.
        label: see `kd_logits`.
        weights: see `kd_logits`.
        chunk: rows at a time, at least 1. Each chunk reads and writes the gradient of the whole
            weight, so that fewer than 2048 take longer.
        gradient_scale: see `kd_logits`.

    Returns:
        The total and the values.

    Raises:
        ValueError: an argument does not fit, with what was expected.
    """
    _check(student, terms, teachers, label, weights, chunk)
    device = student.hidden.device
    factors = weights_on_device(weights, len(terms), device)
    scale = scale_on_device(gradient_scale, device)
    if torch.compiler.is_compiling():
        # imported late: to register an operator imports the compiler
        from graphkd.kernels.linear_op import by_operator

        return LogitLoss(*by_operator(student, terms, teachers, label, factors, scale, chunk))
    # without autograd no gradient is computed either
    learns = [
        each if each is None or torch.is_grad_enabled() else each.detach() for each in student
    ]
    arguments = (terms, teachers, label, factors, scale, chunk)
    return LogitLoss(*_Chunked.apply(*learns, *arguments))


class _Chunked(torch.autograd.Function):
    """Computes the gradients in the forward; the backward multiplies them."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        terms: Sequence[Term],
        teachers: Sequence[Head],
        label: Tensor | None,
        weights: Tensor,
        scale: Tensor,
        chunk: int,
    ) -> tuple[Tensor, Tensor]:
        head = Head(hidden, weight, bias)
        total, values, gradients = in_chunks(
            head, terms, teachers, label, weights, scale, chunk, wanted=ctx.needs_input_grad[:3]
        )
        # all of them freed by a backward, though the total may live on
        ctx.save_for_backward(hidden, weight, bias, *gradients)
        ctx.given, ctx.scale = (terms, teachers, label, weights), scale
        ctx.mark_non_differentiable(values)
        return total, values

    @staticmethod
    def backward(ctx: Any, incoming: Tensor, _: Tensor | None) -> tuple[Tensor | None, ...]:
        own, gradients = ctx.saved_tensors[:3], ctx.saved_tensors[3:]
        # true under create_graph: the gradient itself is to be differentiated
        if torch.is_grad_enabled():
            found = _differentiable(own, ctx.given, incoming)
        else:
            factor = incoming / ctx.scale.reshape(())
            pairs = zip(gradients, own, strict=True)
            found = [
                # a number on a GPU would take the type of half precision, which has no 65536
                None if made is None else (wide(made) * factor).to(each.dtype)
                for made, each in pairs
            ]
        return *found, None, None, None, None, None, None


def in_chunks(
    head: Head,
    terms: Sequence[Term],
    teachers: Sequence[Head],
    label: Tensor | None,
    weights: Tensor,
    scale: Tensor,
    chunk: int,
    *,
    wanted: Sequence[bool] = (True, True, True),
) -> tuple[Tensor, Tensor, list[Tensor | None]]:
    """Compute total, values, and the gradients of hidden, weight and bias, without autograd.

    Args:
        head: the student.
        terms: see `kd_logits`.
        teachers: see `linear_kd`.
        label: see `kd_logits`.
        weights: "k", float32.
        scale: "" or "1", float32, what the gradients are multiplied with.
        chunk: rows at a time.
        wanted: which of the gradients.
    """
    sums = [
        torch.zeros_like(each, dtype=wide(each[:0]).dtype) if each is not None and want else None
        for each, want in zip(head, wanted, strict=True)
    ]
    by_hidden, by_weight, by_bias = sums
    if by_hidden is not None:
        # written once, so that nothing is lost in the type it goes back in
        by_hidden = torch.zeros_like(head.hidden)
    head, *teachers = (_of_one_type(each) for each in (head, *teachers))
    hidden = head.hidden
    values = torch.zeros(len(terms), dtype=wide(hidden[:0]).dtype, device=hidden.device)
    for rows, share in _shares(len(hidden), terms, label, chunk, values):
        problem = LogitProblem(
            _logits(head._replace(hidden=hidden[rows])),
            terms,
            [_logits(each._replace(hidden=each.hidden[rows])) for each in teachers],
            None if label is None else label[rows],
        )
        _, part, by_logits = loss_and_gradient(
            [problem], weights * share, scale, dtype=hidden.dtype
        )
        values += part * share
        with no_autocast(hidden):
            if by_hidden is not None:
                by_hidden[rows] = by_logits @ head.weight
            if by_weight is not None:
                by_weight += _product(by_logits, hidden[rows])
        if by_bias is not None:
            by_bias += by_logits.sum(dim=0, dtype=by_bias.dtype)
    return (values * weights).sum(), values, [by_hidden, by_weight, by_bias]


def _of_one_type(head: Head) -> Head:
    """Round the weight to the type of what goes in, once for all chunks."""
    return head._replace(weight=head.weight.to(head.hidden.dtype))


def _product(by_logits: Tensor, hidden: Tensor) -> Tensor:
    """Compute the gradient of the weight, in float32 at least."""
    if _multiplies_halves(hidden):
        return torch.mm(by_logits.T, hidden, out_dtype=torch.float32)
    return wide(by_logits.T) @ wide(hidden)


def _shares(
    num_rows: int, terms: Sequence[Term], label: Tensor | None, chunk: int, like: Tensor
) -> Iterator[tuple[slice, Tensor]]:
    """Give each chunk of rows, and the share that it has in the mean of each term, "k"."""
    labelled: Tensor | None = None
    if label is not None and not label.is_floating_point():
        labelled = label.ne(UNLABELLED)
    needed = tuple(float(needs_label(each)) for each in terms)
    by_label = numbers_on_device(needed, like.device) > 0
    for start in range(0, num_rows, chunk):
        rows = slice(start, min(start + chunk, num_rows))
        share = torch.full_like(like, (rows.stop - rows.start) / num_rows)
        if labelled is not None:
            of_label = labelled[rows].sum().to(share.dtype) / labelled.sum().clamp(min=1)
            share = torch.where(by_label, of_label, share)
        yield rows, share


def _differentiable(
    own: Sequence[Tensor | None], given: tuple[Any, ...], incoming: Tensor
) -> list[Tensor | None]:
    """Compute the gradients in a way that has a gradient itself; all logits are held."""
    terms, teachers, label, weights = given
    # hidden may come from weight, whose gradient by that way autograd adds itself
    own = [None if each is None else each.view_as(each) for each in own]
    hidden, weight, bias = own
    assert hidden is not None and weight is not None
    made = linear_kd_reference(
        Head(hidden, weight, bias), terms, teachers=teachers, label=label, weights=weights
    )
    wanted = [each for each in own if each is not None and each.requires_grad]
    found = iter(torch.autograd.grad(made.total, wanted, incoming, create_graph=True))
    return [next(found) if each is not None and each.requires_grad else None for each in own]


def _check(
    student: Head,
    terms: Sequence[Term],
    teachers: Sequence[Head],
    label: Tensor | None,
    weights: Sequence[float] | Tensor | None,
    chunk: int,
) -> None:
    if chunk < 1:
        raise ValueError(f"chunk is {chunk}, not at least 1; try 2048")
    _check_head("student", student)
    for number, each in enumerate(teachers):
        _check_head(f"teachers[{number}]", each)
        if any(part is not None and part.requires_grad for part in each):
            raise ValueError(
                f"teachers[{number}] requires a gradient, which is never computed; detach it"
            )
    # of the logits' sizes, without memory
    shapes = [_without_memory(each) for each in (student, *teachers)]
    check_problem(LogitProblem(shapes[0], terms, shapes[1:], label))
    check_weights(weights, len(terms), shapes[0])


def _without_memory(head: Head) -> Tensor:
    return head.hidden.new_empty(()).expand(len(head.hidden), len(head.weight))


def _check_head(name: str, head: Head) -> None:
    hidden, weight, bias = head
    fits = hidden.ndim == 2 and weight.ndim == 2 and hidden.shape[1] == weight.shape[1]
    if not fits or (bias is not None and bias.shape != weight.shape[:1]):
        raise ValueError(
            f'{name} must be hidden "b d", weight "c d" and, if any, bias "c"; it is '
            + ", ".join("None" if each is None else described(each) for each in head)
        )
    for part, each in (("weight", weight), ("bias", bias)):
        if each is not None and each.device != hidden.device:
            raise ValueError(f"{name}: {part} is on {each.device} but hidden is on {hidden.device}")
    # as under autocast: what goes in is of half precision, the weight that learns is not
    if weight.dtype not in (hidden.dtype, wide(hidden[:0]).dtype):
        raise ValueError(
            f"{name}: weight is {described(weight)} but hidden is {described(hidden)}; "
            "give both the same type, as with weight.to(hidden.dtype)"
        )
