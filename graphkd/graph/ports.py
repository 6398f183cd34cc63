"""Match what an edge carries with what a port takes, axis by axis."""

from __future__ import annotations

from collections.abc import Mapping

from graphkd.component import Socket

Sizes = dict[str, "int | tuple[int, ...]"]


def match(pattern: str, socket: Socket, bound: Mapping[str, int | tuple[int, ...]]) -> Sizes | None:
    """Unify a port's axes with a socket's sizes.

    Args:
        pattern: axis words; alternatives with `|`; `...` takes any axes; a number is itself.
        socket: what arrives.
        bound: sizes that earlier ports of the component gave to axis words.

    Returns:
        All sizes after the match, or None when no alternative fits.
    """
    for alternative in pattern.split("|"):
        sizes = _match_one(alternative.split(), socket.shape, bound)
        if sizes is not None:
            return sizes
    return None


def _match_one(
    words: list[str], shape: tuple[int, ...], bound: Mapping[str, int | tuple[int, ...]]
) -> Sizes | None:
    sizes: Sizes = dict(bound)
    parts: list[tuple[str, int | tuple[int, ...]]]
    if "..." in words:
        head = words.index("...")
        tail = len(words) - head - 1
        if len(shape) < head + tail:
            return None
        middle = shape[head : len(shape) - tail]
        parts = [
            *zip(words[:head], shape[:head], strict=True),
            ("...", middle),
            *zip(words[head + 1 :], shape[len(shape) - tail :], strict=True),
        ]
    elif len(words) == len(shape):
        parts = list(zip(words, shape, strict=True))
    else:
        return None
    for word, size in parts:
        if word.isdigit():
            if int(word) != size:
                return None
        elif sizes.setdefault(word, size) != size:
            return None
    return sizes


def instantiate(pattern: str, sizes: Mapping[str, int | tuple[int, ...]]) -> Socket | None:
    """Make the socket that a port would take, where all sizes of an alternative are known."""
    for alternative in pattern.split("|"):
        words = alternative.split()
        if all(word in sizes or word.isdigit() for word in words):
            shape: list[int] = []
            for word in words:
                size = int(word) if word.isdigit() else sizes[word]
                shape += size if isinstance(size, tuple) else [size]
            return Socket(layout_of(shape), tuple(shape))
    return None


def layout_of(shape: tuple[int, ...] | list[int]) -> str:
    """Return the usual axis words for that many axes."""
    return {0: "", 1: "b", 2: "b c", 3: "b n d", 4: "b c h w"}.get(
        len(shape), "b " + " ".join(f"x{i}" for i in range(1, len(shape)))
    )
