"""What teacher and student answer on the images of a study, and how alike their answers are."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import attrs
from torch import Tensor

from graphkd.compile import Schedule
from graphkd.compile.plan import PhasePlan
from graphkd.component import Splits, find
from graphkd.graph import vertex
from graphkd.run import metrics
from graphkd.run.budget import Budget
from graphkd.run.record import read_metrics
from graphkd.run.source import Source, divide, evaluation_batches, training_source
from graphkd.run.study_setup import STUDENT, TEACHER
from graphkd.run.study_viewer import Batch, Viewer, clean, reopen, stages_of

SHOWN = 1000
"""About so many augmented images are shown again to teacher and student."""


@attrs.frozen(eq=False)
class Answers:
    """What a run's student and its teacher answer.

    Attributes:
        student: for each split "n c", logits.
        teacher: for each split "n c", logits; of an ensemble, log-probabilities.
        labels: for each split "n"; -1 where an image has none.
        alike: centred kernel alignment of each stage on the test split; empty where not asked for.
        train_loss: mean over the records of the last epoch of the sum of the flows' losses.
        rate: learning rate with which the student begins.
        steps: optimizer steps of the student.
    """

    student: Mapping[str, Tensor]
    teacher: Mapping[str, Tensor]
    labels: Mapping[str, Tensor]
    alike: Mapping[str, float]
    train_loss: float
    rate: float
    steps: int


def measure(
    schedule: Schedule,
    folder: Path,
    *,
    seed: int,
    splits: Splits,
    base: PhasePlan,
    alike: bool,
) -> Answers:
    """Ask teacher and student of a finished run on three sets of images.

    `train` are the images that the teacher learnt from, as they are; `distil` those that the
    student was shown, augmented and mixed as in its first epochs; `test` is the test split.

    Args:
        schedule: of the run.
        folder: of the run.
        seed: of the run.
        splits: of its data set.
        base: the phase in which the teacher learnt.
        alike: whether to compare the stages, too.

    Raises:
        BlueprintError: the run cannot be opened again.
    """
    blueprint = schedule.blueprint
    session = reopen(schedule, folder, seed=seed)
    opened = divide(blueprint, splits, seed=seed)
    plan = next(each for each in schedule.phases if STUDENT in each.trained)
    viewer = Viewer(session)
    tested = Viewer(session, stages_of(session) if alike else ())
    shown = training_source(opened, plan, seed=seed)
    answers = {
        "train": viewer.show(iter(clean(opened, base, seed=seed).epoch(0))),
        "distil": viewer.show(_epochs(shown)),
        "test": tested.show(evaluation_batches(opened.parts.test, blueprint.data).epoch(0)),
    }
    known = {"train": splits.train.labels, "test": splits.test.labels}
    return Answers(
        student={split: found[STUDENT] for split, (found, _) in answers.items()},
        teacher={split: found[TEACHER] for split, (found, _) in answers.items()},
        labels={
            split: labels[answers[split][1]]
            for split, labels in known.items()
            if labels is not None
        },
        alike=_alignments(answers["test"][0], tested.taps),
        train_loss=_train_loss(folder, plan),
        rate=rate_of(plan),
        steps=Budget.of(plan, len(shown)).steps,
    )


def _epochs(source: Source) -> Iterator[Batch]:
    """Show the first epochs again, as many as make enough images."""
    count, number = 0, 0
    while count < SHOWN:
        for batch in source.epoch(number):
            count += len(batch["image"])
            yield batch
        number += 1


def _alignments(found: Mapping[str, Tensor], taps: Sequence[str]) -> dict[str, float]:
    """Compare stages over all images of a split at once."""
    compare = find("probe", "cka")() if taps else None
    pairs = {tap: (found[f"{STUDENT}.{tap}"], found[f"{TEACHER}.{tap}"]) for tap in taps}
    return {tap: float(compare(*pair)) for tap, pair in pairs.items() if compare is not None}


def rate_of(plan: PhasePlan) -> float:
    """Say with which learning rate the student of a phase begins: its own, or the recipe's."""
    settings = vertex(plan.graph, STUDENT).settings
    own = None if settings is None else settings.lr
    return plan.recipe.lr if own is None else own


def _train_loss(folder: Path, plan: PhasePlan) -> float:
    """Average the losses that a run wrote down in the last epoch of a phase."""
    records = [each for each in read_metrics(folder) if each["phase"] == plan.name]
    lossy = [each for each in records if any(key.startswith("loss/") for key in each)]
    last = [each for each in lossy if each["epoch"] == lossy[-1]["epoch"]] if lossy else []
    sums = [
        sum(float(value) for key, value in each.items() if key.startswith("loss/")) for each in last
    ]
    return sum(sums) / len(sums) if sums else math.nan


def fidelity(student: Tensor, teacher: Tensor) -> dict[str, float]:
    """Compute how faithful a student is to a teacher, from "n c" logits of both."""
    return {
        "agreement": metrics.agreement(student, teacher),
        "predictive_kl": metrics.predictive_kl(student, teacher),
    }


def quality(logits: Tensor, labels: Tensor) -> dict[str, float]:
    """Compute how good a model is on the images that have a label; nothing where none has."""
    kept = labels >= 0
    if not bool(kept.any()):
        return {}
    found = metrics.quality(logits[kept], labels[kept])
    return {key: found[key] for key in ("top1", "nll", "ece")}
