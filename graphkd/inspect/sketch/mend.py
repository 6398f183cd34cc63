"""Plain data to a blueprint, whatever is wrong with it: what cannot be read is left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar, cast

from graphkd.blueprint.fields import component_field, keys_of
from graphkd.blueprint.located import Where
from graphkd.blueprint.model import Blueprint, Data, Flow, Node, Phase, Ref, Train
from graphkd.blueprint.structure import structure_fields
from graphkd.blueprint.values import structure
from graphkd.errors import Place
from graphkd.inspect.sketch.placeholder import UNKNOWN, placeholder

Made = TypeVar("Made")


def mended(value: Mapping[str, Any], places: Mapping[Where, Place], folder: Path) -> Blueprint:
    """Make a blueprint of the parts that can be read.

    Nodes and flows keep their names and their order: one that cannot be made becomes a placeholder.

    Args:
        value: plain data of a whole file.
        places: where each part of it was written.
        folder: where relative paths start.
    """
    nodes, flows = value.get("nodes"), value.get("flows")
    named = nodes if isinstance(nodes, Mapping) else {}
    about = value.get("about")
    made = Blueprint(
        "blueprint",
        _data(value.get("data")),
        about=about if isinstance(about, str) else "",
        nodes={name: _node(each, named) for name, each in named.items()},
        flows=[_flow(each) for each in _items(flows)],
        phases=[each for each in map(_phase, _items(value.get("phases"))) if each is not None],
        train=_readable(Train, value.get("train")) or Train(),
        deliver=tuple(each for each in _items(value.get("deliver")) if isinstance(each, str)),
        folder=folder,
        places=places,
    )
    name = value.get("blueprint")
    if isinstance(name, str):
        with suppress(ValueError):
            made.blueprint = name
    return made


def _items(value: Any) -> list[Any]:
    """Return a list's items; what stands alone is one, and nothing is none."""
    if value is None or isinstance(value, list):
        return value or []
    return [value]


def _readable(cls: Callable[..., Made], value: Any) -> Made | None:
    """Make something of a mapping, without the keys that are wrong; None if too little is left."""
    made: Made
    while True:
        made, mistakes = structure(value, cls)
        if not mistakes:
            return made
        wrong = {way[0] for way, _ in mistakes if way}
        own = component_field(cast(type, cls))
        if own is not None:
            wrong.discard(own.metadata["key"])
        if not isinstance(value, Mapping) or not wrong & value.keys():
            return None
        value = {key: each for key, each in value.items() if key not in wrong}


def _data(value: Any) -> Data:
    made = _readable(Data, value)
    if made is not None:
        return made
    return Data(placeholder("dataset", _under(value, "dataset")))


def _under(value: Any, key: str) -> Any:
    """Return what stands under a key; a component's bare name stands for itself."""
    return value.get(key) if isinstance(value, Mapping) else value


def _node(value: Any, nodes: Mapping[str, Any]) -> Node:
    made = _readable(Node, value)
    if made is not None:
        return made
    stands_in = placeholder("transform", _under(value, "type"))
    if not isinstance(value, Mapping):
        return Node(stands_in)
    rest = [key for key in keys_of(Node) if key != "type"]
    settings = structure_fields(Node, value, [], only=rest)
    # its ports are not known: all that it reads is one input
    settings.pop("extra", None)
    settings["input"] = tuple(dict.fromkeys(_read(value, nodes)))
    return Node(stands_in, **settings)


def _read(value: Mapping[str, Any], nodes: Mapping[str, Any]) -> Iterator[Ref]:
    """Guess which taps a node reads: what looks like one, of a node that there is."""
    for each in value.values():
        parts = each.values() if isinstance(each, Mapping) else _items(each)
        for part in parts:
            if isinstance(part, str) and "." in part:
                ref = Ref.parse(part)
                if ref.tap and (ref.node in nodes or ref.node == "data"):
                    yield ref


def _flow(value: Any) -> Flow:
    made = _readable(Flow, value)
    if made is not None:
        return made
    content: Mapping[str, Any] = value if isinstance(value, Mapping) else {}
    rest = [key for key in keys_of(Flow) if key not in ("from", "to", "loss", "with")]
    settings = structure_fields(Flow, content, [], only=rest)
    source, to = (_tap(content.get(key)) for key in ("from", "to"))
    return Flow(source, to, placeholder("loss", content.get("loss")), **settings)


def _tap(value: Any) -> Ref:
    return Ref.parse(value) if isinstance(value, str) and value else Ref(UNKNOWN)


def _phase(value: Any) -> Phase | None:
    return _readable(Phase, value)
