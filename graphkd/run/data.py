"""Batches that depend on seed, epoch and sample alone, whoever reads them."""

from __future__ import annotations

import atexit
import signal
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any, cast
from weakref import WeakSet

import attrs
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from graphkd.component import Samples, Splits
from graphkd.errors import ComponentError
from graphkd.run.order import carve
from graphkd.run.portions import Portion
from graphkd.run.reader import Reader, further_taps
from graphkd.run.rows import RowPlan
from graphkd.run.unreadable import Policy, checked

_STOPPING = (signal.SIGINT, signal.SIGTERM)


@attrs.frozen(eq=False)
class Part:
    """What training, validation or test reads.

    Attributes:
        samples: a split of the data set.
        indices: "n" int64, ascending: those of the samples that belong to the part.
        taps: what evaluations read besides `image`, `label` and `index`.
    """

    samples: Samples
    indices: Tensor
    taps: tuple[str, ...] = ()


@attrs.frozen(eq=False)
class Parts:
    """The data of a run; no sample is in two of them.

    Attributes:
        train: what is learnt from.
        validation: what the best checkpoint is chosen on.
        test: what is reported at the end.
    """

    train: Part
    validation: Part
    test: Part


def prepare_splits(splits: Splits, *, validation: float, seed: int) -> Parts:
    """Carve validation out of training where the data set has none of its own.

    Args:
        splits: as the data set gives them.
        validation: the share of the training samples, above 0 and below 1; unused where the data
            set has a validation split.
        seed: of the choice.

    Returns:
        Three parts; the indices of a carved validation point into the training split.

    Raises:
        ComponentError: a split is empty, or training has too few samples to carve.
    """
    for name in ("train", "validation", "test"):
        samples = getattr(splits, name)
        if samples is not None and not len(samples):
            raise ComponentError(f"the data set's {name} split is empty")
    train, test = _whole(splits.train), _whole(splits.test)
    if splits.validation is not None:
        return Parts(train, _whole(splits.validation), test)
    labels = splits.train.labels
    kept, carved = carve(len(splits.train) if labels is None else labels, validation, seed=seed)
    return Parts(Part(splits.train, kept), Part(splits.train, carved), test)


def _whole(samples: Samples) -> Part:
    return Part(samples, torch.arange(len(samples)))


class Batches:
    """The batches of one part, epoch by epoch.

    The order is a function of (seed, epoch), a sample's augmentation one of (seed, epoch, index,
    view): neither the number of workers nor what was read before plays a role. The global random
    generators are left as they were found.

    Attributes:
        unreadable: the message of each image that could not be read so far.
    """

    def __init__(
        self,
        samples: Samples,
        rows: RowPlan,
        *,
        labels: Tensor | None,
        augment: Callable[[Tensor], Tensor] | None = None,
        taps: Collection[str] = (),
        workers: int = 0,
        pin_memory: bool = False,
        may_be_empty: bool = False,
        views: int = 0,
        unreadable: Policy = "stop",
    ) -> None:
        """Prepare reading; nothing is read yet.

        Args:
            samples: a split of the data set, and behind it the further data sets of the rows.
            rows: which samples each batch holds; its seed is that of the augmentation too.
            labels: one for each sample of the split, int64, -1 where it must not be seen; None
                where no label may be seen.
            augment: from one "c h w" image to another, by torch's global CPU generator alone; None
                for the images as they are. With workers it must pickle.
            taps: what is read of a batch; `view1`, `view2` and `source` are made only for that.
            workers: processes that read; 0 reads in this one.
            pin_memory: put the batches where a GPU copies them from without waiting.
            may_be_empty: whether there may be no batch.
            views: how many augmentations of each sample epochs replay; 0: each epoch draws anew.
            unreadable: what becomes of an image that cannot be read.

        Raises:
            ComponentError: there would be no batch.
        """
        self._plan = rows
        if not len(rows) and not may_be_empty:
            count = f"batch_size is {rows.batch_size}, the images are {len(rows.indices)}"
            raise ComponentError(f"no batch: {count}", field="batch_size")
        self._labels = torch.full((len(samples),), -1) if labels is None else labels
        reader = Reader(
            samples,
            self._labels,
            rows.seed,
            augment,
            taps=further_taps(taps),
            firsts=tuple(each.first for each in rows.extras),
            views=views,
            unreadable=unreadable,
        )
        self.unreadable: dict[str, None] = {}
        self._policy: Policy = unreadable
        self._loader: DataLoader[Any] = DataLoader(
            cast("Dataset[Any]", reader),
            batch_sampler=cast("Sampler[Any]", self._plan),
            num_workers=workers,
            collate_fn=_as_is,
            pin_memory=pin_memory,
            # without its own generator, starting an epoch draws from the global one
            generator=torch.Generator(),
            persistent_workers=workers > 0,
            worker_init_fn=_outlive_signals,
        )

    def __len__(self) -> int:
        """Count the batches of an epoch."""
        return len(self._plan)

    @property
    def indices(self) -> Tensor:
        """The samples that an epoch goes through once, "n" int64."""
        return self._plan.indices

    def portions(self, number: int, start: int = 0) -> Iterator[Portion]:
        """Say how much of each of the batches of `epoch` this process has."""
        return attrs.evolve(self._plan, epoch=number, start=start).portions(self._labels)

    def read_and_own(self) -> tuple[list[int], list[int]]:
        """Say which places of a full batch the process reads, and which of them are its own."""
        return self._plan.read_and_own()

    def epoch(
        self, number: int, start: int = 0, *, whole: bool = False
    ) -> Iterator[dict[str, Tensor]]:
        """Read an epoch, or the rest of it; with workers this ends the epoch read before.

        Args:
            number: of the epoch, from 0.
            start: the first batch to read, from 0; those before it are not read.
            whole: give batches without samples too: see `checked`.

        Returns:
            Batches: `image` "b c h w" float32, `label` "b" int64, -1 where hidden, and `index` "b"
            int64, the sample's place in its split; places in further data sets follow behind those
            of the split. If read, `view1` and `view2`, two more augmentations of each image, and
            `source` "b" int64, 0 for the split and 1, 2, … for the further data sets, and `row` "b"
            int64, the place of the sample's augmentation in a store.
        """
        if not 0 <= start <= len(self):
            raise ValueError(f"start is {start}, not one of the {len(self)} batches or their end")
        self._plan.epoch, self._plan.start = number, start
        _reading.add(self)
        with _signals_kept_back():
            batches = iter(self._loader)
        return checked(batches, policy=self._policy, seen=self.unreadable, whole=whole)

    def close(self) -> None:
        """End the processes that read; another epoch starts them again."""
        reading = getattr(self._loader, "_iterator", None)
        if reading is not None:
            reading._shutdown_workers()
            self._loader._iterator = None


_reading: WeakSet[Batches] = WeakSet()


@atexit.register
def _end_readers() -> None:
    """Let nobody wait for a reader when an error ends the program.

    A reader outlives the first SIGTERM, which is all that it gets then.
    """
    for each in list(_reading):
        each.close()


def _as_is(batch: Any) -> Any:
    return batch


@contextmanager
def _signals_kept_back() -> Iterator[None]:
    """Keep Ctrl-C and SIGTERM back, here and in processes that start meanwhile.

    A worker takes seconds until it has its handlers, and would end by a signal until then.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _outlive_signals(worker: int) -> None:
    """Let a worker ignore Ctrl-C and the first SIGTERM: who asked it for data ends it.

    Both are often sent to a whole process group, and a run that is to stop after its step still
    reads.
    """

    def once(number: int, frame: Any) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, once)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPING)
