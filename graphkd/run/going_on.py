"""Going on with a run: its newest whole checkpoint, and what changed since."""

from __future__ import annotations

import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

from graphkd.compile import Schedule
from graphkd.errors import BlueprintError
from graphkd.run import checkpoint
from graphkd.run.changed import require_same
from graphkd.run.folder import CHECKPOINTS
from graphkd.run.history import note
from graphkd.run.plan import write_plan
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
    if not checkpoint.listed(place / CHECKPOINTS):
        return None
    found = checkpoint.newest(place / CHECKPOINTS)
    changes = require_same(found.state, session.made, allowed=allowed, folder=folder)
    session.load_weights(found.state, allowed=allowed)
    for path, _ in found.damaged:
        checkpoint.set_aside(path)
    if any(not each.harmless for each in changes):
        write_plan(session.schedule, folder)
    step = session.step
    note(folder, _say([*found.warnings(), *_lost(session, place)]), seed=seed, step=step)
    for each in changes:
        (line,) = _say([f"changed since the run began: {each.line}"])
        note(folder, [line], seed=seed, step=step, exact=each.exact)
    return found.state


def _lost(session: Session, place: Path) -> list[str]:
    """Name records that the checkpoint knows of and the file has not; count on without them."""
    path = place / METRICS
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    there, known = text.count("\n"), session.records
    if there >= known:
        return []
    session.records = there
    return [f"{path}: {known - there} of {known} records are gone; those that follow are written"]


def _say(texts: list[str]) -> list[str]:
    for text in texts:
        print(f"graphkd: {text}", file=sys.stderr)
    return texts


def require_unchanged(
    schedule: Schedule, place: Path, folder: Path, *, allowed: Collection[str] = ()
) -> None:
    """Make sure that a finished seed was trained as its blueprint says now.

    A run whose checkpoints were removed, or broke, is believed.

    Raises:
        BlueprintError: it was trained otherwise.
    """
    try:
        state = checkpoint.newest(place / CHECKPOINTS).state
    except BlueprintError:
        return
    require_same(state, made_of(schedule), allowed=allowed, folder=folder)
