"""Which samples each batch of an epoch holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import attrs
import torch
from torch import Tensor

from graphkd.run.order import epoch_order, extra_order
from graphkd.run.portions import Portion, places_of, with_partners
from graphkd.run.world import ALONE, World

Rows = tuple[int, list[int], list[int], list[int]]
"""The epoch; of a whole batch the index of each sample, and how often it was in this epoch before;
and the places in it that the process reads."""
Whole = tuple[list[Tensor], list[Tensor], list[int]]
"""Of each part of a whole batch: indices, how often each was there before, and its size."""


@attrs.frozen
class ExtraRows:
    """The last rows of each batch, or some of them: a further data set.

    Attributes:
        first: index of its first sample.
        count: of its samples.
        rows: how many a full batch has.
    """

    first: int
    count: int
    rows: int


@attrs.define(eq=False)
class RowPlan:
    """The samples of each batch: the loader's batch sampler.

    With several processes each cuts its part out of the same whole batches.

    Attributes:
        indices: "n" int64, the samples that an epoch goes through once.
        batch_size: of these in a whole batch.
        seed: of the order.
        shuffle: a new order each epoch; otherwise that of `indices`.
        drop_last: leave out a last batch that is not full.
        extras: what joins every batch behind those samples; a last batch that is not full gets
            fewer, in proportion.
        world: the processes.
        mixed: how many of the first rows of a batch, all of them full, are mixed with each other;
            of several processes each then reads the partners of its rows too.
        epoch: what to read next, set before the loader is asked for an iterator.
        start: the first batch to read.
    """

    indices: Tensor
    batch_size: int
    seed: int
    shuffle: bool
    drop_last: bool = False
    extras: tuple[ExtraRows, ...] = ()
    world: World = ALONE
    mixed: int = 0
    epoch: int = 0
    start: int = 0

    def __len__(self) -> int:
        """Count the batches of an epoch."""
        full, rest = divmod(len(self.indices), self.batch_size)
        return full + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[Rows]:
        """Give the rows of each batch from `start` on."""
        # the epoch goes with each batch: workers outlive the epoch in which they started
        epoch = self.epoch
        return (
            (epoch, torch.cat(index).tolist(), torch.cat(again).tolist(), self._read(sizes))
            for index, again, sizes in self._wholes(epoch, self.start)
        )

    def portions(self, labels: Tensor) -> Iterator[Portion]:
        """Say how much of each batch from `start` on the process has.

        Args:
            labels: "n" int64, those of all samples, -1 for none.
        """
        for index, _, sizes in self._wholes(self.epoch, self.start):
            labelled = labels[torch.cat(index)] >= 0
            own = labelled[places_of(sizes, self.world)]
            yield Portion(len(own), len(labelled), int(own.sum()), int(labelled.sum()))

    def read_and_own(self) -> tuple[list[int], list[int]]:
        """Say which places of a full batch the process reads, and which of them are its own."""
        sizes = [self.batch_size, *(each.rows for each in self.extras)]
        return self._read(sizes), places_of(sizes, self.world) or [0]

    def _read(self, sizes: Sequence[int]) -> list[int]:
        if self.world.size == 1:
            return list(range(sum(sizes)))
        # see `Portion`
        own = places_of(sizes, self.world) or [0]
        return with_partners(own, self.mixed)

    def _wholes(self, epoch: int, start: int) -> Iterator[Whole]:
        order = self.indices
        if self.shuffle:
            order = order[epoch_order(len(order), seed=self.seed, epoch=epoch)]
        further = [
            extra_order(
                each.count, each.rows * len(self), seed=self.seed, epoch=epoch, source=source
            )
            for source, each in enumerate(self.extras, 1)
        ]
        return (self._whole(order, further, number) for number in range(start, len(self)))

    def _whole(self, order: Tensor, further: list[tuple[Tensor, Tensor]], number: int) -> Whole:
        own = order[number * self.batch_size : (number + 1) * self.batch_size]
        index, again = [own], [torch.zeros_like(own)]
        for each, (places, before) in zip(self.extras, further, strict=True):
            start = number * each.rows
            rows = slice(start, start + each.rows * len(own) // self.batch_size)
            index.append(each.first + places[rows])
            again.append(before[rows])
        return index, again, [len(each) for each in index]
