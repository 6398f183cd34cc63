"""Pass `infer`: shapes of all taps, by building and running every part on the meta device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs
import networkx as nx
from torch import nn

from graphkd.compile.batch import infer_data
from graphkd.compile.building import build, needs_target
from graphkd.compile.matching import misfits
from graphkd.compile.offers import READY, Offer, offer_to
from graphkd.compile.progress import Arrival, Likeness, Progress
from graphkd.compile.rules import idle_rates, useless_tops, weightless_flows, wild_projectors
from graphkd.compile.running import run
from graphkd.component import Site, Socket
from graphkd.graph import (
    Graph,
    Vertex,
    blueprint_of,
    edges_into,
    in_order,
    keep,
    report,
    vertex,
    with_vertices,
)


def infer(graph: Graph) -> Graph:
    """Give every vertex the shapes of its taps and its cost; report every shape that does not fit.

    Args:
        graph: resolved. What lies in a cycle or behind one is left as it is.

    Returns:
        A copy in which each vertex that could be built knows its taps, and `graph.graph["sites"]`
        says for each where it was built.
    """
    progress = Progress(graph)
    waiting = _order(graph)
    while waiting:
        late = [name for name in waiting if not _settle(progress, name)]
        if len(late) == len(waiting):
            late.remove(_settle_first(progress, late))
        waiting = late
    made = report(with_vertices(graph, progress.done.values()), progress.problems)
    made.graph["sites"] = progress.sites
    if made.graph["problems"]:
        return made
    found = (*weightless_flows(made), *wild_projectors(made), *useless_tops(made))
    return report(made, [*found, *idle_rates(made, progress.modules)])


def site_for(graph: Graph, name: str, modules: Mapping[str, nn.Module], *, load: bool) -> Site:
    """Return the site of an inferred vertex, with real modules lent to it.

    Args:
        graph: inferred.
        name: of the vertex.
        modules: what is built already, by vertex.
        load: whether weights are loaded.
    """
    site: Site = graph.graph["sites"][name]
    lent = {
        edge.tap: modules[source]
        for source, edge in edges_into(graph, name, "weights")
        if source in modules
    }
    return attrs.evolve(site, modules=lent, load_weights=load)


def _order(graph: Graph) -> list[str]:
    """Put what can be inferred into order: all but cycles and what lies behind them."""
    plain = nx.DiGraph(graph)
    rings = [
        part
        for part in nx.strongly_connected_components(plain)
        if len(part) > 1 or any(plain.has_edge(name, name) for name in part)
    ]
    stuck = {
        name for part in rings for each in part for name in (each, *nx.descendants(plain, each))
    }
    return in_order(keep(graph, [name for name in graph if name not in stuck]))


def _settle(progress: Progress, name: str) -> bool:
    """Infer a vertex, unless it must wait for another one; say whether that was so."""
    each = vertex(progress.graph, name)
    if not _is_ready(progress, name):
        return False
    offer = offer_to(progress, each)
    if offer.state == "waiting" and _is_sound(progress, each, progress.arrivals(name)):
        return False
    _infer(progress, each, offer)
    return True


def _is_sound(progress: Progress, each: Vertex, arrivals: Sequence[Arrival]) -> bool:
    """Say whether all that arrives is known and fits."""
    return progress.is_complete(each.name, arrivals) and not misfits(progress, each, arrivals)


def _is_ready(progress: Progress, name: str) -> bool:
    return all(source in progress.settled for source, _ in edges_into(progress.graph, name))


def _settle_first(progress: Progress, waiting: Sequence[str]) -> str:
    """Infer one of several projectors that wait for each other's size.

    One that needs no target comes first; where all do, the first one says so.
    """
    ready = [vertex(progress.graph, name) for name in waiting if _is_ready(progress, name)]
    free = [
        each
        for each in ready
        if not needs_target(each, _site(progress, each, progress.arrivals(each.name)))
    ]
    chosen = (free or ready)[0]
    _infer(progress, chosen, READY)
    return chosen.name


def _infer(progress: Progress, each: Vertex, offer: Offer) -> None:
    progress.settled.add(each.name)
    if each.kind == "data":
        infer_data(progress, each)
        return
    arrivals = progress.arrivals(each.name)
    found = misfits(progress, each, arrivals)
    progress.problems += found
    if found or not progress.is_complete(each.name, arrivals):
        return
    site = _site(progress, each, arrivals, target=offer.socket)
    if offer.state == "spoilt" and needs_target(each, site):
        return
    progress.sites[each.name] = site
    likeness = Likeness.of(progress.graph, each, site, arrivals)
    twin = progress.twin(likeness)
    if twin is not None:
        progress.done[each.name] = attrs.evolve(
            each, taps=twin.taps, image=twin.image, cost=twin.cost
        )
        return
    made = build(progress, each, site)
    if made is not None:
        run(progress, each, made=made, arrivals=arrivals)
    if each.name in progress.done and likeness is not None:
        progress.twins.append((likeness, progress.done[each.name]))


def _site(
    progress: Progress,
    each: Vertex,
    arrivals: Sequence[Arrival],
    *,
    target: Socket | None = None,
) -> Site:
    inputs: dict[str, tuple[Socket, ...]] = {}
    for arrival in arrivals:
        if arrival.socket is not None:
            name = arrival.port.name
            inputs[name] = (*inputs.get(name, ()), arrival.socket)
    spec = progress.spec
    return Site(
        inputs=inputs,
        target=target,
        image=spec.image if spec else None,
        classes=spec.classes if spec else 0,
        modules=progress.lent(each.name),
        folder=blueprint_of(progress.graph).folder,
        load_weights=False,
    )
