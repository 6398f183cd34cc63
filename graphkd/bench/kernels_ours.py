"""The measured losses by the kernels of graphkd; without a GPU, by their references."""

from __future__ import annotations

from collections.abc import Callable
from unittest.mock import patch

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
from graphkd.bench.kernels_plain import ALPHA, BETA, GAMMA
from graphkd.kernels import logit_plan
from graphkd.kernels.infonce import ContrastProblem, infonce, infonce_grouped
from graphkd.kernels.linear import Head, linear_kd
from graphkd.kernels.logits import kd_logits
from graphkd.kernels.terms import DKD, KL, OFA, CrossEntropy, Term


def our_loss(case: Case) -> Callable[..., Tensor]:
    """Return the case's loss as a function of its inputs."""
    if isinstance(case, LogitCase):
        return _logit_loss(case)
    if isinstance(case, LinearCase):
        return _linear_loss
    assert isinstance(case, ContrastCase)
    return _contrast_loss(case)


def _logit_loss(case: LogitCase) -> Callable[..., Tensor]:
    terms = [_term(case.loss, number) for number in range(case.teachers)]
    weights = [SOFT] * case.teachers
    if case.labels:
        terms.append(CrossEntropy())
        weights.append(HARD)

    def loss(student: Tensor, *others: Tensor) -> Tensor:
        *teachers, label = others
        return kd_logits(student, terms, teachers=teachers, label=label, weights=weights).total

    def streamed(*inputs: Tensor) -> Tensor:
        # as on a GPU where blocks of threads share nothing
        with patch.object(logit_plan, "_has_clusters", lambda device: False):
            return loss(*inputs)

    return streamed if case.streamed else loss


def _term(name: str, teacher: int) -> Term:
    match name:
        case "kl":
            return KL(teacher, TEMPERATURE)
        case "jsd":
            return KL(teacher, TEMPERATURE, "jensen_shannon")
        case "dkd":
            return DKD(teacher, TEMPERATURE, ALPHA, BETA)
        case _:
            return OFA(teacher, 1.0, GAMMA)


def _linear_loss(hidden: Tensor, weight: Tensor, other: Tensor, other_weight: Tensor) -> Tensor:
    teachers = [Head(other, other_weight)]
    return linear_kd(Head(hidden, weight), [KL(0, TEMPERATURE)], teachers=teachers).total


def _contrast_loss(case: ContrastCase) -> Callable[..., Tensor]:
    def one(student: Tensor, knowledge: Tensor, bank: Tensor | None = None) -> Tensor:
        return infonce(
            student,
            knowledge,
            scale=SCALE,
            bank=bank,
            symmetric=case.symmetric,
            knowledge_gradient=case.learners > 1,
        )

    def several(student: Tensor, knowledge: Tensor) -> Tensor:
        problems = [ContrastProblem(*pair, SCALE) for pair in zip(student, knowledge, strict=True)]
        return infonce_grouped(problems).total

    return one if case.flows == 1 else several
