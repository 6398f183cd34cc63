"""What several commands share."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from graphkd.blueprint import Blueprint, load
from graphkd.component import load_plugin
from graphkd.errors import mistake

File = Annotated[str, Parameter(help="A blueprint file, or the name of a shipped one.")]
Overrides = Annotated[
    tuple[str, ...], Parameter(help="path=value words, like student.model=timm/resnet34.")
]
Json = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON.")]
Out = Annotated[Path | None, Parameter(name="--out", help="Where to write.")]
Force = Annotated[bool, Parameter(name="--force", negative="", help="Replace what lies there.")]
Without = Annotated[
    list[str] | None,
    Parameter(name="--without", negative="", help="Leave out an optional compiler pass."),
]
Plugin = Annotated[
    list[str] | None,
    Parameter(name="--plugin", negative="", help="Import a module that registers components."),
]


def load_with(file: str, overrides: Iterable[str], plugin: list[str] | None) -> Blueprint:
    """Load a blueprint after its plugins."""
    load_plugins(plugin)
    return load(file, overrides)


def load_plugins(modules: list[str] | None) -> None:
    """Import plugins; they may lie in the working folder."""
    for module in modules or ():
        load_plugin(module)


def print_json(value: Any) -> None:
    """Print JSON for scripts."""
    print(json.dumps(value, indent=2))


def check_out(out: Path | None, *, force: bool) -> None:
    """Refuse a file that cannot be written, before long work.

    Raises:
        BlueprintError: the file is there and `force` is not given, it is a folder, or has none.
    """
    if out is None:
        return
    if out.is_dir():
        raise mistake(f"{out}: is a folder; write --out with a file in it")
    if out.exists() and not force:
        raise mistake(f"{out}: exists already; choose another --out, or --force to replace it")
    if not out.parent.is_dir():
        there = f"'{out.parent}' is no folder"
        missing = f"there is no folder '{out.parent}'; make it first"
        raise mistake(f"{out}: cannot be written: {there if out.parent.exists() else missing}")


def write_or_print(made: str | bytes, out: Path | None, *, force: bool) -> None:
    """Write a text or a picture to a file; print a text when no file is given.

    Raises:
        BlueprintError: the file is there and `force` is not given, or it cannot be written.
    """
    if out is None:
        _print(made)
        return
    check_out(out, force=force)
    try:
        out.write_bytes(made if isinstance(made, bytes) else f"{made}\n".encode())
    except OSError as error:
        raise mistake(f"{out}: cannot be written: {error.strerror}") from error
    print(out)


def _print(made: str | bytes) -> None:
    try:
        print(made, flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        # what is left in the buffer would fail once more at the end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise mistake(f"standard output: cannot be written: {error.strerror}") from error
