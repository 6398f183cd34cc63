"""The terms that a loss over logits is made of, as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, get_args

from torch import Tensor

from graphkd.kernels.cross_entropy import cross_entropy_reference
from graphkd.kernels.dkd import dkd_reference
from graphkd.kernels.kl import Direction, kl_reference
from graphkd.kernels.nkd import nkd_reference
from graphkd.kernels.ofa import ofa_reference


class CrossEntropy(NamedTuple):
    """`cross_entropy_reference` with the label.

    Attributes:
        label_smoothing: no unit, from 0 to below 1.
    """

    label_smoothing: float = 0.0


class KL(NamedTuple):
    """`kl_reference`.

    Attributes:
        teacher: number of the teacher.
        temperature: no unit, above 0.
        direction: which divergence.
    """

    teacher: int = 0
    temperature: float = 4.0
    direction: Direction = "forward"


class DKD(NamedTuple):
    """`dkd_reference`.

    Attributes:
        teacher: number of the teacher.
        temperature: no unit, above 0.
        alpha: weight of the target class's part.
        beta: weight of the other classes' part.
    """

    teacher: int = 0
    temperature: float = 4.0
    alpha: float = 1.0
    beta: float = 8.0


class OFA(NamedTuple):
    """`ofa_reference`.

    Attributes:
        teacher: number of the teacher.
        temperature: no unit, above 0.
        gamma: no unit, above 0.
        nontarget_power: whether the power acts on the other classes too.
    """

    teacher: int = 0
    temperature: float = 1.0
    gamma: float = 1.0
    nontarget_power: bool = True


class NKD(NamedTuple):
    """`nkd_reference`.

    Attributes:
        teacher: number of the teacher.
        temperature: no unit, above 0.
        gamma: weight of the other classes' part.
    """

    teacher: int = 0
    temperature: float = 1.0
    gamma: float = 1.5


Term = CrossEntropy | KL | DKD | OFA | NKD


def needs_label(term: Term) -> bool:
    """Say whether a term compares with the label."""
    return not isinstance(term, KL)


def reference(
    term: Term, student: Tensor, teachers: Sequence[Tensor], label: Tensor | None
) -> Tensor:
    """Compute one term in plain PyTorch.

    Args:
        term: which.
        student: "b c", logits.
        teachers: each "b c", logits; detached.
        label: "b", class numbers, or "b c", probabilities.

    Returns:
        "", nats.
    """
    match term:
        case CrossEntropy(smoothing):
            assert label is not None
            return cross_entropy_reference(student, label, label_smoothing=smoothing)
        case KL(number, temperature, direction):
            knowledge = teachers[number]
            return kl_reference(student, knowledge, temperature=temperature, direction=direction)
    assert label is not None
    knowledge = teachers[term.teacher]
    match term:
        case DKD(_, temperature, alpha, beta):
            return dkd_reference(
                student, knowledge, label, temperature=temperature, alpha=alpha, beta=beta
            )
        case OFA(_, temperature, gamma, power):
            return ofa_reference(
                student,
                knowledge,
                label,
                temperature=temperature,
                gamma=gamma,
                nontarget_power=power,
            )
        case NKD(_, temperature, gamma):
            return nkd_reference(student, knowledge, label, temperature=temperature, gamma=gamma)


_KINDS: tuple[type[Any], ...] = (CrossEntropy, KL, DKD, OFA, NKD)
_DIRECTIONS = get_args(Direction)
NUMBERS = 6
"""How many numbers a term is as numbers."""


def to_numbers(term: Term) -> tuple[float, ...]:
    """Write a term as numbers, for operators that take no other data."""
    fields = [_DIRECTIONS.index(each) if isinstance(each, str) else each for each in term]
    kind = _KINDS.index(type(term))
    return tuple(float(each) for each in (kind, *fields, *[0.0] * (NUMBERS - 1 - len(fields))))


def from_numbers(numbers: Sequence[float]) -> Term:
    """Read a term that `to_numbers` wrote."""
    kind = _KINDS[int(numbers[0])]
    hints = [type(each) for each in kind._field_defaults.values()]
    fields = [
        _DIRECTIONS[int(number)] if hint is str else hint(number)
        for number, hint in zip(numbers[1:], hints, strict=False)
    ]
    term: Term = kind(*fields)
    return term
