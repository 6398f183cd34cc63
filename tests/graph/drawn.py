"""Small graphs as text, so that a test shows them whole, before and after.

teacher model: logits
student model (learns, gradient): logits
flow1 loss
data.image -> student.input        a signal
teacher.logits ~> flow1.teacher    knowledge
student.logits => flow1.student    learner
student -- again.of                weights
"""

import attrs
import networkx as nx

from graphkd.blueprint import Blueprint, Data, Flow, Node, Phase, Ref
from graphkd.component import Port, Socket
from graphkd.graph import Edge, Graph, Vertex, edges_into, inputs_of, vertex, vertices

ARROWS = {"->": "signal", "~>": "knowledge", "=>": "learner", "--": "weights"}
LOGITS = Socket("b c", (2, 10))
IMAGE = Socket("b c h w", (2, 3, 8, 8))


@attrs.frozen
class Part:
    """A component of any kind that is never built."""

    component_kind: str
    component_name: str = "part"
    ports: tuple[Port, ...] = ()
    learns: bool = False
    borrows: bool = False
    fits: bool = False
    fusion: str = ""


PORTS = {
    "model": (Port("input", "b c h w"), Port("guide", "b c", optional=True)),
    "projector": (Port("input", "b ..."),),
    "transform": (Port("input", "b ...", many=True),),
    "loss": (Port("student", "b c"), Port("teacher", "b c"), Port("label", "b", optional=True)),
    "probe": (Port("student", "b c"), Port("teacher", "b c")),
}


def drawn(
    text, *, phase=None, sinks=(), flows=None, borrows=(), learners=(), fusions=None, **settings
):
    """Make the graph of a text; each loss is a flow of its own."""
    lines = [line.strip() for line in text.strip().splitlines()]
    graph = Graph()
    for line in lines:
        if not any(arrow in line.split() for arrow in ARROWS):
            each = _vertex(line, borrows, learners, fusions or {})
            graph.add_node(each.name, vertex=each)
    for line in lines:
        arrow = next((word for word in line.split() if word in ARROWS), None)
        if arrow:
            _add_edge(graph, line, arrow)
    losses = [name for name in graph if graph.nodes[name]["vertex"].kind == "loss"]
    flows = flows or [Flow(Ref("teacher"), Ref("student"), Part("loss")) for _ in losses]
    graph.graph.update(
        blueprint=Blueprint("test", Data(Part("dataset")), flows=flows, **settings),
        problems=(),
        broken=frozenset(),
        unsure=frozenset(),
        phase=phase or Phase("train"),
        sinks=sinks,
    )
    return graph


def _vertex(line, borrows, learners, fusions):
    head, _, taps = line.partition(":")
    head, _, flags = head.partition("(")
    name, kind = head.split()
    flags = [flag.strip() for flag in flags.rstrip(") ").split(",") if flag.strip()]
    same = [flag.removeprefix("same as ") for flag in flags if flag.startswith("same as")]
    group = [flag.removeprefix("fused with ") for flag in flags if flag.startswith("fused with")]
    flow = int(name[4]) - 1 if name.startswith("flow") else None
    component = Part(
        "dataset" if kind == "data" else kind,
        ports=PORTS.get(kind, (Port("input", "b c h w"),)),
        learns=name in learners,
        borrows=name in borrows,
        fusion=fusions.get(name, ""),
    )
    sockets = {"image": IMAGE, "logits": LOGITS}
    return Vertex(
        name,
        kind,
        component,
        label=name,
        settings=None if flow is not None or kind in ("data", "convert") else Node(component),
        flow=flow,
        taps={"" if tap == "-" else tap: sockets.get(tap, LOGITS) for tap in taps.split()},
        learns="learns" in flags,
        carries_gradient="gradient" in flags,
        stops="stops" in flags,
        same_as="".join(same),
        fused_with="".join(group),
    )


def _add_edge(graph, line, arrow):
    start, _, end = line.partition(f" {arrow} ")
    source, _, tap = start.strip().partition(".")
    target, _, port = end.strip().partition(".")
    port, _, position = port.partition("#")
    if arrow == "--":
        tap = port
    edge = Edge(ARROWS[arrow], tap, port, int(position or 0))
    graph.add_edge(source, target, edge=edge)


def change(graph, name, /, **changes):
    """Change fields of a vertex, in place."""
    graph.nodes[name]["vertex"] = attrs.evolve(vertex(graph, name), **changes)


def written(graph):
    """Write a graph as `drawn` reads it: vertices in their order, then the edges into each.

    Of these, weights come first, then the ports in their order.
    """
    lines = []
    for each in vertices(graph):
        flags = [("learns", each.learns), ("gradient", each.carries_gradient)]
        flags += [("stops", each.stops), (f"same as {each.same_as}", each.same_as)]
        flags += [(f"fused with {each.fused_with}", each.fused_with)]
        said = ", ".join(word for word, holds in flags if holds)
        taps = " ".join(tap or "-" for tap in each.taps)
        lines.append(
            f"{each.name} {each.kind}" + f" ({said})" * bool(said) + f": {taps}" * bool(taps)
        )
    arrows = {kind: arrow for arrow, kind in ARROWS.items()}
    for each in vertices(graph):
        for source, edge in [
            *edges_into(graph, each.name, "weights"),
            *inputs_of(graph, each.name),
        ]:
            tap = f".{edge.tap}" if edge.tap and edge.kind != "weights" else ""
            place = f"#{edge.position}" if edge.position else ""
            lines.append(f"{source}{tap} {arrows[edge.kind]} {each.name}.{edge.port}{place}")
    return "\n".join(lines)


def plain(text):
    """Take indentation and empty lines out of a drawn text."""
    return "\n".join(line.strip() for line in text.strip().splitlines())


def copied(graph):
    """Return all that a graph holds, to compare it with later."""
    return (
        list(graph.nodes(data=True)),
        [(a, b, dict(data)) for a, b, data in graph.edges(data=True)],
        dict(graph.graph),
    )


def is_acyclic(graph):
    return nx.is_directed_acyclic_graph(graph)
