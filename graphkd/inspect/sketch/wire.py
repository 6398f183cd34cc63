"""The graph of a faulty blueprint: what is named and not there gets a box, so that it is drawn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import attrs

from graphkd.blueprint.model import Blueprint, Flow, Node, Ref, Where, wrong_node_name
from graphkd.compile.resolve import resolve
from graphkd.compile.wiring import DATA
from graphkd.component import kind_of, ports_of, reference_fields
from graphkd.graph import Edge, Graph, Vertex, edges_into, flow_of, vertex, vertices
from graphkd.inspect.sketch.placeholder import UNKNOWN, missing_node


def drawn_name(name: str) -> str:
    """Return what the box of a node is called; one that cannot be a node's name gets a `?`."""
    return name + UNKNOWN if wrong_node_name(name) else name


def wired(blueprint: Blueprint, inferred: Graph | None = None) -> Graph:
    """Make the graph that is drawn.

    Args:
        blueprint: with its mistakes.
        inferred: its graph as the compiler made it, for what that knows of shapes and costs.

    Returns:
        A graph like that of the pass `resolve`, in which every end of a flow and every input leads
        somewhere.
    """
    graph = resolve(Graph(blueprint=_completed(blueprint), problems=()))
    for each in list(vertices(graph)):
        _lend(graph, each)
        _read_data(graph, each)
    for each in vertices(inferred) if inferred is not None else ():
        if each.name in graph:
            _know(graph, each)
    return graph


def vertices_of(graph: Graph, owner: Where) -> tuple[str, ...]:
    """Name the vertices that stand for a node or flow of the blueprint; none for all else."""
    match owner:
        case ("nodes", str(name)):
            return (drawn_name(name),) if drawn_name(name) in graph else ()
        case ("flows", int(number)):
            return tuple(each.name for each in vertices(graph) if each.flow == number)
    return ()


def _completed(blueprint: Blueprint) -> Blueprint:
    """Add a box for each node that is only named, and call all by the names of their boxes."""
    nodes = {drawn_name(name): each for name, each in blueprint.nodes.items()}
    boxes = _boxes(blueprint.flows, nodes)

    def end(ref: Ref) -> Ref:
        if ref.node == DATA:
            return ref if ref.tap else Ref(DATA, UNKNOWN)
        return attrs.evolve(ref, node=boxes.get(ref.node, ref.node))

    def called(names: Iterable[str]) -> tuple[str, ...]:
        return tuple(name if name in nodes else boxes.get(name, name) for name in names)

    flows = [
        attrs.evolve(
            each,
            source=end(each.source),
            # labels teach, but nobody teaches them
            to=attrs.evolve(each.to, node=boxes.get(each.to.node, each.to.node)),
            into=called(each.into),
        )
        for each in blueprint.flows
    ]
    changed = {
        name: attrs.evolve(each, input=tuple(map(end, each.input))) for name, each in nodes.items()
    }
    added = {box: Node(missing_node()) for box in boxes.values() if box not in nodes}
    phases = [
        attrs.evolve(each, train=called(each.train), fit=called(each.fit))
        for each in blueprint.phases
    ]
    return attrs.evolve(blueprint, nodes={**changed, **added}, flows=flows, phases=phases)


def _boxes(flows: Iterable[Flow], nodes: Mapping[str, Node]) -> dict[str, str]:
    """Name the boxes of nodes that are named and not there, or from which nothing can be read."""
    read = {name for name, each in nodes.items() if kind_of(each.component) != "probe"}
    sources = [each.source for each in flows]
    inputs = [ref for each in nodes.values() for ref in each.input]
    lost = {ref.node for ref in (*sources, *inputs)} - read - {DATA}
    lost |= {each.to.node for each in flows} - read
    lost |= {ref.node for each in nodes.values() for ref in _references(each)} - nodes.keys()
    # in the order of the alphabet, so that a drawing is always the same
    return {name: name.removesuffix(UNKNOWN) + UNKNOWN for name in sorted(lost)}


def _references(each: Node | Vertex) -> Iterator[Ref]:
    for field in reference_fields(each.component):
        written = getattr(each.component, field)
        if isinstance(written, str):
            yield Ref.parse(written)


def _lend(graph: Graph, each: Vertex) -> None:
    """Join a vertex to the nodes that it should borrow from."""
    for field in reference_fields(each.component):
        written = getattr(each.component, field)
        taken = [edge.tap for _, edge in edges_into(graph, each.name, "weights")]
        if not isinstance(written, str) or field in taken:
            continue
        node = Ref.parse(written).node
        lender = node if node in graph else node.removesuffix(UNKNOWN) + UNKNOWN
        if lender in graph and lender not in (each.name, DATA):
            graph.add_edge(lender, each.name, edge=Edge("weights", field, field))


def _read_data(graph: Graph, each: Vertex) -> None:
    """Join a loss to the tap of the data that it should learn from, though there is none."""
    if each.kind != "loss":
        return
    source = flow_of(graph, each).source
    port = ports_of(each.component)[1].name
    wired_ports = [edge.port for _, edge in edges_into(graph, each.name)]
    if source.node != DATA or port in wired_ports:
        return
    data = vertex(graph, DATA)
    taps = {**data.taps, source.tap: None}
    graph.nodes[DATA]["vertex"] = attrs.evolve(data, taps=taps)
    graph.add_edge(DATA, each.name, edge=Edge("knowledge", source.tap, port))


def _know(graph: Graph, inferred: Vertex) -> None:
    """Take over what the compiler knows of a vertex."""
    each = vertex(graph, inferred.name)
    taps = {tap: inferred.taps.get(tap) for tap in each.taps}
    graph.nodes[each.name]["vertex"] = attrs.evolve(each, taps=taps, cost=inferred.cost)
