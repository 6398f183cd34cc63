"""Pass `schedule`: the instructions of a phase's step, in order, with what can be freed when."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import attrs

from graphkd.blueprint.model import data_of, recipe_of
from graphkd.compile.cache import cached, serves_caches
from graphkd.compile.caching import views_of
from graphkd.compile.instructions import (
    Advance,
    Backward,
    Cached,
    Convert,
    Fit,
    Forward,
    Fused,
    Instruction,
    Loss,
    Measure,
    Read,
    Record,
    Step,
    Update,
)
from graphkd.compile.place import with_waits
from graphkd.compile.plan import PhasePlan
from graphkd.component import fusion_of, ports_of
from graphkd.graph import (
    Graph,
    Vertex,
    blueprint_of,
    borrows,
    flow_of,
    in_order,
    inputs_of,
    owner_of,
    vertex,
    vertices,
)


def schedule(graph: Graph) -> PhasePlan:
    """Order a phase's graph into instructions.

    Args:
        graph: of one phase, after the passes before.

    Returns:
        The plan of the phase. Forwards come before losses, as early as the blueprint's order
        allows; losses in the order of the flows, so that sums are added as they were written. A
        group of fused losses comes right behind its last member.
    """
    blueprint = blueprint_of(graph)
    phase = graph.graph["phase"]
    recipe = recipe_of(blueprint, phase)
    last = {"loss", "probe"}
    names = in_order(graph, rank=lambda name: vertex(graph, name).kind in last)
    body = [made for name in names for made in _instructions(graph, vertex(graph, name))]
    body = with_waits(_with_groups(graph, body))
    trained = _trained(graph)
    return PhasePlan(
        name=phase.name,
        graph=graph,
        instructions=(
            *_freed(body, results=_results(graph)),
            *_ending(graph, body, trained, log_every=recipe.log_every),
        ),
        trained=trained,
        recipe=recipe,
        data=data_of(blueprint, phase),
        phase=phase,
        views=views_of(graph.graph.get("caches", {})),
        captured=graph.graph.get("captured", False),
    )


def _instructions(graph: Graph, each: Vertex) -> list[Instruction]:
    if each.same_as or each.kind == "data":
        return []
    reads = _reads(graph, each)
    match each.kind:
        case "convert":
            # it stands in the bodies of its readers
            return [] if serves_caches(graph, each.name) else [_convert(graph, each)]
        case "loss":
            flow = flow_of(graph, each)
            return [Loss(each.name, each.label, reads, flow.weight, flow.every, flow.into)]
        case "probe":
            return [Measure(each.name, reads)]
    if each.name in graph.graph["phase"].fit:
        # nobody reads it in this phase
        return [Fit(each.name, reads)]
    if not each.taps:
        return []
    forward = _forward(graph, each, _reads(graph, each, fit=False))
    return [_cached(graph, forward)] if each.cached else [forward]


def _convert(graph: Graph, each: Vertex) -> Convert:
    made = (value_name(each.name, ""),)
    reads = _reads(graph, each)
    return Convert(each.name, reads, made, each.component.image, gradient=each.carries_gradient)


def _cached(graph: Graph, forward: Forward) -> Cached:
    sources = dict.fromkeys(source for source, _ in inputs_of(graph, forward.node))
    own = [vertex(graph, name) for name in sources if serves_caches(graph, name)]
    return cached(graph, forward, [_convert(graph, each) for each in own])


def _with_groups(graph: Graph, body: list[Instruction]) -> list[Instruction]:
    """Add the instruction of each group of fused losses."""
    groups: dict[str, list[Loss]] = {}
    for each in body:
        if isinstance(each, Loss) and (leader := vertex(graph, each.node).fused_with):
            groups.setdefault(leader, []).append(each)
    ends = {group[-1].node: group for group in groups.values()}
    made: list[Instruction] = []
    for each in body:
        made.append(each)
        if isinstance(each, Loss) and each.node in ends:
            made.append(_fused(graph, ends[each.node]))
    return made


def _fused(graph: Graph, group: list[Loss]) -> Fused:
    """Fuse losses, those that read the same learner together, else in the order of the flows."""
    learners = list(dict.fromkeys(each.reads[0].value for each in group))
    ordered = sorted(group, key=lambda each: learners.index(each.reads[0].value))
    component = vertex(graph, group[0].node).component
    return Fused(fusion_of(component), tuple(ordered))


def _forward(graph: Graph, each: Vertex, reads: tuple[Read, ...]) -> Forward:
    taps = tuple(each.taps) if each.kind == "model" else ("",)
    return Forward(
        node=each.name,
        module=owner_of(graph, each.name),
        reads=reads,
        taps=taps,
        makes=tuple(value_name(each.name, tap) for tap in taps),
        gradient=each.carries_gradient,
        stops=each.stops,
        placement=each.placement,
    )


def value_name(node: str, tap: str) -> str:
    """Name the value of a tap; `output` and no tap are the same."""
    return f"{node}.{tap}" if tap and tap != "output" else node


def _reads(graph: Graph, each: Vertex, *, fit: bool = True) -> tuple[Read, ...]:
    """Name what a vertex reads; without `fit` leave out what its forward does not read."""
    ports = ports_of(each.component)
    spared = {port.name for port in ports if port.fit and not fit}
    return tuple(
        Read(
            value_name(source, edge.tap),
            detach=edge.kind == "knowledge" and vertex(graph, source).carries_gradient,
        )
        for source, edge in inputs_of(graph, each.name)
        if edge.port not in spared
    )


def _results(graph: Graph) -> set[str]:
    """Name the values that are read when the step is over: logits of an evaluation."""
    return {value_name(name, "logits") for name in _computing(graph)}


def _computing(graph: Graph) -> list[str]:
    sinks = [vertex(graph, name) for name in graph.graph["sinks"]]
    return [each.same_as or each.name for each in sinks if each.kind == "model"]


def _freed(body: list[Any], *, results: Collection[str]) -> list[Any]:
    """Say at each instruction which values are read there for the last time."""
    last = {read.value: index for index, each in enumerate(body) for read in each.reads}
    return [
        attrs.evolve(
            each,
            frees=tuple(
                value
                for value in dict.fromkeys(read.value for read in each.reads)
                if last[value] == index and value not in results and not value.startswith("data.")
            ),
        )
        for index, each in enumerate(body)
    ]


def _trained(graph: Graph) -> tuple[str, ...]:
    return tuple(
        each.name for each in vertices(graph) if each.learns and not borrows(graph, each.name)
    )


def _ending(
    graph: Graph, body: list[Instruction], trained: tuple[str, ...], *, log_every: int
) -> list[Instruction]:
    """Say what follows the losses: a backward for each group of flows, then the update."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for each in body:
        if isinstance(each, Loss):
            groups.setdefault(each.into, []).append(each.node)
    if not groups:
        return []
    ending: list[Instruction] = [Backward(tuple(names), into) for into, names in groups.items()]
    ending.append(Step(trained))
    for name in trained:
        settings = vertex(graph, name).settings
        if settings is not None and settings.ema:
            ending.append(Update(name, settings.ema))
        if getattr(vertex(graph, name).component, "advances", False):
            ending.append(Advance(name))
    ending.append(Record(log_every))
    return ending
