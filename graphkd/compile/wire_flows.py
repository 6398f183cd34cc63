"""Make each flow's loss and projectors, and wire them."""

from __future__ import annotations

from itertools import pairwise

from graphkd.blueprint.model import Where, flow_name
from graphkd.compile.wire_nodes import lend
from graphkd.compile.wiring import BATCH_TAPS, DATA, Wiring
from graphkd.component import name_of, ports_of
from graphkd.errors import did_you_mean
from graphkd.graph import Edge, Vertex
from graphkd.graph.model import EdgeKind


def wire_flow(wiring: Wiring, number: int) -> None:
    """Add a flow's loss, its projectors and the edges between.

    Args:
        wiring: holds the vertices of all nodes.
        number: of the flow, from 0. The first port of its loss is the learner's, the second the
            knowledge's.
    """
    flow = wiring.blueprint.flows[number]
    loss = wiring.free_name(f"flow{number + 1}")
    where: Where = ("flows", number)
    wiring.add(Vertex(loss, "loss", flow.loss, where, label=flow_name(flow), flow=number))
    learner, knowledge, *others = ports_of(flow.loss)
    _wire_side(wiring, loss, number=number, side="to", port=learner.name)
    _wire_side(wiring, loss, number=number, side="from", port=knowledge.name)
    _wire_others(wiring, loss, number=number, others=[port.name for port in others])
    for port in others:
        if port.name in flow.extra:
            continue
        if port.name in BATCH_TAPS:
            edge = Edge("knowledge", port.name, port.name, where=where)
            wiring.join(DATA, loss, edge)
        elif not port.optional:
            text = f"{name_of(flow.loss)} reads '{port.name}'; "
            wiring.fault(loss, f"{text}write with: {{{port.name}: node.tap}}", where)
    wiring.close(loss)


def _wire_side(wiring: Wiring, loss: str, *, number: int, side: str, port: str) -> None:
    """Wire a tap to the loss, through the projectors on its side."""
    flow = wiring.blueprint.flows[number]
    ref = flow.to if side == "to" else flow.source
    where: Where = ("flows", number, side)
    chain: list[tuple[str, str]] = []
    for index, via in enumerate(flow.via):
        if via.on == side:
            what = name_of(via.component)
            name = wiring.free_name(f"{loss}_{what}")
            at: Where = ("flows", number, "via", index)
            wiring.add(Vertex(name, "projector", via.component, at, label=what, flow=number))
            lend(wiring, name)
            chain.append((name, ports_of(via.component)[0].name))
    chain.append((loss, port))
    # behind the `from` tap nothing is detached any more: a projector there learns
    first: EdgeKind = "learner" if side == "to" else "knowledge"
    then: EdgeKind = "learner" if side == "to" else "signal"
    wiring.connect(ref, chain[0][0], Edge(first, ref.tap, chain[0][1], where=where))
    for (source, _), (target, entry) in pairwise(chain):
        wiring.join(source, target, Edge(then, "", entry, where=where))


def _wire_others(wiring: Wiring, loss: str, *, number: int, others: list[str]) -> None:
    """Wire the further ports of a loss that `with` names."""
    flow = wiring.blueprint.flows[number]
    what = name_of(flow.loss)
    for port, ref in flow.extra.items():
        where: Where = ("flows", number, "with", port)
        if port in others:
            wiring.connect(ref, loss, Edge("knowledge", ref.tap, port, where=where))
        elif port in [each.name for each in ports_of(flow.loss)]:
            text = f"port '{port}' of {what} is wired by from and to; drop it from with"
            wiring.fault(loss, text, where)
        elif others:
            wiring.fault(loss, f"no port '{port}' on {what}{did_you_mean(port, others)}", where)
        else:
            text = f"no port '{port}' on {what}, which reads from and to alone; drop with"
            wiring.fault(loss, text, where)
