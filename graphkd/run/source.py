"""The batches of a phase: which samples, which labels, which augmentation."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import attrs
import numpy as np
import torch
from torch import Tensor

from graphkd.blueprint import Blueprint, Data
from graphkd.compile.instructions import PhasePlan
from graphkd.component import DataSpec, Splits
from graphkd.errors import ComponentError, Place, mistake
from graphkd.run.data import Batches, Part, Parts, prepare_splits
from graphkd.run.order import labelled_subset, sample_seed

Mix = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


@attrs.frozen(eq=False)
class Opened:
    """A data set that is open, and divided for one seed.

    Attributes:
        blueprint: whose data it is.
        spec: its images and classes.
        parts: training, validation and test, kept apart.
    """

    blueprint: Blueprint
    spec: DataSpec
    parts: Parts


def open_splits(blueprint: Blueprint) -> Splits:
    """Open a blueprint's data set.

    Raises:
        BlueprintError: files are absent, or a split is empty.
    """
    try:
        splits: Splits = blueprint.data.dataset.splits(blueprint.folder)
    except ComponentError as error:
        raise _data_mistake(blueprint, error) from error
    return splits


def divide(blueprint: Blueprint, splits: Splits, *, seed: int) -> Opened:
    """Keep validation apart from training; reads no image.

    Args:
        blueprint: says how much validation gets where the data set has none.
        splits: of its data set.
        seed: of the run.

    Raises:
        BlueprintError: a split is empty, or training has too few samples.
    """
    data = blueprint.data
    try:
        spec: DataSpec = data.dataset.spec(blueprint.folder)
        parts = prepare_splits(splits, validation=data.validation, seed=seed)
    except ComponentError as error:
        raise _data_mistake(blueprint, error) from error
    return Opened(blueprint, spec, parts)


def _data_mistake(blueprint: Blueprint, error: ComponentError) -> Exception:
    return mistake(f"data: {error}", blueprint.place("data", error.field or "dataset"))


@attrs.frozen
class Source:
    """The training batches of one phase.

    Attributes:
        batches: in order and augmented.
        mix: MixUp and CutMix on a batch; None for neither.
        seed: the run's seed.
    """

    batches: Batches
    mix: Mix | None
    seed: int

    def __len__(self) -> int:
        """Count the batches of an epoch."""
        return len(self.batches)

    def epoch(self, number: int, start: int = 0) -> Iterator[dict[str, Tensor]]:
        """Go through an epoch's batches, from batch `start` on."""
        for index, batch in enumerate(self.batches.epoch(number, start), start):
            yield self._mixed(batch, self.mix, number, index) if self.mix else batch

    def _mixed(
        self, batch: dict[str, Tensor], mix: Mix, epoch: int, index: int
    ) -> dict[str, Tensor]:
        """Mix with numpy's global generator, as timm does, and put it back afterwards."""
        before = np.random.get_state()
        # no sample has the view -1
        np.random.seed(sample_seed(self.seed, epoch, index, view=-1) % 2**32)
        try:
            image, label = mix(batch["image"].clone(), batch["label"])
        finally:
            np.random.set_state(before)
        return {**batch, "image": image, "label": label}


def training_source(
    opened: Opened, plan: PhasePlan, *, seed: int, pin_memory: bool = False
) -> Source:
    """Make the batches of a phase.

    A phase that fits sees each training sample once, in order, without augmentation or mixing; its
    hidden labels stay hidden.

    Args:
        opened: the data set.
        plan: the phase, with its data settings.
        seed: the run's seed; the labelled subset, the order and the augmentation depend on it.
        pin_memory: keep batches where a GPU can fetch them.

    Raises:
        BlueprintError: a class has too few samples for `labels_per_class`, or there is no batch.
    """
    try:
        return _source(opened, plan, seed, pin_memory)
    except ComponentError as error:
        raise mistake(f"data: {error}", _place(opened.blueprint, plan, error.field)) from error


def _place(blueprint: Blueprint, plan: PhasePlan, field: str) -> Place | None:
    """Say where a data setting of a phase was written."""
    if field in plan.phase.data:
        return blueprint.place("phases", blueprint.phases.index(plan.phase), "data", field)
    return blueprint.place("data", field)


def _source(opened: Opened, plan: PhasePlan, seed: int, pin_memory: bool) -> Source:
    data, fitting = plan.data, bool(plan.phase.fit)
    samples, indices = opened.parts.train.samples, opened.parts.train.indices
    labels = samples.labels
    if data.labels_per_class is not None:
        labels = _labelled(labels, indices, data.labels_per_class, seed)
        if data.labelled_only and not fitting:
            indices = indices[labels[indices] >= 0]
    mix = None if fitting else _mixing(data, opened.spec)
    if mix and (labels is None or bool((labels[indices] < 0).any())):
        raise ComponentError("mixup and cutmix need every label", field="mixup")
    batches = Batches(
        samples,
        indices=indices,
        labels=labels,
        batch_size=data.batch_size,
        seed=seed,
        shuffle=not fitting,
        augment=None if fitting else _augmentation(data, opened.spec),
        workers=data.workers,
        # timm mixes pairs: a last batch may be odd
        drop_last=mix is not None,
        pin_memory=pin_memory,
    )
    return Source(batches, mix, seed)


def _labelled(labels: Tensor | None, indices: Tensor, per_class: int, seed: int) -> Tensor:
    """Hide all labels of a split but those of the labelled subset."""
    if labels is None:
        raise ComponentError("the data set has no labels", field="labels_per_class")
    try:
        chosen = labelled_subset(labels[indices], per_class, seed=seed)
    except ComponentError as error:
        raise ComponentError(str(error), field="labels_per_class") from error
    kept = torch.full_like(labels, -1)
    kept[indices[chosen]] = labels[indices[chosen]]
    return kept


def evaluation_batches(part: Part, data: Data) -> Batches:
    """Make the batches of a part of the data, in order and without augmentation."""
    return Batches(
        part.samples,
        indices=part.indices,
        labels=part.samples.labels,
        batch_size=max(data.batch_size, 256),
        seed=0,
        shuffle=False,
        workers=data.workers,
    )


@attrs.frozen
class _Chain:
    """Steps of augmentation, one after another."""

    steps: tuple[Callable[[Tensor], Tensor], ...]

    def __call__(self, image: Tensor) -> Tensor:
        for step in self.steps:
            image = step(image)
        return image


def _augmentation(data: Data, spec: DataSpec) -> Callable[[Tensor], Tensor] | None:
    steps = tuple(each.component.build(spec.image) for each in data.augment)
    return _Chain(steps) if steps else None


def _mixing(data: Data, spec: DataSpec) -> Mix | None:
    if not data.mixup and not data.cutmix:
        return None
    from timm.data.mixup import Mixup

    mix: Mix = Mixup(
        mixup_alpha=data.mixup,
        cutmix_alpha=data.cutmix,
        label_smoothing=0.0,
        num_classes=spec.classes,
    )
    return mix
