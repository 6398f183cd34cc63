"""Rules of nodes: what learns is taught, what teaches knows, what is there is used."""

from __future__ import annotations

from collections.abc import Iterator

import networkx as nx

from graphkd.blueprint.model import Phase
from graphkd.compile.phases import (
    alive_losses,
    delivered,
    knowledge_sources,
    learning_nodes,
    phases_of,
    reached_within,
)
from graphkd.compile.rules.whole import is_whole
from graphkd.component import name_of
from graphkd.errors import Problem
from graphkd.graph import (
    Graph,
    Vertex,
    above,
    blueprint_of,
    edges_into,
    edges_out_of,
    owner_of,
    problem,
    vertex,
    vertices,
)


def cycles(graph: Graph) -> Iterator[Problem]:
    """Signals and lent weights must not come back to where they started."""
    wires = nx.DiGraph(graph)
    for part in nx.strongly_connected_components(wires):
        first = next(name for name in wires if name in part)
        inner = nx.DiGraph(pair for pair in wires.edges if part.issuperset(pair))
        if not inner:
            continue
        steps = nx.find_cycle(inner, source=first)
        names = " -> ".join([*(source for source, _ in steps), first])
        back = [edge for target, edge in edges_out_of(graph, steps[-1][0]) if target == first]
        text = f"a cycle of inputs: {names}; read one of them from elsewhere"
        yield problem(graph, text, back[0].where)


def untaught(graph: Graph) -> Iterator[Problem]:
    """A flow reaches each model that is there to learn."""
    if not is_whole(graph):
        return
    losses = vertices(graph, "loss")
    found = {name for loss in losses for name in reached_within(graph, loss.name)}
    ever = _ever_learning(graph)
    for each in vertices(graph, "model"):
        meant_to_learn = getattr(each.component, "learns", False)
        trained_before = _has_weights(each) and each.name not in ever
        if meant_to_learn and not trained_before and each.name not in found:
            kind = name_of(each.component)
            text = f"nobody teaches {kind} '{each.name}'; add a flow with to: {each.name}.logits"
            yield problem(graph, text, each.where)


def _has_weights(each: Vertex) -> bool:
    return bool(getattr(each.component, "has_weights", False))


def _ever_learning(graph: Graph) -> frozenset[str]:
    phases = phases_of(blueprint_of(graph))
    return frozenset[str]().union(*(learning_nodes(graph, phase) for phase in phases))


def ignorant_sources(graph: Graph) -> Iterator[Problem]:
    """What teaches or is fitted on has weights, or learnt before, or learns at the same time."""
    if not is_whole(graph):
        return
    known = {each.name for each in vertices(graph, "model") if _has_weights(each)}
    ever = _ever_learning(graph)
    told: set[str] = set()
    for phase in phases_of(blueprint_of(graph)):
        known |= learning_nodes(graph, phase)
        for loss in alive_losses(graph, phase):
            owners = {owner_of(graph, name) for name in knowledge_sources(graph, loss)}
            for name in sorted(owners - known - told):
                told.add(name)
                yield _ignorant(graph, vertex(graph, name), phase, later=name in ever)
        for name in sorted(_fitted_on(graph, phase) - known - told):
            told.add(name)
            yield _ignorant(graph, vertex(graph, name), phase, later=name in ever, does="is read")


def _fitted_on(graph: Graph, phase: Phase) -> set[str]:
    """Name the models that the fits of a phase read, but for those that are there to learn."""
    read = {owner_of(graph, name) for name in above(graph, phase.fit, "signal", "weights")}
    models = {each.name: each.component for each in vertices(graph, "model")}
    return {name for name in read & models.keys() if not getattr(models[name], "learns", False)}


def _ignorant(
    graph: Graph, each: Vertex, phase: Phase, *, later: bool, does: str = "teaches"
) -> Problem:
    who = f"{name_of(each.component)} '{each.name}'"
    if later:
        text = (
            f"{who} {does} in phase '{phase.name}' before any phase trains it; "
            f"move a phase with train: [{each.name}] before it, or write weights: FILE.safetensors"
        )
    else:
        text = (
            f"{who} {does}, but has neither weights nor a phase that trains it; "
            f"write weights: FILE.safetensors, or a phase with train: [{each.name}]"
        )
    return problem(graph, text, each.where)


def unused(graph: Graph) -> Iterator[Problem]:
    """Each node is read by something, taught, or handed back."""
    if not is_whole(graph):
        return
    kept = {*delivered(graph), *_ever_learning(graph)}
    for each in vertices(graph, "model", "projector", "transform"):
        is_learner = each.kind == "model" and each.name in kept
        is_learner = is_learner or getattr(each.component, "learns", False)
        if each.settings is not None and not is_learner and not edges_out_of(graph, each.name):
            text = f"node '{each.name}' is used by nothing; "
            text += f"remove it, or add a flow from {each.name}"
            yield problem(graph, text, each.where)


def unfitted(graph: Graph) -> Iterator[Problem]:
    """What must be fitted is so before a phase reads it, and by an earlier one."""
    if not is_whole(graph):
        return
    waiting = {e.name for e in vertices(graph) if getattr(e.component, "fits", False)}
    phases = phases_of(blueprint_of(graph))
    ever = {name for phase in phases for name in phase.fit}
    for phase in phases:
        fitted = {name for name in phase.fit if name in graph}
        shown = above(graph, [source for name in fitted for source, _ in edges_into(graph, name)])
        read = shown | above(graph, alive_losses(graph, phase))
        for name in sorted(read & waiting - fitted | shown & fitted):
            said = " before any phase fits it" if name in ever else " and no phase fits it"
            text = (
                f"node '{name}': it is read in phase '{phase.name}'"
                f"{', which fits it' if name in fitted else said}; "
                f"write a phase with fit: [{name}] before '{phase.name}'"
            )
            yield problem(graph, text, vertex(graph, name).where)
        waiting -= fitted | read


def deliver(graph: Graph) -> Iterator[Problem]:
    """It is clear what the run hands back."""
    blueprint = blueprint_of(graph)
    handed = delivered(graph)
    if not blueprint.nodes:
        text = "nodes: there are none; a blueprint has at least a student"
        yield problem(graph, text, ("nodes",))
    elif not handed:
        yield problem(graph, "no node is a student; write deliver: NODE", ("nodes",))
    elif len(handed) > 1 and not blueprint.deliver:
        names = ", ".join(handed)
        text = f"several students ({names}); say which to hand back: deliver: {handed[0]}"
        yield problem(graph, text, ("nodes",))
    for index, name in enumerate(blueprint.deliver):
        text = _undelivered(vertex(graph, name)) if name in blueprint.nodes else ""
        if text:
            models = [each.name for each in vertices(graph) if not _undelivered(each)]
            hint = f" (has {', '.join(models)})" if models else ""
            yield problem(graph, f"deliver: '{name}' is {text}{hint}", ("deliver", index))


def _undelivered(each: Vertex) -> str:
    """Say what a vertex is that cannot be handed back; empty for one that can."""
    if each.kind != "model":
        return f"a {each.kind}, not a model"
    if getattr(each.component, "deliverable", True):
        return ""
    return f"a {name_of(each.component)}, made of other nodes' stages, and cannot be handed back"
