"""The runs of a comparison: which are there, which go on, which are to begin."""

from __future__ import annotations

import enum
import json
import shutil
from collections.abc import Iterable
from pathlib import Path

import torch
from rich.console import Console

from graphkd import __version__
from graphkd.blueprint import Blueprint, load
from graphkd.blueprint.diff import diff
from graphkd.compile import Schedule
from graphkd.errors import mistake
from graphkd.run import checkpoint
from graphkd.run.compare_check import digest_of
from graphkd.run.evaluate import Evaluation
from graphkd.run.folder import BLUEPRINT, CHECKPOINTS, SETTINGS, is_run
from graphkd.run.plan import PLANNED
from graphkd.run.record import read_results
from graphkd.run.session import modules_of, moving_nodes, start_session
from graphkd.run.train import pick_device, resume, train


class State(enum.Enum):
    """How far a run is."""

    ABSENT = "absent"
    OTHER = "other"
    STOPPED = "stopped"
    FINISHED = "finished"

    @property
    def note(self) -> str:
        """Say what is done with it, behind its name."""
        return {State.STOPPED: ": goes on", State.FINISHED: ": finished already"}.get(self, "")


def run_folder(out: Path, name: str, seed: int) -> Path:
    """Say where a run lies."""
    return out / name / f"seed{seed}"


def state_of(blueprint: Blueprint, folder: Path, *, force: bool) -> State:
    """Find out how far a run is.

    Args:
        blueprint: with the seed of the run.
        folder: of the run.
        force: what is a run of another blueprint may be replaced.

    Raises:
        BlueprintError: something else lies there, or another run that must stay.
    """
    if not folder.exists() or _hardly_begun(folder):
        return State.ABSENT
    if not is_run(folder):
        raise mistake(f"{folder}: is no run of graphkd; choose another --out")
    before = load(folder / BLUEPRINT)
    if digest_of(before) == digest_of(blueprint):
        return State.STOPPED if read_results(folder) is None else State.FINISHED
    if force:
        return State.OTHER
    changes = diff(before, blueprint)
    more = f" and {len(changes) - 1} more" if len(changes) > 1 else ""
    raise mistake(
        f"{folder}: is a run of another blueprint ({changes[0]}{more}); "
        "choose another --out, or --force to replace it"
    )


def _hardly_begun(folder: Path) -> bool:
    """Say whether a run was killed before both files were there that every run begins with."""
    if not folder.is_dir() or is_run(folder):
        return False
    return all(each.name in PLANNED or each.suffix == ".tmp" for each in folder.iterdir())


def check_weights(schedule: Schedule, folder: Path, seed: int) -> None:
    """Make sure that a finished run used the frozen weights that a new one would.

    A run whose checkpoints were removed is believed.

    Raises:
        BlueprintError: they changed, or the checkpoint cannot be read.
    """
    if not checkpoint.listed(folder / CHECKPOINTS):
        return
    device = pick_device(schedule.blueprint.train.device)
    session = start_session(schedule, seed=seed, device=device)
    if not modules_of(session.parts).keys() - moving_nodes(schedule):
        return
    still = checkpoint.load_latest(folder / CHECKPOINTS)["still"]
    changed = [name for name, digest in session.still.items() if still.get(name) != digest]
    if changed:
        names = ", ".join(f"'{name}'" for name in changed)
        raise mistake(f"{folder}: the weights of {names} changed since; choose another --out")


def run_one(
    blueprint: Blueprint, folder: Path, state: State, console: Console | None
) -> Evaluation:
    """Run a blueprint from where it stands, and return what was measured on the test split."""
    done = read_results(folder) if state is State.FINISHED else None
    if done is not None:
        return done
    if state is State.STOPPED:
        result = resume(folder, console=console)
    else:
        if state is State.ABSENT and folder.exists():
            shutil.rmtree(folder)
        result = train(blueprint, out=folder, force=state is State.OTHER, console=console)
    (found,) = result.evaluations.values()
    return found


def versions_of(folders: Iterable[Path]) -> tuple[str, ...]:
    """Name the versions that runs were made with; nothing where all are those of now."""
    now = f"graphkd {__version__}, torch {torch.__version__}"
    found = []
    for folder in folders:
        settings = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        versions = settings.get("versions", {})
        named = [name for name in ("graphkd", "torch") if name in versions]
        found.append(", ".join(f"{name} {versions[name]}" for name in named))
    return () if set(found) == {now} else tuple(dict.fromkeys(found))
