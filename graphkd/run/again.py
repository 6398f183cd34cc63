"""Open a finished run again: its schedule and its trained modules."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import Literal

from graphkd.compile import Schedule
from graphkd.errors import mistake
from graphkd.run import checkpoint
from graphkd.run.evaluate import evaluate
from graphkd.run.failures import told_of_data
from graphkd.run.folder import CHECKPOINTS, seed_folder, seeds_of
from graphkd.run.plan import read_plan
from graphkd.run.session import Session, start_session
from graphkd.run.source import divide, evaluation_batches, open_splits
from graphkd.run.train import Result, pick_device


def open_run(folder: Path, *, seed: int | None = None) -> Session:
    """Rebuild a finished run with the weights of its newest checkpoint, students' best included.

    Args:
        folder: the run's folder.
        seed: which of several; the first by default.

    Raises:
        BlueprintError: the folder is no finished run, or has no checkpoint that can be read.
    """
    schedule = read_plan(folder)
    chosen = seeds_of(schedule.blueprint)[0] if seed is None else seed
    return _open_seed(schedule, folder, chosen)


def _open_seed(schedule: Schedule, folder: Path, seed: int) -> Session:
    checkpoints = seed_folder(folder, schedule.blueprint, seed) / CHECKPOINTS
    state = checkpoint.load_latest(checkpoints) if checkpoint.listed(checkpoints) else None
    if state is None or state["position"]["phase"] < len(schedule.phases):
        hint = f"go on with: graphkd resume {quote(str(folder))}"
        raise mistake(f"{folder}: the run is not finished; {hint}")
    device = pick_device(schedule.blueprint.train.device)
    session = start_session(schedule, seed=seed, device=device)
    session.load_weights(state)
    session.take_best()
    return session


def evaluate_run(folder: Path, *, split: Literal["validation", "test"]) -> Result:
    """Measure every model of a finished run on one split, for each seed.

    Raises:
        BlueprintError: the folder is no finished run, or its data is absent.
    """
    schedule = read_plan(folder)
    blueprint = schedule.blueprint
    splits = open_splits(blueprint)
    found = {}
    for seed in seeds_of(blueprint):
        session = _open_seed(schedule, folder, seed)
        parts = divide(blueprint, splits, seed=seed).parts
        part = parts.test if split == "test" else parts.validation
        batches = evaluation_batches(part, blueprint.data)
        with told_of_data(blueprint):
            found[seed] = evaluate(schedule, session.parts, batches, device=session.device)
    return Result(folder, schedule, found, split)
