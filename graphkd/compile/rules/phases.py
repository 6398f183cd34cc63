"""Rules of phases: each trains or fits something, and names what can be trained or fitted."""

from __future__ import annotations

from collections.abc import Iterator

from graphkd.blueprint.model import Phase
from graphkd.compile.phases import (
    EVALUATE,
    alive_losses,
    is_allowed,
    learners,
    learning_nodes,
    phases_of,
    taught,
    trains,
)
from graphkd.compile.rules.whole import is_whole
from graphkd.component import name_of
from graphkd.errors import Problem
from graphkd.graph import Graph, blueprint_of, borrows, owner_of, problem, vertex, vertices


def phase_names(graph: Graph) -> Iterator[Problem]:
    """`train` names what has parameters, `fit` what can be fitted, and not both in one phase."""
    for index, phase in enumerate(blueprint_of(graph).phases):
        who = f"phase '{phase.name}'"
        if phase.name == EVALUATE:
            text = f"{who}: graphkd calls the evaluation so; write another name"
            yield problem(graph, text, ("phases", index, "name"))
        if phase.fit and phase.train:
            text = f"{who}: it cannot both fit and train; write two phases"
            yield problem(graph, text, ("phases", index, "fit"))
        for position, name in enumerate(phase.train):
            said = _untrainable(graph, name)
            if said:
                yield problem(graph, f"{who}: {said}", ("phases", index, "train", position))
        for position, name in enumerate(phase.fit):
            if name in graph and not getattr(vertex(graph, name).component, "fits", False):
                kind = name_of(vertex(graph, name).component)
                text = f"{who}: '{name}' is a {kind}, which cannot be fitted; name it in train"
                yield problem(graph, text, ("phases", index, "fit", position))


def _untrainable(graph: Graph, name: str) -> str:
    """Say why a node cannot be trained; empty when it can, or when there is no such node."""
    if name not in graph:
        return ""
    if borrows(graph, name):
        return f"'{name}' is a call of '{owner_of(graph, name)}'; name that instead"
    if vertex(graph, name).kind == "probe":
        return f"'{name}' is a probe, which cannot be trained; drop it"
    return ""


def empty_phases(graph: Graph) -> Iterator[Problem]:
    """Each phase that trains has flows, which teach all that it names."""
    if not is_whole(graph):
        return
    phases = phases_of(blueprint_of(graph))
    if not any(vertices(graph, "loss")):
        if any(trains(phase) for phase in phases):
            text = "flows: there are none; a blueprint has at least one"
            yield problem(graph, text, ("flows",))
        return
    for index, phase in enumerate(blueprint_of(graph).phases):
        # a phase that names what cannot be trained is told by that name
        if not trains(phase) or any(_untrainable(graph, name) for name in phase.train):
            continue
        if alive_losses(graph, phase):
            yield from _untaught(graph, phase, index)
        elif not _told_by_flows(graph, phase):
            yield problem(graph, _nothing(graph, phase), ("phases", index))


def _told_by_flows(graph: Graph, phase: Phase) -> bool:
    """Say whether all that could be alive is reported as teaching nothing in any phase."""
    allowed = [each for each in vertices(graph, "loss") if is_allowed(graph, each, phase)]
    phases = phases_of(blueprint_of(graph))
    return bool(allowed) and not any(
        learners(graph, loss.name, each) for loss in allowed for each in phases
    )


def _nothing(graph: Graph, phase: Phase) -> str:
    nodes = blueprint_of(graph).nodes
    named = learning_nodes(graph, phase)
    learning = [name for name in nodes if name in named and not borrows(graph, name)]
    who = f"phase '{phase.name}' trains nothing"
    if not learning:
        return f"{who}: all nodes are frozen in it; write train: [NODE]"
    return (
        f"{who}: no flow to {' or '.join(learning)} is alive in it; "
        f"add one, or name '{phase.name}' in a flow's phases"
    )


def _untaught(graph: Graph, phase: Phase, index: int) -> Iterator[Problem]:
    found = taught(graph, phase)
    for position, name in enumerate(phase.train):
        if name not in found:
            text = (
                f"phase '{phase.name}': no flow teaches '{name}' in it; "
                f"add one with to: {name}.TAP, or drop '{name}'"
            )
            yield problem(graph, text, ("phases", index, "train", position))
