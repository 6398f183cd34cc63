"""Pass `split`: the graph of one phase, with who learns in it and where gradients go."""

from __future__ import annotations

from collections.abc import Collection

import attrs

from graphkd.compile.caching import verdicts
from graphkd.compile.capturing import capture_obstacle
from graphkd.compile.idle import leave_out, needed
from graphkd.compile.phases import EVALUATE, alive_losses, delivered, taught
from graphkd.component import ports_of
from graphkd.graph import (
    Graph,
    Vertex,
    above,
    borrows,
    cut,
    edges_into,
    edges_out_of,
    in_order,
    inputs_of,
    keep,
    vertex,
    vertices,
    with_vertices,
)


def split(graph: Graph) -> Graph:
    """Leave out the flows that sleep in a phase, what only they train, and in training the probes.

    Args:
        graph: the whole graph, inferred; `graph.graph["phase"]` is the phase. The one called
            `evaluate` has no flows, but the probes.

    Returns:
        A copy whose `graph.graph["sinks"]` names what the phase is for, `graph.graph["caches"]`
        whose outputs can be kept, and `graph.graph["uncapturable"]` why its step cannot be
        captured; its vertices know whether they learn, which needs a flow that is alive. What
        carries gradient but leads to no sink is gone: a forward in training mode would move running
        statistics and draw dropout. So is what must be fitted: before that, and of samples that it
        never saw, it may know nothing.
    """
    phase = graph.graph["phase"]
    evaluating = phase.name == EVALUATE
    alive = () if evaluating else alive_losses(graph, phase)
    learning = frozenset[str]() if evaluating else taught(graph, phase)
    flows = {vertex(graph, loss).flow for loss in alive}
    part = keep(graph, [each.name for each in vertices(graph) if _stays(each, flows, evaluating)])
    part.graph["caches"] = verdicts(graph, phase)
    part.graph["uncapturable"] = capture_obstacle(graph, phase)
    part.graph["sinks"] = _results(graph, part) if evaluating else (*alive, *phase.fit)
    _cut_fits(part, fitted=phase.fit)
    marked = with_vertices(part, _marked(part, learning))
    return leave_out(marked, _idle(marked))


def _idle(graph: Graph) -> set[str]:
    """Name what leads to no sink and must not run, and what reads it."""
    wanted, silent = needed(graph), {*graph.graph["phase"].fit}
    for name in in_order(graph):
        each = vertex(graph, name)
        must_not = each.carries_gradient or getattr(each.component, "fits", False)
        reads = {source for source, _ in inputs_of(graph, name)}
        if name not in wanted and (must_not or reads & silent):
            silent.add(name)
    return silent - wanted


def _stays(each: Vertex, flows: set[int | None], evaluating: bool) -> bool:
    if each.kind == "probe":
        return evaluating
    return each.flow is None or each.flow in flows


def _results(graph: Graph, part: Graph) -> tuple[str, ...]:
    """Name what an evaluation computes: models whose logits mean something, and probes."""
    handed = delivered(graph)
    models = [
        each.name
        for each in vertices(part, "model")
        if "logits" in each.taps
        # a call is measured by nobody but probes
        and not borrows(graph, each.name)
        and (each.name in handed or _has_weights(each) or _is_read(graph, each.name))
    ]
    return (*models, *(each.name for each in vertices(part, "probe")))


def _has_weights(each: Vertex) -> bool:
    return bool(getattr(each.component, "has_weights", False))


def _is_read(graph: Graph, name: str) -> bool:
    """Say whether anything of the blueprint reads a model's logits, by itself or by a call."""
    return any(edge.tap == "logits" for _, edge in edges_out_of(graph, name)) or any(
        _is_read(graph, target)
        for target, _ in edges_out_of(graph, name, "weights")
        if borrows(graph, target)
    )


def _cut_fits(part: Graph, *, fitted: Collection[str]) -> None:
    """Cut what only a fit reads, in place, where the phase does not fit it."""
    for each in vertices(part):
        if each.kind == "data" or each.name in fitted:
            continue
        ports = {port.name for port in ports_of(each.component) if port.fit}
        for source, edge in edges_into(part, each.name) if ports else ():
            if edge.port in ports and edge.kind != "weights":
                cut(part, source, each.name, edge)


def _marked(graph: Graph, learning: frozenset[str]) -> list[Vertex]:
    changing = learning | {
        each.name for each in vertices(graph, "loss") if hasattr(each.component, "build")
    }
    carrying: set[str] = set()
    marked = []
    for name in in_order(graph):
        sources = {source for source, _ in edges_into(graph, name, "signal", "learner")}
        # a part that a learning node lends is trained wherever it stands
        if sources & carrying or above(graph, [name], "weights") & changing:
            carrying.add(name)
        learns, carries = name in changing, name in carrying
        marked.append(attrs.evolve(vertex(graph, name), learns=learns, carries_gradient=carries))
    return marked
