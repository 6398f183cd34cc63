"""Match what arrives at a vertex with its ports, and say what does not fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import attrs

from graphkd.compile.advice import advice
from graphkd.compile.batch import label_forms, softened
from graphkd.compile.progress import Arrival, Progress
from graphkd.compile.wiring import DATA
from graphkd.component import name_of, ports_of
from graphkd.errors import Problem
from graphkd.graph import (
    Graph,
    Vertex,
    carries_image,
    describe_vertex,
    edges_into,
    match,
    problem,
    vertex,
)
from graphkd.graph.ports import REST, Sizes


def misfits(progress: Progress, each: Vertex, arrivals: Sequence[Arrival]) -> list[Problem]:
    """Report every value that its port does not take.

    Args:
        progress: what is known so far.
        each: the vertex where they arrive.
        arrivals: in the order of the ports; those that are not known are left out.

    Returns:
        The problems. Within a vertex equal axis words need equal sizes; the first port to have a
        word says its size, so that all others are compared with the learner's.
    """
    known = [arrival for arrival in arrivals if arrival.socket is not None]
    found: dict[Problem, None] = {}
    for soft in label_forms(progress.graph, each):
        given = [_in_form(arrival) if soft else arrival for arrival in known]
        found |= dict.fromkeys(_unify(progress.graph, each, given))
    return list(found)


def _in_form(arrival: Arrival) -> Arrival:
    assert arrival.socket is not None
    return attrs.evolve(arrival, socket=softened(arrival.socket))


def _unify(graph: Graph, each: Vertex, arrivals: Sequence[Arrival]) -> Iterator[Problem]:
    sizes: Sizes = {}
    fitting: list[Arrival] = []
    for arrival in arrivals:
        made = _fitted(each, arrival, sizes)
        if made is None:
            said = _said(graph, each, arrival, fitting=fitting, arrivals=arrivals)
            text = f"{describe_vertex(each)}: {said}"
            yield problem(graph, text, arrival.edge.where)
        else:
            sizes = made
            fitting.append(arrival)


def _fitted(each: Vertex, arrival: Arrival, sizes: Sizes) -> Sizes | None:
    """Return the sizes together with what this value adds; None when it does not fit."""
    port, socket = arrival.port, arrival.socket
    assert socket is not None
    if each.kind == "model" and carries_image(arrival.edge):
        # it is converted, so that its sizes say nothing about other ports
        return sizes if match(port.shape, socket, {}) is not None else None
    # the rest of the axes may differ among the taps of one port
    bound = {word: size for word, size in sizes.items() if not (port.many and word == REST)}
    found = match(port.shape, socket, bound)
    counted = sizes.get(port.index)
    if found is None or (counted and socket.classes and counted != socket.classes):
        return None
    if port.many:
        found.pop(REST, None)
    return {**sizes, **found}


def _said(
    graph: Graph,
    each: Vertex,
    arrival: Arrival,
    *,
    fitting: Sequence[Arrival],
    arrivals: Sequence[Arrival],
) -> str:
    """Say why a value does not fit, and what to write instead."""
    what = name_of(each.component)
    if _fitted(each, arrival, {}) is None:
        text = f"'{origin(graph, arrival)}' is '{arrival.socket}', but {what} takes "
        return f"{text}'{arrival.port.shape}' there; {_remedy(each, arrival, arrivals)}"
    clashing = [known for known in fitting if _clash(each, known, arrival)]
    # with alternatives it may take two of them to leave none
    other = (clashing or fitting)[0]
    if arrival.port.index:
        return _other_classes(graph, each, learner=other, labels=arrival)
    return (
        f"{what} needs equal axes '{arrival.port.shape}': '{origin(graph, other)}' is "
        f"'{other.socket}', '{origin(graph, arrival)}' is '{arrival.socket}'; "
        f"{_remedy(each, arrival, arrivals)}"
    )


def _other_classes(graph: Graph, each: Vertex, *, learner: Arrival, labels: Arrival) -> str:
    assert learner.socket is not None and labels.socket is not None
    classes = labels.socket.classes or labels.socket.channels
    if learner.edge.tap == "logits":
        remedy = f"write classes: {classes} at '{learner.source}'"
    elif each.kind == "loss":
        remedy = "read its logits, or put a projector between: via: linear"
    else:
        remedy = "read logits"
    return (
        f"'{origin(graph, learner)}' has {learner.socket.channels} classes, "
        f"but the data has {classes}; {remedy}"
    )


def _clash(each: Vertex, one: Arrival, other: Arrival) -> bool:
    sizes = _fitted(each, one, {})
    return sizes is not None and _fitted(each, other, sizes) is None


def _remedy(each: Vertex, arrival: Arrival, arrivals: Sequence[Arrival]) -> str:
    """Say which projectors make a flow's two sides fit, or what else to do."""
    if arrival.source == DATA and arrival.edge.tap == "label":
        mixed = arrival.socket is not None and arrival.socket.classes is None
        return "leave mixup and cutmix out" if mixed else "read a model's tap, or take another loss"
    ports = ports_of(each.component)[:2]
    sides = {known.port.name: known.socket for known in arrivals if known.port in ports}
    if each.kind == "loss" and arrival.port in ports and len(sides) == 2:
        learner, knowledge = (sides[port.name] for port in ports)
        assert learner is not None and knowledge is not None
        via = advice((ports[0].shape, ports[1].shape), learner, knowledge)
        if via:
            return f"put a projector between: via: {via}"
    return "read another tap, or put a projector between"


def origin(graph: Graph, arrival: Arrival) -> str:
    """Name the tap that a value comes from; projectors of a flow are looked through."""
    source, tap, steps = arrival.source, arrival.edge.tap, []
    while vertex(graph, source).flow is not None:
        steps.append(vertex(graph, source).label)
        ((source, edge),) = edges_into(graph, source)
        tap = edge.tap
    name = f"{source}.{tap}" if tap else source
    return f"{name} via {', '.join(reversed(steps))}" if steps else name
