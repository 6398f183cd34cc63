"""One student and what it is compared with, as data, and what cannot be compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor

from graphkd.kernels.check import (
    check_device,
    check_gamma,
    check_teacher,
    check_temperature,
    check_term,
    described,
)
from graphkd.kernels.kl import check_direction
from graphkd.kernels.terms import KL, OFA, CrossEntropy, Term, needs_label


class LogitProblem(NamedTuple):
    """One student and what it is compared with.

    Attributes:
        student: "b c", logits.
        terms: what its loss is made of.
        teachers: each "b c", logits; a term's `teacher` is a number in this list.
        label: "b", class numbers, int64, -1 for none; or "b c", probabilities.
    """

    student: Tensor
    terms: Sequence[Term]
    teachers: Sequence[Tensor] = ()
    label: Tensor | None = None


def check_problem(problem: LogitProblem) -> None:
    """Refuse terms, teachers and a label that do not belong to a student's logits.

    Raises:
        ValueError: with the argument's name, what was expected and what it is.
    """
    student, terms, teachers, label = problem
    if not terms:
        raise ValueError("terms is empty; give at least one, as [CrossEntropy()]")
    check_term(student, None, label)
    for number, teacher in enumerate(teachers):
        name = f"teachers[{number}]"
        with _about(name):
            check_teacher(student, teacher)
        if teacher.requires_grad:
            raise ValueError(
                f"{name} requires a gradient, which is never computed; give {name}.detach()"
            )
    for number, term in enumerate(terms):
        with _about(f"terms[{number}]"):
            _check_settings(term, num_teachers=len(teachers), has_label=label is not None)


@contextmanager
def _about(name: str) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _check_settings(term: Term, *, num_teachers: int, has_label: bool) -> None:
    if needs_label(term) and not has_label:
        raise ValueError(f"{type(term).__name__} compares with the label; give label")
    if isinstance(term, CrossEntropy):
        if not 0.0 <= term.label_smoothing < 1.0:
            raise ValueError(
                f"label_smoothing is {term.label_smoothing}, not from 0 to below 1; try 0.1"
            )
        return
    check_temperature(term.temperature)
    if isinstance(term, KL):
        check_direction(term.direction)
    if isinstance(term, OFA):
        check_gamma(term.gamma)
    if not 0 <= term.teacher < num_teachers:
        raise ValueError(
            f"teacher is {term.teacher}, but there are {num_teachers} teachers, counted from 0"
        )


def check_together(problems: Sequence[LogitProblem], gradient_scale: float | Tensor) -> None:
    """Refuse problems that no launch takes together, and a scale that is no number there.

    Raises:
        ValueError: with what was expected and what it is.
    """
    first = problems[0].student
    for number, each in enumerate(problems):
        check_device(f"problems[{number}].student", first, each.student)
        if (each.student.dtype == torch.float64) != (first.dtype == torch.float64):
            raise ValueError(
                f"problems[{number}].student is {described(each.student)} but that of problems[0] "
                f"is {described(first)}; float64 goes together with float64 only"
            )
    if not isinstance(gradient_scale, Tensor):
        if gradient_scale == 0.0:
            raise ValueError("gradient_scale is 0, by which no gradient can be told; try 1.0")
    else:
        check_device("gradient_scale", first, gradient_scale)
        if gradient_scale.numel() != 1:
            raise ValueError(f"gradient_scale must be a number; it is {described(gradient_scale)}")


def check_weights(
    weights: Sequence[float] | Tensor | None, num_terms: int, student: Tensor
) -> None:
    """Refuse weights of another number than there are terms, or on another device.

    Raises:
        ValueError: with what was expected and what it is.
    """
    if weights is None:
        return
    if isinstance(weights, Tensor):
        if weights.shape != (num_terms,) or weights.dtype != torch.float32:
            raise ValueError(
                f"weights must be ({num_terms},) float32, one a term; it is {described(weights)}"
            )
        check_device("weights", student, weights)
    elif len(weights) != num_terms:
        raise ValueError(
            f"weights must be {num_terms} numbers, one a term; there are {len(weights)}"
        )
