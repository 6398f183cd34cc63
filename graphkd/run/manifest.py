"""The manifest of a checkpoint: which files it has, how long they are, and what they hash to."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

MANIFEST = "manifest.json"
_FORMAT = 1


class DamagedError(ValueError):
    """A checkpoint is not what was written."""


@attrs.frozen
class Entry:
    """What is known of one file.

    Attributes:
        bytes: its length.
        blake2b: hash of all of it, 64 hexadecimal digits.
    """

    bytes: int
    blake2b: str


class HashedFile:
    """A file that is hashed while it is written.

    Attributes:
        error: what the system said when it took no more; None while all went well.
    """

    error: OSError | None = None

    def __init__(self, path: Path) -> None:
        self._stream = path.open("wb")
        self._hash = _new_hash()
        self._bytes = 0

    def __enter__(self) -> HashedFile:
        """Write below this."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close the file."""
        self._stream.close()

    def write(self, content: Any) -> int:
        """Append bytes."""
        try:
            count = self._stream.write(content)
        except OSError as error:
            self.error = error
            raise
        self._hash.update(content)
        self._bytes += count
        return count

    def flush(self) -> None:
        """Hand what was written to the system."""
        self._stream.flush()

    def sync(self) -> None:
        """Bring what was written to the disk."""
        self._stream.flush()
        os.fsync(self._stream.fileno())

    @property
    def entry(self) -> Entry:
        """Describe what was written so far."""
        return Entry(self._bytes, self._hash.hexdigest())


def entry_of(path: Path) -> Entry:
    """Describe a file that others have written, and bring it to the disk."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
        digest = hashlib.file_digest(stream, _new_hash).hexdigest()
        return Entry(stream.tell(), digest)


def write_manifest(folder: Path, files: Mapping[str, Entry]) -> None:
    """Write the manifest of a folder whose files are on the disk."""
    with HashedFile(folder / MANIFEST) as stream:
        stream.write(_text(files))
        stream.sync()


def verify(folder: Path) -> None:
    """Compare every file of a folder with the manifest.

    Raises:
        DamagedError: says what is wrong first.
        OSError: a file cannot be read.
    """
    for name, entry in _read(folder / MANIFEST).items():
        path = folder / name
        if not path.is_file():
            raise DamagedError(f"{name} is missing")
        found = path.stat().st_size
        if found != entry.bytes:
            raise DamagedError(f"{name} has {found} bytes, not {entry.bytes}")
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, _new_hash).hexdigest()
        if digest != entry.blake2b:
            raise DamagedError(f"{name} does not have the hash that was written down")


def _read(path: Path) -> dict[str, Entry]:
    if not path.is_file():
        raise DamagedError(f"{MANIFEST} is missing")
    content = path.read_bytes()
    try:
        found = {
            name: Entry(bytes=int(each["bytes"]), blake2b=str(each["blake2b"]))
            for name, each in json.loads(content)["files"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedError(f"{MANIFEST} cannot be read") from error
    # it ends with its own hash: every changed byte shows
    if content != _text(found):
        raise DamagedError(f"{MANIFEST} is not as it was written")
    return found


def _text(files: Mapping[str, Entry]) -> bytes:
    body: dict[str, Any] = {
        "format": _FORMAT,
        "files": {name: attrs.asdict(each) for name, each in sorted(files.items())},
    }
    digest = _new_hash(json.dumps(body).encode()).hexdigest()
    return (json.dumps({**body, "blake2b": digest}, indent=1) + "\n").encode()


def _new_hash(content: bytes = b"") -> Any:
    return hashlib.blake2b(content, digest_size=32)
