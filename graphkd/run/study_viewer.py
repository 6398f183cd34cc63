"""A finished run opened again, to show its student and teacher images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import torch
from torch import Tensor

from graphkd.compile import Schedule
from graphkd.compile.plan import PhasePlan
from graphkd.component import kind_of
from graphkd.errors import mistake
from graphkd.run import checkpoint
from graphkd.run.folder import CHECKPOINTS
from graphkd.run.images import converter
from graphkd.run.session import Session, start_session
from graphkd.run.source import Opened, Source, training_source
from graphkd.run.study_setup import STUDENT, TEACHER
from graphkd.run.train import pick_device

STAGES = ("stage1", "stage2", "stage3", "stage4")

Batch = Mapping[str, Tensor]


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


def stages_of(session: Session) -> tuple[str, ...]:
    """Name the stages that student and teacher both have."""
    networks = [session.parts[name] for name in (STUDENT, TEACHER)]
    return tuple(tap for tap in STAGES if all(each.layout(tap) is not None for each in networks))
