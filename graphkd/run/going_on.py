"""Going on with a run: its newest whole checkpoint, and what changed since."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection
from pathlib import Path
from shlex import quote
from typing import Any

import torch

from graphkd.compile import Schedule
from graphkd.errors import BlueprintError, mistake
from graphkd.run import checkpoint
from graphkd.run.changed import HEAD, require_same, unknown
from graphkd.run.folder import BLUEPRINT, CHECKPOINTS, seeds_of
from graphkd.run.history import NOTES, note, note_resumed, notes_of
from graphkd.run.plan import write_description, write_plan
from graphkd.run.record import METRICS
from graphkd.run.session import Session, made_of


def take_up(
    session: Session, place: Path, folder: Path, *, seed: int, allowed: Collection[str] = ()
) -> dict[str, Any] | None:
    """Load a seed's newest whole checkpoint into its session.

    Damaged ones that are newer are named and set aside. What changed is said and written down.

    Args:
        session: that was just built.
        place: of the seed.
        folder: of the run.
        seed: which.
        allowed: keys of changes that are accepted.

    Returns:
        The state, from which optimizers are still to be loaded; None before the first checkpoint.

    Raises:
        BlueprintError: no checkpoint is whole, or something changed that must not.
    """
    _require_access(place, folder)
    place.mkdir(exist_ok=True)
    if not checkpoint.listed(place / CHECKPOINTS):
        if (place / METRICS).exists():
            _begin_again(session, folder, seed=seed)
        return None
    found = checkpoint.newest(place / CHECKPOINTS)
    changes = require_same(found.state, session.made, allowed=allowed, folder=folder)
    session.load_weights(found.state, allowed=allowed)
    for path, _ in found.damaged:
        checkpoint.set_aside(path)
    if any(not each.harmless for each in changes):
        write_plan(session.schedule, folder)
    elif changes:
        # of what the user wrote, comments stay
        write_description(session.schedule, folder)
    step = session.step
    note(folder, _say([*found.warnings(), *_lost(session, place)]), seed=seed, step=step)
    for each in changes:
        (line,) = _say([f"{HEAD} {each.line}"])
        note(folder, [line], seed=seed, step=step, exact=each.exact)
    _say([f"{folder}: {each}" for each in unknown(allowed, changes)])
    because = [each.line for each in changes if not each.exact]
    note_resumed(folder, seed=seed, step=step, because=[*because, *_unsteady(session)])
    return found.state


def _begin_again(session: Session, folder: Path, *, seed: int) -> None:
    """Say that a seed was stopped before its first checkpoint; its blueprint may be another now."""
    write_description(session.schedule, folder)
    name = f", seed {seed}," if len(seeds_of(session.schedule.blueprint)) > 1 else ""
    text = f"{folder}:{name} no checkpoint is there; the run begins again"
    note(folder, _say([text]), seed=seed, step=0)
    note_resumed(folder, seed=seed, step=0)


def _unsteady(session: Session) -> list[str]:
    """Name what computes other bits each time, although nothing changed."""
    steady = torch.are_deterministic_algorithms_enabled()
    if session.device.type != "cuda" or steady:
        return []
    return ["kernels of a GPU may differ in the last bits (no deterministic algorithms)"]


def _own_files(place: Path) -> list[Path]:
    """List what a run writes in the folder of a seed; its blueprint is the user's to protect."""
    readable = place.is_dir() and os.access(place, os.R_OK | os.X_OK)
    return [each for each in place.iterdir() if each.name != BLUEPRINT] if readable else []


def _require_access(place: Path, folder: Path) -> None:
    """Make sure that all of a run can be read and written, before anything in it is changed.

    A checkpoint that may not be read is not damaged, and a run that has one does not begin again.

    Raises:
        BlueprintError: it cannot.
    """
    hint = f"allow it, then go on with: graphkd resume {quote(str(folder))}"
    for path in dict.fromkeys([folder, place, *_own_files(place)]):
        wanted = os.R_OK | os.W_OK | (os.X_OK if path.is_dir() else 0)
        if path.exists() and not os.access(path, wanted):
            raise mistake(f"{path}: may not be read and written; {hint}")
    for path in (place / CHECKPOINTS).rglob("*"):
        if not os.access(path, os.R_OK | (os.X_OK if path.is_dir() else 0)):
            raise mistake(f"{path}: may not be read; {hint}")


def _lost(session: Session, place: Path) -> list[str]:
    """Name records that the checkpoint knows of and the file has not; count on without them."""
    path = place / METRICS
    text = path.read_bytes() if path.exists() else b""
    there, known = text.count(b"\n"), session.records
    if there >= known:
        return []
    session.records = there
    return [f"{path}: {known - there} of {known} records are gone; those that follow are written"]


def _say(texts: list[str]) -> list[str]:
    for text in texts:
        print(f"graphkd: {text}", file=sys.stderr)
    return texts


def require_unchanged(
    schedule: Schedule, place: Path, folder: Path, *, seed: int, allowed: Collection[str] = ()
) -> None:
    """Make sure that a finished seed was trained as its blueprint says now.

    A run whose checkpoints were removed, or broke, is believed. What is allowed is said and written
    down once: the seed stays as it was trained.

    Raises:
        BlueprintError: it was trained otherwise.
    """
    try:
        state = checkpoint.newest(place / CHECKPOINTS).state
    except BlueprintError:
        return
    changes = require_same(state, made_of(schedule), allowed=allowed, folder=folder)
    _say([f"{place}: finished already: nothing is left to train"])
    known = {each["text"] for each in notes_of(folder).get(NOTES, ())}
    for each in changes:
        if not each.harmless:
            text = f"{place}: finished, and stays as it was trained: {each.line}"
            _say([text])
            if text not in known:
                step = state["position"]["step"]
                note(folder, [text], seed=seed, step=step, exact=False)
