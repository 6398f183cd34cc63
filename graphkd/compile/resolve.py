"""Pass `resolve`: names become edges, `via` becomes nodes, every flow becomes a loss vertex."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from graphkd.blueprint.model import Blueprint, Flow, Node, Ref, Where, flow_name
from graphkd.component import DataSpec, kind_of, name_of, ports_of, reference_fields
from graphkd.errors import ComponentError, Problem, did_you_mean
from graphkd.graph import Edge, Graph, Vertex, vertex

BATCH_TAPS = ("image", "label", "index")
DATA = "data"


def resolve(graph: Graph) -> Graph:
    """Build the graph of a blueprint.

    Args:
        graph: empty; `graph.graph["blueprint"]` is the blueprint.

    Returns:
        A graph with a vertex for the data, each node, each projector of a flow and each flow's
        loss. Names that lead nowhere are reported, and left unwired.
    """
    builder = _Builder(graph.graph["blueprint"])
    made = builder.build()
    made.graph.update(graph.graph)
    made.graph["data_spec"] = builder.data_spec()
    made.graph["problems"] = (*graph.graph.get("problems", ()), *builder.problems)
    return made


class _Builder:
    def __init__(self, blueprint: Blueprint) -> None:
        self.blueprint = blueprint
        self.graph: Graph = Graph()
        self.problems: list[Problem] = []

    def build(self) -> Graph:
        dataset = self.blueprint.data.dataset
        self._add(Vertex(DATA, "data", dataset, ("data",), label=name_of(dataset)))
        for name, node in self.blueprint.nodes.items():
            kind = kind_of(node.component)
            assert kind in ("model", "projector", "transform", "probe")
            self._add(Vertex(name, kind, node.component, ("nodes", name), name, node))  # type: ignore[arg-type]
        for name, node in self.blueprint.nodes.items():
            self._wire_node(name, node)
        for number, flow in enumerate(self.blueprint.flows):
            self._wire_flow(number, flow)
        self._check_names()
        return self.graph

    def data_spec(self) -> DataSpec | None:
        data = self.blueprint.data
        try:
            spec: DataSpec = data.dataset.spec(self.blueprint.folder)
        except ComponentError as error:
            where: Where = ("data", error.field) if error.field else ("data", "dataset")
            self._problem(f"data: {error}", *where)
            return None
        return spec

    def _add(self, made: Vertex) -> Vertex:
        self.graph.add_node(made.name, vertex=made)
        return made

    def _problem(self, message: str, *where: str | int) -> None:
        self.problems.append(Problem(message, self.blueprint.place(*where)))

    def _wire_node(self, name: str, node: Node) -> None:
        who = f"node '{name}'"
        for field in reference_fields(node.component):
            owner = Ref.parse(getattr(node.component, field))
            where: Where = ("nodes", name, field)
            if self._known(owner, who, where):
                self._edge(owner.node, name, Edge("weights", field, field, where=where))
        ports = ports_of(node.component)
        taken: set[str] = set()
        for port, position, ref, where in self._inputs(name, node):
            taken.add(port)
            self._connect(ref, name, Edge("signal", ref.tap, port, position, where), who)
        for port, ref in node.extra.items():
            where = ("nodes", name, "with", port)
            if port not in [each.name for each in ports]:
                hint = did_you_mean(port, [each.name for each in ports])
                self._problem(f"{who}: no port '{port}'{hint}", *where)
                continue
            taken.add(port)
            self._connect(ref, name, Edge("signal", ref.tap, port, 0, where), who)
        for each in ports:
            if each.name not in taken:
                self._default_input(name, node, each.name, each.optional)

    def _inputs(self, name: str, node: Node) -> Iterator[tuple[str, int, Ref, Where]]:
        ports = ports_of(node.component)
        if len(ports) == 1 and ports[0].many:
            for index, ref in enumerate(node.input):
                yield ports[0].name, index, ref, ("nodes", name, "input", index)
            return
        if len(node.input) > len(ports):
            said = "reads nothing" if not ports else f"reads {', '.join(p.name for p in ports)}"
            self._problem(
                f"node '{name}': {len(node.input)} inputs, but {name_of(node.component)} {said}",
                *("nodes", name, "input"),
            )
        for index, (each, ref) in enumerate(zip(ports, node.input, strict=False)):
            yield each.name, 0, ref, ("nodes", name, "input", index)

    def _default_input(self, name: str, node: Node, port: str, optional: bool) -> None:
        if port in BATCH_TAPS:
            self._edge(DATA, name, Edge("signal", port, port, where=("nodes", name)))
        elif kind_of(node.component) == "model":
            if not reference_fields(node.component) or port == "input":
                self._edge(DATA, name, Edge("signal", "image", port, where=("nodes", name)))
        elif not optional:
            what = name_of(node.component)
            self._problem(
                f"node '{name}': {what} reads '{port}'; write input: node.tap", "nodes", name
            )

    def _wire_flow(self, number: int, flow: Flow) -> None:
        who = f"flow {number + 1}"
        name = self._free_name(f"flow{number + 1}")
        where: Where = ("flows", number)
        self._add(
            Vertex(name, "loss", flow.loss, where, label=flow_name(flow), flow=number)
        )
        ports = ports_of(flow.loss)
        self._side(number, name, flow.to, "to", ports[0].name, who)
        self._side(number, name, flow.source, "from", ports[1].name, who)
        for each in ports[2:]:
            if each.name in flow.extra:
                continue
            if each.name in BATCH_TAPS:
                self._edge(DATA, name, Edge("knowledge", each.name, each.name, where=where))
            elif not each.optional:
                text = f"loss '{name_of(flow.loss)}' reads '{each.name}'"
                self._problem(f"{who}: {text}; write with: {{{each.name}: node.tap}}", *where)
        for port, ref in flow.extra.items():
            at: Where = (*where, "with", port)
            known = [each.name for each in ports[2:]]
            if port not in known:
                hint = did_you_mean(port, known)
                text = f"no port '{port}' on loss '{name_of(flow.loss)}'"
                self._problem(f"{who}: {text}{hint}", *at)
            else:
                self._connect(ref, name, Edge("knowledge", ref.tap, port, 0, at), who)

    def _side(self, number: int, loss: str, ref: Ref, side: str, port: str, who: str) -> None:
        flow = self.blueprint.flows[number]
        where: Where = ("flows", number, side)
        kind = "learner" if side == "to" else "knowledge"
        if not self._known(ref, who, where):
            return
        source, tap = ref.node, ref.tap
        for index, via in enumerate(flow.via):
            if via.on != side:
                continue
            name = self._free_name(f"{loss}_{name_of(via.component)}")
            at: Where = ("flows", number, "via", index)
            label = name_of(via.component)
            self._add(Vertex(name, "projector", via.component, at, label=label, flow=number))
            entry = ports_of(via.component)[0].name
            self._edge(source, name, Edge(kind, tap, entry, where=where))  # type: ignore[arg-type]
            kind = "learner" if side == "to" else "signal"
            source, tap = name, ""
        self._edge(source, loss, Edge(kind, tap, port, where=where))  # type: ignore[arg-type]

    def _connect(self, ref: Ref, target: str, edge: Edge, who: str) -> None:
        if self._known(ref, who, edge.where):
            self._edge(ref.node, target, edge)

    def _known(self, ref: Ref, who: str, where: Where) -> bool:
        if ref.node == DATA:
            if ref.tap in BATCH_TAPS:
                return True
            hint = did_you_mean(ref.tap, BATCH_TAPS)
            self._problem(f"{who}: no tap '{ref.tap}' on 'data'{hint}", *where)
            return False
        if ref.node in self.blueprint.nodes:
            return True
        hint = did_you_mean(ref.node, self.blueprint.nodes)
        self._problem(f"{who}: no node '{ref.node}'{hint}", *where)
        return False

    def _edge(self, source: str, target: str, edge: Edge) -> None:
        if edge.kind != "weights" and source in self.graph:
            each = vertex(self.graph, source)
            taps = {**each.taps, edge.tap: None}
            self.graph.nodes[source]["vertex"] = attrs.evolve(each, taps=taps)
        self.graph.add_edge(source, target, edge=edge)

    def _free_name(self, name: str) -> str:
        taken = {*self.graph.nodes, *self.blueprint.nodes}
        while name in taken:
            name += "_"
        return name

    def _check_names(self) -> None:
        nodes = self.blueprint.nodes
        phases = [phase.name for phase in self.blueprint.phases]
        for number, flow in enumerate(self.blueprint.flows):
            for index, phase in enumerate(flow.phases):
                if phase not in phases:
                    text = f"flow {number + 1}: no phase '{phase}'{did_you_mean(phase, phases)}"
                    self._problem(text, "flows", number, "phases", index)
            self._check_nodes(flow.into, f"flow {number + 1}", ("flows", number, "into"))
        for index, each in enumerate(self.blueprint.phases):
            who = f"phase '{each.name}'"
            self._check_nodes(each.train, who, ("phases", index, "train"))
            self._check_nodes(each.fit, who, ("phases", index, "fit"))
        self._check_nodes(self.blueprint.deliver, "deliver", ("deliver",))
        if not nodes:
            self._problem("nodes: there are none; a blueprint has at least a student", "nodes")

    def _check_nodes(self, named: tuple[str, ...], who: str, where: Where) -> None:
        for index, name in enumerate(named):
            if name not in self.blueprint.nodes:
                hint = did_you_mean(name, self.blueprint.nodes)
                self._problem(f"{who}: no node '{name}'{hint}", *where, index)
