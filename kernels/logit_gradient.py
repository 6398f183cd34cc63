"""The gradient of each term over logits in closed form, where autograd is not to be had."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from graphkd.kernels.labels import UNLABELLED, class_of, is_class, of_class
from graphkd.kernels.launch import takes_kernel
from graphkd.kernels.logit_operands import operands, outputs
from graphkd.kernels.logit_plan import AGAIN, plan
from graphkd.kernels.logit_reference import weighted_sum
from graphkd.kernels.precision import wide
from graphkd.kernels.problem import LogitProblem
from graphkd.kernels.terms import DKD, KL, NKD, OFA, CrossEntropy, Term


def loss_and_gradient(
    problems: Sequence[LogitProblem],
    weights: Tensor,
    scale: Tensor,
    *,
    dtype: torch.dtype | None = None,
) -> list[Tensor]:
    """Compute the weighted sum of all terms, and its gradient, without autograd.

    Args:
        problems: at least one; none empty where a kernel is taken.
        weights: "k", factor of each term of each problem in turn.
        scale: "" or "1", float32, what all gradients are multiplied with.
        dtype: of the gradients, the students' own by default.

    Returns:
        The weighted sum, "", the value of each term, "k", and of each student its gradient, "b c".
    """
    if not takes_kernel(*(each.student for each in problems)):
        total, values = weighted_sum(problems, weights)
        return [total, values, *weighted_gradients(problems, weights, scale, dtype=dtype)]
    given = operands(problems, weights)
    made = outputs(given, wanted=[True] * len(problems), dtype=dtype)
    # nothing that is kept may be made where a compiler owns the memory
    counter = torch.zeros(1, dtype=torch.int32, device=scale.device)
    launches = plan(given, made, scale=scale, counter=counter)
    # at once what autograd would leave to the backward: rows without a label
    launches += plan(given, made, scale=scale, expected=scale, mode=AGAIN)
    for each in launches:
        each.run()
    # an operator's outputs may not share memory
    total, values = made.results[0].clone(), made.results[1 : 1 + len(weights)].clone()
    return [total, values, *(each for each in made.gradients if each is not None)]


def weighted_gradients(
    problems: Sequence[LogitProblem],
    weights: Tensor,
    scale: Tensor,
    *,
    dtype: torch.dtype | None = None,
) -> list[Tensor]:
    """Compute the gradient of `weighted_sum` times a scale.

    Args:
        problems: at least one.
        weights: "k", factor of each term of each problem in turn.
        scale: "" or "1".
        dtype: of the gradients, the students' own by default.

    Returns:
        Of each student "b c".
    """
    gradients, first = [], 0
    for problem in problems:
        parts = [
            weights[first + index] * _gradient(term, problem)
            for index, term in enumerate(problem.terms)
        ]
        first += len(parts)
        total = torch.stack(parts).sum(dim=0) * scale.reshape(())
        gradients.append(total.to(dtype or problem.student.dtype))
    return gradients


def _gradient(term: Term, problem: LogitProblem) -> Tensor:
    logits = wide(problem.student)
    if isinstance(term, KL):
        return _kl(logits, _of_teacher(term, problem), term) / max(len(logits), 1)
    assert problem.label is not None
    label = problem.label
    if isinstance(term, CrossEntropy) and label.is_floating_point():
        target = label.to(logits.dtype).lerp(_uniform(logits), term.label_smoothing)
        softmax = F.softmax(logits, dim=-1)
        return (target.sum(dim=-1, keepdim=True) * softmax - target) / max(len(logits), 1)
    number = class_of(label)
    own = is_class(logits, number)
    match term:
        case CrossEntropy(smoothing):
            rows = F.softmax(logits, dim=-1) - own.to(logits.dtype).lerp(
                _uniform(logits), smoothing
            )
        case DKD():
            rows = _dkd(logits, _of_teacher(term, problem), number, own, term)
        case OFA():
            rows = _ofa(logits, _of_teacher(term, problem), own, term)
        case NKD():
            rows = _nkd(logits, _of_teacher(term, problem), number, own, term)
    labelled = (number != UNLABELLED).unsqueeze(-1)
    return torch.where(labelled, rows, 0.0) / labelled.sum().clamp(min=1)


def _of_teacher(term: KL | DKD | OFA | NKD, problem: LogitProblem) -> Tensor:
    return wide(problem.teachers[term.teacher]).to(wide(problem.student).dtype)


def _uniform(logits: Tensor) -> Tensor:
    return torch.full_like(logits, 1.0 / logits.shape[-1])


def _kl(logits: Tensor, knowledge: Tensor, term: KL) -> Tensor:
    """Compute T (q - p), T q (log q/p - KL(q || p)), or T q (log q/m - KL(q || m)) / 2."""
    log_q = F.log_softmax(logits / term.temperature, dim=-1)
    log_p = F.log_softmax(knowledge / term.temperature, dim=-1)
    q = log_q.exp()
    if term.direction == "forward":
        return term.temperature * (q - log_p.exp())
    half = 1.0
    if term.direction == "jensen_shannon":
        log_p, half = torch.logaddexp(log_q, log_p) - math.log(2.0), 0.5
    ratio = torch.where(q > 0, log_q - log_p, 0.0)
    mean = (q * ratio).sum(dim=-1, keepdim=True)
    return half * term.temperature * q * (ratio - mean)


def _others(logits: Tensor, own: Tensor) -> Tensor:
    """Compute the softmax over the classes that are not the label's, 0 where there is none."""
    return F.softmax(logits.masked_fill(own, float("-inf")), dim=-1).nan_to_num(0.0)


def _dkd(logits: Tensor, knowledge: Tensor, number: Tensor, own: Tensor, term: DKD) -> Tensor:
    """Compute T (alpha (q_y - p_y)) at y, T (alpha qh (p_y - q_y) + beta (qh - ph)) elsewhere."""
    logits, knowledge = logits / term.temperature, knowledge / term.temperature
    q_own, p_own = (
        of_class(F.softmax(each, dim=-1), number).unsqueeze(-1) for each in (logits, knowledge)
    )
    q, p = _others(logits, own), _others(knowledge, own)
    possible = p.sum(dim=-1, keepdim=True)
    elsewhere = term.alpha * q * (p_own - q_own) + term.beta * (possible * q - p)
    return term.temperature * torch.where(own, term.alpha * (q_own - p_own), elsewhere)


def _ofa(logits: Tensor, knowledge: Tensor, own: Tensor, term: OFA) -> Tensor:
    """Compute (q sum_c w_c - w) / T."""
    q = F.softmax(logits / term.temperature, dim=-1)
    log_p = F.log_softmax(knowledge / term.temperature, dim=-1)
    p = log_p.exp()
    others = (term.gamma * log_p).exp() if term.nontarget_power else p
    factor = torch.where(own, (1.0 + p) ** term.gamma - 1.0, others)
    return (factor.sum(dim=-1, keepdim=True) * q - factor) / term.temperature


def _nkd(logits: Tensor, knowledge: Tensor, number: Tensor, own: Tensor, term: NKD) -> Tensor:
    """Compute p_y (q - 1_y), and gamma T (qh - ph) at the other classes."""
    p_own = of_class(F.softmax(knowledge, dim=-1), number).unsqueeze(-1)
    target = p_own * (F.softmax(logits, dim=-1) - own.to(logits.dtype))
    q = _others(logits / term.temperature, own)
    p = _others(knowledge / term.temperature, own)
    possible = p.sum(dim=-1, keepdim=True)
    return target + term.gamma * term.temperature * (possible * q - p)
