"""The folder of a run: made once, never written over unless asked."""

from __future__ import annotations

import shutil
from pathlib import Path

from graphkd.errors import mistake

BLUEPRINT = "blueprint.yaml"
CHECKPOINTS = "checkpoints"
RESULTS = "results.json"


def make_folder(path: Path, *, force: bool) -> Path:
    """Make a run folder.

    Args:
        path: where; must not exist.
        force: replace an earlier run that lies there.

    Raises:
        BlueprintError: something lies there, or the place cannot be written.
    """
    if path.exists():
        if not force:
            raise mistake(f"{path}: exists already; choose another --out, or --force to replace it")
        if path.is_dir() and not any(path.iterdir()):
            return path
        if not is_run(path):
            raise mistake(f"{path}: is no run of graphkd, so --force does not replace it")
        shutil.rmtree(path)
    try:
        path.mkdir(parents=True)
    except OSError as error:
        raise mistake(f"{path}: cannot make the run folder: {error.strerror}") from error
    return path


def is_run(path: Path) -> bool:
    """Say whether a folder is a run's."""
    return path.is_dir() and (path / BLUEPRINT).is_file()


def require_run(path: Path) -> Path:
    """Return the folder of a run.

    Raises:
        BlueprintError: it is none.
    """
    if not path.exists():
        raise mistake(f"{path}: no such folder")
    if not is_run(path):
        raise mistake(f"{path}: is no run of graphkd (it holds no {BLUEPRINT})")
    return path
