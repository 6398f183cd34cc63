"""Pass `check`: what can be wrong with a topology before any shape is known."""

from __future__ import annotations

from collections.abc import Iterator

import networkx as nx

from graphkd.blueprint.model import Blueprint, Phase, data_of
from graphkd.compile.phases import (
    alive_losses,
    delivered,
    knowledge_sources,
    learners,
    learning_nodes,
    phases_of,
)
from graphkd.component import name_of
from graphkd.errors import Problem
from graphkd.graph import Graph, edges_into, edges_out_of, report, vertex, vertices
from graphkd.graph.model import flow_of


def check(graph: Graph) -> Graph:
    """Report cycles, frozen learners, dead ends, untaught assistants and empty phases."""
    if _incomplete(graph):
        return graph
    rules = (_cycles, _idle_flows, _untaught, _ignorant_sources, _unused, _phases, _deliver, _data)
    return report(graph, [problem for rule in rules for problem in rule(graph)])


def _incomplete(graph: Graph) -> bool:
    """Say whether names could not be wired, so that what follows would only be their echo."""
    return any(": no node" in each.message for each in graph.graph.get("problems", ()))


def _blueprint(graph: Graph) -> Blueprint:
    blueprint: Blueprint = graph.graph["blueprint"]
    return blueprint


def _problem(graph: Graph, message: str, *where: str | int) -> Problem:
    return Problem(message, _blueprint(graph).place(*where))


def _cycles(graph: Graph) -> Iterator[Problem]:
    """Signals and lent weights must not come back to where they started."""
    wires = nx.DiGraph()
    for source, target, data in graph.edges(data=True):
        if data["edge"].kind in ("signal", "weights"):
            wires.add_edge(source, target, edge=data["edge"])
    for part in nx.strongly_connected_components(wires):
        ring = wires.subgraph(part)
        if ring.number_of_edges() and (len(part) > 1 or ring.has_edge(*list(part) * 2)):
            steps = list(nx.find_cycle(ring))
            names = [source for source, _ in steps] + [steps[0][0]]
            edge = wires.edges[steps[-1][0], steps[-1][1]]["edge"]
            text = f"a cycle of inputs: {' -> '.join(names)}; read one of them from elsewhere"
            yield _problem(graph, text, *edge.where)


def _idle_flows(graph: Graph) -> Iterator[Problem]:
    """Each flow teaches somebody, in some phase and in every phase that it names."""
    phases = phases_of(_blueprint(graph))
    for each in vertices(graph, "loss"):
        flow = flow_of(graph, each)
        who = f"flow {flow_number(each.flow)}"
        named = [phase for phase in phases if phase.name in flow.phases]
        training = [phase for phase in phases if phase.train or not phase.fit]
        teaching = [phase for phase in (named or training) if learners(graph, each.name, phase)]
        where = ("flows", each.flow or 0, "to")
        if not teaching:
            yield _problem(graph, f"{who}: teaches nothing: {_why_idle(graph, each.name)}", *where)
        for phase in named:
            if teaching and phase not in teaching:
                text = f"{who}: teaches nothing in phase '{phase.name}': '{flow.to.node}' is frozen there"
                yield _problem(graph, text, *where)


def flow_number(flow: int | None) -> int:
    """Return a flow's number as people count, from 1."""
    assert flow is not None
    return flow + 1


def _why_idle(graph: Graph, loss: str) -> str:
    flow = flow_of(graph, vertex(graph, loss))
    if flow.to.node == "data":
        return "'to' is data; a flow goes from knowledge to a learner, swap from and to"
    if flow.into:
        return f"'into' names nothing that learns behind '{flow.to}'"
    return (
        f"'{flow.to.node}' is frozen in every phase; "
        f"name it in a phase's train list, or swap from and to"
    )


def _untaught(graph: Graph) -> Iterator[Problem]:
    """Each model that is there to learn is taught by a flow."""
    taught: set[str] = set()
    for phase in phases_of(_blueprint(graph)):
        for loss in alive_losses(graph, phase):
            taught |= learners(graph, loss, phase)
    for each in vertices(graph, "model"):
        lent = {target for target, _ in edges_out_of(graph, each.name, "weights")}
        if getattr(each.component, "learns", False) and not taught & {each.name, *lent}:
            kind = name_of(each.component)
            text = f"nobody teaches {kind} '{each.name}'; add a flow with to: {each.name}.logits"
            yield _problem(graph, text, *each.where)


def _ignorant_sources(graph: Graph) -> Iterator[Problem]:
    """What teaches has weights of its own, or learnt before, or learns at the same time."""
    known = {
        each.name
        for each in vertices(graph, "model")
        if getattr(each.component, "has_weights", False)
    }
    phases = phases_of(_blueprint(graph))
    ever = {name for phase in phases for name in learning_nodes(graph, phase)}
    told: set[str] = set()
    for phase in phases:
        known |= learning_nodes(graph, phase)
        for loss in alive_losses(graph, phase):
            for name in sorted(knowledge_sources(graph, loss) - known - told):
                owners = {source for source, _ in edges_into(graph, name, "weights")}
                if owners and owners <= known:
                    continue
                told.add(name)
                yield _ignorant(graph, name, phase, later=name in ever)


def _ignorant(graph: Graph, name: str, phase: Phase, *, later: bool) -> Problem:
    each = vertex(graph, name)
    kind = name_of(each.component)
    if later:
        text = f"{kind} '{name}' teaches in phase '{phase.name}' before any phase trains it"
    else:
        text = (
            f"{kind} '{name}' teaches, but has neither weights nor a phase that trains it; "
            f"write weights: FILE.safetensors, or a phase with train: [{name}]"
        )
    return _problem(graph, text, *each.where)


def _unused(graph: Graph) -> Iterator[Problem]:
    """Each node is read by something, taught, or handed back."""
    handed = delivered(graph)
    learning = {
        name for phase in phases_of(_blueprint(graph)) for name in learning_nodes(graph, phase)
    }
    for each in vertices(graph, "model", "projector", "transform"):
        read = edges_out_of(graph, each.name)
        if read or each.name in handed or each.flow is not None:
            continue
        if each.kind == "model" and (each.name in learning or getattr(each.component, "learns", 0)):
            continue
        text = f"node '{each.name}' is used by nothing; remove it, or add a flow from {each.name}"
        yield _problem(graph, text, *each.where)


def _phases(graph: Graph) -> Iterator[Problem]:
    """Each phase trains or fits something."""
    if not vertices_exist(graph, "loss") and not _blueprint(graph).phases:
        yield _problem(graph, "flows: there are none; a blueprint has at least one", "flows")
        return
    for index, phase in enumerate(_blueprint(graph).phases):
        for position, name in enumerate(phase.fit):
            if not getattr(vertex(graph, name).component, "fits", False):
                kind = name_of(vertex(graph, name).component)
                text = f"phase '{phase.name}': '{name}' is a {kind}, which cannot be fitted"
                yield _problem(graph, text, "phases", index, "fit", position)
        if phase.fit and not phase.train:
            continue
        alive = alive_losses(graph, phase)
        taught = {name for loss in alive for name in learners(graph, loss, phase)}
        if not alive:
            text = f"phase '{phase.name}' trains nothing: no flow teaches what learns in it"
            yield _problem(graph, text, "phases", index)
        for position, name in enumerate(phase.train):
            lent = {target for target, _ in edges_out_of(graph, name, "weights")}
            if alive and not taught & {name, *lent}:
                text = f"phase '{phase.name}': no flow teaches '{name}' in it"
                yield _problem(graph, text, "phases", index, "train", position)


def vertices_exist(graph: Graph, kind: str) -> bool:
    """Say whether there is a vertex of a kind."""
    return any(True for _ in vertices(graph, kind))


def _deliver(graph: Graph) -> Iterator[Problem]:
    """It is clear what the run hands back."""
    handed = delivered(graph)
    blueprint = _blueprint(graph)
    if not handed:
        yield _problem(graph, "no node is a student; write deliver: NODE", "nodes")
    elif len(handed) > 1 and not blueprint.deliver:
        names = ", ".join(handed)
        text = f"several students ({names}); say which to hand back: deliver: {handed[0]}"
        yield _problem(graph, text, "nodes")
    for index, name in enumerate(blueprint.deliver):
        if vertex(graph, name).kind != "model":
            kind = vertex(graph, name).kind
            yield _problem(graph, f"deliver: '{name}' is a {kind}, not a model", "deliver", index)


def _data(graph: Graph) -> Iterator[Problem]:
    """Labels are there for those who read them."""
    blueprint = _blueprint(graph)
    for index, phase in enumerate(phases_of(blueprint)):
        data = data_of(blueprint, phase)
        where = ("phases", index, "data") if phase.data else ("data",)
        if (data.mixup or data.cutmix) and data.labels_per_class and not data.labelled_only:
            text = "data: mixup and cutmix need every label; set labelled_only, or leave them out"
            yield _problem(graph, text, *where)
        if (data.mixup or data.cutmix) and data.batch_size % 2:
            text = f"data: mixup and cutmix pair samples: batch_size {data.batch_size} must be even"
            yield _problem(graph, text, *where, "batch_size")
        if data.labelled_only and not data.labels_per_class:
            text = "data: labelled_only leaves nothing out without labels_per_class"
            yield _problem(graph, text, *where, "labelled_only")
    spec = graph.graph.get("data_spec")
    if spec is not None and not spec.classes:
        for each in vertices(graph, "loss", "probe"):
            if any(edge.tap == "label" for _, edge in edges_into(graph, each.name)):
                name = name_of(each.component)
                set_name = name_of(blueprint.data.dataset)
                text = f"'{name}' reads labels, but data set '{set_name}' has none"
                yield _problem(graph, text, *each.where)


