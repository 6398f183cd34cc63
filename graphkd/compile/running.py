"""Run parts on the meta device: shapes and costs without memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs
import torch
from torch import Tensor

from graphkd.compile.building import report_error
from graphkd.compile.cost import measure, parameters
from graphkd.compile.progress import STAND_IN, Arrival, Progress
from graphkd.component import ImageSpec, Network, Socket, name_of
from graphkd.errors import ComponentError, did_you_mean
from graphkd.graph import (
    Cost,
    Vertex,
    carries_image,
    describe_vertex,
    edges_into,
    edges_out_of,
    layout_of,
    vertex,
)

# what shapes that do not fit raise, in torch and in the models of timm
MISFITS = (RuntimeError, ValueError, AssertionError, IndexError)


def run(progress: Progress, each: Vertex, *, made: Any, arrivals: Sequence[Arrival]) -> None:
    """Run what was built, and note the sockets of its taps and its cost.

    Args:
        progress: is told the result, or the mistake.
        each: what was built.
        made: its module.
        arrivals: what it reads, in the order of its ports; all of them known.
    """
    if each.kind == "model":
        _run_model(progress, each, network=made, arrivals=arrivals)
    elif each.kind in ("projector", "transform"):
        _run_single(progress, each, made=made, arrivals=arrivals)
    else:
        progress.done[each.name] = attrs.evolve(each, cost=_weighed(progress, each, Cost()))


def _run_model(
    progress: Progress, each: Vertex, *, network: Any, arrivals: Sequence[Arrival]
) -> None:
    assert isinstance(network, Network), f"{each.name} builds a {type(network)}, which has no taps"
    wanted = [tap for tap in each.taps if network.layout(tap) is not None]
    for tap in each.taps:
        if tap not in wanted:
            _report_tap(progress, each, network=network, tap=tap)
    offered = ("logits",) if network.layout("logits") is not None else ()
    taps = tuple(dict.fromkeys((*wanted, *offered)))
    if not all(_suits(progress, each, network=network, arrival=arrival) for arrival in arrivals):
        return
    sockets = [_converted(network, arrival) for arrival in arrivals]
    result = _measured(
        progress, each, forward=lambda: _read(network, taps, sockets), sockets=sockets
    )
    if result is None:
        return
    outputs, cost = result
    images = any(carries_image(arrival.edge) for arrival in arrivals)
    found = dict.fromkeys(each.taps) | {
        tap: _socket(output, network.layout(tap) or "")
        for tap, output in zip(taps, outputs, strict=True)
    }
    image = network.image if images else None
    progress.done[each.name] = attrs.evolve(each, taps=found, image=image, cost=cost)


def _read(
    network: Network, taps: Sequence[str], sockets: Sequence[Socket]
) -> tuple[tuple[Tensor, ...], Cost]:
    reader = network.reader(taps, stop=False)
    try:
        return measure(reader, _tensors(sockets))
    finally:
        getattr(reader, "close", lambda: None)()


def _suits(progress: Progress, each: Vertex, *, network: Network, arrival: Arrival) -> bool:
    """Say whether an image can be brought to the model's channels: grey to any, else the same."""
    wanted = network.image.channels
    if not carries_image(arrival.edge) or arrival.socket is None:
        return True
    found = arrival.socket.channels
    if found in (1, wanted):
        return True
    text = f"'{arrival.source}.image' has {found} channels, but the model takes {wanted}"
    text = f"{describe_vertex(each)}: {text}; write channels: {found}"
    progress.problem(text, (*each.where, "channels"))
    return False


def _converted(network: Network, arrival: Arrival) -> Socket:
    """Say what a model reads once images are brought to its size."""
    assert arrival.socket is not None
    if not carries_image(arrival.edge):
        return arrival.socket
    image: ImageSpec = network.image
    return Socket("b c h w", (STAND_IN, image.channels, image.height, image.width))


def _report_tap(progress: Progress, each: Vertex, *, network: Network, tap: str) -> None:
    """Report an unknown tap wherever it is read."""
    known = network.taps()
    near = did_you_mean(tap, known)
    hint = f" (has {spans(known)}){near if near.startswith(';') else ''}"
    said = f"no tap '{tap}' on '{each.name}'{hint}"
    if not tap:
        said = f"'{each.name}' has several taps; write {each.name}.TAP, one of {spans(known)}"
    _report_readers(progress, each, tap=tap, said=said)


def _run_single(
    progress: Progress, each: Vertex, *, made: Any, arrivals: Sequence[Arrival]
) -> None:
    sockets = [
        arrival.socket
        for arrival in arrivals
        if arrival.socket is not None and not arrival.port.fit
    ]
    result = _measured(
        progress, each, forward=lambda: measure(made, _tensors(sockets)), sockets=sockets
    )
    if result is None:
        return
    output, cost = result
    taps = {tap: _socket(output) if tap in ("", "output") else None for tap in each.taps}
    progress.done[each.name] = attrs.evolve(each, taps=taps, cost=cost)
    for tap, socket in taps.items():
        if socket is None:
            said = f"no tap '{tap}' on '{each.name}', which has one output; write {each.name}"
            _report_readers(progress, each, tap=tap, said=said)


def _report_readers(progress: Progress, each: Vertex, *, tap: str, said: str) -> None:
    for target, edge in edges_out_of(progress.graph, each.name):
        if edge.kind != "weights" and edge.tap == tap:
            who = describe_vertex(vertex(progress.graph, target))
            progress.problem(f"{who}: {said}", edge.where)


def _measured(
    progress: Progress,
    each: Vertex,
    *,
    forward: Callable[[], tuple[Any, Cost]],
    sockets: Sequence[Socket],
) -> tuple[Any, Cost] | None:
    """Run a forward; None when what arrives does not suit it, which is reported."""
    shapes = ", ".join(f"'{socket}'" for socket in sockets) or "nothing"
    try:
        outputs, cost = forward()
    except ComponentError as error:
        report_error(progress, each, error)
        return None
    except Exception as error:
        # what a model is made with may break anything inside it, and is the user's
        if not isinstance(error, MISFITS) and not getattr(each.component, "args", None):
            error.add_note(f"while running {describe_vertex(each)} on {shapes}")
            raise
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        what = getattr(each.component, "model", "") or name_of(each.component)
        text = f"{describe_vertex(each)}: {what} cannot run on {shapes}: {reason}"
        progress.problem(f"{text}; change its parameters or what it reads", each.where)
        return None
    return outputs, _weighed(progress, each, cost)


def _weighed(progress: Progress, each: Vertex, cost: Cost) -> Cost:
    """Add the weights that are a vertex's own, and those that it put into what is lent to it."""
    module = progress.modules.get(each.name)
    count, size = parameters(module, progress.lent(each.name).values())
    for lender, _ in edges_into(progress.graph, each.name, "weights"):
        now, before = parameters(progress.modules.get(lender)), progress.weighed.get(lender, (0, 0))
        count, size = count + now[0] - before[0], size + now[1] - before[1]
        progress.weighed[lender] = now
    progress.weighed[each.name] = parameters(module)
    return attrs.evolve(cost, parameters=count, parameter_bytes=size)


def _tensors(sockets: Sequence[Socket]) -> tuple[Tensor, ...]:
    return tuple(
        torch.empty(socket.shape, dtype=getattr(torch, socket.dtype), device="meta")
        for socket in sockets
    )


def _socket(tensor: Tensor, layout: str = "") -> Socket:
    dtype = str(tensor.dtype).removeprefix("torch.")
    return Socket(layout or layout_of(tensor.shape), tuple(tensor.shape), dtype)


def spans(taps: Sequence[str]) -> str:
    """List taps, with a run of numbered ones as `stage1…stage4`."""
    groups: dict[str, list[str]] = {}
    for tap in taps:
        stem = tap.rstrip("0123456789")
        groups.setdefault(stem if stem != tap else tap, []).append(tap)
    words = [g[0] if len(g) == 1 else f"{g[0]}…{g[-1]}" for g in groups.values()]
    return ", ".join([*words, "or a module path"])
