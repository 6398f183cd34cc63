"""Who learns, and from which flows, in each phase."""

from __future__ import annotations

import networkx as nx

from graphkd.blueprint.model import Blueprint, Phase
from graphkd.graph import Graph, edges_into, vertex, vertices
from graphkd.graph.model import flow_of

ONLY_PHASE = "train"


def phases_of(blueprint: Blueprint) -> tuple[Phase, ...]:
    """Return the phases; a blueprint without any has one, in which all learn."""
    return tuple(blueprint.phases) or (Phase(ONLY_PHASE),)


def learning_nodes(graph: Graph, phase: Phase) -> frozenset[str]:
    """Name the nodes whose own parameters may change in a phase.

    Models learn when the phase names them, or when it names none and their type learns. A node that
    borrows a module learns with its owner. Projectors always learn.
    """
    named = set(phase.train)
    learning = set()
    for each in vertices(graph):
        learns = getattr(each.component, "learns", each.kind == "projector")
        if each.settings is not None and each.kind != "projector" and named:
            learns = each.name in named
        if learns and each.kind != "data":
            learning.add(each.name)
    lent = [
        (source, target)
        for source, target, data in graph.edges(data=True)
        if data["edge"].kind == "weights"
    ]
    for source, target in lent:
        if source in learning:
            learning.add(target)
    return frozenset(learning)


def reached(graph: Graph, loss: str) -> frozenset[str]:
    """Name the vertices that the gradient of a loss comes to."""
    passing = nx.DiGraph(
        (source, target)
        for source, target, data in graph.edges(data=True)
        if data["edge"].kind in ("learner", "signal")
    )
    starts = [source for source, edge in edges_into(graph, loss, "learner")]
    found: set[str] = set(starts)
    for start in starts:
        if start in passing:
            found |= nx.ancestors(passing, start)
    return frozenset(found)


def learners(graph: Graph, loss: str, phase: Phase) -> frozenset[str]:
    """Name the nodes that a flow teaches in a phase, its own projectors left out."""
    learning = learning_nodes(graph, phase)
    flow = vertex(graph, loss).flow
    into = flow_of(graph, vertex(graph, loss)).into
    return frozenset(
        name
        for name in reached(graph, loss) & learning
        if vertex(graph, name).flow != flow and (not into or name in into)
    )


def alive_losses(graph: Graph, phase: Phase) -> tuple[str, ...]:
    """Name the losses of the flows that teach somebody in a phase, in the blueprint's order."""
    if phase.fit and not phase.train:
        return ()
    alive = []
    for each in vertices(graph, "loss"):
        allowed = flow_of(graph, each).phases
        if (not allowed or phase.name in allowed) and learners(graph, each.name, phase):
            alive.append(each.name)
    return tuple(alive)


def knowledge_sources(graph: Graph, loss: str) -> frozenset[str]:
    """Name the models whose outputs a loss takes as knowledge."""
    passing = nx.DiGraph(
        (source, target)
        for source, target, data in graph.edges(data=True)
        if data["edge"].kind == "signal"
    )
    found: set[str] = set()
    for name in (loss, *_own_projectors(graph, loss)):
        for source, _ in edges_into(graph, name, "knowledge"):
            found.add(source)
            if source in passing:
                found |= nx.ancestors(passing, source)
    return frozenset(name for name in found if vertex(graph, name).kind == "model")


def _own_projectors(graph: Graph, loss: str) -> list[str]:
    flow = vertex(graph, loss).flow
    return [each.name for each in vertices(graph, "projector") if each.flow == flow]


def delivered(graph: Graph) -> tuple[str, ...]:
    """Name the nodes that the run hands back."""
    blueprint: Blueprint = graph.graph["blueprint"]
    if blueprint.deliver:
        return blueprint.deliver
    return tuple(
        each.name for each in vertices(graph, "model") if getattr(each.component, "delivered", False)
    )
