"""What is kept of a sample in a store: names, element types and sizes, without a tensor."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import attrs

from graphkd.blueprint.model import Cache
from graphkd.component import Socket

CHECKSUM = 4
"""Bytes of the checksum that goes with each row."""
_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2, "int32": 4}


@attrs.frozen
class Column:
    """A part of a row.

    Attributes:
        tap: whose value it keeps.
        part: `all` of it, the `largest` of its logits, their `classes`, or the `rest`.
        dtype: element type.
        shape: sizes without the batch.
    """

    tap: str
    part: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def bytes(self) -> int:
        """Bytes in a row."""
        return _BYTES[self.dtype] * math.prod(self.shape)


def columns_of(settings: Cache, taps: Mapping[str, Socket]) -> tuple[Column, ...]:
    """Say what a row keeps of some taps.

    Args:
        settings: how they are kept.
        taps: with their sockets, batch first.
    """
    return tuple(
        column for tap, socket in taps.items() for column in _of_tap(settings, tap, socket)
    )


def _of_tap(settings: Cache, tap: str, socket: Socket) -> Iterable[Column]:
    shape = socket.shape[1:]
    if settings.top is None or not has_classes(tap, socket) or settings.top >= shape[0]:
        return [Column(tap, "all", settings.dtype, shape)]
    return [
        Column(tap, "largest", settings.dtype, (settings.top,)),
        Column(tap, "classes", "int32", (settings.top,)),
        # a single number, which is not worth rounding
        Column(tap, "rest", "float32", ()),
    ]


def has_classes(tap: str, socket: Socket) -> bool:
    """Say whether a tap holds logits, one for each class."""
    return tap == "logits" and socket.layout == "b c"


def row_bytes(columns: Iterable[Column]) -> int:
    """Count the bytes of a row, with its checksum."""
    return CHECKSUM + sum(each.bytes for each in columns)
