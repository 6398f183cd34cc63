"""The folder of a run: made once, never written over unless asked."""

from __future__ import annotations

import shutil
from pathlib import Path

from graphkd.blueprint import Blueprint
from graphkd.errors import mistake

BLUEPRINT = "blueprint.yaml"
SETTINGS = "run.json"
CHECKPOINTS = "checkpoints"
RESULTS = "results.json"
FAILURE = "failure.json"
"""Why the last start of a run ended before its end."""


def check_place(path: Path, *, force: bool) -> None:
    """Find out whether a run folder may be made here, before anything is computed for it.

    Raises:
        BlueprintError: something lies there that must stay.
    """
    if not path.exists():
        return
    if not force:
        raise mistake(f"{path}: exists already; choose another --out, or --force to replace it")
    if not is_run(path) and not (path.is_dir() and not any(path.iterdir())):
        raise mistake(f"{path}: is no run of graphkd, so --force does not replace it")


def make_folder(path: Path, *, force: bool) -> Path:
    """Make an empty run folder.

    Args:
        path: where; must not exist.
        force: replace an earlier run, or an empty folder, that lies there.

    Raises:
        BlueprintError: something lies there that must stay, or the place cannot be written.
    """
    check_place(path, force=force)
    try:
        if path.exists():
            shutil.rmtree(path)
        path.mkdir(parents=True)
    except OSError as error:
        raise mistake(f"{path}: cannot make the run folder: {error.strerror}") from error
    return path


def is_run(path: Path) -> bool:
    """Say whether a folder is a run's: it holds both files that every run begins with."""
    return (path / BLUEPRINT).is_file() and (path / SETTINGS).is_file()


def require_run(path: Path) -> Path:
    """Return the folder of a run.

    Raises:
        BlueprintError: it is none.
    """
    if not path.exists():
        raise mistake(f"{path}: no such folder")
    for name in (BLUEPRINT, SETTINGS):
        if not (path / name).is_file():
            raise mistake(f"{path}: is no run of graphkd (it holds no {name})")
    return path


def seeds_of(blueprint: Blueprint) -> tuple[int, ...]:
    """Return the seeds that a blueprint is run with, each once."""
    recipe = blueprint.train
    return tuple(dict.fromkeys(recipe.seeds or (recipe.seed,)))


def seed_folder(folder: Path, blueprint: Blueprint, seed: int) -> Path:
    """Say where in a run folder one seed writes: in a folder of its own if there are several."""
    return folder / f"seed-{seed}" if len(seeds_of(blueprint)) > 1 else folder


def run_of(place: Path, blueprint: Blueprint) -> Path:
    """Say which run folder the folder of a seed belongs to."""
    return place.parent if len(seeds_of(blueprint)) > 1 else place
