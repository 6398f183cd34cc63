"""Run one seed from where it stands: train, test once, and hand back the student."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import torch

from graphkd.run.deliver import check_folded, deliver
from graphkd.run.evaluate import Evaluation, evaluate
from graphkd.run.failures import told
from graphkd.run.folder import CHECKPOINTS
from graphkd.run.journal import Journal
from graphkd.run.loop import Loop
from graphkd.run.progress import Progress
from graphkd.run.ready import Ready
from graphkd.run.record import write_results
from graphkd.run.session import Session
from graphkd.run.sharding import whole_parts
from graphkd.run.source import evaluation_batches
from graphkd.run.watch import taking_long
from graphkd.run.world import World
from graphkd.run.writer import Writer


def run_seed(
    ready: Ready,
    folder: Path,
    seed: int,
    progress: Progress,
    state: dict[str, Any] | None,
    world: World,
) -> Evaluation:
    """Train a seed, test it, and write its results and its student.

    Args:
        ready: what it needs.
        folder: of the seed.
        seed: the number.
        progress: what the user sees.
        state: the checkpoint from which it goes on; None for the start.
        world: the processes, of which the first writes.

    Raises:
        Stopped: the user asked to stop.
    """
    session = ready.session
    journal = _journal(ready, folder) if world.first else None
    writer = _writer(session, folder, world, *([journal.recorder.path] if journal else []))
    loop = Loop(session, ready.opened, writer, journal, progress, seed, world=world)
    try:
        with told(session, folder):
            with _stopping(loop), closing(writer):
                loop.run(state)
            found = _finish(ready, folder, loop)
            if journal:
                journal.tested(session.step, found, _flat(found))
                write_results(folder, found)
    finally:
        if journal:
            journal.close()
    return found


def _journal(ready: Ready, folder: Path) -> Journal:
    session, names = ready.session, ready.opened.spec.names
    return Journal(folder, session.device, keep=session.records, step=session.step, names=names)


def _writer(session: Session, folder: Path, world: World, *flushed: Path) -> Writer:
    keep, sharded = session.schedule.blueprint.train.keep, bool(session.sharded)
    return Writer(folder / CHECKPOINTS, keep=keep, flushed=flushed, world=world, sharded=sharded)


def _finish(ready: Ready, folder: Path, loop: Loop) -> Evaluation:
    """Take the best weights, test everything once, and write the student."""
    session, opened, world = ready.session, ready.opened, loop.world
    schedule, parts, device = session.schedule, session.parts, session.device
    session.take_best()
    batches = evaluation_batches(opened.parts.test, schedule.blueprint.data, world=world)
    found = evaluate(schedule, parts, batches, device=device, world=world)
    loop.tell_unreadable(batches)
    if session.sharded:
        moving = frozenset(parts) - session.still.keys()
        parts = whole_parts(schedule, parts, moving, seed=loop.seed, world=world)
        device = torch.device("cpu")
    if world.first:
        validation = evaluation_batches(opened.parts.validation, schedule.blueprint.data)
        with taking_long("writing the student"):
            check_folded(schedule, parts, validation, device=device)
            deliver(schedule, parts, folder)
    return found


def _flat(found: Evaluation) -> dict[str, float]:
    values = {
        f"test/{name}/{key}": value
        for name, report in found.models.items()
        for key, value in report.items()
    }
    return values | {f"test/{name}": value for name, value in found.probes.items()}


@contextmanager
def _stopping(loop: Loop) -> Iterator[None]:
    """Let the first Ctrl-C or SIGTERM stop after the running step, the second at once."""

    def ask(number: int, frame: Any) -> None:
        if loop.stop:
            raise KeyboardInterrupt
        loop.stop = True

    try:
        before = {each: signal.signal(each, ask) for each in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:
        # not in the main thread: whoever runs us handles signals
        yield
        return
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
