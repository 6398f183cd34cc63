"""The part of each batch that one process reads, and how much it counts."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
from torch import Tensor

from graphkd.run.together import add_up
from graphkd.run.world import World


@attrs.frozen
class Portion:
    """How much of a whole batch a process has, in samples.

    A batch with fewer samples than processes leaves some without one. These read its first sample,
    so that all go through the same forward, and count it for nothing.

    Attributes:
        own: samples of this process.
        whole: samples of all.
        own_labelled: those of `own` that have a label.
        labelled: those of `whole` that have one.
    """

    own: int
    whole: int
    own_labelled: int
    labelled: int

    def share(self, *, labelled: bool) -> float:
        """Say what a mean over the own samples counts in that over all, no unit, 0 to 1.

        Args:
            labelled: it is a mean over the samples with a label.
        """
        own, whole = (self.own_labelled, self.labelled) if labelled else (self.own, self.whole)
        return own / whole if whole else 0.0


def recounted(portion: Portion, label: Tensor, world: World) -> Portion:
    """Count the samples with a label as they were read: some may stand for others.

    Args:
        portion: as it was planned.
        label: "b" int64 of what this process has read, -1 for none.
        world: the processes, all of which call this.
    """
    own = (label[: portion.own] >= 0).sum()
    every = add_up(world, own.clone())
    return attrs.evolve(portion, own_labelled=int(own), labelled=int(every))


def places_of(sizes: Sequence[int], world: World) -> list[int]:
    """Say which places of a whole batch a process has: a stretch of neighbours of each part.

    Args:
        sizes: of the parts that a batch consists of, one behind the other: the data set's, and that
            of each further data set.
        world: the processes. A part that they cannot divide evenly is divided up to one sample.

    Returns:
        The places, rising; none where there are fewer samples than processes.
    """
    found: list[int] = []
    start = 0
    for size in sizes:
        begin, end = (start + size * (world.rank + more) // world.size for more in (0, 1))
        found += range(begin, end)
        start += size
    return found


def with_partners(places: Sequence[int], mixed: int) -> list[int]:
    """Add the places that those among the first `mixed` are mixed with: i with mixed - 1 - i."""
    return sorted({*places, *(mixed - 1 - place for place in places if place < mixed)})
