"""What the data offers: images, labels, indices, and labels that mixing has softened."""

from __future__ import annotations

import attrs

from graphkd.blueprint.model import Phase, data_of
from graphkd.compile.phases import is_allowed, learners, phases_of
from graphkd.compile.progress import STAND_IN, Progress
from graphkd.component import Socket
from graphkd.graph import Graph, Vertex, blueprint_of


def infer_data(progress: Progress, each: Vertex) -> None:
    """Give the taps of the data their sockets, where the data set is known."""
    if progress.spec is None:
        return
    image, classes = progress.spec.image, progress.spec.classes
    sockets = {
        "image": Socket("b c h w", (STAND_IN, image.channels, image.height, image.width)),
        "label": Socket("b", (STAND_IN,), "int64", classes=classes),
        "index": Socket("b", (STAND_IN,), "int64"),
    }
    taps = {name: sockets[name] for name in each.taps}
    progress.done[each.name] = attrs.evolve(each, taps=taps)


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
    return bool(data.mixup or data.cutmix)
