"""A node's values on the disk: each row is written once, whoever comes first."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from torch import Tensor

from graphkd.errors import BlueprintError, mistake
from graphkd.run.cache.layout import CHECKSUM, Layout, Records, checksums
from graphkd.run.cache.manifest import Content, read_manifest, write_manifest
from graphkd.run.cache.place import VARIABLE

Numbers = np.ndarray[Any, Any]
# the last one: somebody cleared the cache meanwhile
_TOLD = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.ENOENT)
SHARD_BYTES = 1 << 26
"""A shard has about so many bytes."""


class Store:
    """Rows in files `NNNN.npy` of equal length, and for each a byte that says whether it is there.

    A row is written under a lock, and its byte after it. Nobody writes it again, so that all
    processes read the same, and a killed one leaves no half of it. Its checksum is compared when a
    process reads it for the first time.

    Attributes:
        folder: of its files.
        layout: of its rows.
        rows: how many there can be.
    """

    def __init__(self, folder: Path, content: Content, layout: Layout, *, rows: int) -> None:
        """Open the store, or make it.

        Args:
            folder: named by the hash of `content`.
            content: what the values depend on.
            layout: of a row.
            rows: how many there can be.

        Raises:
            BlueprintError: what lies there is damaged, or it cannot be made.
        """
        self.folder, self.layout, self.rows = folder, layout, rows
        size = layout.dtype.itemsize
        self._per_shard = min(rows, max(1, SHARD_BYTES // size))
        self._shards: dict[int, Records] = {}
        self._checked = np.zeros(rows, bool)
        with self._writing():
            folder.mkdir(parents=True, exist_ok=True)
            with self._locked():
                if not read_manifest(folder):
                    draft = folder / "valid.tmp"
                    draft.write_bytes(bytes(rows))
                    draft.replace(folder / "valid")
                    write_manifest(folder, content)
        self._valid = self._open_valid()

    def __len__(self) -> int:
        """Count the rows that are there."""
        return int(np.count_nonzero(self._valid))

    @property
    def bytes(self) -> int:
        """Bytes of a row."""
        return self.layout.dtype.itemsize

    def has(self, rows: Numbers) -> Numbers:
        """Say which of these rows are there."""
        found: Numbers = self._valid[rows] == 1
        return found

    def read(self, rows: Numbers) -> list[Tensor]:
        """Read rows that are there: the values of each tap, "b ..." float32 on the CPU.

        Raises:
            BlueprintError: one is damaged.
        """
        records = np.empty(len(rows), self.layout.dtype)
        shards, places = np.divmod(rows, self._per_shard)
        for number in np.unique(shards):
            mine = shards == number
            records[mine] = self._shard(int(number))[places[mine]]
        self._check(rows, records)
        return self.layout.decode(records)

    def write(self, rows: Numbers, values: list[Tensor]) -> None:
        """Write those of the rows that are not there.

        Args:
            rows: their numbers.
            values: "b ...", of each tap.

        Raises:
            BlueprintError: the disk is full, or a value does not fit its element type.
        """
        records = self.layout.encode(rows.tolist(), values)
        with self._writing(), self._locked():
            absent = np.flatnonzero(~self.has(rows))
            shards, places = np.divmod(rows[absent], self._per_shard)
            for number in np.unique(shards).tolist():
                mine = shards == number
                self._write_shard(number, places[mine], records[absent[mine]])
            # a byte says that the whole row is there
            with (self.folder / "valid").open("r+b", buffering=0) as stream:
                for row in rows[absent].tolist():
                    _put(stream, row, b"\1")

    def _check(self, rows: Numbers, records: Records) -> None:
        new = np.flatnonzero(~self._checked[rows])
        if not len(new):
            return
        wrong = records[CHECKSUM][new] != checksums(rows[new].tolist(), records[new])
        if wrong.any():
            row = int(rows[new[wrong][0]])
            raise self._damaged(self._shard_path(row // self._per_shard), f"row {row} changed")
        self._checked[rows] = True

    def _write_shard(self, number: int, places: Numbers, records: Records) -> None:
        path = self._shard_path(number)
        if not path.exists():
            draft = path.with_suffix(".tmp")
            # sparse: takes room as rows are written
            open_memmap(draft, "w+", self.layout.dtype, (self._per_shard,)).flush()
            draft.replace(path)
        start = self._shard(number).offset  # type: ignore[attr-defined]
        with path.open("r+b", buffering=0) as stream:
            for place, record in zip(places.tolist(), records, strict=True):
                _put(stream, start + place * self.bytes, record.tobytes())

    def _shard(self, number: int) -> Records:
        if number not in self._shards:
            self._shards[number] = self._open_shard(self._shard_path(number))
        return self._shards[number]

    def _open_shard(self, path: Path) -> Records:
        wanted = self.layout.dtype
        try:
            found: Any = np.load(path, mmap_mode="r", allow_pickle=False)
            size = path.stat().st_size
        except (OSError, ValueError) as error:
            raise self._damaged(path, str(error)) from error
        if found.dtype != wanted or found.shape != (self._per_shard,):
            raise self._damaged(path, "its header is of another store")
        if size != found.offset + found.nbytes:
            raise self._damaged(path, f"it has {size:,} bytes")
        return found  # type: ignore[no-any-return]

    def _open_valid(self) -> Numbers:
        path = self.folder / "valid"
        size = path.stat().st_size if path.exists() else 0
        if size != self.rows:
            raise self._damaged(path, f"it has {size:,} bytes, not {self.rows:,}")
        found: Numbers = np.memmap(path, np.uint8, "r")
        if found.max() > 1:
            raise self._damaged(path, "it holds other bytes than 0 and 1")
        return found

    def _shard_path(self, number: int) -> Path:
        return self.folder / f"{number:04d}.npy"

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self.folder / "lock").open("w") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            yield

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno not in _TOLD:
                raise
            text = f"{self.folder}: cannot be written: {os.strerror(error.errno)}"
            raise mistake(f"{text}; make room, or set {VARIABLE} to another folder") from error

    def _damaged(self, path: Path, how: str) -> BlueprintError:
        return mistake(
            f"{path}: the cache is damaged ({how}); remove the folder {self.folder}, and its "
            "values are computed anew"
        )


def _put(stream: FileIO, offset: int, content: bytes) -> None:
    # through a map, a full disk would kill the process
    if os.pwrite(stream.fileno(), content, offset) < len(content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
