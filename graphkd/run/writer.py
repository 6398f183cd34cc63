"""Writes checkpoints while the training goes on."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from pathlib import Path
from shutil import rmtree
from typing import Any

from torch import Tensor
from torch.distributed.tensor import DTensor

from graphkd.run import checkpoint
from graphkd.run.copies import Copier, replaced, size_of
from graphkd.run.room import cannot_write
from graphkd.run.shards import group_for_writing, noting, write_shards
from graphkd.run.together import first_does
from graphkd.run.watch import taking_long
from graphkd.run.world import ALONE, World

FIXED = ("best",)
"""What a session replaces but never changes, and so needs no copy."""


class Writer:
    """Copies the state of a run at once, and writes the copy in a thread of its own.

    One checkpoint is written at a time. What goes wrong in the thread is raised by the next
    `save`, `wait` or `close`; the checkpoints before it are whole. The copy stays until the next
    one takes its memory.

    Attributes:
        folder: of the checkpoints.
        keep: how many stay.
    """

    def __init__(
        self,
        folder: Path,
        *,
        keep: int,
        flushed: Iterable[Path] = (),
        world: World = ALONE,
        sharded: bool = False,
    ) -> None:
        """Get ready; nothing is written yet.

        Args:
            folder: of the checkpoints.
            keep: how many stay, at least 1.
            flushed: files that a checkpoint counts on, brought to the disk before it.
            world: the processes; the first one writes all but shares of sharded tensors.
            sharded: whether there are any, and so each process has a writer at the same time.
        """
        self.folder = folder
        self.keep = keep
        self._flushed = tuple(flushed)
        self._world = world
        self._sharded = sharded
        self._group = group_for_writing(world) if sharded else None
        self._copier = Copier()
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    def save(self, step: int, state: dict[str, Any]) -> None:
        """Begin to write a checkpoint; the state may change afterwards.

        Args:
            step: optimizer steps since the run began.
            state: tensors and plain values.

        Raises:
            BlueprintError: the one before could not be written, or the folder of this cannot be
                made.
        """
        self.wait()
        draft = self._draft(step) if self._sharded else None
        shares: dict[str, Tensor] = {}
        with self._copier.anew():
            state = {key: self._copied(key, each, shares) for key, each in state.items()}
        self._thread = threading.Thread(
            target=self._write, args=(step, state, shares, draft), name=f"checkpoint of {step}"
        )
        self._thread.start()

    def wait(self) -> None:
        """Wait until what was begun is on the disk.

        Raises:
            BlueprintError: it could not be written.
        """
        if self._thread is None:
            return
        with taking_long("writing a checkpoint"):
            self._thread.join()
        self._thread = None
        error, self._error = self._error, None
        if error is not None:
            raise error

    def close(self) -> None:
        """Wait as `wait` does, and give the memory of the copy back.

        Raises:
            BlueprintError: what was begun could not be written.
        """
        self._copier = Copier()
        self.wait()

    def _draft(self, step: int) -> Path:
        """Let the first process make a folder for the files of all."""

        def make() -> str:
            try:
                return str(checkpoint.open_draft(self.folder, step))
            except OSError as error:
                raise cannot_write(self._path(step), error) from error

        return Path(first_does(self._world, make))

    def _copied(self, key: str, value: Any, shares: dict[str, Tensor]) -> Any:
        def put(tensor: Tensor, path: str) -> Tensor:
            written = self._world.first or isinstance(tensor, DTensor)
            if key in FIXED or not written:
                return tensor.detach()
            return self._copier.copy(tensor, path)

        return replaced(value, noting(put, shares), f".{key}")

    def _write(
        self, step: int, state: dict[str, Any], shares: dict[str, Tensor], draft: Path | None
    ) -> None:
        try:
            if draft:
                write_shards(shares, draft, self._group)
            if self._world.first:
                for path in self._flushed:
                    _flush(path)
                checkpoint.save(self.folder, step, state, keep=self.keep, draft=draft)
        except BaseException as error:
            if draft and self._world.first:
                rmtree(draft, ignore_errors=True)
            self._error = error
            if isinstance(error, OSError):
                # how much all processes need together, none of them knows
                needed = 0 if draft else size_of(state)
                self._error = cannot_write(self._path(step), error, needed=needed)

    def _path(self, step: int) -> Path:
        return self.folder / f"step-{step:09d}"


def _flush(path: Path) -> None:
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
