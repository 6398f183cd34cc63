"""How alike two classifiers answer."""

from __future__ import annotations

from torch import Tensor


def agreement(student: Tensor, teacher: Tensor) -> Tensor:
    """Compute the share of rows in which both find the same class most likely.

    Among equal logits the lowest class number counts, on both sides. An empty batch gives 0.

    Args:
        student: "b c", logits; detached.
        teacher: "b c", logits; detached.

    Returns:
        "", no unit, 0 to 1, float32.
    """
    same = student.argmax(dim=-1) == teacher.argmax(dim=-1)
    return same.float().sum() / max(len(student), 1)


def accuracy_gap(student: Tensor, teacher: Tensor, label: Tensor) -> Tensor:
    """Compute the teacher's accuracy minus the student's, over the labelled rows.

    Args:
        student: "b c", logits; detached.
        teacher: "b c", logits; detached.
        label: "b", class numbers, int64; -1 marks a row without label. Without any, the gap is 0.

    Returns:
        "", no unit, -1 to 1, above 0 where the teacher is better, float32.
    """
    # -1 is nobody's argmax, so that a row without label counts as wrong for both
    teacher_right = (teacher.argmax(dim=-1) == label).sum()
    student_right = (student.argmax(dim=-1) == label).sum()
    return (teacher_right - student_right) / (label >= 0).sum().clamp(min=1)
