"""Which samples each batch of an epoch holds."""

from __future__ import annotations

from collections.abc import Iterator

import attrs
import torch
from torch import Tensor

from graphkd.run.order import epoch_order, extra_order

Rows = tuple[int, list[int], list[int]]
"""The epoch, the index of each sample, and how often it was in this epoch before."""


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

    Attributes:
        indices: "n" int64, the samples that an epoch goes through once.
        batch_size: of these in a batch.
        seed: of the order.
        shuffle: a new order each epoch; otherwise that of `indices`.
        drop_last: leave out a last batch that is not full.
        extras: what joins every batch behind those samples; a last batch that is not full gets
            fewer, in proportion.
        epoch: what to read next, set before the loader is asked for an iterator.
        start: the first batch to read.
    """

    indices: Tensor
    batch_size: int
    seed: int
    shuffle: bool
    drop_last: bool
    extras: tuple[ExtraRows, ...] = ()
    epoch: int = 0
    start: int = 0

    def __len__(self) -> int:
        """Count the batches of an epoch."""
        full, rest = divmod(len(self.indices), self.batch_size)
        return full + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[Rows]:
        """Give the rows of each batch from `start` on."""
        order, epoch = self.indices, self.epoch
        if self.shuffle:
            order = order[epoch_order(len(order), seed=self.seed, epoch=epoch)]
        further = [
            extra_order(
                each.count, each.rows * len(self), seed=self.seed, epoch=epoch, source=source
            )
            for source, each in enumerate(self.extras, 1)
        ]
        # the epoch goes with each batch: workers outlive the epoch in which they started
        return (
            (epoch, *self._batch(order, further, number)) for number in range(self.start, len(self))
        )

    def _batch(
        self, order: Tensor, further: list[tuple[Tensor, Tensor]], number: int
    ) -> tuple[list[int], list[int]]:
        own = order[number * self.batch_size : (number + 1) * self.batch_size]
        index, again = [own], [torch.zeros_like(own)]
        for each, (places, before) in zip(self.extras, further, strict=True):
            start = number * each.rows
            rows = slice(start, start + each.rows * len(own) // self.batch_size)
            index.append(each.first + places[rows])
            again.append(before[rows])
        return torch.cat(index).tolist(), torch.cat(again).tolist()
