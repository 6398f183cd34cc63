"""Read the samples of a batch, and augment them."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, runtime_checkable

import attrs
import torch
from torch import Tensor

from graphkd.component import Samples
from graphkd.errors import ComponentError
from graphkd.graph import IMAGES, VIEWS
from graphkd.run.order import sample_seed
from graphkd.run.rows import Rows
from graphkd.run.unreadable import MESSAGES, Policy, read_each


@runtime_checkable
class BatchSamples(Protocol):
    """Samples that read many images at once, faster than one by one."""

    def batch(self, indices: Tensor) -> Tensor:
        """Return the images of `indices`, "b c h w" float32, bit for bit those of `[]`."""
        ...


def read_images(samples: Samples, index: Tensor) -> Tensor:
    """Read images, all at once where the samples can.

    Args:
        samples: a split of a data set.
        index: "b" int64.

    Returns:
        "b c h w" float32 in [0, 1].
    """
    if isinstance(samples, BatchSamples):
        return samples.batch(index)
    return torch.stack([samples[each] for each in index.tolist()])


@attrs.frozen(eq=False)
class Reader:
    """Reads the batches of a plan: the loader's data set, copied into each worker.

    Attributes:
        samples: what is read.
        labels: "n" int64, -1 where hidden.
        seed: of the augmentation.
        augment: from one image to another; None for the images as they are.
        taps: what batches hold besides `image`, `label` and `index`: `view1`, `view2`, `source`,
            `row`.
        firsts: the index at which each further data set begins, rising.
        views: how many augmentations of each sample epochs replay; 0: each epoch draws anew.
        unreadable: what becomes of an image that cannot be read.
    """

    samples: Samples
    labels: Tensor
    seed: int
    augment: Callable[[Tensor], Tensor] | None
    taps: frozenset[str] = frozenset()
    firsts: tuple[int, ...] = ()
    views: int = 0
    unreadable: Policy = "stop"

    def __getitems__(self, rows: Rows) -> dict[str, Any]:
        """Read the batch of these rows."""
        epoch, indices, again, places = rows
        epoch = epoch % self.views if self.views else epoch
        messages: list[str] = []
        try:
            plain = read_images(self.samples, torch.tensor([indices[n] for n in places]))
        except ComponentError:
            found = read_each(self.samples, indices, places=places, policy=self.unreadable)
            plain, places, messages = found.images, found.places, found.messages
            if not places:
                return {"index": torch.empty(0, dtype=torch.int64), MESSAGES: messages}
        own = [indices[n] for n in places], [again[n] for n in places]
        batch = self._batch(plain, *own, epoch=epoch)
        return {**batch, MESSAGES: messages} if messages else batch

    def _batch(
        self, plain: Tensor, indices: list[int], again: list[int], *, epoch: int
    ) -> dict[str, Any]:
        index = torch.tensor(indices)
        batch = {"image": plain, "label": self.labels[index], "index": index}
        for view, tap in enumerate(IMAGES):
            if view == 0 or tap in self.taps:
                batch[tap] = self._view(plain, indices, again, epoch=epoch, view=view)
        if "source" in self.taps:
            firsts = torch.tensor(self.firsts, dtype=torch.int64)
            batch["source"] = torch.bucketize(index, firsts, right=True)
        if "row" in self.taps:
            # of a store, which keeps one view of all samples behind another
            batch["row"] = index + epoch * len(self.samples)
        return batch

    def _view(
        self, images: Tensor, indices: list[int], again: list[int], *, epoch: int, view: int
    ) -> Tensor:
        if self.augment is None:
            return images
        if self.taps & {*VIEWS}:
            # an augmentation in place must not reach the other views
            images = images.clone()
        augmented = []
        with _own_randomness():
            for image, index, before in zip(images, indices, again, strict=True):
                # a sample that comes again within an epoch has other views
                number = view + before * len(IMAGES)
                seed = sample_seed(self.seed, epoch, index, number)
                # not torch.manual_seed: that also seeds the GPUs, whose state is not restored
                torch.default_generator.manual_seed(seed)
                random.seed(seed)
                augmented.append(self.augment(image))
        return torch.stack(augmented)


@contextmanager
def _own_randomness() -> Iterator[None]:
    """Restore the global CPU generators afterwards; use one thread meanwhile, as workers do.

    A sum over a large image depends on the number of threads, and so would contrast jitter.
    """
    torch_state, python_state = torch.get_rng_state(), random.getstate()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_rng_state(torch_state)
        random.setstate(python_state)


def further_taps(taps: Collection[str]) -> frozenset[str]:
    """Leave out what every batch holds."""
    return frozenset(taps) - {"image", "label", "index"}
