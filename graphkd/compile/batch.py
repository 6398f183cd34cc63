"""What the data offers: images and views of them, labels, indices; labels softened by mixing."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from graphkd.blueprint.model import Phase, data_of
from graphkd.compile.phases import alive_losses, is_allowed, learners, phases_of, trains
from graphkd.compile.progress import STAND_IN, Progress
from graphkd.component import Socket
from graphkd.errors import Problem
from graphkd.graph import (
    IMAGES,
    VIEWS,
    Edge,
    Graph,
    Vertex,
    above,
    blueprint_of,
    describe_vertex,
    edges_out_of,
    problem,
    vertex,
)


def infer_data(progress: Progress, each: Vertex) -> None:
    """Give the taps of the data their sockets, where the data set is known.

    Views that would be the same as the image are reported: nothing augments them.
    """
    progress.problems += _equal_views(progress.graph, each.name)
    if progress.spec is None:
        return
    image, classes = progress.spec.image, progress.spec.classes
    images = Socket("b c h w", (STAND_IN, image.channels, image.height, image.width))
    sockets = {
        **dict.fromkeys(IMAGES, images),
        "label": Socket("b", (STAND_IN,), "int64", classes=classes),
        "index": Socket("b", (STAND_IN,), "int64"),
        "source": Socket("b", (STAND_IN,), "int64"),
    }
    taps = {name: sockets[name] for name in each.taps}
    progress.done[each.name] = attrs.evolve(each, taps=taps)


def _equal_views(graph: Graph, data: str) -> Iterator[Problem]:
    """Report each first phase that trains on views without augmentation."""
    blueprint = blueprint_of(graph)
    told: set[tuple[str, Edge]] = set()
    for phase in phases_of(blueprint):
        # mixed images differ from views, which are not mixed
        augments = data_of(blueprint, phase).augment or _mixes(graph, phase)
        if not trains(phase) or augments:
            continue
        for reader, edge in readers_of(graph, data, phase):
            if edge.tap in VIEWS and (reader, edge) not in told:
                told.add((reader, edge))
                text = (
                    f"{describe_vertex(vertex(graph, reader))}: {data}.{edge.tap} is the same as "
                    f"{data}.image in phase '{phase.name}', which augments nothing; write augment "
                    f"under data, or read {data}.image"
                )
                yield problem(graph, text, edge.where)


def readers_of(graph: Graph, data: str, phase: Phase) -> list[tuple[str, Edge]]:
    """List who reads which taps of the data in a phase, for its flows and what it fits.

    Args:
        graph: the whole graph.
        data: the vertex of the data.
        phase: one of the blueprint's.

    Returns:
        The reader and the edge of each.
    """
    kinds = ("signal", "knowledge", "learner")
    sinks = (*alive_losses(graph, phase), *(name for name in phase.fit if name in graph))
    needed = above(graph, sinks, *kinds)
    return [pair for pair in edges_out_of(graph, data, *kinds) if pair[0] in needed]


def softened(socket: Socket) -> Socket:
    """Say what mixing makes of class numbers: probabilities. Other values stay."""
    if not socket.classes:
        return socket
    return Socket("b c", (*socket.shape, socket.classes))


def label_forms(graph: Graph, each: Vertex) -> tuple[bool, ...]:
    """Say how labels come to a vertex: as class numbers (False), softened by mixing (True).

    Probes run in evaluations, where nothing is mixed; losses in the phases where they are alive;
    what else reads labels, in both.
    """
    if each.kind == "probe":
        return (False,)
    phases = phases_of(blueprint_of(graph))
    if each.kind != "loss":
        return tuple(sorted({False, *(_mixes(graph, phase) for phase in phases)}))
    alive = [
        phase
        for phase in phases
        if is_allowed(graph, each, phase) and learners(graph, each.name, phase)
    ]
    return tuple(sorted({_mixes(graph, phase) for phase in alive})) or (False,)


def _mixes(graph: Graph, phase: Phase) -> bool:
    data = data_of(blueprint_of(graph), phase)
    return bool((data.mixup or data.cutmix) and data.mixup_share)
