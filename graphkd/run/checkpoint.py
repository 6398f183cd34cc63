"""Checkpoints: one folder each, there whole or not at all, and used only if every byte is right."""

from __future__ import annotations

import os
import pickle
import re
import shutil
import sys
import zipfile
from pathlib import Path
from typing import Any

import attrs
import torch

from graphkd.errors import mistake
from graphkd.run.manifest import HashedFile, entry_of, verify, write_manifest
from graphkd.run.shards import SHARDS, put_back

STATE = "state.pt"
# a second one of the same step ends in .1; files ending in .pt are of earlier versions
_NAME = re.compile(r"step-(\d+)(?:\.(\d+|pt))?")
_DRAFT = ".tmp"
_DAMAGED = ".damaged"


@attrs.frozen(eq=False)
class Loaded:
    """The newest checkpoint that is whole.

    Attributes:
        path: where it lies.
        state: what it holds.
        damaged: newer ones that are not whole, and why, the newest first.
    """

    path: Path
    state: dict[str, Any]
    damaged: tuple[tuple[Path, str], ...] = ()

    def warnings(self) -> list[str]:
        """Name what is damaged, and what is used instead."""
        return [
            f"{path}: the checkpoint is damaged ({reason}); {self.path.name} before it is used"
            for path, reason in self.damaged
        ]


def open_draft(folder: Path, step: int) -> Path:
    """Make the folder in which the files of a checkpoint gather, and remove what was given up.

    Raises:
        OSError: it cannot be made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob(f"*{_DRAFT}"):
        _remove(left)
    path = _free(folder, step)
    draft = path.with_name(path.name + _DRAFT)
    draft.mkdir()
    return draft


def save(
    folder: Path, step: int, state: dict[str, Any], *, keep: int, draft: Path | None = None
) -> Path:
    """Write a checkpoint, then remove all but the newest of `keep` steps.

    Its files are written into a draft, hashed and flushed to the disk, the manifest last; then the
    draft gets its name, and only when that is on the disk old ones go. So a kill at any moment
    leaves the checkpoints before it whole. None is ever written over: a second one of the same
    step, as after a phase, has a name of its own, and the first goes afterwards.

    Args:
        folder: of the checkpoints; made where it is not there.
        step: optimizer steps since the run began.
        state: tensors and plain values.
        keep: how many stay, at least 1.
        draft: from `open_draft`, with files that belong to the checkpoint; a new one by default.

    Raises:
        OSError: it cannot be written; the draft is removed.
    """
    draft = draft or open_draft(folder, step)
    path = draft.with_name(draft.name.removesuffix(_DRAFT))
    try:
        parts = {name: entry_of(draft / name) for name in _files(draft)}
        with HashedFile(draft / STATE) as stream:
            _write(state, stream)
        write_manifest(draft, {STATE: stream.entry, **parts})
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    for inner in (*(each for each in draft.iterdir() if each.is_dir()), draft):
        _flush_folder(inner)
    draft.rename(path)
    _flush_folder(folder)
    others = [each for each in listed(folder) if _order(each)[0] != step]
    stay = {path, *others[max(0, len(others) - keep + 1) :]}
    for old in set(listed(folder)) - stay:
        # as a draft it is no checkpoint any more, however much of it is gone
        going = old.with_name(old.name + _DRAFT)
        old.rename(going)
        _remove(going)
    return path


def _files(folder: Path) -> list[str]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return [path.relative_to(folder).as_posix() for path in found]


def _write(state: dict[str, Any], stream: HashedFile) -> None:
    try:
        torch.save(state, stream)  # type: ignore[arg-type]
    except RuntimeError:
        # torch comes with an error of its own when a file takes no more
        if stream.error is None:
            raise
        raise stream.error from None
    stream.sync()


def _free(folder: Path, step: int) -> Path:
    name = f"step-{step:09d}"
    numbers = [number for path in listed(folder) for at, number in [_order(path)] if at == step]
    return folder / (f"{name}.{max(numbers) + 1}" if numbers else name)


def _remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def _flush_folder(folder: Path) -> None:
    """Bring new names to the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def listed(folder: Path) -> list[Path]:
    """Return the checkpoints of a folder, oldest first, damaged ones too."""
    found = [path for path in folder.glob("step-*") if _NAME.fullmatch(path.name)]
    return sorted(found, key=_order)


def _order(path: Path) -> tuple[int, int]:
    match = _NAME.fullmatch(path.name)
    assert match is not None
    number = match[2] or "0"
    return int(match[1]), -1 if number == "pt" else int(number)


def newest(folder: Path) -> Loaded:
    """Read the newest checkpoint of a folder that is whole.

    Raises:
        BlueprintError: there is none, or all are damaged.
    """
    damaged: list[tuple[Path, str]] = []
    for path in reversed(listed(folder)):
        try:
            return Loaded(path, _load(path), tuple(damaged))
        except _UNREADABLE as error:
            damaged.append((path, str(error).partition("\n")[0]))
    if not damaged:
        raise mistake(f"{folder}: no checkpoint to resume from")
    found = ", ".join(f"{path.name} ({reason})" for path, reason in damaged)
    raise mistake(f"{folder}: every checkpoint is damaged: {found}; remove them to begin again")


_UNREADABLE = (
    RuntimeError,
    OSError,
    ValueError,
    EOFError,
    pickle.UnpicklingError,
    zipfile.BadZipFile,
)


def load_latest(folder: Path) -> dict[str, Any]:
    """Read the newest checkpoint that is whole; damaged ones are named on the standard error.

    Raises:
        BlueprintError: there is none, or all are damaged.
    """
    found = newest(folder)
    for text in found.warnings():
        print(f"graphkd: {text}", file=sys.stderr)
    return found.state


def set_aside(path: Path) -> Path:
    """Rename a damaged checkpoint, so that it is none any more, and return its new place."""
    place = path.with_name(path.name + _DAMAGED)
    if place.exists():
        _remove(place)
    return path.rename(place)


def _load(path: Path) -> dict[str, Any]:
    file = path / STATE
    if path.is_dir():
        verify(path)
    else:
        file = path
        _check_archive(path)
    state: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    shards = path / SHARDS
    return put_back(state, shards) if shards.is_dir() else state


def _check_archive(path: Path) -> None:
    """Compare the checksums in a file of an earlier version, which has no manifest."""
    with zipfile.ZipFile(path) as archive:
        broken = archive.testzip()
    if broken is not None:
        raise ValueError(f"wrong checksum of {broken}")
