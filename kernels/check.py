"""Arguments of losses over logits, checked without waiting for the device."""

from __future__ import annotations

import torch
from torch import Tensor


def check_temperature(temperature: float) -> None:
    """Refuse a temperature that is not above 0.

    Raises:
        ValueError: with what to write instead.
    """
    if not temperature > 0.0:
        raise ValueError(f"temperature is {temperature}, not above 0; try 4.0")


def check_gamma(gamma: float) -> None:
    """Refuse an exponent that is not above 0.

    Raises:
        ValueError: with what to write instead.
    """
    if not gamma > 0.0:
        raise ValueError(f"gamma is {gamma}, not above 0; try 1.0")


def check_term(student: Tensor, teacher: Tensor | None, label: Tensor | None) -> None:
    """Refuse logits and labels that do not belong together.

    Args:
        student: "b c", logits.
        teacher: "b c", logits, if there is a teacher.
        label: "b", class numbers, or "b c", probabilities, if there is a label.

    Raises:
        ValueError: with the argument's name, what was expected and what it is.
    """
    if student.ndim != 2 or not student.is_floating_point():
        raise ValueError(f'student must be floating point "b c"; it is {described(student)}')
    if teacher is not None:
        check_teacher(student, teacher)
    if label is not None:
        _check_label(student, label)


def check_teacher(student: Tensor, teacher: Tensor) -> None:
    """Refuse a teacher's logits that do not belong to the student's.

    Raises:
        ValueError: with what was expected and what it is.
    """
    if teacher.shape != student.shape:
        raise ValueError(
            f"student is {tuple(student.shape)} but teacher is {tuple(teacher.shape)}; "
            'both must be the same "b c"'
        )
    if not teacher.is_floating_point():
        raise ValueError(f'teacher must be floating point "b c"; it is {described(teacher)}')
    check_device("teacher", student, teacher)


def _check_label(student: Tensor, label: Tensor) -> None:
    num_rows, num_classes = student.shape
    if label.is_floating_point():
        if label.shape != student.shape:
            raise ValueError(
                f"label must be {(num_rows, num_classes)}, probabilities as the student's logits; "
                f"it is {described(label)}"
            )
    elif label.dtype not in (torch.int64, torch.int32) or label.shape != (num_rows,):
        raise ValueError(
            f"label must be ({num_rows},) int64, a class number a row, or {(num_rows, num_classes)}"
            f" probabilities; it is {described(label)}"
        )
    check_device("label", student, label)


def check_device(name: str, student: Tensor, other: Tensor) -> None:
    """Refuse a tensor that is not where the student is.

    Raises:
        ValueError: with the tensor's name and both devices.
    """
    if other.device != student.device:
        raise ValueError(f"{name} is on {other.device} but student is on {student.device}")


def described(tensor: Tensor) -> str:
    """Name sizes and type of a tensor, as errors do."""
    return f"{tuple(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"
