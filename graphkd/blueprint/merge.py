"""Put one blueprint's plain data over another's, and single values over both."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from graphkd.blueprint.fields import component_field, find_component, keys_of
from graphkd.blueprint.model import KEY, Augment, Data, Flow, Node, Via, Where
from graphkd.blueprint.read import Located, read_value
from graphkd.errors import BlueprintError, Place, Problem, did_you_mean, mistake

_SECTIONS = ("blueprint", "about", "data", "nodes", "flows", "phases", "train", "deliver")


def extend(base: Located, over: Located) -> Located:
    """Merge: mappings key by key, all else replaced; an empty node takes the node away.

    Args:
        base: what is extended.
        over: what is written in the extending file.

    Returns:
        The merged data; each part keeps the place where it was written.
    """
    merged = Located(base.value, dict(base.places))
    for key, value in over.value.items():
        if key != "extends":
            merged = _put(merged, (key,), Located(value, over.places))
    nodes = merged.value.get("nodes")
    if isinstance(nodes, dict):
        merged.value["nodes"] = {k: v for k, v in nodes.items() if v is not None}
    return merged


def _put(merged: Located, path: Where, over: Located) -> Located:
    """Write `over.value`, which stands at `path` in its own file, at `path` of `merged`."""
    parent: Any = _copy(merged.value)
    result = Located(parent, dict(merged.places))
    for part in path[:-1]:
        parent = parent[part]
    key = path[-1]
    old = parent.get(key) if isinstance(parent, dict) else parent[key]
    if isinstance(old, dict) and isinstance(over.value, dict):
        parent[key] = _without_stale(old, over.value, path)
        for name, value in over.value.items():
            result = _put(result, (*path, name), Located(value, over.places))
        return result
    _forget(result.places, path)
    parent[key] = over.value
    length = len(path)
    for where, place in over.places.items():
        if where[:length] == path:
            result.places[where] = place
    return result


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_copy(each) for each in value]
    return value


def _forget(places: dict[Where, Place], path: Where) -> None:
    for where in [each for each in places if each[: len(path)] == path]:
        del places[where]


def _without_stale(old: dict[str, Any], new: dict[str, Any], path: Where) -> dict[str, Any]:
    """Leave out the parameters of a component that `new` replaces by another."""
    cls = _section_class(path)
    field = component_field(cls) if cls else None
    if cls is None or field is None:
        return old
    key = field.metadata["key"]
    if key not in new or new[key] == old.get(key):
        return old
    keep = set(keys_of(cls))
    try:
        keep |= set(keys_of(find_component(field.metadata["kinds"], new[key])))
    except (KeyError, TypeError):
        return old
    return {name: value for name, value in old.items() if name in keep}


def _section_class(path: Where) -> type | None:
    match path:
        case ("data",):
            return Data
        case ("nodes", _):
            return Node
        case ("flows", _):
            return Flow
        case ("flows", _, "via", *_):
            return Via
        case ("data", "augment", _):
            return Augment
    return None


def override(located: Located, words: Iterable[str]) -> Located:
    """Apply `dotted.path=value` words.

    The first part is a section (`train.lr`), or a node's name (`student.model`). Flows are found by
    number, from 1, or by name; phases by name or number.

    Raises:
        BlueprintError: a word leads nowhere; all such words at once.
    """
    problems: list[Problem] = []
    for word in words:
        try:
            located = _override_one(located, word)
        except BlueprintError as error:
            problems += error.problems
    if problems:
        raise BlueprintError(problems)
    return located


def _override_one(located: Located, word: str) -> Located:
    place = Place(word)
    dotted, equals, text = word.partition("=")
    if not equals or not dotted:
        raise mistake("is no override; write path=value, like train.lr=3e-4", place)
    value = read_value(text)
    path = _resolve(located.value, dotted.split("."), place)
    nested: Any = value
    made = _missing_parents(located, path, place)
    places: dict[Where, Place] = {path: place, (*path, KEY): place}
    return _put(made, path, Located(nested, places))


def _resolve(value: dict[str, Any], parts: list[str], place: Place) -> Where:
    nodes = value.get("nodes")
    names = list(nodes) if isinstance(nodes, dict) else []
    first = parts[0]
    if first not in _SECTIONS:
        if first not in names:
            hint = did_you_mean(first, [*names, *_SECTIONS])
            raise mistake(f"no node or section '{first}'{hint}", place)
        parts = ["nodes", *parts]
    if parts[0] in ("flows", "phases") and len(parts) > 1:
        return (parts[0], _index(value.get(parts[0]), parts, place), *parts[2:])
    if parts[0] == "nodes" and len(parts) > 1 and parts[1] not in names:
        raise mistake(f"no node '{parts[1]}'{did_you_mean(parts[1], names)}", place)
    return tuple(parts)


def _index(items: Any, parts: list[str], place: Place) -> int:
    items = items if isinstance(items, list) else []
    names = [each.get("name") if isinstance(each, dict) else None for each in items]
    if parts[1] in names:
        return names.index(parts[1])
    if parts[1].isdigit() and 1 <= int(parts[1]) <= len(items):
        return int(parts[1]) - 1
    known = [str(name) for name in names if name] or [f"1 to {len(items)}"]
    raise mistake(f"no {parts[0][:-1]} '{parts[1]}'{did_you_mean(parts[1], known)}", place)


def _missing_parents(located: Located, path: Where, place: Place) -> Located:
    root = _copy(located.value)
    here = root
    for depth, part in enumerate(path[:-1]):
        if isinstance(here, dict):
            if here.get(part) is None:
                here[part] = {}
            elif isinstance(here[part], str) and component_field(
                _section_class(path[: depth + 1]) or Where
            ):
                here[part] = {"type": here[part]}
        below = here[part]
        if not isinstance(below, (dict, list)):
            raise mistake(f"'{part}' holds a value, not settings", place)
        if isinstance(below, list) and not isinstance(path[depth + 1], int):
            index = path[depth + 1]
            raise mistake(f"'{part}' is a list: '{index}' is no key of it", place)
        here = below
    return Located(root, dict(located.places))
