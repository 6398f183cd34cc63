"""Rules of flows: each teaches somebody."""

from __future__ import annotations

from collections.abc import Iterator

from graphkd.compile.phases import is_allowed, learners, learning_nodes, phases_of, reached
from graphkd.compile.rules.whole import is_whole_flow
from graphkd.errors import Problem, did_you_mean
from graphkd.graph import (
    Graph,
    Vertex,
    blueprint_of,
    borrows,
    describe_vertex,
    flow_of,
    owner_of,
    problem,
    vertex,
    vertices,
)


def idle_flows(graph: Graph) -> Iterator[Problem]:
    """Each flow teaches somebody, in some phase and in every phase that it names."""
    if graph.graph["unsure"]:
        return
    for loss in vertices(graph, "loss"):
        into = flow_of(graph, loss).into
        # of names that the gradient does not reach another rule speaks
        if is_whole_flow(graph, loss) and reached(graph, loss.name).issuperset(into):
            yield from _idle(graph, loss)


def _idle(graph: Graph, loss: Vertex) -> Iterator[Problem]:
    flow = flow_of(graph, loss)
    phases = [each for each in phases_of(blueprint_of(graph)) if is_allowed(graph, loss, each)]
    idle = [each.name for each in phases if not learners(graph, loss.name, each)]
    if len(idle) < len(phases) and not flow.phases:
        return
    assert loss.flow is not None
    where = ("flows", loss.flow, "to")
    if len(idle) == len(phases) and not flow.phases:
        text = f"teaches nothing: {_why(graph, loss, 'every phase')}"
        yield problem(graph, f"{describe_vertex(loss)}: {text}", where)
        return
    for name in idle:
        text = f"teaches nothing in phase '{name}': {_why(graph, loss, 'it')}"
        yield problem(graph, f"{describe_vertex(loss)}: {text}", where)


def _why(graph: Graph, loss: Vertex, when: str) -> str:
    """Say why a flow teaches nobody, and what to write instead."""
    flow = flow_of(graph, loss)
    node = flow.to.node
    if node == "data":
        return "'to' is data, which cannot learn; swap from and to"
    if flow.into:
        return f"'into' leaves {' and '.join(flow.into)}, frozen in {when}; widen into"
    owner = owner_of(graph, node)
    if vertex(graph, owner).kind != "model":
        return f"nothing behind '{flow.to}' learns; write another learner"
    who = f"'{node}' is a call of '{owner}', which" if borrows(graph, node) else f"'{node}'"
    return f"{who} is frozen in {when}; name '{owner}' in a phase's train list, or swap from and to"


def into_names(graph: Graph) -> Iterator[Problem]:
    """`into` names nodes that have parameters of their own, and that the gradient reaches."""
    for loss in vertices(graph, "loss"):
        for index, name in enumerate(flow_of(graph, loss).into):
            said = _wrong_into(graph, loss, name) if name in graph else ""
            if said:
                assert loss.flow is not None
                text = f"{describe_vertex(loss)}: {said}"
                yield problem(graph, text, ("flows", loss.flow, "into", index))


def _wrong_into(graph: Graph, loss: Vertex, name: str) -> str:
    if borrows(graph, name):
        return f"'into' names '{name}', a call of '{owner_of(graph, name)}'; name that instead"
    found = reached(graph, loss.name)
    if not is_whole_flow(graph, loss) or name in found:
        return ""
    phases = phases_of(blueprint_of(graph))
    ever = frozenset[str]().union(*(learning_nodes(graph, phase) for phase in phases))
    known = [each for each in blueprint_of(graph).nodes if each in found & ever]
    hint = did_you_mean(name, known)
    return f"'into' names '{name}', which its gradient does not reach{hint}"
