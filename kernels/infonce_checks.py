"""Arguments of InfoNCE, checked without waiting for the device."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from graphkd.kernels.infonce_reference import ContrastProblem


def check_problem(problem: ContrastProblem) -> None:
    """Refuse arguments that do not belong together.

    Raises:
        ValueError: with the argument's name, what was expected and what it is.
    """
    student, knowledge = problem.student, problem.knowledge
    if student.ndim != 2 or not student.is_floating_point():
        raise ValueError(f'student must be floating point "b d"; it is {_described(student)}')
    if student.shape != knowledge.shape:
        raise ValueError(
            f"student is {tuple(student.shape)} but knowledge is {tuple(knowledge.shape)}; "
            'both must be the same "b d"'
        )
    _check_like_student("knowledge", knowledge, student)
    if knowledge.requires_grad and not problem.knowledge_gradient and torch.is_grad_enabled():
        raise ValueError(
            "knowledge requires a gradient, but none flows into it; "
            "detach it or set knowledge_gradient=True"
        )
    _check_scale(problem.scale, student)
    _check_anchor(problem)
    _check_bank(problem)
    _check_numbers(problem, "index", problem.index, problem.bank_index)
    _check_numbers(problem, "label", problem.label, problem.bank_label)


def check_group(problems: tuple[ContrastProblem, ...], weights: object) -> None:
    """Refuse problems that cannot be computed together.

    Raises:
        ValueError: with the argument's name, what was expected and what it is.
    """
    if not problems:
        raise ValueError("problems is empty; it must be at least one")
    for number, problem in enumerate(problems):
        try:
            check_problem(problem)
        except ValueError as error:
            raise ValueError(f"problem {number}: {error}") from None
        if problem.student.device != problems[0].student.device:
            raise ValueError(
                f"problem {number}: student is on {problem.student.device} "
                f"but that of problem 0 is on {problems[0].student.device}"
            )
    if isinstance(weights, Tensor):
        expected = f"({len(problems)},) float32"
        if weights.shape != (len(problems),) or weights.dtype != torch.float32:
            raise ValueError(f"weights must be {expected}; it is {_described(weights)}")
        _check_device("weights", weights, problems[0].student)
    elif isinstance(weights, tuple) and len(weights) != len(problems):
        raise ValueError(
            f"weights must be one number for each of the {len(problems)} problems; "
            f"there are {len(weights)}"
        )


def _check_scale(scale: Tensor | float, student: Tensor) -> None:
    if not isinstance(scale, Tensor):
        if not 0.0 < scale < math.inf:
            raise ValueError(f"scale is {scale}, not finite and above 0; try 14.3")
        return
    if scale.numel() != 1 or not scale.is_floating_point():
        raise ValueError(f'scale must be floating point "" or "1"; it is {_described(scale)}')
    _check_device("scale", scale, student)


def _check_anchor(problem: ContrastProblem) -> None:
    if problem.anchor not in ("student", "knowledge"):
        raise ValueError(
            f"anchor is '{problem.anchor}', not one of student, knowledge; try student"
        )
    if problem.anchor == "knowledge" and problem.symmetric:
        raise ValueError("anchor is 'knowledge', but symmetric takes both; leave one of them out")
    if problem.anchor == "knowledge" and problem.bank is not None:
        raise ValueError("bank has no part where anchor is 'knowledge'; leave one of them out")


def _check_bank(problem: ContrastProblem) -> None:
    bank, student = problem.bank, problem.student
    if bank is None:
        return
    if bank.ndim != 2 or bank.shape[1] != student.shape[1]:
        raise ValueError(f'bank must be "m d" with d {student.shape[1]}; it is {_described(bank)}')
    _check_like_student("bank", bank, student)
    if bank.requires_grad and torch.is_grad_enabled():
        raise ValueError("bank requires a gradient, but none flows into it; detach it")


def _check_numbers(
    problem: ContrastProblem, name: str, numbers: Tensor | None, bank_numbers: Tensor | None
) -> None:
    student, bank = problem.student, problem.bank
    if numbers is not None:
        _check_integers(name, numbers, len(student), student)
    if bank_numbers is None:
        return
    if numbers is None or bank is None:
        missing = name if numbers is None else "bank"
        raise ValueError(f"bank_{name} is given without {missing}; give both or neither")
    _check_integers(f"bank_{name}", bank_numbers, len(bank), student)


def _check_integers(name: str, numbers: Tensor, size: int, student: Tensor) -> None:
    if numbers.shape != (size,) or numbers.dtype != torch.int64:
        raise ValueError(f"{name} must be ({size},) int64; it is {_described(numbers)}")
    _check_device(name, numbers, student)


def _check_like_student(name: str, other: Tensor, student: Tensor) -> None:
    if other.dtype != student.dtype:
        raise ValueError(
            f"{name} is {_short(other.dtype)} but student is {_short(student.dtype)}; "
            "both must be the same"
        )
    _check_device(name, other, student)


def _check_device(name: str, other: Tensor, student: Tensor) -> None:
    if other.device != student.device:
        raise ValueError(f"{name} is on {other.device} but student is on {student.device}")


def _described(tensor: Tensor) -> str:
    return f"{tuple(tensor.shape)} {_short(tensor.dtype)}"


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
