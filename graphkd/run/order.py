"""What comes when, as pure functions of seeds: order, augmentation seeds, subsets, validation."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from graphkd.errors import ComponentError

_MASK = (1 << 64) - 1

# first number of each hash, so that one seed gives unrelated streams
_ORDER, _SAMPLE, _LABELLED, _CARVE, _SUBSET, _HALF, _EXTRA = range(1, 8)


def epoch_order(count: int, *, seed: int, epoch: int) -> Tensor:
    """Shuffle the numbers 0 to count - 1.

    Args:
        count: how many, at least 0.
        seed: of the run.
        epoch: counted from 0.

    Returns:
        "count" int64, a permutation.
    """
    return _permutation(count, _ORDER, seed, epoch)


def sample_seed(seed: int, epoch: int, index: int, view: int = 0) -> int:
    """Hash the four numbers into the seed of one sample's augmentation.

    Args:
        seed: of the run.
        epoch: counted from 0.
        index: the sample's place in its split.
        view: which of several augmentations of the same sample.

    Returns:
        64 bits, 0 to 2^64 - 1. torch's CPU generator looks at the lower 32 alone.
    """
    return _mix(_SAMPLE, seed, epoch, index, view)


def labelled_subset(labels: Tensor, per_class: int, *, seed: int) -> Tensor:
    """Choose the samples whose labels may be seen.

    With the same seed, a smaller number chooses a part of what a larger one chooses.

    Args:
        labels: "n" int64; negative where there is no label, which is never chosen.
        per_class: how many of each class that occurs, at least 1.
        seed: of the choice.

    Returns:
        "n" bool, true exactly `per_class` times in each class.

    Raises:
        ComponentError: a class has fewer.
    """
    order = _by_class(labels, _LABELLED, seed)
    order = order[labels[order] >= 0]
    counts = labels[order].bincount()
    if ((counts > 0) & (counts < per_class)).any():
        fewest = int(counts.where(counts > 0, len(labels)).argmin())
        raise ComponentError(
            f"class {fewest} has {counts[fewest]} labelled images, not {per_class}; "
            f"ask for at most {counts[fewest]} per class"
        )
    starts = counts.cumsum(0) - counts
    rank = torch.arange(len(order)) - starts.repeat_interleave(counts)
    chosen = torch.zeros(len(labels), dtype=torch.bool)
    chosen[order[rank < per_class]] = True
    return chosen


def extra_order(
    count: int, needed: int, *, seed: int, epoch: int, source: int
) -> tuple[Tensor, Tensor]:
    """Go through a further data set, again and again until there are enough.

    Args:
        count: of its samples, at least 1.
        needed: how many an epoch takes, at least 0.
        seed: of the run.
        epoch: counted from 0.
        source: number of the data set, from 1.

    Returns:
        Numbers 0 to count - 1, shuffled anew for each time through, and how often each was there
        before in this epoch; "needed" int64 both.
    """
    times = math.ceil(needed / count)
    through = [_permutation(count, _EXTRA, seed, epoch, source, time) for time in range(times)]
    order = torch.cat(through) if through else torch.empty(0, dtype=torch.int64)
    return order[:needed], torch.arange(needed) // count


def choose(labels: Tensor | int, count: int, *, seed: int) -> Tensor:
    """Choose some samples, about the same share of every class.

    With the same seed, a smaller number chooses a part of what a larger one chooses: the r-th of
    the m samples of a class has its turn at (r + u) / m, with u in [0, 1) drawn for the class. So
    m times a share that is the same for all classes is chosen, rounded up or down.

    Args:
        labels: "n" int64, or n where there are no labels.
        count: how many.
        seed: of the choice.

    Returns:
        "count" int64, ascending.

    Raises:
        ComponentError: there are fewer.
    """
    labels = _single_class(labels)
    if count > len(labels):
        raise ComponentError(
            f"{len(labels)} images are fewer than {count}; ask for at most {len(labels)}"
        )
    order = _by_class(labels, _SUBSET, seed)
    counts = (labels - labels.min()).bincount()
    counts = counts[counts > 0]
    rank = torch.arange(len(order)) - (counts.cumsum(0) - counts).repeat_interleave(counts)
    generator = torch.Generator().manual_seed(_mix(_SUBSET, seed, 1))
    start = torch.rand(len(counts), generator=generator, dtype=torch.float64)
    turn = (rank + start.repeat_interleave(counts)) / counts.repeat_interleave(counts)
    return order[turn.argsort(stable=True)[:count]].sort().values


def halves(labels: Tensor | int, *, seed: int) -> tuple[Tensor, Tensor]:
    """Deal samples into two halves, the same share of every class to each.

    Args:
        labels: "n" int64, or n where there are no labels.
        seed: of the choice.

    Returns:
        Indices of both halves, int64 and ascending; together 0 to n - 1. Of a class, or of all,
        one half has at most one more than the other.
    """
    order = _by_class(_single_class(labels), _HALF, seed)
    return order[::2].sort().values, order[1::2].sort().values


def _single_class(labels: Tensor | int) -> Tensor:
    return torch.zeros(labels, dtype=torch.int64) if isinstance(labels, int) else labels


def carve(labels: Tensor | int, fraction: float, *, seed: int) -> tuple[Tensor, Tensor]:
    """Cut a validation part out of the training samples, the same share of every class.

    Validation gets round(n * fraction) samples, but at least one and not all. From a class of m
    samples it gets m times their exact share, rounded up or down.

    Args:
        labels: "n" int64, or n where there are no labels.
        fraction: no unit, above 0 and below 1.
        seed: of the choice.

    Returns:
        Indices of training and of validation, each "m" int64 and ascending; together 0 to n - 1.

    Raises:
        ComponentError: there are fewer than two samples.
    """
    if not 0.0 < fraction < 1.0:
        raise ValueError(f"fraction is {fraction}, not above 0 and below 1")
    labels = _single_class(labels)
    count = len(labels)
    if count < 2:
        raise ComponentError(f"cannot carve validation out of {count} training images")
    wanted = min(max(round(count * fraction), 1), count - 1)
    # every (count / wanted)-th of the samples sorted by class
    taken = (torch.arange(count + 1) * wanted // count).diff() > 0
    order = _by_class(labels, _CARVE, seed)
    return order[~taken].sort().values, order[taken].sort().values


def _by_class(labels: Tensor, *numbers: int) -> Tensor:
    """Order the samples by class, and at random within each."""
    order = _permutation(len(labels), *numbers)
    return order[labels[order].argsort(stable=True)]


def _permutation(count: int, *numbers: int) -> Tensor:
    generator = torch.Generator().manual_seed(_mix(*numbers))
    return torch.randperm(count, generator=generator)


def _mix(*numbers: int) -> int:
    """Hash numbers into 64 bits.

    Source: Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", 2014, the
    finalizer of SplitMix64, applied once per number.
    """
    state = 0
    for number in numbers:
        state = ((state ^ (number & _MASK)) + 0x9E3779B97F4A7C15) & _MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
        state ^= state >> 31
    return state
