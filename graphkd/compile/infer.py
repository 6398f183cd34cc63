"""Pass `infer`: shapes of all taps, by building and running every part on the meta device."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import attrs
import networkx as nx
import torch
from torch import Tensor, nn

from graphkd.blueprint.model import Blueprint, data_of
from graphkd.compile.cost import measure, parameters
from graphkd.compile.phases import phases_of
from graphkd.component import (
    DataSpec,
    ImageSpec,
    Network,
    Port,
    Site,
    Socket,
    name_of,
    ports_of,
)
from graphkd.errors import ComponentError, Problem, did_you_mean
from graphkd.graph import (
    Edge,
    Graph,
    Vertex,
    carries_image,
    describe_vertex,
    edges_into,
    instantiate,
    match,
    report,
    vertex,
    with_vertices,
)
from graphkd.graph.model import Cost
from graphkd.graph.ports import layout_of

STAND_IN = 2
"""Batch size on the meta device."""


def infer(graph: Graph) -> Graph:
    """Give every vertex the shapes of its taps and its cost; report every shape that does not fit.

    Args:
        graph: resolved.

    Returns:
        A graph in which each vertex that could be built knows its taps, and `graph.graph["sites"]`
        says for each where it was built.
    """
    inference = _Inference(graph)
    order = nx.DiGraph(graph)
    if not nx.is_directed_acyclic_graph(order):
        return graph
    for name in nx.topological_sort(order):
        inference.visit(vertex(graph, name))
    made = report(with_vertices(graph, inference.done.values()), inference.problems)
    made.graph["sites"] = inference.sites
    return made


def site_for(graph: Graph, name: str, modules: Mapping[str, nn.Module], *, load: bool) -> Site:
    """Return the site of an inferred vertex, with real modules lent to it."""
    site: Site = graph.graph["sites"][name]
    lent = {
        edge.tap: modules[source]
        for source, edge in edges_into(graph, name, "weights")
        if source in modules
    }
    return attrs.evolve(site, modules=lent, load_weights=load)


class _Inference:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.blueprint: Blueprint = graph.graph["blueprint"]
        self.spec: DataSpec | None = graph.graph["data_spec"]
        self.modules: dict[str, nn.Module] = {}
        self.sites: dict[str, Site] = {}
        self.done: dict[str, Vertex] = {}
        self.problems: list[Problem] = []

    def visit(self, each: Vertex) -> None:
        if each.kind == "data":
            self._data(each)
            return
        inputs = self._inputs(each)
        if inputs is None:
            return
        site = Site(
            inputs=inputs,
            target=self._target(each),
            image=self.spec.image if self.spec else None,
            classes=self.spec.classes if self.spec else 0,
            modules=self._lent(each),
            folder=self.blueprint.folder,
            load_weights=False,
        )
        self.sites[each.name] = site
        if not self._fits(each, inputs):
            return
        module = self._build(each, site)
        if module is None:
            return
        if each.kind == "model":
            self._run_model(each, module, inputs)
        elif each.kind in ("projector", "transform"):
            self._run_single(each, module, inputs)
        else:
            count, size = parameters(module if isinstance(module, nn.Module) else None)
            cost = Cost(parameters=count, parameter_bytes=size)
            self.done[each.name] = attrs.evolve(each, cost=cost)

    def _data(self, each: Vertex) -> None:
        if self.spec is None:
            return
        image, classes = self.spec.image, self.spec.classes
        settings = [data_of(self.blueprint, phase) for phase in phases_of(self.blueprint)]
        soft = any(data.mixup or data.cutmix for data in settings)
        sockets = {
            "image": Socket("b c h w", (STAND_IN, image.channels, image.height, image.width)),
            "label": Socket("b", (STAND_IN,), "int64", classes=classes),
            "index": Socket("b", (STAND_IN,), "int64"),
        }
        if soft:
            sockets["label"] = Socket("b c", (STAND_IN, classes))
        taps = {name: sockets[name] for name in each.taps}
        self.done[each.name] = attrs.evolve(each, taps=taps)

    def _lent(self, each: Vertex) -> dict[str, nn.Module]:
        return {
            edge.tap: self.modules[source]
            for source, edge in edges_into(self.graph, each.name, "weights")
            if source in self.modules
        }

    def _inputs(self, each: Vertex) -> dict[str, tuple[Socket, ...]] | None:
        """Gather what each port reads; None when a part of it is not known, which is told there."""
        found: dict[str, list[tuple[int, Socket]]] = {}
        for source, edge in edges_into(self.graph, each.name):
            if source not in self.done:
                return None
            if edge.kind == "weights":
                if source not in self.modules:
                    return None
                continue
            socket = self._socket(source, edge)
            if socket is None:
                return None
            found.setdefault(edge.port, []).append((edge.position, socket))
        missing = [
            port.name for port in ports_of(each.component) if not port.optional
        ]
        if any(name not in found for name in missing):
            return None
        return {
            port: tuple(socket for _, socket in sorted(pairs, key=lambda pair: pair[0]))
            for port, pairs in found.items()
        }

    def _socket(self, source: str, edge: Edge) -> Socket | None:
        return self.done[source].taps.get(edge.tap)

    def _target(self, each: Vertex) -> Socket | None:
        """Say what the other side of a flow's loss offers to a projector on this side."""
        if each.kind != "projector" or each.flow is None:
            return None
        loss = next(
            name
            for name in nx.descendants(nx.DiGraph(self.graph), each.name)
            if vertex(self.graph, name).kind == "loss" and vertex(self.graph, name).flow == each.flow
        )
        ports = ports_of(vertex(self.graph, loss).component)
        own = self._port_above(each.name, loss)
        if len(ports) < 2 or own is None:
            return None
        other = ports[1] if own == ports[0].name else ports[0]
        mine = ports[0] if own == ports[0].name else ports[1]
        return self._offer(loss, other, mine)

    def _offer(self, loss: str, other: Port, mine: Port) -> Socket | None:
        for source, edge in edges_into(self.graph, loss):
            if edge.port != other.name or source not in self.done:
                continue
            socket = self._socket(source, edge)
            if socket is None:
                return None
            sizes = match(other.shape, socket, {})
            if sizes is None:
                return None
            if other.index and socket.classes:
                sizes.setdefault(other.index, socket.classes)
            return instantiate(mine.shape, sizes)
        return None

    def _port_above(self, projector: str, loss: str) -> str | None:
        below = {projector, *nx.descendants(nx.DiGraph(self.graph), projector)}
        for source, edge in edges_into(self.graph, loss):
            if source in below:
                return edge.port
        return None

    def _fits(self, each: Vertex, inputs: Mapping[str, tuple[Socket, ...]]) -> bool:
        """Unify all ports' axes; the learner's port comes first, so the others are compared to it."""
        sizes: dict[str, Any] = {}
        seen: list[tuple[Port, Socket]] = []
        for port in ports_of(each.component):
            for socket in inputs.get(port.name, ()):
                if each.kind == "model" and port.name == "input":
                    continue
                fitted = match(port.shape, socket, sizes)
                counted = sizes.get(port.index) if port.index else None
                if fitted is None or (counted and socket.classes and counted != socket.classes):
                    self._misfit(each, port, socket, seen)
                    return False
                if port.many:
                    fitted.pop("...", None)
                sizes = fitted
                seen.append((port, socket))
        return True

    def _misfit(
        self, each: Vertex, port: Port, socket: Socket, seen: list[tuple[Port, Socket]]
    ) -> None:
        who = describe_vertex(each)
        what = name_of(each.component)
        source, where = self._origin(each, port.name)
        if match(port.shape, socket, {}) is None:
            text = f"{who}: '{source}' is '{socket}', but {what} takes '{port.shape}' there"
        elif socket.classes:
            learner, _ = self._origin(each, seen[0][0].name)
            text = (
                f"{who}: '{learner}' has {seen[0][1].channels} classes, "
                f"but the data has {socket.classes}"
            )
        else:
            other, _ = self._origin(each, seen[0][0].name)
            text = f"{who}: {what} needs equal axes '{port.shape}': '{other}' is '{seen[0][1]}', '{source}' is '{socket}'"
            if each.kind == "loss" and not port.index:
                text += "; put a projector between: via: " + _advice(seen[0][1], socket)
        self._problem(text, where)

    def _origin(self, each: Vertex, port: str) -> tuple[str, tuple[str | int, ...]]:
        """Name the tap that a port reads, projectors of the flow looked through."""
        for source, edge in edges_into(self.graph, each.name):
            if edge.port == port:
                name = source
                if vertex(self.graph, source).flow is not None:
                    name = f"{vertex(self.graph, source).label} of flow {each.flow or 0}"
                    name = f"{self._origin_of_chain(source)} via {vertex(self.graph, source).label}"
                    return name, edge.where
                return f"{name}.{edge.tap}" if edge.tap else name, edge.where
        return port, each.where

    def _origin_of_chain(self, name: str) -> str:
        while vertex(self.graph, name).flow is not None:
            ((source, edge),) = edges_into(self.graph, name)
            if vertex(self.graph, source).flow is None:
                return f"{source}.{edge.tap}" if edge.tap else source
            name = source
        return name

    def _build(self, each: Vertex, site: Site) -> Any:
        build = getattr(each.component, "build", None)
        if build is None:
            return each.component
        try:
            with torch.device("meta"):
                module = build(site)
        except ComponentError as error:
            where = (*each.where, error.field) if error.field else each.where
            self._problem(f"{describe_vertex(each)}: {error}", where)
            return None
        if isinstance(module, nn.Module):
            self.modules[each.name] = module
        return module

    def _run_model(
        self, each: Vertex, network: Any, inputs: Mapping[str, tuple[Socket, ...]]
    ) -> None:
        assert isinstance(network, Network)
        wanted = [tap for tap in each.taps if self._has_tap(each, network, tap)]
        if len(wanted) < len(each.taps):
            return
        offered = network.layout("logits") is not None
        taps = tuple(dict.fromkeys([*wanted, *(("logits",) if offered else ())]))
        arguments = tuple(
            self._meta(self._converted(network, edge, inputs))
            for _, edge in edges_into(self.graph, each.name, "signal")
        )
        network.eval()  # type: ignore[attr-defined]
        reader = network.reader(taps, stop=False)
        result = self._measured(each, reader, arguments)
        getattr(reader, "close", lambda: None)()
        if result is None:
            return
        outputs, cost = result
        images = any(carries_image(edge) for _, edge in edges_into(self.graph, each.name))
        sockets = {
            tap: Socket(network.layout(tap) or layout_of(out.shape), tuple(out.shape), _dtype(out))
            for tap, out in zip(taps, outputs, strict=True)
        }
        self.done[each.name] = attrs.evolve(
            each, taps=sockets, image=network.image if images else None, cost=cost
        )

    def _has_tap(self, each: Vertex, network: Network, tap: str) -> bool:
        if network.layout(tap) is not None:
            return True
        for target in self.graph.successors(each.name):
            for _, edge in edges_into(self.graph, target):
                if edge.kind != "weights" and edge.tap == tap:
                    who = describe_vertex(vertex(self.graph, target))
                    hint = did_you_mean(tap, network.taps()) if tap else ""
                    if "mean" in hint:
                        hint = f" (has {_spans(network.taps())}){hint}"
                    elif tap:
                        hint = f" (has {_spans(network.taps())})"
                    else:
                        hint = f"; write {each.name}.TAP, one of {_spans(network.taps())}"
                    said = f"no tap '{tap}' on '{each.name}'" if tap else f"'{each.name}' has several taps"
                    self._problem(f"{who}: {said}{hint}", edge.where)
        return False

    def _converted(
        self, network: Network, edge: Edge, inputs: Mapping[str, tuple[Socket, ...]]
    ) -> Socket:
        socket = inputs[edge.port][edge.position]
        if carries_image(edge):
            image: ImageSpec = network.image
            return Socket("b c h w", (STAND_IN, image.channels, image.height, image.width))
        return socket

    def _run_single(
        self, each: Vertex, module: Any, inputs: Mapping[str, tuple[Socket, ...]]
    ) -> None:
        arguments = tuple(
            self._meta(socket)
            for port in ports_of(each.component)
            for socket in inputs.get(port.name, ())
        )
        if isinstance(module, nn.Module):
            module.eval()
        result = self._measured(each, module, arguments)
        if result is None:
            return
        output, cost = result
        socket = Socket(layout_of(output.shape), tuple(output.shape), _dtype(output))
        self.done[each.name] = attrs.evolve(each, taps=dict.fromkeys(each.taps, socket), cost=cost)
        bad = [tap for tap in each.taps if tap not in ("", "output")]
        for tap in bad:
            for target in self.graph.successors(each.name):
                for source, edge in edges_into(self.graph, target):
                    if source == each.name and edge.tap == tap:
                        who = describe_vertex(vertex(self.graph, target))
                        text = f"{who}: no tap '{tap}' on '{each.name}'; write {each.name}"
                        self._problem(text, edge.where)

    def _measured(
        self, each: Vertex, forward: Any, arguments: tuple[Tensor, ...]
    ) -> tuple[Any, Cost] | None:
        try:
            outputs, cost = measure(forward, arguments)
        except ComponentError as error:
            where = (*each.where, error.field) if error.field else each.where
            self._problem(f"{describe_vertex(each)}: {error}", where)
            return None
        except (RuntimeError, ValueError, AssertionError, IndexError, TypeError) as error:
            shapes = ", ".join(str(Socket(layout_of(a.shape), tuple(a.shape))) for a in arguments)
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            what = getattr(each.component, "model", "") or name_of(each.component)
            text = f"{describe_vertex(each)}: {what} cannot run on '{shapes}': {reason}"
            self._problem(text, each.where)
            return None
        count, size = parameters(self.modules.get(each.name))
        return outputs, attrs.evolve(cost, parameters=count, parameter_bytes=size)

    def _meta(self, socket: Socket) -> Tensor:
        dtype = getattr(torch, socket.dtype)
        return torch.empty(socket.shape, dtype=dtype, device="meta")

    def _problem(self, message: str, where: Iterable[str | int]) -> None:
        self.problems.append(Problem(message, self.blueprint.place(*where)))


def _dtype(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _spans(taps: tuple[str, ...]) -> str:
    """List taps, with a run of numbered ones as `stage1…stage4`."""
    words: list[str] = []
    groups: dict[str, list[str]] = {}
    for tap in taps:
        stem = tap.rstrip("0123456789")
        groups.setdefault(stem if stem != tap else tap, []).append(tap)
    for group in groups.values():
        words.append(group[0] if len(group) == 1 else f"{group[0]}…{group[-1]}")
    return ", ".join([*words, "or a module path"])


def _advice(learner: Socket, knowledge: Socket) -> str:
    match len(learner.shape), len(knowledge.shape):
        case 4, 4 if learner.spatial == knowledge.spatial:
            return "conv1x1"
        case 4, 4:
            return "[conv1x1, resize]"
        case 4, 3:
            return "[grid_to_tokens, linear]"
        case 3, 4:
            return "[tokens_to_grid, conv1x1, resize]"
        case 4, 2:
            return "[pool, linear]"
        case 3, 2:
            return "[pool, linear]"
    return "linear"
