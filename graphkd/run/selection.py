"""Which training samples a phase learns from, and which of their labels it may see."""

from __future__ import annotations

import torch
from torch import Tensor

from graphkd.blueprint import Data
from graphkd.errors import ComponentError
from graphkd.run.data import Part
from graphkd.run.order import choose, halves, labelled_subset


def select(part: Part, data: Data, *, seed: int) -> tuple[Tensor, Tensor | None]:
    """Take a half, of that a subset, and of that the labelled samples.

    Args:
        part: the training samples.
        data: the settings of the phase.
        seed: of the run; phases with the same settings get the same samples.

    Returns:
        The indices in play, "m" int64, ascending, and the labels of the whole split, "n" int64, -1
        where hidden; None where the data set has none.

    Raises:
        ComponentError: there are too few samples.
    """
    indices, labels = part.indices, part.samples.labels
    if data.half is not None:
        parts = halves(_among(labels, indices), seed=seed)
        indices = indices[parts[data.half == "second"]]
    if data.subset is not None:
        try:
            indices = indices[choose(_among(labels, indices), data.subset, seed=seed)]
        except ComponentError as error:
            raise ComponentError(str(error), field="subset") from error
    if data.labels_per_class is not None:
        labels = _labelled(labels, indices, data.labels_per_class, seed)
        if data.labelled_only:
            indices = indices[labels[indices] >= 0]
    return indices, labels


def _among(labels: Tensor | None, indices: Tensor) -> Tensor | int:
    return len(indices) if labels is None else labels[indices]


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
