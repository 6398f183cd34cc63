"""Write a blueprint as YAML; comments of a file that is written again survive."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from graphkd.blueprint.fields import component_field, default_of, keys_of
from graphkd.blueprint.model import Blueprint, Phase, Ref
from graphkd.component import name_of
from graphkd.errors import mistake


def save(blueprint: Blueprint, path: str | Path) -> None:
    """Write a blueprint file, whole or not at all.

    A file that lies there keeps its comments and the order of its keys where its values are still
    the same.

    Raises:
        BlueprintError: the place cannot be written.
    """
    file = Path(path)
    plain = to_plain(blueprint)
    yaml = _yaml()
    old = yaml.load(file.read_text(encoding="utf-8")) if file.exists() else None
    content = _updated(old, plain) if isinstance(old, CommentedMap) else _styled(plain)
    stream = io.StringIO()
    yaml.dump(content, stream)
    draft = file.with_suffix(".tmp")
    try:
        draft.write_text(stream.getvalue(), encoding="utf-8")
        draft.replace(file)
    except OSError as error:
        raise mistake(f"{file}: cannot be written: {error.strerror}") from error


def dumps(blueprint: Blueprint) -> str:
    """Write a blueprint as YAML text."""
    stream = io.StringIO()
    _yaml().dump(_styled(to_plain(blueprint)), stream)
    return stream.getvalue()


def _yaml() -> YAML:
    yaml = YAML(typ="rt", pure=True)
    yaml.width = 120
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.preserve_quotes = True
    return yaml


def to_plain(value: Any) -> Any:
    """Turn a blueprint, or a part of it, into what its file holds; defaults are left out."""
    if isinstance(value, Ref):
        return str(value)
    if isinstance(value, Phase):
        return _plain_phase(value)
    if attrs.has(type(value)):
        return _plain_fields(value)
    if isinstance(value, Mapping):
        return {key: to_plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(each) for each in value]
    return value


def _plain_fields(value: Any) -> Any:
    own = component_field(type(value))
    done: dict[str, Any] = {}
    for key, field in keys_of(type(value)).items():
        each = getattr(value, field.name)
        if field is own or (own is not None and field.name == own.name):
            done[key] = name_of(each)
            done.update(_plain_fields(each))
        elif each != default_of(field):
            done[key] = to_plain(each)
    if own is not None and list(done) == [own.metadata["key"]] and own.metadata["key"] == "type":
        return _shorthand(value, done)
    return done


def _shorthand(value: Any, done: dict[str, Any]) -> Any:
    """Write a projector or an augmentation without parameters as its name."""
    return done if type(value).__name__ == "Node" else done["type"]


def _plain_phase(phase: Phase) -> dict[str, Any]:
    done: dict[str, Any] = {"name": phase.name}
    if phase.train:
        done["train"] = list(phase.train)
    if phase.fit:
        done["fit"] = list(phase.fit)
    done |= {key: to_plain(each) for key, each in phase.recipe.items()}
    if phase.data:
        done["data"] = {key: to_plain(each) for key, each in phase.data.items()}
    return done


def _styled(plain: Mapping[str, Any]) -> CommentedMap:
    """Give the usual look: one node or flow a line."""
    root = CommentedMap()
    for key, value in plain.items():
        if key == "nodes":
            root[key] = CommentedMap((name, _inline(node)) for name, node in value.items())
        elif key in ("flows", "phases"):
            root[key] = CommentedSeq(_inline(each) for each in value)
        else:
            root[key] = _inline(value) if isinstance(value, (dict, list)) else value
    return root


def _inline(value: Any) -> Any:
    if isinstance(value, Mapping):
        made = CommentedMap((key, _inline(each)) for key, each in value.items())
        made.fa.set_flow_style()
        return made
    if isinstance(value, list):
        items = CommentedSeq(_inline(each) for each in value)
        items.fa.set_flow_style()
        return items
    return value


def _updated(old: Any, new: Any) -> Any:
    """Change a commented document as little as possible into new values."""
    if isinstance(old, CommentedMap) and isinstance(new, Mapping):
        for key in [key for key in old if key not in new]:
            del old[key]
        for key, value in new.items():
            old[key] = _updated(old[key], value) if key in old else _inline(value)
        return old
    if isinstance(old, CommentedSeq) and isinstance(new, list):
        del old[len(new) :]
        for index, value in enumerate(new):
            if index < len(old):
                old[index] = _updated(old[index], value)
            else:
                old.append(_inline(value))
        return old
    same = old == new and type(old) is not bool and not isinstance(new, bool)
    return old if same or (isinstance(new, bool) and old is new) else _inline(new)
