"""The folder of a run: made once, never written over unless asked."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from shlex import quote

from graphkd.blueprint import Blueprint
from graphkd.errors import mistake

BLUEPRINT = "blueprint.yaml"
SETTINGS = "run.json"
SETTINGS_HOLD = (
    'it says at least {"folder": "/where/the/blueprint/lay", "without": []}, the second the '
    "passes that are left out"
)
CHECKPOINTS = "checkpoints"
RESULTS = "results.json"
FAILURE = "failure.json"
"""Why the last start of a run ended before its end."""
_DRAFT = ".graphkd-"
_DRAFT_NAME = re.compile(re.escape(_DRAFT) + "[0-9a-f]{8}")
_LEFT = 3600.0
"""Seconds after which a folder of that name is nobody's any more."""


def check_place(path: Path, *, force: bool) -> None:
    """Find out whether a run folder may be made here, before anything is computed for it.

    An empty folder may be taken: nothing in it is lost.

    Raises:
        BlueprintError: something lies there that must stay.
    """
    if not path.exists():
        return
    if is_run(path):
        if not force:
            go_on = f"go on with it: graphkd resume {quote(str(path))}"
            text = "holds a run already; choose another --out, --force to replace it, or"
            raise mistake(f"{path}: {text} {go_on}")
    elif not path.is_dir() or any(path.iterdir()):
        if force:
            raise mistake(f"{path}: is no run of graphkd, so --force does not replace it")
        raise mistake(f"{path}: exists already, and is no run of graphkd; choose another --out")
    if Path.cwd().is_relative_to(path.resolve()):
        raise mistake(f"{path}: is the folder you are in; go out of it, or choose another --out")
    if path.is_mount():
        text = "a disk is mounted there, so it can be neither made nor replaced"
        raise mistake(f"{path}: {text}; name a folder in it: --out {quote(str(path / 'run'))}")


@contextmanager
def new_folder(path: Path, *, force: bool) -> Iterator[Path]:
    """Make a run folder that is there with what a run begins with, or not at all.

    What is written meanwhile gathers in a hidden folder beside it, which gets the name at the end.
    So a kill at any moment leaves nothing at the place, or what lay there; only when all is
    written an earlier run goes.

    Args:
        path: where.
        force: replace an earlier run that lies there.

    Yields:
        The hidden folder.

    Raises:
        BlueprintError: something lies there that must stay, or the place cannot be written.
    """
    check_place(path, force=force)
    place = path.resolve()
    draft = place.with_name(f"{_DRAFT}{token_hex(4)}")
    try:
        _sweep(place.parent)
        draft.mkdir(parents=True)
        yield draft
        # another process may have been here meanwhile
        check_place(path, force=force)
        if is_run(place):
            _remove_run(place)
        draft.rename(place)
    except OSError as error:
        reason = error.strerror or str(error)
        raise mistake(f"{path}: cannot make the run folder: {reason}") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _remove_run(place: Path) -> None:
    """Remove a run; it stays one, which may be replaced, until nothing else is left of it."""
    for each in place.iterdir():
        if each.name not in (BLUEPRINT, SETTINGS):
            shutil.rmtree(each) if each.is_dir() and not each.is_symlink() else each.unlink()
    rest = place.rename(place.with_name(f"{_DRAFT}{token_hex(4)}"))
    shutil.rmtree(rest)


def _sweep(parent: Path) -> None:
    """Remove what starts that were killed have left; none takes an hour for its few files."""
    for each in parent.glob(f"{_DRAFT}*"):
        # another process may be faster
        with suppress(OSError):
            if _DRAFT_NAME.fullmatch(each.name) and time.time() - each.stat().st_mtime > _LEFT:
                shutil.rmtree(each)


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
            raise mistake(f"{path}: is no run of graphkd (it holds no {name}); {_instead(path)}")
    return path


def _instead(path: Path) -> str:
    home = next((each for each in path.resolve().parents if is_run(each)), None)
    if home:
        return f"name the run that it belongs to, {home}"
    if not (path / BLUEPRINT).is_file():
        if (path / SETTINGS).is_file():
            return "put it back: report.html shows what it said"
        return "name the folder that 'graphkd train' printed"
    if (path / CHECKPOINTS).exists() or any(path.glob("seed-*")):
        return f"put it back: {SETTINGS_HOLD}"
    return "nothing is trained in it: begin with 'graphkd train', and another --out"


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
