"""Every tap that the models of a graph offer, read or not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from graphkd.compile.infer import site_for
from graphkd.component import Socket
from graphkd.graph import (
    Graph,
    Vertex,
    carries_image,
    edges_into,
    edges_out_of,
    in_order,
    layout_of,
    vertex,
)

Taps = Mapping[str, Socket]


def every_tap(graph: Graph) -> dict[str, Taps]:
    """Build the models of a graph on the meta device, and read all that they offer.

    Args:
        graph: inferred, without problems.

    Returns:
        For each model its taps, with what they carry.
    """
    modules: dict[str, nn.Module] = {}
    known: dict[Any, Taps] = {}
    found: dict[str, Taps] = {}
    for name in in_order(graph):
        each = vertex(graph, name)
        if each.kind == "loss" or not hasattr(each.component, "build"):
            continue
        key = _key(graph, each)
        if key in known:
            found[name] = known[key]
            continue
        with torch.device("meta"):
            made = each.component.build(site_for(graph, name, modules, load=False))
        if isinstance(made, nn.Module):
            modules[name] = made.eval()
        if each.kind == "model":
            found[name] = _offered(graph, each, made)
            if key is not None:
                known[key] = found[name]
    return found


def _key(graph: Graph, each: Vertex) -> Any:
    """Return what two models with the same taps have in common; None for one that must be built."""
    loans = (*edges_into(graph, each.name, "weights"), *edges_out_of(graph, each.name, "weights"))
    if each.kind != "model" or loans:
        return None
    return repr(each.component), tuple(map(str, _sockets(graph, each)))


def _sockets(graph: Graph, each: Vertex) -> list[Socket]:
    """Return what a model reads, images as it wants them."""
    sockets = []
    for source, edge in edges_into(graph, each.name, "signal"):
        socket = vertex(graph, source).taps[edge.tap]
        if carries_image(edge) and each.image is not None:
            image = each.image
            socket = Socket("b c h w", (2, image.channels, image.height, image.width))
        assert socket is not None, f"{source}.{edge.tap} was not inferred"
        sockets.append(socket)
    return sockets


def _offered(graph: Graph, each: Vertex, network: Any) -> Taps:
    taps = tuple(tap for tap in network.taps() if network.layout(tap) is not None)
    sockets = _sockets(graph, each)
    reader = network.reader(taps, stop=False)
    try:
        with torch.no_grad():
            outputs = reader(
                *(
                    torch.empty(one.shape, dtype=getattr(torch, one.dtype), device="meta")
                    for one in sockets
                )
            )
    finally:
        getattr(reader, "close", lambda: None)()
    return {
        tap: Socket(network.layout(tap) or layout_of(made.shape), tuple(made.shape))
        for tap, made in zip(taps, outputs, strict=True)
    }
