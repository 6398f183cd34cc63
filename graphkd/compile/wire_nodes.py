"""Wire the inputs of a node, and the modules that other nodes lend it."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from graphkd.blueprint.model import Node, Ref, Where
from graphkd.compile.wiring import BATCH_TAPS, DATA, Wiring
from graphkd.component import Port, kind_of, name_of, ports_of, reference_fields
from graphkd.errors import did_you_mean
from graphkd.graph import Edge, borrows, vertex


def wire_node(wiring: Wiring, name: str) -> None:
    """Add the edges into a node; what it does not say reads its port's default.

    Args:
        wiring: holds the vertices of all nodes.
        name: of the node.
    """
    fields = lend(wiring, name)
    taken = set(fields)
    for port, position, ref, where in (*_inputs(wiring, name), *_extra(wiring, name)):
        if port in taken and position == 0:
            ways = f"{port} and by {where[2]}" if port in fields else "input and by with"
            text = f"port '{port}' is wired by {ways}; drop one of them"
            wiring.fault(name, text, where)
            continue
        taken.add(port)
        wiring.connect(ref, name, Edge("signal", ref.tap, port, position, where))
    _wire_defaults(wiring, name, taken)
    wiring.close(name)


def lend(wiring: Wiring, name: str) -> set[str]:
    """Draw the edges from the nodes that a vertex's fields refer to, whose modules it uses.

    Returns:
        The ports that are wired by them.
    """
    component = vertex(wiring.graph, name).component
    taken: set[str] = set()
    for field in reference_fields(component):
        written = getattr(component, field)
        if written is None:
            continue
        kind = attrs.fields_dict(type(component))[field].metadata["reference"]
        _lend(wiring, name, field, lender=written if kind == "node" else Ref.parse(written).node)
        if kind == "tap":
            ref, where = Ref.parse(written), (*vertex(wiring.graph, name).where, field)
            taken.add(field)
            # of a node that does not exist it is told already
            if ref.node in wiring.blueprint.nodes:
                wiring.connect(ref, name, Edge("signal", ref.tap, field, where=where))
    return taken


def _lend(wiring: Wiring, name: str, field: str, *, lender: str) -> None:
    """Draw an edge from the node that a field names, whose module is used."""
    each = vertex(wiring.graph, name)
    where: Where = (*each.where, field)
    # a reference to a node names no tap, so a tap is a wrong name
    if lender not in wiring.blueprint.nodes:
        hint = did_you_mean(lender, wiring.blueprint.nodes)
        wiring.fault(name, f"no node '{lender}'{hint}", where)
        return
    owner = wiring.blueprint.nodes[lender].component
    if borrows(wiring.graph, name) and kind_of(owner) != kind_of(each.component):
        text = f"{field} is '{lender}', a {kind_of(owner)}; write the name of a model"
        wiring.fault(name, text, where)
    elif not hasattr(owner, "build"):
        text = f"{field} is '{lender}', and a {name_of(owner)} has no weights; write another node"
        wiring.fault(name, text, where)
    else:
        wiring.graph.add_edge(lender, name, edge=Edge("weights", field, field, where=where))


Wire = tuple[str, int, Ref, Where]


def _inputs(wiring: Wiring, name: str) -> Iterator[Wire]:
    """Give each tap of `input` its port; a port that takes many takes all that are left."""
    node = wiring.blueprint.nodes[name]
    ports = ports_of(node.component)
    where: Where = ("nodes", name, "input")
    for index, ref in enumerate(node.input):
        if index < len(ports) and not ports[index].many:
            yield ports[index].name, 0, ref, (*where, index)
        elif ports and ports[-1].many:
            yield ports[-1].name, index - len(ports) + 1, ref, (*where, index)
    if len(node.input) > len(ports) and not (ports and ports[-1].many):
        text = f"input has {len(node.input)} taps, but {name_of(node.component)} reads "
        names = [port.name for port in ports]
        wiring.fault(name, text + (f"{len(ports)}: {', '.join(names)}" if ports else "none"), where)


def _extra(wiring: Wiring, name: str) -> Iterator[Wire]:
    """Give each tap of `with` the port it names."""
    node = wiring.blueprint.nodes[name]
    ports = [port.name for port in ports_of(node.component)]
    for port, ref in node.extra.items():
        where: Where = ("nodes", name, "with", port)
        if port in ports:
            yield port, 0, ref, where
        else:
            text = f"no port '{port}' on {name_of(node.component)}{did_you_mean(port, ports)}"
            wiring.fault(name, text, where)


def _wire_defaults(wiring: Wiring, name: str, taken: set[str]) -> None:
    """Wire what is left: batch taps by their name, and images to models."""
    node = wiring.blueprint.nodes[name]
    missing: list[str] = []
    for index, port in enumerate(ports_of(node.component)):
        if port.name in taken:
            continue
        tap = _default_tap(node, port, first=index == 0)
        if tap:
            wiring.join(DATA, name, Edge("signal", tap, port.name, where=("nodes", name)))
        elif not port.optional:
            missing.append(port.name)
    if missing and name not in wiring.broken:
        _report_missing(wiring, name, missing)


def _default_tap(node: Node, port: Port, *, first: bool) -> str:
    if port.name in BATCH_TAPS:
        return port.name
    if kind_of(node.component) != "model" or not first:
        return ""
    # parts of other nodes' models may read what those make, instead of images
    return "image" if port.name == "input" or not reference_fields(node.component) else ""


def _report_missing(wiring: Wiring, name: str, missing: list[str]) -> None:
    node = wiring.blueprint.nodes[name]
    what = name_of(node.component)
    ports = [port for port in ports_of(node.component) if port.name not in BATCH_TAPS]
    if any(port.many for port in ports):
        example = "[node.tap, node.tap]"
    else:
        taps = ", ".join("node.tap" for port in ports if not port.optional)
        example = f"[{taps}]" if "," in taps else taps
    words = " and ".join(f"'{port}'" for port in missing)
    text = f"nothing is wired to {words} of {what}; write input: {example}"
    wiring.fault(name, text, ("nodes", name))
