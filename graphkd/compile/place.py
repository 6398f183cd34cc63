"""Pass `place`: where each forward runs, in which precision, compiled or not, and beside which."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from graphkd.blueprint.model import Node, recipe_of
from graphkd.compile.instructions import Forward, Instruction, Read, Wait
from graphkd.graph import (
    Graph,
    Placement,
    Vertex,
    blueprint_of,
    owner_of,
    vertex,
    vertices,
    with_vertices,
)


def place(graph: Graph) -> Graph:
    """Say how and where each model's forward runs, as the blueprint asks.

    Weights are where their owner says, and of its element type; each call says by itself whether it
    is compiled, and whether it is computed again in the backward. In phases that train, forwards
    without a gradient go to the side stream where the recipe wants one.

    Args:
        graph: of one phase, after the passes before.

    Returns:
        A copy whose vertices know their placement, and what their weights then take;
        `graph.graph["captured"]` is whether forwards and backwards of a step are one CUDA graph.
    """
    found = ((each, _placement(graph, each)) for each in vertices(graph, "model"))
    made = with_vertices(graph, [_placed(graph, each, at) for each, at in found])
    recipe = recipe_of(blueprint_of(graph), graph.graph["phase"])
    made.graph["captured"] = recipe.capture and not graph.graph["uncapturable"]
    return made


def _placement(graph: Graph, each: Vertex) -> Placement:
    own = each.settings or Node(None)
    owner = vertex(graph, owner_of(graph, each.name)).settings or own
    return Placement(
        precision=owner.precision or "",
        device=owner.device,
        compiled=own.compile,
        checkpointed=own.checkpoint and each.learns,
        aside=_goes_aside(graph, each),
    )


def _goes_aside(graph: Graph, each: Vertex) -> bool:
    """Say whether a forward runs beside the learner's."""
    recipe = recipe_of(blueprint_of(graph), graph.graph["phase"])
    # a store is read by the host, which would wait for the stream
    alone = each.carries_gradient or each.cached
    return recipe.streams and not alone and any(one.learns for one in vertices(graph))


def _placed(graph: Graph, each: Vertex, placement: Placement) -> Vertex:
    cost = each.cost
    if placement.precision == "bfloat16" and owner_of(graph, each.name) == each.name:
        cost = attrs.evolve(cost, parameter_bytes=cost.parameter_bytes // 2)
    return attrs.evolve(each, placement=placement, cost=cost)


def with_waits(body: Sequence[Instruction]) -> list[Instruction]:
    """Wait for each forward on the side stream right before the first reader that is elsewhere."""
    running: dict[str, Forward] = {}
    made: list[Instruction] = []
    for each in body:
        beside = isinstance(each, Forward) and each.placement.aside
        read = () if beside else (read.value for read in getattr(each, "reads", ()))
        for maker in dict.fromkeys(running[value] for value in read if value in running):
            made.append(Wait(maker.node, tuple(map(Read, maker.makes))))
            running = {value: one for value, one in running.items() if one is not maker}
        made.append(each)
        if beside:
            assert isinstance(each, Forward)
            running |= dict.fromkeys(each.makes, each)
    return made
