"""The measured losses in PyTorch, written by hand; in float64 they are the truth."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from graphkd.bench.kernels_cases import (
    HARD,
    SCALE,
    SOFT,
    TEMPERATURE,
    Case,
    ContrastCase,
    LinearCase,
    LogitCase,
)
from graphkd.kernels.precision import wide

ALPHA, BETA = 1.0, 8.0
"""Weights of the two parts of DKD."""
GAMMA = 1.0
"""Power of OFA."""


def plain_loss(case: Case) -> Callable[..., Tensor]:
    """Return the case's loss as a function of its inputs."""
    if isinstance(case, LogitCase):
        return _logit_loss(case)
    if isinstance(case, LinearCase):
        return _linear_loss
    assert isinstance(case, ContrastCase)
    return _contrast_loss(case)


def _logit_loss(case: LogitCase) -> Callable[..., Tensor]:
    soft = {"kl": _kl, "dkd": _dkd, "ofa": _ofa, "jsd": _jsd}[case.loss]

    def loss(student: Tensor, *others: Tensor) -> Tensor:
        *teachers, label = others
        logits = wide(student)
        total = torch.zeros((), dtype=logits.dtype, device=logits.device)
        for teacher in teachers:
            total = total + SOFT * soft(logits, wide(teacher), label)
        if case.labels:
            total = total + HARD * F.cross_entropy(logits, label)
        return total

    return loss


def _kl(student: Tensor, teacher: Tensor, label: Tensor) -> Tensor:
    log_student = F.log_softmax(student / TEMPERATURE, dim=-1)
    softened = F.softmax(teacher / TEMPERATURE, dim=-1)
    return F.kl_div(log_student, softened, reduction="batchmean") * TEMPERATURE**2


def _jsd(student: Tensor, teacher: Tensor, label: Tensor) -> Tensor:
    log_student = F.log_softmax(student / TEMPERATURE, dim=-1)
    log_teacher = F.log_softmax(teacher / TEMPERATURE, dim=-1)
    mixture = torch.logaddexp(log_student, log_teacher) - math.log(2.0)
    parts = [
        F.kl_div(mixture, each, reduction="batchmean", log_target=True)
        for each in (log_student, log_teacher)
    ]
    return (parts[0] + parts[1]) / 2 * TEMPERATURE**2


def _dkd(student: Tensor, teacher: Tensor, label: Tensor) -> Tensor:
    own = _own(label, student)
    target, others = [], []
    for logits in (student / TEMPERATURE, teacher / TEMPERATURE):
        rest = logits.masked_fill(own, float("-inf"))
        both = torch.stack([_of_class(logits, label), torch.logsumexp(rest, dim=-1)], dim=-1)
        target.append(F.log_softmax(both, dim=-1))
        # as low as a masked class goes without giving infinity less infinity
        others.append(F.log_softmax(logits.masked_fill(own, -1e4), dim=-1))
    tckd, nckd = (
        F.kl_div(log_q, log_p, reduction="batchmean", log_target=True)
        for log_q, log_p in (target, others)
    )
    return (ALPHA * tckd + BETA * nckd) * TEMPERATURE**2


def _own(label: Tensor, logits: Tensor) -> Tensor:
    return label[:, None] == torch.arange(logits.shape[-1], device=logits.device)


def _of_class(logits: Tensor, label: Tensor) -> Tensor:
    return logits.gather(-1, label[:, None]).squeeze(-1)


def _ofa(student: Tensor, teacher: Tensor, label: Tensor) -> Tensor:
    own = _own(label, student).to(student.dtype)
    factor = (F.softmax(teacher, dim=-1) + own) ** GAMMA - own
    return -(factor * F.log_softmax(student, dim=-1)).sum(dim=-1).mean()


def _linear_loss(hidden: Tensor, weight: Tensor, other: Tensor, other_weight: Tensor) -> Tensor:
    student, teacher = hidden @ weight.T, other @ other_weight.T
    return _kl(wide(student), wide(teacher), hidden)


def _contrast_loss(case: ContrastCase) -> Callable[..., Tensor]:
    def one(student: Tensor, knowledge: Tensor, bank: Tensor | None = None) -> Tensor:
        keys = knowledge if bank is None else torch.cat([knowledge, bank])
        scores = SCALE * F.normalize(student, dim=-1) @ F.normalize(keys, dim=-1).T
        own = torch.arange(len(student), device=student.device)
        loss = F.cross_entropy(scores, own)
        if case.symmetric:
            loss = (loss + F.cross_entropy(scores.T, own)) / 2
        return loss

    def several(student: Tensor, knowledge: Tensor) -> Tensor:
        pairs = zip(student, knowledge, strict=True)
        return torch.stack([one(*pair) for pair in pairs]).sum()

    return one if case.flows == 1 else several
