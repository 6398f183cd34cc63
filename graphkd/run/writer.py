"""Writes checkpoints while the training goes on."""

from __future__ import annotations

import copy
import os
import threading
from collections import OrderedDict
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor

from graphkd.run import checkpoint
from graphkd.run.room import cannot_write

Storages = dict[tuple[torch.device, int], torch.UntypedStorage]
PLAIN = (type(None), bool, int, float, str, bytes, torch.dtype, torch.device, torch.Size)
"""What `torch.load` reads without running code, besides tensors and what holds others."""
FIXED = ("best",)
"""What a session replaces but never changes, and so needs no copy."""


class Writer:
    """Copies the state of a run at once, and writes the copy in a thread of its own.

    One checkpoint is written at a time. What goes wrong in the thread is raised by the next
    `save`, `wait` or `close`; the checkpoints before it are whole.

    Attributes:
        folder: of the checkpoints.
        keep: how many stay.
    """

    def __init__(self, folder: Path, *, keep: int, flushed: Iterable[Path] = ()) -> None:
        """Get ready; nothing is written yet.

        Args:
            folder: of the checkpoints.
            keep: how many stay, at least 1.
            flushed: files that a checkpoint counts on, brought to the disk before it.
        """
        self.folder = folder
        self.keep = keep
        self._flushed = tuple(flushed)
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    def draft(self, step: int) -> Path:
        """Make the folder of a checkpoint to which others add files before it is saved.

        Raises:
            BlueprintError: the one before could not be written, or this folder cannot be made.
        """
        self.wait()
        try:
            return checkpoint.open_draft(self.folder, step)
        except OSError as error:
            raise cannot_write(self.folder / f"step-{step:09d}", error) from error

    def save(self, step: int, state: dict[str, Any], draft: Path | None = None) -> None:
        """Begin to write a checkpoint; the state may change afterwards.

        Args:
            step: optimizer steps since the run began.
            state: tensors and plain values.
            draft: with what else belongs to it.

        Raises:
            BlueprintError: the one before could not be written.
        """
        self.wait()
        self._thread = threading.Thread(
            target=self._write,
            args=(step, copied(state, but=FIXED), draft),
            name=f"checkpoint of {step}",
        )
        self._thread.start()

    def wait(self) -> None:
        """Wait until what was begun is on the disk.

        Raises:
            BlueprintError: it could not be written.
        """
        if self._thread is None:
            return
        self._thread.join()
        self._thread = None
        error, self._error = self._error, None
        if error is not None:
            raise error

    close = wait

    def _write(self, step: int, state: dict[str, Any], draft: Path | None) -> None:
        try:
            for path in self._flushed:
                _flush(path)
            checkpoint.save(self.folder, step, state, keep=self.keep, draft=draft)
        except OSError as error:
            path = self.folder / f"step-{step:09d}"
            self._error = cannot_write(path, error, needed=size_of(state))
        except BaseException as error:
            self._error = error


def _flush(path: Path) -> None:
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


def copied(state: dict[str, Any], *, but: Collection[str] = ()) -> dict[str, Any]:
    """Copy a state to the CPU; tensors that share memory share it in the copy too.

    Args:
        state: tensors and plain values.
        but: keys of what is handed on as it is.

    Raises:
        TypeError: something in it could not be read again without running code.
    """
    known: Storages = {}
    return {key: each if key in but else _copied(each, known, key) for key, each in state.items()}


def _copied(value: Any, known: Storages, path: str) -> Any:
    if isinstance(value, Tensor):
        return _copied_tensor(value.detach(), known)
    if type(value) in (dict, OrderedDict):
        # of the same class, with what torch notes beside the weights of modules
        made = copy.copy(value)
        for key, each in value.items():
            made[key] = _copied(each, known, f"{path}.{key}")
        return made
    if type(value) in (list, tuple):
        return type(value)(_copied(each, known, f"{path}.{n}") for n, each in enumerate(value))
    if type(value) not in PLAIN:
        kind = type(value).__name__
        raise TypeError(f"{path} is a {kind}; a checkpoint holds tensors and plain values only")
    return value


def _copied_tensor(tensor: Tensor, known: Storages) -> Tensor:
    if isinstance(tensor, DTensor):
        local = _copied_tensor(tensor.to_local(), known)
        return DTensor.from_local(
            local,
            tensor.device_mesh,
            tensor.placements,
            shape=tensor.shape,
            stride=tensor.stride(),
        )
    storage = tensor.untyped_storage()
    if not storage.nbytes():
        return tensor.cpu().clone()
    place = (tensor.device, storage.data_ptr())
    if place not in known:
        whole = torch.empty(0, dtype=torch.uint8, device=tensor.device).set_(storage)
        known[place] = whole.to("cpu", copy=True).untyped_storage()
    made = torch.empty(0, dtype=tensor.dtype)
    made.set_(known[place], tensor.storage_offset(), tensor.size(), tensor.stride())
    return made


def size_of(state: Any) -> int:
    """Count the bytes of all tensors, those that share memory once."""
    found: dict[int, int] = {}

    def look(value: Any) -> None:
        if isinstance(value, Tensor):
            storage = value.untyped_storage()
            found[storage.data_ptr()] = storage.nbytes()
        elif isinstance(value, dict):
            for each in value.values():
                look(each)
        elif isinstance(value, (list, tuple)):
            for each in value:
                look(each)

    look(state)
    return sum(found.values())
