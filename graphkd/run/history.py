"""What happened to a run that its record does not tell: changes, and checkpoints that broke."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from graphkd.run.folder import SETTINGS
from graphkd.run.record import write_json

NOTES, EXACT = "notes", "exact"
"""Keys of `run.json`: a list of what happened, and false for a run that changed on its way."""


def note(folder: Path, texts: Iterable[str], *, seed: int, step: int, exact: bool = True) -> None:
    """Write down in `run.json` what happened when a run went on.

    Args:
        folder: of the run.
        texts: what happened; nothing is written where nothing did.
        seed: which run of the folder.
        step: optimizer steps that were done.
        exact: the results are still those of a run that was never stopped.
    """
    made = [{"seed": seed, "step": step, "text": text} for text in texts]
    if not made:
        return
    settings = _read(folder / SETTINGS)
    settings[NOTES] = [*settings.get(NOTES, ()), *made]
    settings[EXACT] = exact and settings.get(EXACT, True)
    write_json(folder / SETTINGS, settings)


def notes_of(folder: Path) -> dict[str, Any]:
    """Return what `run.json` says of what happened; nothing where it is not there."""
    path = folder / SETTINGS
    settings = _read(path) if path.exists() else {}
    return {key: settings[key] for key in (NOTES, EXACT) if key in settings}


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found
