"""Rows of a store: from the values of a node to records, and back."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import attrs
import numpy as np
import torch
from torch import Tensor

from graphkd.blueprint import Cache
from graphkd.compile.columns import Column, columns_of
from graphkd.component import Socket
from graphkd.errors import mistake

Records = np.ndarray[Any, Any]
CHECKSUM = "checksum"
# numpy has no bfloat16
_NUMPY = {"float32": "<f4", "float16": "<f2", "bfloat16": "<u2", "int32": "<i4"}


@attrs.frozen(slots=False)
class Layout:
    """What a row holds.

    Attributes:
        settings: how values are kept.
        taps: whose values, with their sockets.
    """

    settings: Cache
    taps: Mapping[str, Socket] = attrs.field(hash=False)

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """The parts of a row."""
        return columns_of(self.settings, self.taps)

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        """A record of numpy's, packed: the columns and a checksum."""
        fields = [(_field(each), _NUMPY[each.dtype], each.shape) for each in self.columns]
        return np.dtype([*fields, (CHECKSUM, "<u4")])

    def encode(self, rows: Sequence[int], values: Sequence[Tensor]) -> Records:
        """Make records.

        Args:
            rows: their numbers, which the checksums depend on.
            values: "b ...", of each tap.

        Raises:
            BlueprintError: a value is too large for the element type.
        """
        made = np.zeros(len(rows), self.dtype)
        for tap, value in zip(self.taps, values, strict=True):
            columns = [each for each in self.columns if each.tap == tap]
            parts = _parts(value.detach().float().cpu(), columns)
            for column, part in zip(columns, parts, strict=True):
                made[_field(column)] = _cast(part, column)
        made[CHECKSUM] = checksums(rows, made)
        return made

    def decode(self, records: Records) -> list[Tensor]:
        """Make the values of each tap from records, "b ..." float32 on the CPU."""
        found = []
        for tap, socket in self.taps.items():
            columns = [each for each in self.columns if each.tap == tap]
            parts = [_tensor(records[_field(each)], each) for each in columns]
            found.append(parts[0] if len(parts) == 1 else _spread(parts, socket.shape[1]))
        return found


def _field(column: Column) -> str:
    return f"{column.tap} {column.part}"


def checksums(rows: Sequence[int], records: Records) -> list[int]:
    """Compute the checksum of each record and its row's number: CRC-32."""
    whole = np.ascontiguousarray(records).view(np.uint8).reshape(len(rows), -1)
    content = whole[:, : -records.dtype[CHECKSUM].itemsize]
    return [
        zlib.crc32(each, zlib.crc32(int(row).to_bytes(8, "little")))
        for row, each in zip(rows, content, strict=True)
    ]


def _parts(value: Tensor, columns: Sequence[Column]) -> Iterator[Tensor]:
    if len(columns) == 1:
        yield value
        return
    largest, classes = value.topk(columns[0].shape[0])
    yield from (largest, classes)
    yield value.scatter(1, classes, -math.inf).logsumexp(1)


def _spread(parts: Sequence[Tensor], classes: int) -> Tensor:
    """Give the classes that were not kept equal logits that have their mass together."""
    largest, kept, rest = parts
    level = rest - math.log(classes - kept.shape[1])
    return level.unsqueeze(1).repeat(1, classes).scatter(1, kept.long(), largest)


def _cast(value: Tensor, column: Column) -> Records:
    made = value.to(getattr(torch, column.dtype))
    if made.is_floating_point() and not torch.equal(made.isfinite(), value.isfinite()):
        text = f"cache: '{column.tap}' has values beyond {torch.finfo(made.dtype).max:g}"
        raise mistake(f"{text}; write dtype: bfloat16 or float32 instead of {column.dtype}")
    plain: Records = (made.view(torch.int16) if made.dtype == torch.bfloat16 else made).numpy()
    return plain.view(np.uint16) if made.dtype == torch.bfloat16 else plain


def _tensor(part: Records, column: Column) -> Tensor:
    plain = np.ascontiguousarray(part)
    if column.dtype == "bfloat16":
        return torch.from_numpy(plain.view(np.int16)).view(torch.bfloat16).float()
    made = torch.from_numpy(plain)
    return made.float() if made.is_floating_point() else made
