"""Which projectors would make the two sides of a loss fit."""

from __future__ import annotations

import math
from collections.abc import Iterator

from graphkd.component import Socket
from graphkd.graph import layout_of, match

GRID, TOKENS, VECTOR = 4, 3, 2


def advice(ports: tuple[str, str], learner: Socket, knowledge: Socket) -> str:
    """Find the shortest change of form, then of size, that a loss would accept.

    Args:
        ports: what the loss takes from the learner and from the knowledge.
        learner: what the learner offers.
        knowledge: what the knowledge offers.

    Returns:
        What to write behind `via:`; empty when the built-in projectors cannot do it.
    """
    for form in _forms(learner, knowledge):
        one, other = _steps(learner, form), _steps(knowledge, form)
        if one is None or other is None:
            continue
        target = _formed(knowledge, form)
        mix = "conv1x1" if form == GRID else "linear"
        for sizing in ((), (mix,), ("resize",), (mix, "resize")):
            made = _formed(learner, form)
            for step in sizing:
                made = _resized(made, target, step)
            if _accepted(ports, made, target):
                return _written([*(f"{{type: {step}, on: from}}" for step in other), *one, *sizing])
    return ""


def _forms(learner: Socket, knowledge: Socket) -> Iterator[int]:
    """Give the numbers of axes to try: the knowledge's, the learner's, and no places at all."""
    yield from dict.fromkeys((len(knowledge.shape), len(learner.shape), VECTOR))


def _steps(socket: Socket, form: int) -> list[str] | None:
    """Name the projectors that bring a tensor to a number of axes; None when there are none."""
    have = len(socket.shape)
    if have == form:
        return []
    if form == VECTOR and have in (GRID, TOKENS):
        return ["pool"]
    if (have, form) == (GRID, TOKENS):
        return ["grid_to_tokens"]
    if (have, form) == (TOKENS, GRID) and math.isqrt(socket.shape[1]) ** 2 == socket.shape[1]:
        return ["tokens_to_grid"]
    return None


def _formed(socket: Socket, form: int) -> Socket:
    """Say what `_steps` makes of a tensor."""
    if len(socket.shape) == form:
        return socket
    batch = socket.shape[0]
    if form == VECTOR:
        return _socket(batch, socket.channels)
    if form == TOKENS:
        _, channels, height, width = socket.shape
        return _socket(batch, height * width, channels)
    side = math.isqrt(socket.shape[1])
    return _socket(batch, socket.channels, side, side)


def _resized(socket: Socket, target: Socket, step: str) -> Socket:
    """Say what a sized projector makes of a tensor."""
    if step == "linear":
        return _socket(*socket.shape[:-1], target.channels)
    if step == "conv1x1":
        return _socket(socket.shape[0], target.channels, *socket.shape[2:])
    return _socket(*socket.shape[:2], *target.shape[2:]) if len(socket.shape) == GRID else socket


def _accepted(ports: tuple[str, str], learner: Socket, knowledge: Socket) -> bool:
    sizes = match(ports[0], learner, {})
    return sizes is not None and match(ports[1], knowledge, sizes) is not None


def _socket(*shape: int) -> Socket:
    return Socket(layout_of(shape), shape)


def _written(steps: list[str]) -> str:
    return steps[0] if len(steps) == 1 else f"[{', '.join(steps)}]"
