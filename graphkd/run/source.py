"""The batches of a phase: which samples, which labels, which augmentation."""

from __future__ import annotations

from collections.abc import Iterator

import attrs
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from graphkd.blueprint import Blueprint, Data
from graphkd.compile.plan import PhasePlan
from graphkd.compile.wiring import DATA
from graphkd.errors import ComponentError, mistake
from graphkd.run.augment import augmentation_of
from graphkd.run.cache import Stores
from graphkd.run.data import Batches, Part
from graphkd.run.extra import join
from graphkd.run.mixing import Mixing, mixing_of, rows_of
from graphkd.run.opened import Opened, divide, extras_of, open_splits, setting_path
from graphkd.run.order import sample_seed
from graphkd.run.portions import Portion
from graphkd.run.rows import ExtraRows, RowPlan
from graphkd.run.selection import select
from graphkd.run.unreadable import Policy
from graphkd.run.world import ALONE, World

__all__ = [
    "Opened",
    "Source",
    "divide",
    "evaluation_batches",
    "open_splits",
    "taps_of",
    "training_source",
]


@attrs.frozen
class Source:
    """The training batches of one phase.

    Attributes:
        batches: in order and augmented.
        mix: MixUp and CutMix of a batch's images, and of its labels if they are read; None for
            neither. Views are not mixed.
        seed: the run's seed.
        mixed: how many of the rows that this process reads are mixed.
        own: which of them are its own, not partners of mixing alone; None for all.
        stores: what is read of them joins each batch.
        recounts: whether an image that stands for one that cannot be read may change how many of a
            batch have a label.
    """

    batches: Batches
    mix: Mixing | None
    seed: int
    mixed: int | None = None
    own: Tensor | None = None
    stores: Stores = attrs.field(factory=Stores)
    recounts: bool = False

    def __len__(self) -> int:
        """Count the batches of an epoch."""
        return len(self.batches)

    def epoch(self, number: int, start: int = 0) -> Iterator[dict[str, Tensor]]:
        """Go through an epoch's batches, from batch `start` on.

        In a phase that fits, one of which no image could be read has an empty `index` alone: all
        processes go through equally many.
        """
        for index, batch in enumerate(self.batches.epoch(number, start, whole=True), start):
            mixed = self._mixed(batch, self.mix, number, index) if self.mix else batch
            yield {**mixed, **self.stores.read(mixed)}

    def portions(self, number: int, start: int = 0) -> Iterator[Portion]:
        """Say how much of each of the batches of `epoch` this process has."""
        return self.batches.portions(number, start)

    def _mixed(
        self, batch: dict[str, Tensor], mix: Mixing, epoch: int, index: int
    ) -> dict[str, Tensor]:
        """Mix with numpy's global generator, as timm does, and put it back afterwards."""
        before = np.random.get_state()
        # no sample has the view -1
        np.random.seed(sample_seed(self.seed, epoch, index, view=-1) % 2**32)
        try:
            image, label = mix(batch["image"].clone(), batch["label"], count=self.mixed)
        finally:
            np.random.set_state(before)
        mixed = {**batch, "image": image, "label": label}
        if self.own is None:
            return mixed
        return {key: value[self.own] for key, value in mixed.items()}


def training_source(
    opened: Opened,
    plan: PhasePlan,
    *,
    seed: int,
    pin_memory: bool = False,
    world: World = ALONE,
) -> Source:
    """Make the batches of a phase.

    A phase that fits sees each of its training samples once, in order, without augmentation,
    mixing or further data sets; views are the images as they are, hidden labels stay hidden.

    Args:
        opened: the data set.
        plan: the phase, with its data settings.
        seed: the run's seed; which samples and labels there are, their order and augmentation
            depend on it.
        pin_memory: keep batches where a GPU can fetch them.
        world: the processes; a whole batch has `batch_size` samples for each of them.

    Raises:
        BlueprintError: there are too few samples for what is asked, there is no batch, a further
            data set does not go with the main one, or labels that are read cannot be mixed.
    """
    try:
        return _source(opened, plan, seed, pin_memory, world)
    except ComponentError as error:
        raise _told(opened.blueprint, plan, error) from error


def _told(blueprint: Blueprint, plan: PhasePlan, error: ComponentError) -> Exception:
    """Say what is wrong with a data setting of a phase, where it was written."""
    where = setting_path(blueprint, plan, error.field)
    key, *further = where[where.index("data") + 1 :]
    item = f"{key} {further[0] + 1}: " if further and isinstance(further[0], int) else ""
    return mistake(f"data: {item}{error}", blueprint.place(*where))


def _source(opened: Opened, plan: PhasePlan, seed: int, pin_memory: bool, world: World) -> Source:
    data, fitting = plan.data, bool(plan.phase.fit)
    taps = taps_of(plan)
    indices, labels = select(opened.parts.train, data, seed=seed)
    whole = data.batch_size * world.size
    samples, rows = opened.parts.train.samples, whole
    extras: tuple[ExtraRows, ...] = ()
    if data.extra and not fitting:
        samples, extras, rows = join(
            samples,
            data.extra,
            extras_of(opened, plan),
            in_play=len(indices),
            batch_size=whole,
        )
    classes = opened.spec.classes if "label" in taps else 0
    mix = None if fitting else mixing_of(data, classes=classes)
    if mix and "label" in taps:
        _need_labels(labels, indices, extras=bool(extras))
    mixed = rows_of(data.mixup_share, whole, up=True) if mix else 0
    policy = _policy(data, "drop" if fitting else "replace")
    chosen = RowPlan(
        indices,
        batch_size=rows,
        seed=seed,
        shuffle=not fitting,
        # mixing takes pairs: a last batch may be odd
        drop_last=mix is not None,
        extras=tuple(extras),
        world=world,
        mixed=mixed,
    )
    batches = Batches(
        samples,
        chosen,
        labels=_padded(labels, len(samples)),
        augment=None if fitting else augmentation_of(data, opened.spec.image),
        taps=taps,
        workers=data.workers,
        pin_memory=pin_memory,
        views=plan.views,
        unreadable=policy,
    )
    # of an image that stands for another the label may be hidden
    hidden = bool(extras) or (labels is not None and bool((labels[indices] < 0).any()))
    recounts = policy == "replace" and "label" in taps and hidden
    if not mix or world.size == 1:
        return Source(batches, mix, seed, recounts=recounts)
    read, own = batches.read_and_own()
    kept = torch.tensor([read.index(place) for place in own])
    return Source(batches, mix, seed, sum(place < mixed for place in read), kept)


def taps_of(plan: PhasePlan) -> frozenset[str]:
    """Name the taps of the data that a phase reads."""
    values = {read.value for each in plan.instructions for read in getattr(each, "reads", ())}
    head = f"{DATA}."
    return frozenset(each.removeprefix(head) for each in values if each.startswith(head))


def _need_labels(labels: Tensor | None, indices: Tensor, *, extras: bool) -> None:
    """Make sure that labels can be mixed.

    Raises:
        ComponentError: some are hidden.
    """
    if extras:
        text = "mixup and cutmix need every label, and the images of extra have none"
        raise ComponentError(f"{text}; drop one of them, or the flows of labels", field="mixup")
    if labels is None or bool((labels[indices] < 0).any()):
        raise ComponentError("mixup and cutmix need every label", field="mixup")


def _padded(labels: Tensor | None, count: int) -> Tensor | None:
    """Hide the labels of the samples that follow behind a split."""
    return None if labels is None else F.pad(labels, (0, count - len(labels)), value=-1)


def evaluation_batches(part: Part, data: Data, *, world: World = ALONE) -> Batches:
    """Make the batches of a part of the data, in order and without augmentation.

    Views are the images as they are; further data sets are no part of it. Several processes take
    the batches in turn, and so each sample once, in the company in which one process sees it.
    """
    size = max(data.batch_size, 256)
    turns = torch.split(part.indices, size)[world.rank :: world.size]
    indices = torch.cat([part.indices[:0], *turns])
    return Batches(
        part.samples,
        RowPlan(indices, batch_size=size, seed=0, shuffle=False),
        labels=part.samples.labels,
        workers=data.workers,
        taps=part.taps,
        may_be_empty=world.size > 1,
        unreadable=_policy(data, "drop"),
    )


def _policy(data: Data, skipping: Policy) -> Policy:
    return skipping if data.unreadable == "skip" else "stop"
