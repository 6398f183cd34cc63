"""A fidelity study: what was measured of its teachers and students."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from graphkd.inspect.comparison.data import Metric, Origin, Spread, spread

SPLITS = ("train", "distil", "test")
"""The images that the teacher learnt from; what the student was shown; the test split."""

MEASURES = {
    each.key: each
    for each in (
        Metric("agreement", "agreement %", "points", 100.0, 1, 1),
        Metric("predictive_kl", "KL, nats", "nats", 1.0, 4, -1),
        Metric("top1", "top-1 %", "points", 100.0, 1, 1),
        Metric("nll", "NLL, nats", "nats", 1.0, 3, -1),
        Metric("ece", "ECE", "", 1.0, 3, -1),
        Metric("other_agreement", "agreement with the other %", "points", 100.0, 1, 1),
        Metric("train_loss", "train loss", "", 1.0, 3, -1),
        Metric("lr", "learning rate", "", 1.0, 6, 1),
        Metric("steps", "steps", "", 1.0, 0, 1),
    )
}
"""What is measured, and how it is shown."""


@attrs.frozen
class Row:
    """What was measured of one model on one split.

    Attributes:
        part: `teacher`, `policy`, `control` or `near`.
        name: of the policy; of a student that starts near its share of the teacher's weights.
        seed: of the run.
        split: one of `SPLITS`.
        values: by key of `MEASURES`; `share` and `cka_stage1` to `cka_stage4` besides.
    """

    part: str
    name: str
    seed: int
    split: str
    values: Mapping[str, float]


@attrs.frozen
class Study:
    """A finished study.

    Attributes:
        blueprint: name of the blueprint.
        about: its sentence.
        seeds: of the runs.
        policies: what each policy shows the student, by name, in order.
        shares: of the teacher's weights in the first weights of students that start near.
        rows: all that was measured.
        dataset: name of the data set.
        images: number of images of each split, `train` and `test`.
        parameters: of the student.
        remarks: what a reader must know, a sentence each.
        origin: where it comes from.
        made_with: versions that made its runs, where these are not all those of now.
    """

    blueprint: str
    about: str
    seeds: tuple[int, ...]
    policies: Mapping[str, str]
    shares: tuple[float, ...]
    rows: tuple[Row, ...]
    dataset: str
    images: Mapping[str, int]
    parameters: int
    remarks: tuple[str, ...]
    origin: Origin
    made_with: tuple[str, ...] = ()

    @property
    def first(self) -> str:
        """Name the policy of the control student and of those that start near."""
        return next(iter(self.policies))

    def values(self, part: str, name: str, split: str, key: str) -> list[float]:
        """Return a measure for each seed that has it, in the order of the seeds."""
        return [
            row.values[key]
            for row in self.rows
            if (row.part, row.name, row.split) == (part, name, split) and key in row.values
        ]

    def spread(self, part: str, name: str, split: str, key: str) -> Spread | None:
        """Return mean and spread over the seeds; None where it was not measured."""
        found = self.values(part, name, split, key)
        return spread(found) if found else None

    def excess(self, split: str) -> list[float]:
        """Return for each seed the agreement of (t, s) less that of (t, s'): fidelity alone."""
        own = self.values("policy", self.first, split, "agreement")
        other = self.values("control", "control", split, "other_agreement")
        return [one - two for one, two in zip(own, other, strict=True)] if other else []


def share_name(share: float) -> str:
    """Write a share as tables and folders call it."""
    return f"{share:g}"


def columns(rows: Iterable[Row]) -> list[str]:
    """Name the measures of rows, the well-known first."""
    found = {key: None for row in rows for key in row.values}
    return [key for key in MEASURES if key in found] + [key for key in found if key not in MEASURES]


def study_data(found: Study) -> dict[str, Any]:
    """Return a study as plain data, for scripts; no number is scaled."""
    whole = attrs.asdict(found, recurse=False)
    data = {key: whole[key] for key in ("blueprint", "about", "dataset", "parameters")}
    data |= {key: list(whole[key]) for key in ("seeds", "shares", "remarks", "made_with")}
    data |= {key: dict(whole[key]) for key in ("policies", "images")}
    data["excess"] = {split: found.excess(split) for split in ("train", "test")}
    data["rows"] = [
        {"part": r.part, "name": r.name, "seed": r.seed, "split": r.split, **r.values}
        for r in found.rows
    ]
    return {**data, "origin": attrs.asdict(found.origin)}


def finite(values: Iterable[float]) -> list[float]:
    """Leave out what cannot be drawn."""
    return [each for each in values if math.isfinite(each)]
