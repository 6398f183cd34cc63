"""Follows where the copies lie in the tensors of a wider model: axes through views."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import attrs

Axes = Mapping[int, int]


class Torn(Exception):
    """The wider tensor is no longer copies of the student's; the text says what tears them."""


@attrs.frozen
class Copies:
    """How a tensor of the wider model follows from the student's.

    Attributes:
        axes: the widened axes, each with its number of chunks; of each chunk there are r copies,
            one after another.
        divided: whether the values are 1/r of the student's, as those of a weight are that sums
            over a widened axis.
    """

    axes: Axes = attrs.field(factory=dict)
    divided: bool = False

    def moved(self, axes: Axes) -> Copies:
        """Give the same copies on other axes."""
        return Copies(axes, self.divided)


def through_view(
    axes: Axes, before: Sequence[int], after: Sequence[int], *, copies: int
) -> dict[int, int]:
    """Find the copies again in a tensor that has the same elements in the same order.

    The copies of an axis are a factor r of its size, with a stride in the order of the elements;
    a new axis holds them if its own factors lie around that stride.

    Args:
        axes: chunks by axis.
        before: the tensor's shape.
        after: its new shape.
        copies: r.

    Raises:
        Torn: no axis of the new shape holds all copies.
    """
    found: dict[int, int] = {}
    for axis, chunks in axes.items():
        stride = before[axis] // (chunks * copies) * math.prod(before[axis + 1 :])
        trailing = 1
        for new in reversed(range(len(after))):
            block = trailing * after[new]
            if stride % trailing == 0 and block >= stride * copies:
                break
            trailing = block
        else:
            raise Torn("it is reshaped across its channels")
        if block % (stride * copies) or new in found:
            raise Torn("it is reshaped across its channels")
        found[new] = block // (stride * copies)
    return found


def narrowed(shape: Sequence[int], axes: Axes, *, copies: int) -> tuple[int, ...]:
    """Say the shape of one copy."""
    return tuple(size // copies if axis in axes else size for axis, size in enumerate(shape))


def broadcast(shapes: Sequence[Sequence[int]], each: Sequence[Axes]) -> dict[int, int]:
    """Join the copies of tensors that meet element by element.

    Args:
        shapes: of the tensors.
        each: their chunks by axis.

    Raises:
        Torn: one is widened along an axis and another is not, or not in the same chunks.
    """
    rank = max(len(shape) for shape in shapes)
    found: dict[int, int] = {}
    for axis in range(rank):
        chunks = set()
        for shape, axes in zip(shapes, each, strict=True):
            own = axis - rank + len(shape)
            if own >= 0 and shape[own] != 1:
                chunks.add(axes.get(own, 0))
        if len(chunks) > 1:
            raise Torn("widened channels meet others that are not, or lie in another order")
        if any(chunks):
            found[axis] = chunks.pop()
    return found


def joined(shapes: Sequence[Sequence[int]], each: Sequence[Axes], axis: int) -> dict[int, int]:
    """Lay the copies of tensors one after another along an axis, as `cat` does.

    Raises:
        Torn: the copies would no longer lie one after another.
    """
    others = [{own: chunks for own, chunks in axes.items() if own != axis} for axes in each]
    if any(other != others[0] for other in others):
        raise Torn("it joins tensors that are widened along different axes")
    along = [axes.get(axis, 0) for axes in each]
    if not any(along):
        return others[0]
    if not all(along):
        raise Torn("it joins widened channels with others that are not")
    inner = {shape[axis] // chunks for shape, chunks in zip(shapes, along, strict=True)}
    if len(inner) > 1:
        raise Torn("it joins the channels of several tensors")
    return {**others[0], axis: sum(along)}
