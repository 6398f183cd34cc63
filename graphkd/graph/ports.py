"""Match what an edge carries with what a port takes, axis by axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from graphkd.component import Socket

REST = "..."
Size = int | tuple[int, ...]
Sizes = dict[str, Size]


def match(pattern: str, socket: Socket, bound: Mapping[str, Size]) -> Sizes | None:
    """Unify a port's axes with a socket's sizes.

    Args:
        pattern: axis words; alternatives with `|`; one `...` takes any axes; a number is itself.
        socket: what arrives.
        bound: sizes that earlier ports of the component gave to axis words.

    Returns:
        All sizes after the match with the first alternative that fits, None when none does.
    """
    for alternative in pattern.split("|"):
        parts = _paired(alternative.split(), socket.shape)
        sizes = None if parts is None else _unified(parts, bound)
        if sizes is not None:
            return sizes
    return None


def _paired(words: Sequence[str], shape: tuple[int, ...]) -> list[tuple[str, Size]] | None:
    """Pair each axis word with its size; None when there are not as many."""
    if REST not in words:
        return list(zip(words, shape, strict=True)) if len(words) == len(shape) else None
    assert words.count(REST) == 1, f"a port's pattern has several '...': {' '.join(words)}"
    head = words.index(REST)
    tail = len(words) - head - 1
    if len(shape) < head + tail:
        return None
    end = len(shape) - tail
    return [
        *zip(words[:head], shape[:head], strict=True),
        (REST, shape[head:end]),
        *zip(words[head + 1 :], shape[end:], strict=True),
    ]


def _unified(parts: list[tuple[str, Size]], bound: Mapping[str, Size]) -> Sizes | None:
    sizes: Sizes = dict(bound)
    for word, size in parts:
        wanted = int(word) if word.isdigit() else sizes.setdefault(word, size)
        if wanted != size:
            return None
    return sizes


def instantiate(pattern: str, sizes: Mapping[str, Size]) -> Socket | None:
    """Make the socket that a port would take.

    Args:
        pattern: of the port.
        sizes: of axis words, as `match` found them.

    Returns:
        The socket of the alternative that uses the most of the sizes, among those whose axis words
        are all known; None when there is none.
    """
    alternatives = [alternative.split() for alternative in pattern.split("|")]
    known = [words for words in alternatives if all(w in sizes or w.isdigit() for w in words)]
    if not known:
        return None
    shape: list[int] = []
    for word in max(known, key=lambda words: len(sizes.keys() & set(words))):
        size = int(word) if word.isdigit() else sizes[word]
        shape += size if isinstance(size, tuple) else [size]
    return Socket(layout_of(shape), tuple(shape))


def layout_of(shape: Sequence[int]) -> str:
    """Return the usual axis words for that many axes."""
    usual = {0: "", 1: "b", 2: "b c", 3: "b n d", 4: "b c h w"}
    return usual.get(len(shape), "b " + " ".join(f"x{i}" for i in range(1, len(shape))))
