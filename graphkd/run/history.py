"""What happened to a run that its record does not tell: stops, changes, checkpoints that broke."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from graphkd.run.folder import SETTINGS
from graphkd.run.record import write_json

NOTES, RESUMED, EXACT = "notes", "resumed", "exact"
"""Keys of `run.json`: what happened, when it was resumed, and false for a run that changed."""


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
    if made:
        _add(folder, NOTES, made, exact=exact)


def note_resumed(folder: Path, *, seed: int, step: int, because: Sequence[str] = ()) -> None:
    """Write down in `run.json` that a run was resumed now.

    Args:
        folder: of the run.
        seed: which run of the folder.
        step: from where it goes on.
        because: what keeps it from computing the same bits as a run that was never stopped.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    made: dict[str, Any] = {"seed": seed, "step": step, "time": now, "exact": not because}
    if because:
        made["because"] = list(because)
    _add(folder, RESUMED, [made], exact=not because)


def _add(folder: Path, key: str, made: list[dict[str, Any]], *, exact: bool) -> None:
    settings = _read(folder / SETTINGS)
    settings[key] = [*settings.get(key, ()), *made]
    settings[EXACT] = exact and settings.get(EXACT, True)
    write_json(folder / SETTINGS, settings)


def notes_of(folder: Path) -> dict[str, Any]:
    """Return what `run.json` says of what happened; nothing where it is not there."""
    path = folder / SETTINGS
    settings = _read(path) if path.exists() else {}
    return {key: settings[key] for key in (NOTES, RESUMED, EXACT) if key in settings}


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found
