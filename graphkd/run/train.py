"""Run a blueprint: once, or once for each seed; from the start, or from a checkpoint."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from pathlib import Path

import attrs
from rich.console import Console

from graphkd.blueprint import Blueprint
from graphkd.compile import Schedule, compile_blueprint
from graphkd.component import Splits
from graphkd.run.device import pick_device
from graphkd.run.distributed import joined, remember, remembers
from graphkd.run.evaluate import Evaluation
from graphkd.run.folder import RESULTS, check_place, new_folder, seed_folder, seeds_of
from graphkd.run.going_on import require_unchanged
from graphkd.run.loop import Stopped
from graphkd.run.plan import read_plan, write_plan
from graphkd.run.processes import take_up_together
from graphkd.run.progress import Progress
from graphkd.run.ready import Ready, get_ready
from graphkd.run.record import read_results, write_json
from graphkd.run.room import telling_of_room
from graphkd.run.seed import run_seed
from graphkd.run.source import open_splits
from graphkd.run.together import first_does
from graphkd.run.world import ALONE, World

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
        ready = get_ready(schedule, splits, seeds_of(blueprint)[0], world)
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


def _run_seeds(
    schedule: Schedule,
    folder: Path,
    console: Console | None,
    *,
    splits: Splits | None = None,
    ready: Ready | None = None,
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
            this, ready = ready or get_ready(schedule, splits, seed, world), None
            title = f"seed {seed}  " if len(seeds) > 1 else ""
            state = take_up_together(
                this.session, place, folder, seed=seed, world=world, allowed=allowed
            )
            progress = Progress(console if world.first else None, title)
            done = run_seed(this, place, seed, progress, state, world)
        else:
            check = partial(require_unchanged, schedule, place, folder, seed=seed, allowed=allowed)
            first_does(world, check)
        found[seed] = done
    if len(seeds) > 1 and world.first:
        every = {str(seed): each.data() for seed, each in found.items()}
        write_json(folder / RESULTS, every)
    return Result(folder, schedule, found)
