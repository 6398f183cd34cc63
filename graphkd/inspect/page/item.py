"""What a page's side panel says of one vertex."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from graphkd.blueprint.fields import keys_of
from graphkd.blueprint.model import Flow
from graphkd.blueprint.save import to_plain
from graphkd.component import kind_of, name_of
from graphkd.graph import (
    Graph,
    Vertex,
    blueprint_of,
    edges_into,
    edges_out_of,
    flow_of,
    vertices,
)
from graphkd.inspect.amount import counted, short
from graphkd.inspect.course import course_of
from graphkd.inspect.page.taps import Taps
from graphkd.inspect.picture import picture, weight_of
from graphkd.inspect.text import one_line

Item = dict[str, Any]
NO_OFFERS: Mapping[str, Taps] = MappingProxyType({})
Link = tuple[str, str, str]
"""How a vertex hangs together with another, in words; what is said of that one; its name."""


def item(title: str, kind: str, component: str) -> Item:
    """Make the facts of something of which there is nothing more to say."""
    lists: Item = {key: [] for key in ("facts", "parameters", "taps", "links")}
    return {
        "title": one_line(title),
        "kind": kind,
        "component": component,
        "notes": "",
        **lists,
    }


def key_of(component: Any) -> str:
    """Name a component or its class: `loss kl`."""
    if not hasattr(component, "component_kind"):
        return type(component).__name__
    return f"{kind_of(component)} {name_of(component)}"


class Items:
    """Makes the facts of the vertices of one graph.

    Attributes:
        graph: whose vertices.
        ids: what the page calls each vertex.
        offers: all taps of models.
    """

    def __init__(
        self, graph: Graph, ids: Mapping[str, str], *, offers: Mapping[str, Taps] = NO_OFFERS
    ) -> None:
        self.graph = graph
        self.ids = ids
        self.offers = offers
        self.course = course_of(graph)
        self.boxes = {box.name: box for box in picture(graph)[0]}
        self.lessons: dict[str, list[Link]] = defaultdict(list)
        self.parts: dict[int | None, list[str]] = defaultdict(list)
        for each in vertices(graph, "loss"):
            flow = flow_of(graph, each)
            said = f"{name_of(each.component)}: {flow.source} → {flow.to}"
            self.lessons[flow.to.node].append(("taught by", said, each.name))
            self.lessons[flow.source.node].append(("teaches", said, each.name))
        for each in vertices(graph, "projector"):
            self.parts[each.flow].append(each.name)

    def make(self, each: Vertex) -> Item:
        """Return what is known of a vertex, as JSON holds it."""
        made = item(self._title(each), each.kind, key_of(each.component))
        box = self.boxes[each.name]
        made["notes"] = " · ".join((box.aside, *box.notes) if box.aside else box.notes)
        made["facts"] = [
            *self._flow(each),
            *self._state(each),
            *self._costs(each),
            *self._place(each),
        ]
        made["parameters"] = [list(row) for row in _parameters(each.component)]
        made["taps"] = self._taps(each)
        made["links"] = [
            [how, one_line(said), self.ids[name]] for how, said, name in self._links(each)
        ]
        return made

    def _taps(self, each: Vertex) -> list[list[str]]:
        """List taps in order of depth, with what they carry and whether somebody reads them."""
        read = dict(each.taps)
        offered = {tap: socket for tap, socket in self.offers.get(each.name, {}).items()}
        rows = [(tap, read.get(tap, offered.get(tap))) for tap in dict.fromkeys((*offered, *read))]
        wanted = {edge.tap for _, edge in edges_out_of(self.graph, each.name)}
        return [
            [one_line(t), _carried(socket), "read" if t in wanted else ""] for t, socket in rows
        ]

    def _title(self, each: Vertex) -> str:
        if each.kind == "loss":
            return f"{name_of(each.component)}: {flow_of(self.graph, each).name or each.name}"
        return each.name

    def _flow(self, each: Vertex) -> Iterator[list[str]]:
        if each.kind == "loss":
            yield from _of_flow(flow_of(self.graph, each))

    def _state(self, each: Vertex) -> Iterator[list[str]]:
        mark = self.course.mark(each)
        if mark:
            yield ["state", one_line(mark)]
        if each.settings is not None:
            for key in ("lr", "weight_decay", "ema", "seed"):
                value = getattr(each.settings, key)
                if value:
                    yield [key, f"{value:g}"]
        if each.kind == "data":
            data = blueprint_of(self.graph).data
            yield ["batch size", str(data.batch_size)]
            if data.augment:
                names = [name_of(step.component) for step in data.augment]
                yield ["augmentation", ", ".join(names)]

    def _costs(self, each: Vertex) -> Iterator[list[str]]:
        cost, batch = each.cost, blueprint_of(self.graph).data.batch_size
        if cost.parameters:
            said = f"{cost.parameters:,} ({short(cost.parameter_bytes, 'B')} with buffers)"
            yield ["own parameters", said]
        for what, number, unit in (
            ("forward", cost.flops, "FLOP"),
            ("activations", cost.activation_bytes, "B"),
        ):
            if number:
                whole = short(number * batch, unit)
                yield [what, f"{short(number, unit)} a sample, {whole} a step of {batch}"]

    def _place(self, each: Vertex) -> Iterator[list[str]]:
        place = blueprint_of(self.graph).place(*each.where)
        if place is not None:
            yield ["written at", one_line(str(place))]

    def _links(self, each: Vertex) -> Iterator[Link]:
        if each.kind == "loss":
            flow = flow_of(self.graph, each)
            yield from (("part", name, name) for name in self.parts[each.flow])
            ends = (("from", flow.source.node), ("to", flow.to.node))
            yield from ((how, name, name) for how, name in ends if name in self.graph)
            return
        if each.kind != "data":
            yield from self.lessons[each.name]
        for source, edge in edges_into(self.graph, each.name, "signal", "weights"):
            if edge.kind == "weights":
                yield "borrows from", source, source
            else:
                yield "reads", f"{source}.{edge.tap}".removesuffix(".output"), source
        for target, _ in edges_out_of(self.graph, each.name, "weights"):
            yield "lends to", target, target


def _of_flow(flow: Flow) -> Iterator[list[str]]:
    yield ["knowledge", f"{one_line(str(flow.source))} (gradient stops)"]
    yield ["learner", one_line(str(flow.to))]
    yield ["weight", weight_of(flow.weight).removeprefix("x ") or "1"]
    if flow.via:
        yield ["via", ", ".join(f"{name_of(v.component)} (side {v.on})" for v in flow.via)]
    if flow.every > 1:
        yield ["alive every", counted(flow.every, "step")]
    for key, names in (("phases", flow.phases), ("into", flow.into)):
        if names:
            yield [key, one_line(", ".join(names))]


def _parameters(component: Any) -> Iterator[tuple[str, str]]:
    cls: type = type(component)
    if not hasattr(cls, "__attrs_attrs__"):
        return
    for key, field in keys_of(cls).items():
        value = to_plain(getattr(component, field.name))
        said = value if isinstance(value, str) else json.dumps(value, default=str)
        yield key, one_line(said)


def _carried(socket: Any) -> str:
    classes = f", {socket.classes} classes" if socket is not None and socket.classes else ""
    return f"{socket or ''}{classes}"
