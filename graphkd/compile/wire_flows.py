"""Make each flow's loss and projectors, and wire them."""

from __future__ import annotations

from itertools import pairwise

from graphkd.blueprint.model import Flow, Where, flow_name
from graphkd.compile.wiring import BATCH_TAPS, DATA, Wiring
from graphkd.component import name_of, ports_of
from graphkd.errors import did_you_mean
from graphkd.graph import Edge, Vertex
from graphkd.graph.model import EdgeKind


def wire_flow(wiring: Wiring, number: int, flow: Flow) -> None:
    """Add a flow's loss, its projectors and the edges between.

    Args:
        wiring: holds the vertices of all nodes.
        number: of the flow, from 0.
        flow: as the blueprint says it. The first port of its loss is the learner's, the second the
            knowledge's.
    """
    loss = wiring.free_name(f"flow{number + 1}")
    where: Where = ("flows", number)
    wiring.add(Vertex(loss, "loss", flow.loss, where, label=flow_name(flow), flow=number))
    learner, knowledge, *others = [port.name for port in ports_of(flow.loss)]
    _wire_side(wiring, loss, number, flow, side="to", port=learner)
    _wire_side(wiring, loss, number, flow, side="from", port=knowledge)
    _wire_others(wiring, loss, number, flow, others)
    optional = {port.name for port in ports_of(flow.loss) if port.optional}
    for port in others:
        if port in flow.extra:
            continue
        if port in BATCH_TAPS:
            wiring.join(DATA, loss, Edge("knowledge", port, port, where=where))
        elif port not in optional:
            text = f"{name_of(flow.loss)} reads '{port}'; write with: {{{port}: node.tap}}"
            wiring.fault(loss, text, where)
    wiring.close(loss)


def _wire_side(wiring: Wiring, loss: str, number: int, flow: Flow, *, side: str, port: str) -> None:
    """Wire a tap to the loss, through the projectors on its side."""
    ref = flow.to if side == "to" else flow.source
    kind: EdgeKind = "learner" if side == "to" else "knowledge"
    where: Where = ("flows", number, side)
    chain: list[tuple[str, str]] = []
    for index, via in enumerate(flow.via):
        if via.on == side:
            what = name_of(via.component)
            name = wiring.free_name(f"{loss}_{what}")
            at: Where = ("flows", number, "via", index)
            wiring.add(Vertex(name, "projector", via.component, at, label=what, flow=number))
            chain.append((name, ports_of(via.component)[0].name))
    chain.append((loss, port))
    wiring.connect(ref, chain[0][0], Edge(kind, ref.tap, chain[0][1], where=where))
    # behind the `from` tap nothing is detached any more: a projector there learns
    inner: EdgeKind = "learner" if side == "to" else "signal"
    for (source, _), (target, entry) in pairwise(chain):
        wiring.join(source, target, Edge(inner, "", entry, where=where))


def _wire_others(wiring: Wiring, loss: str, number: int, flow: Flow, others: list[str]) -> None:
    """Wire the further ports of a loss that `with` names."""
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
