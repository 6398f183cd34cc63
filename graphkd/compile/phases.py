"""Who learns, and from which flows, in each phase."""

from __future__ import annotations

from graphkd.blueprint.model import Blueprint, Phase
from graphkd.graph import (
    Graph,
    Vertex,
    above,
    blueprint_of,
    edges_into,
    flow_of,
    owner_of,
    vertex,
    vertices,
)

ONLY_PHASE = "train"
EVALUATE = "evaluate"
"""Name of the phase that `compile` adds: it computes each model's logits and the probes."""


def phases_of(blueprint: Blueprint) -> tuple[Phase, ...]:
    """Return the phases; a blueprint without any has one, in which all learn."""
    return tuple(blueprint.phases) or (Phase(ONLY_PHASE),)


def trains(phase: Phase) -> bool:
    """Say whether a phase trains; one that only fits does not."""
    return bool(phase.train or not phase.fit)


def learning_nodes(graph: Graph, phase: Phase) -> frozenset[str]:
    """Name the vertices whose parameters may change in a phase, if a flow teaches them."""
    return frozenset(name for name in graph if may_learn(graph, name, phase))


def may_learn(graph: Graph, name: str, phase: Phase) -> bool:
    """Say whether a phase lets a vertex learn.

    Models learn when the phase names them, or when it names none and their type learns; projectors
    always. A call learns with the model that it calls.
    """
    if not trains(phase):
        return False
    each = vertex(graph, owner_of(graph, name))
    if each.kind == "projector":
        return True
    if each.kind in ("model", "transform") and phase.train:
        return each.name in phase.train
    return bool(getattr(each.component, "learns", False))


def reached(graph: Graph, loss: str) -> frozenset[str]:
    """Name the vertices that the gradient of a loss comes to, owners of borrowed modules too."""
    starts = [source for source, _ in edges_into(graph, loss, "learner")]
    passed = above(graph, starts, "learner", "signal")
    return frozenset(above(graph, passed, "weights"))


def reached_within(graph: Graph, loss: str) -> frozenset[str]:
    """Name those that the flow's `into` leaves of `reached`, without the flow's own projectors."""
    each = vertex(graph, loss)
    into = flow_of(graph, each).into
    return frozenset(
        name
        for name in reached(graph, loss)
        if vertex(graph, name).flow != each.flow and (not into or name in into)
    )


def learners(graph: Graph, loss: str, phase: Phase) -> frozenset[str]:
    """Name the nodes that a flow teaches in a phase, its own projectors left out.

    What lends its module to a node that learns by itself learns with it, but is no reason for the
    flow: a teacher that lends an assistant its last stage is not taught by the assistant's flows
    while it is trained before.
    """
    found = {name for name in reached_within(graph, loss) if may_learn(graph, name, phase)}
    meant = flow_of(graph, vertex(graph, loss)).into or _meant(graph, loss)
    return frozenset(found if found.intersection(meant) else ())


def _meant(graph: Graph, loss: str) -> set[str]:
    """Name the vertices that the gradient of a loss passes, and who lends to those without own."""
    starts = [source for source, _ in edges_into(graph, loss, "learner")]
    found = above(graph, starts, "learner", "signal")
    waiting = list(found)
    while waiting:
        name = waiting.pop()
        if not getattr(vertex(graph, name).component, "learns", False):
            lenders = {source for source, _ in edges_into(graph, name, "weights")} - found
            found |= lenders
            waiting += lenders
    return found


def alive_losses(graph: Graph, phase: Phase) -> tuple[str, ...]:
    """Name the losses of the flows that teach somebody in a phase, in the blueprint's order."""
    return tuple(
        each.name
        for each in vertices(graph, "loss")
        if is_allowed(graph, each, phase) and learners(graph, each.name, phase)
    )


def is_allowed(graph: Graph, loss: Vertex, phase: Phase) -> bool:
    """Say whether a flow's `phases` let it be alive in a phase."""
    named = flow_of(graph, loss).phases
    return not named or phase.name in named


def taught(graph: Graph, phase: Phase) -> frozenset[str]:
    """Name the vertices whose parameters change in a phase: learners and their flows' projectors.

    Other learning nodes are frozen in it, as nothing would change them.
    """
    alive = alive_losses(graph, phase)
    flows = {vertex(graph, loss).flow for loss in alive}
    found = {each.name for each in vertices(graph, "projector") if each.flow in flows}
    for loss in alive:
        found |= {owner_of(graph, name) for name in learners(graph, loss, phase)}
    return frozenset(name for name in graph if owner_of(graph, name) in found)


def knowledge_sources(graph: Graph, loss: str) -> frozenset[str]:
    """Name the models whose outputs a loss takes as knowledge."""
    flow = vertex(graph, loss).flow
    own = [each.name for each in vertices(graph, "projector") if each.flow == flow]
    direct = [source for name in (loss, *own) for source, _ in edges_into(graph, name, "knowledge")]
    found = above(graph, direct, "signal")
    return frozenset(name for name in found if vertex(graph, name).kind == "model")


def delivered(graph: Graph) -> tuple[str, ...]:
    """Name the nodes that the run hands back."""
    return blueprint_of(graph).deliver or tuple(
        each.name
        for each in vertices(graph, "model")
        if getattr(each.component, "delivered", False)
    )
