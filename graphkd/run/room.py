"""A disk that is full: which file, how much room there is, and how the run goes on."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote

from graphkd.errors import BlueprintError, Problem, mistake

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


class NoRoomError(BlueprintError):
    """A file of a run cannot be written."""


def cannot_write(path: Path, error: OSError, *, needed: int = 0) -> NoRoomError:
    """Say that a file of a run cannot be written.

    Args:
        path: the file, or its folder.
        error: of the system.
        needed: how many bytes it would take, 0 where that is not known.
    """
    reason = os.strerror(error.errno) if error.errno else str(error)
    there = next(each for each in (path, *path.absolute().parents) if each.exists())
    free = f"{shutil.disk_usage(there).free:,} bytes are free"
    room = f"it needs about {needed:,} bytes, {free}" if needed else free
    return NoRoomError(Problem(f"{path}: cannot be written: {reason} ({room})"))


@contextmanager
def telling_of_room(folder: Path) -> Iterator[None]:
    """Say how a run goes on that a full disk stopped.

    Args:
        folder: of the run.

    Raises:
        BlueprintError: something in the folder cannot be written.
    """
    hint = f"make room and go on with: graphkd resume {quote(str(folder))}"
    try:
        yield
    except NoRoomError as error:
        raise mistake(f"{error}; {hint}") from error
    except OSError as error:
        if error.errno not in _FULL:
            raise
        path = Path(os.fsdecode(error.filename)) if error.filename else folder
        raise mistake(f"{cannot_write(path, error)}; {hint}") from error
