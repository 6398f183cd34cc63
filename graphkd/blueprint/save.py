"""Save a blueprint; a file that is written again keeps its comments and its look."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from graphkd.blueprint.layout import CannotPatchError
from graphkd.blueprint.load import load, loads
from graphkd.blueprint.model import Blueprint
from graphkd.blueprint.patch import patch, without_aliases
from graphkd.blueprint.plain import dumps, same, to_plain
from graphkd.blueprint.read import read_text
from graphkd.errors import BlueprintError, Place, mistake

__all__ = ["dumps", "save", "to_plain"]


def save(blueprint: Blueprint, path: str | Path) -> None:
    """Write a blueprint file, whole or not at all.

    In a blueprint file that lies there only the values that differ are changed, where this can be
    done; its comments, order and other lines stay. Relative paths in values are written as they
    are.

    Raises:
        BlueprintError: the file cannot be written.
    """
    file = Path(path)
    text = _changed(file, blueprint) or dumps(blueprint)
    # the file behind a link, not the link
    target = file.resolve()
    draft = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with draft.open("w", encoding="utf-8", newline="") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        if target.exists():
            shutil.copymode(target, draft)
        draft.replace(target)
    except OSError as error:
        raise mistake(f"cannot be written: {error.strerror}", Place(str(file))) from error
    finally:
        draft.unlink(missing_ok=True)


def _changed(file: Path, blueprint: Blueprint) -> str:
    """Return the text of a file with the values of a blueprint; empty where there is no way."""
    try:
        text = file.read_bytes().decode("utf-8")
        before = to_plain(load(file))
        drafts = [text, without_aliases(text, read_text(text, "").value)]
    except (OSError, UnicodeDecodeError, BlueprintError, CannotPatchError):
        return ""
    after = to_plain(blueprint)
    for draft in drafts:
        try:
            made = patch(draft, before, after)
            if same(to_plain(loads(made, folder=file.parent)), after):
                return made
        except (BlueprintError, CannotPatchError):
            # an anchor went that is needed elsewhere, or what is inherited would have to go
            continue
    return ""
