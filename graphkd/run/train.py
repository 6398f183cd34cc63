"""Run a blueprint: once, or once for each seed; from the start, or from a checkpoint."""

from __future__ import annotations

import json
import signal
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import torch
from rich.console import Console

from graphkd.blueprint.model import Blueprint
from graphkd.blueprint.save import save
from graphkd.compile import Schedule, compile_blueprint
from graphkd.errors import mistake
from graphkd.run import checkpoint
from graphkd.run.deliver import deliver
from graphkd.run.evaluate import Evaluation, evaluate
from graphkd.run.folder import BLUEPRINT, CHECKPOINTS, RESULTS, make_folder, require_run
from graphkd.run.loop import Loop, Stopped
from graphkd.run.progress import Progress
from graphkd.run.record import Recorder
from graphkd.run.session import Session, start_session
from graphkd.run.source import Opened, evaluation_batches, open_data

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
        BlueprintError: with every problem of the blueprint, its data or the folder.
        Stopped: the user asked to stop; the run can be resumed.
    """
    schedule = compile_blueprint(blueprint, without=without)
    seeds = blueprint.train.seeds or (blueprint.train.seed,)
    pick_device(blueprint.train.device)
    open_data(blueprint, seed=seeds[0])
    folder = make_folder(Path(out or Path("runs") / blueprint.blueprint), force=force)
    write_plan(schedule, folder)
    return _run_seeds(schedule, folder, seeds, console, resuming=False)


def resume(folder: Path | str, *, console: Console | None = None) -> Result:
    """Go on with a run from its newest checkpoint.

    Raises:
        BlueprintError: the folder is no run, or its checkpoint is damaged.
        Stopped: the user asked to stop again.
    """
    from graphkd.blueprint import load

    path = require_run(Path(folder))
    settings = json.loads((path / "run.json").read_text(encoding="utf-8"))
    blueprint = attrs.evolve(load(path / BLUEPRINT), folder=Path(settings["folder"]))
    schedule = compile_blueprint(blueprint, without=settings["without"])
    seeds = blueprint.train.seeds or (blueprint.train.seed,)
    return _run_seeds(schedule, path, seeds, console, resuming=True)


def _run_seeds(
    schedule: Schedule,
    folder: Path,
    seeds: tuple[int, ...],
    console: Console | None,
    *,
    resuming: bool,
) -> Result:
    several = len(seeds) > 1
    found = {}
    for seed in seeds:
        place = folder / f"seed-{seed}" if several else folder
        title = f"seed {seed}  " if several else ""
        place.mkdir(exist_ok=True)
        progress = Progress(console, title)
        found[seed] = _run_one(schedule, place, seed, progress, resuming=resuming)
    if several:
        _write_json(folder / RESULTS, {str(seed): attrs.asdict(each) for seed, each in found.items()})
    return Result(folder, schedule, found)


def _run_one(
    schedule: Schedule, folder: Path, seed: int, progress: Progress, *, resuming: bool
) -> Evaluation:
    results = folder / RESULTS
    if resuming and results.exists():
        return Evaluation(**json.loads(results.read_text(encoding="utf-8")))
    device = pick_device(schedule.blueprint.train.device)
    opened = open_data(schedule.blueprint, seed=seed)
    session = start_session(schedule, seed=seed, device=device)
    state = None
    if resuming and checkpoint.listed(folder / CHECKPOINTS):
        state = checkpoint.load_latest(folder / CHECKPOINTS)
        session.load_weights(state)
    recorder = Recorder(folder, keep=session.records, step=session.step)
    loop = Loop(session, opened, folder, recorder, progress, seed)
    try:
        with _stopping(loop):
            loop.run(state)
        found = _finish(session, opened, folder)
        recorder.write(session.step, phase="test", **_flat(found))
    finally:
        recorder.close()
    _write_json(results, attrs.asdict(found))
    return found


def _finish(session: Session, opened: Opened, folder: Path) -> Evaluation:
    """Take the best delivered weights, test everything once, and write the student."""
    for name, weights in session.best.weights.items():
        session.parts[name].load_state_dict(weights)
    data = session.schedule.blueprint.data
    found = evaluate(
        session.schedule,
        session.parts,
        evaluation_batches(opened.parts.test, data),
        device=session.device,
    )
    deliver(session.schedule, session.parts, folder)
    return found


def _flat(found: Evaluation) -> dict[str, float]:
    values = {
        f"test/{name}/{key}": value
        for name, report in found.models.items()
        for key, value in report.items()
    }
    return values | {f"test/{name}": value for name, value in found.probes.items()}


def write_plan(schedule: Schedule, folder: Path) -> None:
    """Write the resolved blueprint, the schedule's text and the drawn graph into a run folder."""
    from graphkd import __version__
    from graphkd.inspect import dot, explain, mermaid

    save(schedule.blueprint, folder / BLUEPRINT)
    settings = {
        "folder": str(schedule.blueprint.folder.resolve()),
        "without": list(schedule.without),
        "versions": {"graphkd": __version__, "torch": torch.__version__},
    }
    _write_json(folder / "run.json", settings)
    (folder / "schedule.txt").write_text(explain(schedule) + "\n", encoding="utf-8")
    (folder / "graph.mmd").write_text(mermaid(schedule.graph) + "\n", encoding="utf-8")
    (folder / "graph.dot").write_text(dot(schedule.graph) + "\n", encoding="utf-8")


def _write_json(path: Path, value: Any) -> None:
    draft = path.with_suffix(".tmp")
    draft.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
    draft.replace(path)


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
