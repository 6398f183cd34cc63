"""Open a finished run again: its schedule and its trained modules."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import attrs

from graphkd.blueprint import load
from graphkd.compile import compile_blueprint
from graphkd.errors import mistake
from graphkd.run import checkpoint
from graphkd.run.evaluate import evaluate
from graphkd.run.folder import BLUEPRINT, CHECKPOINTS, require_run
from graphkd.run.session import Session, start_session
from graphkd.run.source import evaluation_batches, open_data
from graphkd.run.train import Result, pick_device


def open_run(folder: Path, *, seed: int | None = None) -> Session:
    """Rebuild a run with the weights of its newest checkpoint, the best delivered ones included.

    Args:
        folder: the run's folder.
        seed: which of several; the first by default.

    Raises:
        BlueprintError: the folder is no run, or has no checkpoint that can be read.
    """
    path = require_run(folder)
    settings = json.loads((path / "run.json").read_text(encoding="utf-8"))
    blueprint = attrs.evolve(load(path / BLUEPRINT), folder=Path(settings["folder"]))
    schedule = compile_blueprint(blueprint, without=settings["without"])
    seeds = blueprint.train.seeds or (blueprint.train.seed,)
    chosen = seeds[0] if seed is None else seed
    place = path / f"seed-{chosen}" if len(seeds) > 1 else path
    state = checkpoint.load_latest(place / CHECKPOINTS)
    session = start_session(schedule, seed=chosen, device=pick_device(blueprint.train.device))
    session.load_weights(state)
    if session.phase < len(schedule.phases):
        raise mistake(f"{folder}: the run is not finished; go on with: graphkd resume {folder}")
    for name, weights in session.best.weights.items():
        session.parts[name].load_state_dict(weights)
    return session


def evaluate_run(folder: Path, *, split: Literal["validation", "test"]) -> Result:
    """Measure every model of a finished run on one split, for each seed.

    Raises:
        BlueprintError: the folder is no finished run, or its data is absent.
    """
    blueprint = load(require_run(folder) / BLUEPRINT)
    seeds = blueprint.train.seeds or (blueprint.train.seed,)
    found = {}
    for seed in seeds:
        session = open_run(folder, seed=seed)
        opened = open_data(session.schedule.blueprint, seed=seed)
        samples = opened.parts.test if split == "test" else opened.parts.validation
        batches = evaluation_batches(samples, session.schedule.blueprint.data)
        found[seed] = evaluate(session.schedule, session.parts, batches, device=session.device)
    return Result(folder, session.schedule, found, split)
