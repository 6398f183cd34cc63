"""Run a blueprint: once, or once for each seed; from the start, or from a checkpoint."""

from __future__ import annotations

import signal
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import torch
from rich.console import Console

from graphkd.blueprint import Blueprint
from graphkd.compile import Schedule, compile_blueprint
from graphkd.component import Splits
from graphkd.errors import mistake
from graphkd.run import checkpoint
from graphkd.run.deliver import check_folded, deliver
from graphkd.run.evaluate import Evaluation, evaluate
from graphkd.run.folder import (
    CHECKPOINTS,
    RESULTS,
    check_place,
    make_folder,
    seed_folder,
    seeds_of,
)
from graphkd.run.journal import Journal
from graphkd.run.loop import Loop, Stopped
from graphkd.run.optim import make_optimizer
from graphkd.run.plan import read_plan, write_plan
from graphkd.run.progress import Progress
from graphkd.run.record import read_results, write_json, write_results
from graphkd.run.session import Session, start_session
from graphkd.run.source import Opened, divide, evaluation_batches, open_splits, training_source

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
    schedule = compile_blueprint(blueprint, without=without)
    path = Path(out or Path("runs") / blueprint.blueprint)
    check_place(path, force=force)
    splits = open_splits(blueprint)
    ready = _get_ready(schedule, splits, seeds_of(blueprint)[0])
    folder = make_folder(path, force=force)
    write_plan(schedule, folder)
    return _run_seeds(schedule, folder, console, splits=splits, ready=ready)


def resume(folder: Path | str, *, console: Console | None = None) -> Result:
    """Go on with a run from its newest checkpoint; a finished one only tells its results.

    Raises:
        BlueprintError: the folder is no run, its checkpoint is damaged, or its blueprint or the
            weights of a frozen node changed since it began.
        Stopped: the user asked to stop again.
    """
    path = Path(folder)
    return _run_seeds(read_plan(path), path, console)


def _get_ready(schedule: Schedule, splits: Splits, seed: int) -> _Ready:
    """Build what a seed needs, and find every mistake that would stop a phase later."""
    device = pick_device(schedule.blueprint.train.device)
    opened = divide(schedule.blueprint, splits, seed=seed)
    for plan in schedule.phases:
        training_source(opened, plan, seed=seed)
    session = start_session(schedule, seed=seed, device=device)
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
) -> Result:
    """Run each seed that has no results yet; the first one may be ready."""
    seeds = seeds_of(schedule.blueprint)
    found = {}
    for seed in seeds:
        place = seed_folder(folder, schedule.blueprint, seed)
        done = read_results(place)
        if done is None:
            splits = splits or open_splits(schedule.blueprint)
            this, ready = ready or _get_ready(schedule, splits, seed), None
            place.mkdir(exist_ok=True)
            title = f"seed {seed}  " if len(seeds) > 1 else ""
            done = _run_one(this, place, seed, Progress(console, title))
        found[seed] = done
    if len(seeds) > 1:
        every = {str(seed): each.data() for seed, each in found.items()}
        write_json(folder / RESULTS, every)
    return Result(folder, schedule, found)


def _run_one(ready: _Ready, folder: Path, seed: int, progress: Progress) -> Evaluation:
    session = ready.session
    state = None
    if checkpoint.listed(folder / CHECKPOINTS):
        state = checkpoint.load_latest(folder / CHECKPOINTS)
        session.load_weights(state)
    journal = Journal(
        folder,
        session.device,
        keep=session.records,
        step=session.step,
        names=ready.opened.spec.names,
    )
    loop = Loop(session, ready.opened, folder, journal, progress, seed)
    try:
        with _stopping(loop):
            loop.run(state)
        found = _finish(session, ready.opened, folder)
        journal.tested(session.step, found, _flat(found))
        write_results(folder, found)
    finally:
        journal.close()
    return found


def _finish(session: Session, opened: Opened, folder: Path) -> Evaluation:
    """Take the best weights, test everything once, and write the student."""
    session.take_best()
    batches = evaluation_batches(opened.parts.test, session.schedule.blueprint.data)
    found = evaluate(session.schedule, session.parts, batches, device=session.device)
    validation = evaluation_batches(opened.parts.validation, session.schedule.blueprint.data)
    check_folded(session.schedule, session.parts, validation, device=session.device)
    deliver(session.schedule, session.parts, folder)
    return found


def _flat(found: Evaluation) -> dict[str, float]:
    values = {
        f"test/{name}/{key}": value
        for name, report in found.models.items()
        for key, value in report.items()
    }
    return values | {f"test/{name}": value for name, value in found.probes.items()}


def pick_device(name: str) -> torch.device:
    """Return the device of a recipe.

    Raises:
        BlueprintError: there is no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise mistake(f"train: no device '{name}'; write auto, cpu, cuda or cuda:0") from error
    if device.type not in ("cpu", "cuda"):
        raise mistake(f"train: device '{name}' is not supported; write auto, cpu, cuda or cuda:0")
    count = torch.cuda.device_count() if device.type == "cuda" else 1
    if device.type == "cuda" and (device.index or 0) >= count:
        raise mistake(f"train: device '{name}' is not there ({count} CUDA devices); write auto")
    return device


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
