"""Run a blueprint: once, or once for each seed; from the start, or from a checkpoint."""

from __future__ import annotations

import signal
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import attrs
import torch
from rich.console import Console

from graphkd.blueprint import Blueprint
from graphkd.compile import Schedule, compile_blueprint
from graphkd.component import Splits
from graphkd.run.deliver import check_folded, deliver
from graphkd.run.device import pick_device
from graphkd.run.distributed import joined, remember, remembers
from graphkd.run.evaluate import Evaluation, evaluate
from graphkd.run.failures import told, told_of_data
from graphkd.run.fingerprint import fingerprint
from graphkd.run.folder import (
    CHECKPOINTS,
    RESULTS,
    check_place,
    new_folder,
    seed_folder,
    seeds_of,
)
from graphkd.run.going_on import require_unchanged
from graphkd.run.journal import Journal
from graphkd.run.loop import Loop, Stopped
from graphkd.run.norms import share_statistics
from graphkd.run.optim import make_optimizer
from graphkd.run.plan import hardware, read_plan, versions, write_plan
from graphkd.run.processes import PROCESSES, take_up_together
from graphkd.run.progress import Progress
from graphkd.run.record import read_results, write_json, write_results
from graphkd.run.room import telling_of_room
from graphkd.run.session import Session, start_session
from graphkd.run.sharding import whole_parts
from graphkd.run.source import Opened, divide, evaluation_batches, open_splits, training_source
from graphkd.run.surroundings import surroundings
from graphkd.run.together import first_does, gather
from graphkd.run.watch import taking_long
from graphkd.run.world import ALONE, World
from graphkd.run.writer import Writer

__all__ = ["Result", "Stopped", "pick_device", "resume", "train"]


@attrs.frozen
class Result:
    """What a run ended with.

    Attributes:
        folder: the run's folder.
        schedule: what ran.
        evaluations: for each seed what was measured.
        split: on which split.
    """

    folder: Path
    schedule: Schedule
    evaluations: dict[int, Evaluation]
    split: str = "test"


@attrs.frozen(eq=False)
class _Ready:
    """One seed of a run, before its first step or its checkpoint."""

    session: Session
    opened: Opened


def train(
    blueprint: Blueprint,
    *,
    out: Path | str | None = None,
    without: Collection[str] = (),
    force: bool = False,
    console: Console | None = None,
) -> Result:
    """Train what a blueprint says, and hand back the student.

    Args:
        blueprint: what to run.
        out: the run folder; `runs/NAME` by default. With several seeds it holds a folder for each.
        without: optional passes to leave out.
        force: replace an earlier run that lies there.
        console: where progress is shown; nowhere by default.

    Returns:
        The results on the test split, which is read only at the end.

    Raises:
        BlueprintError: with every problem of the blueprint, its data or the folder; then no folder
            is made.
        Stopped: the user asked to stop; the run can be resumed.
    """
    path = Path(out or Path("runs") / blueprint.blueprint)
    with joined() as world:
        schedule = compile_blueprint(blueprint, without=without)
        mark = str(path.resolve())
        # torchrun has started this process in the place of one that died
        again = first_does(world, lambda: remembers(mark))
        if not again:
            first_does(world, lambda: check_place(path, force=force))
        splits = open_splits(blueprint)
        ready = _get_ready(schedule, splits, seeds_of(blueprint)[0], world)
        with telling_of_room(path):
            if not again:
                first_does(world, lambda: _prepare(schedule, path, force=force, mark=mark))
            return _run_seeds(schedule, path, console, splits=splits, ready=ready, world=world)


def _prepare(schedule: Schedule, path: Path, *, force: bool, mark: str) -> None:
    with new_folder(path, force=force) as draft:
        write_plan(schedule, draft)
    remember(mark)


def resume(
    folder: Path | str, *, allow_changed: Collection[str] = (), console: Console | None = None
) -> Result:
    """Go on with a run from its newest whole checkpoint; a finished one only tells its results.

    Args:
        folder: of the run.
        allow_changed: keys of changes that are accepted, as the refusal names them.
        console: where progress is shown; nowhere by default.

    Raises:
        BlueprintError: the folder is no run, no checkpoint is whole, or the blueprint, the
            software, the data or the weights of a frozen model changed since it began.
        Stopped: the user asked to stop again.
    """
    path = Path(folder)
    with joined() as world, telling_of_room(path):
        return _run_seeds(read_plan(path), path, console, allowed=allow_changed, world=world)


def _get_ready(schedule: Schedule, splits: Splits, seed: int, world: World) -> _Ready:
    """Build what a seed needs, and find every mistake that would stop a phase later."""
    device = pick_device(schedule.blueprint.train.device, world=world)
    opened = divide(schedule.blueprint, splits, seed=seed)
    for plan in schedule.phases:
        training_source(opened, plan, seed=seed, world=world)
    session = start_session(schedule, seed=seed, device=device, world=world)
    if schedule.blueprint.train.sync_batchnorm and world.size > 1:
        share_statistics(session)
    with told_of_data(schedule.blueprint):
        data = fingerprint(opened)
    session.made |= {
        "versions": versions(),
        "device": hardware(schedule.blueprint.train.device),
        "data": data,
        "surroundings": surroundings(device),
        PROCESSES: world.size,
    }
    for plan in schedule.phases:
        if plan.trained:
            make_optimizer(plan, session.parts)
    return _Ready(session, opened)


def _run_seeds(
    schedule: Schedule,
    folder: Path,
    console: Console | None,
    *,
    splits: Splits | None = None,
    ready: _Ready | None = None,
    allowed: Collection[str] = (),
    world: World = ALONE,
) -> Result:
    """Run each seed that has no results yet; the first one may be ready."""
    seeds = seeds_of(schedule.blueprint)
    found = {}
    for seed in seeds:
        place = seed_folder(folder, schedule.blueprint, seed)
        done = first_does(world, partial(read_results, place))
        if done is None:
            splits = splits or open_splits(schedule.blueprint)
            this, ready = ready or _get_ready(schedule, splits, seed, world), None
            title = f"seed {seed}  " if len(seeds) > 1 else ""
            state = take_up_together(
                this.session, place, folder, seed=seed, world=world, allowed=allowed
            )
            progress = Progress(console if world.first else None, title)
            done = _run_one(this, place, seed, progress, state, world)
        else:
            check = partial(require_unchanged, schedule, place, folder, seed=seed, allowed=allowed)
            first_does(world, check)
        found[seed] = done
    if len(seeds) > 1 and world.first:
        every = {str(seed): each.data() for seed, each in found.items()}
        write_json(folder / RESULTS, every)
    return Result(folder, schedule, found)


def _run_one(
    ready: _Ready,
    folder: Path,
    seed: int,
    progress: Progress,
    state: dict[str, Any] | None,
    world: World,
) -> Evaluation:
    session = ready.session
    if not world.first:
        writer = _writer(session, folder, world)
        loop = Loop(session, ready.opened, writer, None, progress, seed, world=world)
        with told(session, folder):
            with _stopping(loop), closing(writer):
                loop.run(state)
            return _finish(ready, folder, seed=seed, world=world)
    journal = Journal(
        folder,
        session.device,
        keep=session.records,
        step=session.step,
        names=ready.opened.spec.names,
    )
    writer = _writer(session, folder, world, journal.recorder.path)
    loop = Loop(session, ready.opened, writer, journal, progress, seed, world=world)
    try:
        with told(session, folder):
            with _stopping(loop), closing(writer):
                loop.run(state)
            found = _finish(ready, folder, seed=seed, journal=journal, world=world)
            journal.tested(session.step, found, _flat(found))
            write_results(folder, found)
    finally:
        journal.close()
    return found


def _writer(session: Session, folder: Path, world: World, *flushed: Path) -> Writer:
    keep, sharded = session.schedule.blueprint.train.keep, bool(session.sharded)
    return Writer(folder / CHECKPOINTS, keep=keep, flushed=flushed, world=world, sharded=sharded)


def _finish(
    ready: _Ready, folder: Path, *, seed: int, world: World, journal: Journal | None = None
) -> Evaluation:
    """Take the best weights, test everything once, and write the student."""
    session, opened = ready.session, ready.opened
    schedule, parts, device = session.schedule, session.parts, session.device
    session.take_best()
    batches = evaluation_batches(opened.parts.test, schedule.blueprint.data, world=world)
    found = evaluate(schedule, parts, batches, device=device, world=world)
    every = gather(world, list(batches.unreadable))
    if journal:
        journal.unreadable(chain(*every))
    if session.sharded:
        moving = frozenset(parts) - session.still.keys()
        parts = whole_parts(schedule, parts, moving, seed=seed, world=world)
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
