"""What every graph must keep, whichever pass made it."""

from __future__ import annotations

from graphkd.component import fusion_of, ports_of
from graphkd.graph.model import Edge, Graph, Vertex, edges_into, vertex, vertices


def verify(graph: Graph) -> None:
    """Assert what the passes rely on. A user's mistake never breaks it: those are reported.

    Raises:
        AssertionError: a pass has left the graph inconsistent.
    """
    for each in vertices(graph):
        assert each.name in graph and vertex(graph, each.name) is each, f"misnamed {each.name}"
        assert "." not in each.name, f"a dot in {each.name}"
        _verify_result(graph, each)
        _verify_group(graph, each)
        inputs = edges_into(graph, each.name, "signal", "knowledge", "learner")
        for source, edge in inputs:
            _verify_edge(vertex(graph, source), each, edge)
        ends = [(edge.port, edge.position) for _, edge in inputs]
        assert len(set(ends)) == len(ends), f"two edges into one place of {each.name}: {ends}"


def _verify_result(graph: Graph, each: Vertex) -> None:
    if each.same_as:
        assert each.same_as in graph, f"{each.name} is {each.same_as}, which is gone"
        assert not vertex(graph, each.same_as).same_as, f"{each.name} is merged twice"
        assert not each.taps, f"{each.name} is merged, but still read"


def _verify_group(graph: Graph, each: Vertex) -> None:
    if each.fused_with:
        assert each.fused_with in graph, (
            f"{each.name} is fused with {each.fused_with}, which is gone"
        )
        leader = vertex(graph, each.fused_with)
        assert leader.fused_with == leader.name, f"{each.name} is fused with a follower"
        kinds = {fusion_of(one.component) for one in (each, leader)}
        assert len(kinds) == 1 and kinds != {""}, f"{each.name} is fused with another family"
        assert not each.unfused, f"{each.name} is fused, and is not"


def _verify_edge(source: Vertex, target: Vertex, edge: Edge) -> None:
    way = f"{source.name} -> {target.name}: {edge}"
    ports = {port.name: port for port in ports_of(target.component)}
    assert edge.tap in source.taps, f"no such tap: {way}"
    assert edge.port in ports, f"no such port: {way}"
    assert edge.position == 0 or ports[edge.port].many, f"several taps for one: {way}"
