"""Where stores lie."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import attrs

from graphkd.errors import mistake

VARIABLE = "GRAPHKD_CACHE"
"""Environment variable that names the folder."""
MANIFEST = "manifest.json"


def place() -> Path:
    """Return the folder of all stores: `$GRAPHKD_CACHE`, else `graphkd` where caches belong."""
    own = os.environ.get(VARIABLE)
    if own:
        return Path(own).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "graphkd"


def folder_of(key: str) -> Path:
    """Return the folder of the store with that key."""
    return place() / "stores" / key


@attrs.frozen
class Found:
    """A store that lies there.

    Attributes:
        folder: where.
        manifest: what its values depend on; empty where it cannot be read.
        rows: how many it holds.
        bytes: what it takes on the disk.
    """

    folder: Path
    manifest: dict[str, Any]
    rows: int
    bytes: int


def found_stores() -> list[Found]:
    """List the stores that lie there."""
    folders = sorted(folder_of("").glob("*/"))
    return [_found(each) for each in folders]


def _found(folder: Path) -> Found:
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        manifest = {}
    valid = folder / "valid"
    rows = valid.read_bytes().count(1) if valid.exists() else 0
    # shards are sparse: what was never written takes no room
    taken = sum(each.stat().st_blocks * 512 for each in folder.iterdir())
    return Found(folder, manifest, rows, taken)


def clear() -> list[Found]:
    """Remove all stores, and return what they were."""
    found = found_stores()
    for each in found:
        shutil.rmtree(each.folder)
    return found


def check_room(folder: Path, needed: int) -> None:
    """Make sure that there is room for a store.

    Raises:
        BlueprintError: there is not.
    """
    there = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    free = shutil.disk_usage(there).free
    if needed > free:
        raise mistake(
            f"{place()}: the cache needs {needed:,} bytes, and {free:,} are free; make room, set "
            f"{VARIABLE} to a folder on another disk, or write a smaller dtype, top or views"
        )
