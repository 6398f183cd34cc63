"""The manifest of a store: all that its values depend on. Its hash names the folder."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from graphkd.errors import mistake
from graphkd.run.cache.place import MANIFEST

Content = dict[str, Any]


def key_of(content: Content) -> str:
    """Hash the content of a manifest."""
    text = json.dumps(content, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def read_manifest(folder: Path) -> Content:
    """Read the manifest of a store; empty where there is none yet.

    Raises:
        BlueprintError: it is not what was written.
    """
    path = folder / MANIFEST
    content: Content | None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError:
        content = None
    if content is None or key_of(content) != folder.name:
        text = f"{path}: the manifest of the cache is damaged; remove the folder {folder}"
        raise mistake(f"{text}, and its values are computed anew")
    return content


def write_manifest(folder: Path, content: Content) -> None:
    """Write the manifest, whole or not at all."""
    draft = folder / f"{MANIFEST}.{os.getpid()}.tmp"
    draft.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    draft.replace(folder / MANIFEST)
