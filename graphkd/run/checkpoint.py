"""Checkpoints: one file each, written whole or not at all, read without running code."""

from __future__ import annotations

import os
import pickle
import re
from pathlib import Path
from typing import Any

import torch

from graphkd.errors import mistake

_NAME = re.compile(r"step-(\d+)\.pt")


def save(folder: Path, step: int, state: dict[str, Any], *, keep: int) -> Path:
    """Write a checkpoint, then remove all but the newest `keep`.

    The file is written beside its place, flushed to the disk and moved, so that a kill at any
    moment leaves the checkpoints before it whole.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"step-{step:09d}.pt"
    draft = path.with_suffix(".tmp")
    with draft.open("wb") as stream:
        torch.save(state, stream)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(path)
    for old in listed(folder)[:-keep]:
        old.unlink()
    return path


def listed(folder: Path) -> list[Path]:
    """Return the checkpoints of a folder, oldest first."""
    found = [path for path in folder.glob("step-*.pt") if _NAME.fullmatch(path.name)]
    return sorted(found, key=lambda path: int(path.stem.removeprefix("step-")))


def load_latest(folder: Path) -> dict[str, Any]:
    """Read the newest checkpoint of a folder; one that cannot be read is an error, not skipped.

    Raises:
        BlueprintError: there is none, or the newest is damaged.
    """
    paths = listed(folder)
    if not paths:
        raise mistake(f"{folder}: no checkpoint to resume from")
    try:
        state: dict[str, Any] = torch.load(paths[-1], map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, ValueError, pickle.UnpicklingError) as error:
        before = f"; remove it to go on from {paths[-2].name}" if len(paths) > 1 else ""
        raise mistake(f"{paths[-1]}: the checkpoint is damaged{before}") from error
    return state
