"""What teacher and student answer on the images of a study, and how alike their answers are."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import torch
from torch import Tensor

from graphkd.compile import Schedule
from graphkd.compile.instructions import PhasePlan
from graphkd.component import Splits, find, kind_of
from graphkd.errors import mistake
from graphkd.run import checkpoint, metrics
from graphkd.run.folder import CHECKPOINTS
from graphkd.run.images import converter
from graphkd.run.record import read_metrics
from graphkd.run.session import Session, start_session
from graphkd.run.source import Opened, Source, divide, evaluation_batches, training_source
from graphkd.run.study_setup import STUDENT, TEACHER
from graphkd.run.train import pick_device

SHOWN = 1000
"""About so many augmented images are shown again to teacher and student."""
STAGES = ("stage1", "stage2", "stage3", "stage4")

Batch = Mapping[str, Tensor]


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


def reopen(schedule: Schedule, folder: Path, *, seed: int) -> Session:
    """Build a finished run again, with the weights that its training ended with.

    Not those that did best on the validation split: fidelity is a matter of where the optimizer
    comes to, and the best accuracy is often reached long before that.

    Raises:
        BlueprintError: its checkpoints are gone or damaged.
    """
    if not checkpoint.listed(folder / CHECKPOINTS):
        raise mistake(f"{folder}: its checkpoints are gone; remove the folder to run it again")
    device = pick_device(schedule.blueprint.train.device)
    session = start_session(schedule, seed=seed, device=device)
    session.load_weights(checkpoint.load_latest(folder / CHECKPOINTS))
    for part in session.parts.values():
        if isinstance(part, torch.nn.Module):
            part.eval()
    return session


def clean(opened: Opened, plan: PhasePlan, *, seed: int) -> Source:
    """Make the batches of a phase's images as they are: not augmented, not mixed, none extra."""
    data = attrs.evolve(
        plan.data, augment=(), augment_probability=1.0, mixup=0.0, cutmix=0.0, extra=()
    )
    return training_source(opened, attrs.evolve(plan, data=data), seed=seed)


@attrs.frozen(eq=False)
class Viewer:
    """Shows images to the parts of one run.

    Attributes:
        session: whose parts.
        taps: stages of student and teacher that are compared; none for an ensemble.
    """

    session: Session
    taps: Sequence[str] = ()

    def show(self, batches: Iterator[Batch]) -> tuple[dict[str, Tensor], Tensor]:
        """Run student and teacher on batches.

        Returns:
            Their logits as `student` and `teacher`, and stages as `student.stage1`, averaged over
            places, on the CPU; and the samples' places in their split.
        """
        found: dict[str, list[Tensor]] = {}
        index = []
        with torch.no_grad():
            for batch in batches:
                image = batch["image"].to(self.session.device)
                for name in (STUDENT, TEACHER):
                    for tap, value in self._answer(name, image).items():
                        key = f"{name}.{tap}" if tap else name
                        found.setdefault(key, []).append(value.float().cpu())
                index.append(batch["index"])
        return {name: torch.cat(parts) for name, parts in found.items()}, torch.cat(index)

    def _answer(self, name: str, image: Tensor) -> dict[str, Tensor]:
        node = self.session.schedule.blueprint.nodes[name]
        if kind_of(node.component) == "model":
            return _read(self.session.parts[name], image, self.taps)
        logits = [_read(self.session.parts[ref.node], image, ())[""] for ref in node.input]
        return {"": self.session.parts[name](*logits)}


def _read(network: Any, image: Tensor, taps: Sequence[str]) -> dict[str, Tensor]:
    reader = network.reader(("logits", *taps))
    try:
        logits, *values = reader(converter(network.image)(image))
    finally:
        getattr(reader, "close", lambda: None)()
    flat = [
        each.mean((2, 3)) if each.ndim == 4 else each.mean(1) if each.ndim == 3 else each
        for each in values
    ]
    return {"": logits, **dict(zip(taps, flat, strict=True))}


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
    tested = Viewer(session, _stages(session) if alike else ())
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
        **_course(folder, plan),
    )


def _epochs(source: Source) -> Iterator[Batch]:
    """Show the first epochs again, as many as make enough images."""
    count, number = 0, 0
    while count < SHOWN:
        for batch in source.epoch(number):
            count += len(batch["image"])
            yield batch
        number += 1


def _stages(session: Session) -> tuple[str, ...]:
    networks = [session.parts[name] for name in (STUDENT, TEACHER)]
    return tuple(tap for tap in STAGES if all(each.layout(tap) is not None for each in networks))


def _alignments(found: Mapping[str, Tensor], taps: Sequence[str]) -> dict[str, float]:
    """Compare stages over all images of a split at once."""
    compare = find("probe", "cka")() if taps else None
    pairs = {tap: (found[f"{STUDENT}.{tap}"], found[f"{TEACHER}.{tap}"]) for tap in taps}
    return {tap: float(compare(*pair)) for tap, pair in pairs.items() if compare is not None}


def _course(folder: Path, plan: PhasePlan) -> dict[str, Any]:
    """Read from a run's records how its student learnt."""
    records = [each for each in read_metrics(folder) if each["phase"] == plan.name]
    lossy = [each for each in records if any(key.startswith("loss/") for key in each)]
    last = [each for each in lossy if each["epoch"] == lossy[-1]["epoch"]] if lossy else []
    sums = [
        sum(float(value) for key, value in each.items() if key.startswith("loss/")) for each in last
    ]
    first = records[0]["step"] if records else 0
    steps = plan.recipe.steps or (records[-1]["step"] - first if records else 0)
    return {
        "train_loss": sum(sums) / len(sums) if sums else math.nan,
        "rate": plan.recipe.lr,
        "steps": steps,
    }


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
