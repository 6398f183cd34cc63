"""The files that a measurement of the kernels is kept in."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

from graphkd.bench.kernels_page import PICTURE, page, svg
from graphkd.bench.kernels_rows import Found
from graphkd.errors import mistake

NAMES = ("bench-kernels.md", "bench-kernels.json", PICTURE)


def check_free(folder: Path, *, force: bool) -> None:
    """Make sure, before anything is measured, that the files can be written.

    Raises:
        BlueprintError: one is there and `force` is not given, or the folder cannot be made.
    """
    for path in (folder / name for name in NAMES):
        if path.exists() and not force:
            raise mistake(f"{path}: exists already; choose another --out, or --force to replace it")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise mistake(f"{folder}: cannot be made: {error.strerror}") from error


def write_all(found: Found, folder: Path) -> list[Path]:
    """Write page, numbers and picture.

    Args:
        found: what was measured.
        folder: is there.

    Returns:
        The files.
    """
    texts = (
        page(found, date=date.today().isoformat()),
        json.dumps(found.as_dict(), indent=2),
        svg(found),
    )
    paths = [folder / name for name in NAMES]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text + "\n", encoding="utf-8")
    return paths
