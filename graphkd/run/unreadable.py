"""Images that cannot be read: told, replaced in a training batch, or left out of an evaluation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

import attrs
import torch
from torch import Tensor

from graphkd.component import Samples
from graphkd.errors import ComponentError

Policy = Literal["stop", "replace", "drop"]

MESSAGES = "unreadable"
"""What batches call the messages of images that could not be read; absent where all could."""

MEND = "mend it, or write data.unreadable: skip"
"""What can be done about an image that cannot be read."""


class DataError(ComponentError):
    """Data failed while a run was reading it."""


@attrs.frozen
class Readable:
    """What could be read of a batch.

    Attributes:
        images: "b c h w".
        places: of each in the whole batch.
        messages: of those that could not be read.
    """

    images: Tensor
    places: list[int]
    messages: list[str]


def read_each(
    samples: Samples, indices: Sequence[int], *, places: Sequence[int], policy: Policy
) -> Readable:
    """Read a batch, or a part of it, image by image.

    Args:
        samples: what is read.
        indices: of the whole batch.
        places: in it, of what is wanted.
        policy: `replace` puts the next readable image of the whole batch in the place of one that
            cannot be read, with its label and index, whoever else reads that; the other two leave
            it out.
    """
    found: dict[int, Tensor | None] = {}
    messages = []

    def read(place: int) -> bool:
        if place not in found:
            try:
                found[place] = samples[indices[place]]
            except ComponentError as error:
                found[place] = None
                messages.append(str(error))
        return found[place] is not None

    taken = [place for place in places if read(place)]
    if policy == "replace":
        count = len(indices)
        nexts = (range(place, place + count) for place in places)
        chosen = [next((n % count for n in each if read(n % count)), None) for each in nexts]
        taken = [place for place in chosen if place is not None]
    images = [image for place in taken if (image := found[place]) is not None]
    return Readable(torch.stack(images) if images else torch.empty(0), taken, messages)


def peek(samples: Samples, places: Iterable[int], *, skipping: bool) -> Iterator[Tensor]:
    """Read a few images, by which one data set is told from another.

    Args:
        samples: what is read.
        places: which of them.
        skipping: leave out those that cannot be read.

    Raises:
        DataError: one cannot be read, and is not to be left out.
    """
    for place in places:
        try:
            yield samples[place]
        except ComponentError as error:
            if not skipping:
                raise DataError(f"{error}; {MEND}") from error


def checked(
    batches: Iterator[dict[str, Any]],
    *,
    policy: Policy,
    seen: dict[str, None],
    whole: bool = False,
) -> Iterator[dict[str, Tensor]]:
    """Go through batches, and tell of images that could not be read.

    Args:
        batches: as a reader makes them.
        policy: what it did.
        seen: gets the message of each image, once.
        whole: give a batch of which no image could be read, too; it has an empty `index` alone.

    Raises:
        DataError: an image could not be read, and that is not allowed; no image of a training batch
            could; or a process that reads has died.
    """
    while True:
        try:
            batch = next(batches)
        except StopIteration:
            return
        except RuntimeError as error:
            # torch says no more than this
            if "DataLoader worker" not in str(error):
                raise
            reason = str(error).splitlines()[0].rstrip(". ")
            text = f"a process that reads data ended: {reason}; often memory ran out"
            raise DataError(f"{text}; lower data.workers or data.batch_size") from error
        messages = batch.pop(MESSAGES, ())
        seen.update(dict.fromkeys(messages))
        if messages and policy == "stop":
            raise DataError(f"{messages[0]}; {MEND}")
        if messages and not len(batch["index"]):
            if policy == "replace":
                raise DataError(f"no image of a batch can be read: {messages[0]}")
            if not whole:
                continue
        yield batch
