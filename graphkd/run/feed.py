"""What a phase reads, batch by batch and step by step."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, repeat

from graphkd.run.backwards import Batch
from graphkd.run.moving import moved
from graphkd.run.portions import Portion, recounted
from graphkd.run.session import Session
from graphkd.run.source import Source
from graphkd.run.watch import at
from graphkd.run.world import World


def step_batches(
    source: Source, session: Session, world: World, *, size: int
) -> Iterator[tuple[list[Batch], list[Portion]]]:
    """Gather the batches of each optimizer step on the device, from where the session stands.

    Args:
        source: of the phase.
        session: what moves.
        world: the processes.
        size: batches of a step; an epoch's last step may have fewer.

    Yields:
        Batches, and with several processes how much of each is here.
    """
    # a changed recipe may have made the epoch shorter
    start = min(session.batch, len(source))
    read = batches(source, session, world, epoch=session.epoch, start=start)
    while group := list(islice(read, size)):
        portions = [portion for _, portion in group if portion]
        yield [moved(batch, session) for batch, _ in group], portions


def batches(
    source: Source, session: Session, world: World, *, epoch: int = 0, start: int = 0
) -> Iterator[tuple[Batch, Portion | None]]:
    """Go through an epoch; with several processes, each batch with how much of it is here.

    Args:
        source: of the phase.
        session: what moves.
        world: the processes.
        epoch: number of the epoch, from 0.
        start: the first batch to read.
    """
    portions = source.portions(epoch, start) if world.size > 1 else repeat(None)
    read: Iterator[tuple[Batch, Portion | None]] = zip(
        source.epoch(epoch, start), portions, strict=False
    )
    while True:
        at(f"reading data after step {session.step}")
        found = next(read, None)
        if found is None:
            return
        at(f"taking the step after {session.step}")
        batch, portion = found
        if portion and source.recounts:
            portion = recounted(portion, batch["label"], world)
        yield batch, portion
