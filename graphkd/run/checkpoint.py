"""Checkpoints: one file each, written whole or not at all, read without running code."""

from __future__ import annotations

import os
import pickle
import re
import zipfile
from pathlib import Path
from typing import Any

import torch

from graphkd.errors import mistake

_NAME = re.compile(r"step-(\d+)\.pt")


def save(folder: Path, step: int, state: dict[str, Any], *, keep: int) -> Path:
    """Write a checkpoint, then remove all but the newest `keep`.

    The file is written beside its place, flushed to the disk and moved, so that a kill at any
    moment leaves the checkpoints before it whole. One of the same step is replaced.

    Args:
        folder: of the checkpoints; made where it is not there.
        step: optimizer steps since the run began.
        state: tensors and plain values.
        keep: how many stay, at least 1.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"step-{step:09d}.pt"
    draft = path.with_suffix(".tmp")
    with draft.open("wb") as stream:
        torch.save(state, stream)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(path)
    _flush_folder(folder)
    for old in listed(folder)[:-keep]:
        old.unlink()
    return path


def _flush_folder(folder: Path) -> None:
    """Bring the new name to the disk before an old one goes."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def listed(folder: Path) -> list[Path]:
    """Return the checkpoints of a folder, oldest first."""
    found = {
        int(match[1]): path for path in folder.glob("*") if (match := _NAME.fullmatch(path.name))
    }
    return [found[step] for step in sorted(found)]


def load_latest(folder: Path) -> dict[str, Any]:
    """Read the newest checkpoint of a folder; one that cannot be read is an error, not skipped.

    Raises:
        BlueprintError: there is none, or the newest is damaged.
    """
    paths = listed(folder)
    if not paths:
        raise mistake(f"{folder}: no checkpoint to resume from")
    try:
        return _load(paths[-1])
    except (RuntimeError, OSError, ValueError, pickle.UnpicklingError, zipfile.BadZipFile) as error:
        after = f"to go on from {paths[-2].name}" if len(paths) > 1 else "to begin again"
        text = f"{paths[-1]}: the checkpoint is damaged; remove it {after}"
        raise mistake(text) from error


def _load(path: Path) -> dict[str, Any]:
    # torch writes a checksum of each tensor, but does not compare it when it reads
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
    if damaged is not None:
        raise ValueError(f"wrong checksum of {damaged}")
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return state
