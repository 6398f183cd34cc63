"""From the answers of one seed's runs to rows of numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from graphkd.inspect.study.data import SPLITS, Row
from graphkd.run.study_measure import Answers, fidelity, quality
from graphkd.run.study_tasks import Task

ALSO = ("train", "test")
"""Splits that all runs of a seed and of one teacher's data answer alike, sample for sample."""


def rows_of(answers: Sequence[tuple[Task, Answers]]) -> list[Row]:
    """Compute the measures of one seed's teachers and students.

    Args:
        answers: of each run with a student; the first is that of the first policy, and one is that
            of the control student.
    """
    first = answers[0][1]
    control = next(found for task, found in answers if task.part == "control")
    rows = [*_teacher_rows(answers[0][0], first, control)]
    for task, found in answers:
        others = {"policy": control.teacher, "control": first.teacher}.get(task.part, {})
        if task is not answers[0][0] and task.part == "policy":
            others = {}
        for split in SPLITS:
            values = {"images": float(len(found.student[split]))}
            values |= fidelity(found.student[split], found.teacher[split])
            if split in found.labels:
                values |= quality(found.student[split], found.labels[split])
            if split in others and split in ALSO:
                other = fidelity(found.student[split], others[split])
                values["other_agreement"] = other["agreement"]
            values |= _besides(task, found, split)
            rows.append(Row(task.part, task.name, task.seed, split, values))
    return rows


def _teacher_rows(task: Task, first: Answers, control: Answers) -> Iterator[Row]:
    """Measure the teacher of the first policy alone, and how alike the other one is."""
    for split in ALSO:
        values = {"images": float(len(first.teacher[split]))}
        if split in first.labels:
            values |= quality(first.teacher[split], first.labels[split])
        other = fidelity(control.teacher[split], first.teacher[split])
        values["other_agreement"] = other["agreement"]
        yield Row("teacher", "teacher", task.seed, split, values)


def _besides(task: Task, found: Answers, split: str) -> dict[str, float]:
    """Say how a student learnt, and on the test split how alike its stages are."""
    values = {"train_loss": found.train_loss, "lr": found.rate, "steps": float(found.steps)}
    if task.share is not None:
        values["share"] = task.share
    if split == "test":
        values |= {f"cka_{stage}": value for stage, value in found.alike.items()}
    return values
