"""What the other side of a flow's loss offers to a projector, which sizes itself by it."""

from __future__ import annotations

from typing import Literal

import attrs

from graphkd.compile.progress import Progress
from graphkd.component import Socket, ports_of
from graphkd.graph import Edge, Graph, Vertex, edges_into, edges_out_of, instantiate, match, vertex


@attrs.frozen
class Offer:
    """The target of a projector.

    Attributes:
        state: `ready`; `waiting` while the other side is not inferred; `spoilt` when a mistake
            there, told elsewhere, leaves it unknown.
        socket: what the loss would take from the projector; None where nothing says it.
    """

    state: Literal["ready", "waiting", "spoilt"]
    socket: Socket | None = None


READY = Offer("ready")


def offer_to(progress: Progress, each: Vertex) -> Offer:
    """Say what the other side of its flow offers to a vertex; nothing to what stands in no flow."""
    if each.kind != "projector" or each.flow is None:
        return READY
    graph = progress.graph
    loss, mine = _loss_below(graph, each.name)
    ports = {port.name: port for port in ports_of(vertex(graph, loss).component)[:2]}
    own = ports.pop(mine)
    ((_, other),) = ports.items()
    sources = [pair for pair in edges_into(graph, loss) if pair[1].port == other.name]
    if not sources:
        return Offer("spoilt")
    source, edge = sources[0]
    if source not in progress.settled:
        return Offer("waiting")
    socket = progress.socket(source, edge)
    sizes = None if socket is None else match(other.shape, socket, {})
    if socket is None or sizes is None:
        return Offer("spoilt")
    if other.index and socket.classes:
        sizes.setdefault(other.index, socket.classes)
    return Offer("ready", instantiate(own.shape, sizes))


def _loss_below(graph: Graph, projector: str) -> tuple[str, str]:
    """Name the loss that a flow's projector leads to, and the port it arrives at."""
    name, edge = projector, Edge("learner", "", "")
    while vertex(graph, name).kind != "loss":
        ((name, edge),) = edges_out_of(graph, name)
    return name, edge.port
