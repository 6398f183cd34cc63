"""The batches of a phase: which samples, which labels, which augmentation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import attrs
import numpy as np
import torch
from torch import Tensor

from graphkd.blueprint.model import Blueprint, Data
from graphkd.component import DataSpec, Splits
from graphkd.errors import ComponentError, mistake
from graphkd.run.data import Batches, Part, Parts, prepare_splits
from graphkd.run.order import labelled_subset, sample_seed


@attrs.frozen
class Opened:
    """A data set that is open.

    Attributes:
        spec: its images and classes.
        parts: training, validation and test, kept apart.
    """

    spec: DataSpec
    parts: Parts


def open_data(blueprint: Blueprint, *, seed: int) -> Opened:
    """Open a blueprint's data set.

    Raises:
        BlueprintError: files are absent, or a split is empty.
    """
    data = blueprint.data
    try:
        spec: DataSpec = data.dataset.spec(blueprint.folder)
        splits: Splits = data.dataset.splits(blueprint.folder)
        parts = prepare_splits(splits, validation=data.validation, seed=seed)
    except ComponentError as error:
        raise mistake(f"data: {error}", blueprint.place("data", error.field or "dataset")) from error
    return Opened(spec, parts)


@attrs.frozen
class Source:
    """The training batches of one phase.

    Attributes:
        batches: in order and augmented.
        mix: MixUp and CutMix on a batch, given the seed of its step; None for neither.
        seed: the run's seed.
    """

    batches: Batches
    mix: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] | None
    seed: int

    def __len__(self) -> int:
        """Count the batches of an epoch."""
        return len(self.batches)

    def epoch(self, number: int, start: int = 0) -> Iterator[dict[str, Tensor]]:
        """Go through an epoch's batches, from batch `start` on."""
        for index, batch in enumerate(self.batches.epoch(number, start), start):
            yield self._mixed(batch, number, index) if self.mix else batch

    def _mixed(self, batch: dict[str, Tensor], epoch: int, index: int) -> dict[str, Tensor]:
        assert self.mix is not None
        before = np.random.get_state()
        np.random.seed(sample_seed(self.seed, epoch, index, view=-1) % 2**32)
        try:
            image, label = self.mix(batch["image"].clone(), batch["label"])
        finally:
            np.random.set_state(before)
        return {"image": image, "label": label, "index": batch["index"]}


def training_source(
    opened: Opened, data: Data, *, seed: int, fitting: bool = False, pin_memory: bool = False
) -> Source:
    """Make the batches of a phase.

    Args:
        opened: the data set.
        data: the phase's data settings.
        seed: the run's seed; the labelled subset, the order and the augmentation depend on it.
        fitting: each sample once, in order, without augmentation, mixing or hidden samples.
        pin_memory: keep batches where a GPU can fetch them.

    Raises:
        BlueprintError: a class has too few samples for `labels_per_class`.
    """
    samples, indices = opened.parts.train.samples, opened.parts.train.indices
    labels = samples.labels
    if data.labels_per_class is not None and labels is not None:
        kept = _labelled(labels, indices, data.labels_per_class, seed)
        labels = torch.where(kept, labels, -1)
        if data.labelled_only and not fitting:
            indices = indices[kept[indices]]
    mix = None if fitting else _mixing(data, opened.spec)
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


def _labelled(labels: Tensor, indices: Tensor, per_class: int, seed: int) -> Tensor:
    """Mark the samples of a split whose label stays."""
    try:
        chosen = labelled_subset(labels[indices], per_class, seed=seed)
    except ValueError as error:
        raise mistake(f"data: labels_per_class: {error}") from error
    kept = torch.zeros(len(labels), dtype=torch.bool)
    kept[indices[chosen]] = True
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
        augment=None,
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


def _mixing(data: Data, spec: DataSpec) -> Any:
    if not data.mixup and not data.cutmix:
        return None
    from timm.data.mixup import Mixup

    return Mixup(
        mixup_alpha=data.mixup,
        cutmix_alpha=data.cutmix,
        label_smoothing=0.0,
        num_classes=spec.classes,
    )
