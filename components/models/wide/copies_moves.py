"""What operations that move elements do to the copies in a wider model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs
from torch import Tensor

from graphkd.components.models.wide.copies import Copies, Torn, broadcast, joined, through_view


@attrs.frozen
class Step:
    """One operation of the wider model.

    Attributes:
        args: its positional arguments.
        outputs: its tensors.
        narrow: the positional arguments of the same operation in the student.
        known: how the copies lie in a tensor, of neither for None.
        copies: r.
    """

    args: Sequence[Any]
    outputs: Sequence[Tensor]
    narrow: Sequence[Any]
    known: Callable[[Tensor | None], Copies]
    copies: int

    def of(self, index: int) -> Copies:
        """Say how the copies lie in an argument."""
        return self.known(self.args[index] if index < len(self.args) else None)

    def axis(self, index: int) -> int:
        """Read an argument that counts an axis of the first tensor, from its end if negative."""
        axis: int = self.args[index] if index < len(self.args) else 0
        rank: int = self.args[0].ndim
        return axis % rank


Rule = Callable[[Step], Sequence[Copies]]


def view(step: Step) -> Sequence[Copies]:
    """Read the same elements in the same order with other axes."""
    given, out = step.args[0], step.outputs[0]
    own = step.of(0)
    return [own.moved(through_view(own.axes, given.shape, out.shape, copies=step.copies))]


def permute(step: Step) -> Sequence[Copies]:
    """Put the axes in another order."""
    rank = step.args[0].ndim
    order = [axis % rank for axis in step.args[1]]
    own = step.of(0)
    return [own.moved({order.index(axis): chunks for axis, chunks in own.axes.items()})]


def transpose(step: Step) -> Sequence[Copies]:
    """Exchange two axes."""
    own, rank = step.of(0), step.args[0].ndim
    one, two = (axis % rank for axis in step.args[1:3]) if len(step.args) > 2 else (0, rank - 1)
    swap = {one: two, two: one}
    return [own.moved({swap.get(axis, axis): chunks for axis, chunks in own.axes.items()})]


def expand(step: Step) -> Sequence[Copies]:
    """Repeat axes of size 1, or add new ones in front."""
    own, shift = step.of(0), step.outputs[0].ndim - step.args[0].ndim
    return [own.moved({axis + shift: chunks for axis, chunks in own.axes.items()})]


def pick(step: Step) -> Sequence[Copies]:
    """Take one place, or each, of an axis (`select`, `unbind`): the axis disappears."""
    axis, own = step.axis(1), step.of(0)
    untouched(own, [axis], "it picks single channels")
    moved = own.moved({old - (old > axis): chunks for old, chunks in own.axes.items()})
    return [moved] * len(step.outputs)


def cut(step: Step) -> Sequence[Copies]:
    """Take a range of an axis."""
    own = step.of(0)
    untouched(own, [step.axis(1)], "it cuts its channels apart")
    return [own]


def split(step: Step) -> Sequence[Copies]:
    """Cut an axis into pieces of whole chunks."""
    axis, own = step.axis(2), step.of(0)
    if axis not in own.axes:
        return [own] * len(step.outputs)
    chunk = step.args[0].shape[axis] // own.axes[axis]
    if any(each.shape[axis] % chunk for each in step.outputs):
        raise Torn("it cuts its channels apart")
    return [own.moved({**own.axes, axis: each.shape[axis] // chunk}) for each in step.outputs]


def join(step: Step) -> Sequence[Copies]:
    """Lay tensors one after another."""
    tensors = step.args[0]
    axis = (step.args[1] if len(step.args) > 1 else 0) % tensors[0].ndim
    each = [step.known(tensor).axes for tensor in tensors]
    return [Copies(joined([tensor.shape for tensor in tensors], each, axis))]


def pile(step: Step) -> Sequence[Copies]:
    """Lay tensors along a new axis."""
    rank = step.outputs[0].ndim
    axis = (step.args[1] if len(step.args) > 1 else 0) % rank
    each = [step.known(tensor) for tensor in step.args[0]]
    if any(own != each[0] for own in each):
        raise Torn("it joins tensors that are widened along different axes")
    axes = each[0].axes.items()
    return [each[0].moved({old + (old >= axis): chunks for old, chunks in axes})]


def pool(step: Step) -> Sequence[Copies]:
    """Pool or resize images, each channel for itself."""
    own, rank = step.of(0), step.args[0].ndim
    untouched(own, [rank - 2, rank - 1], "it pools or resizes across its channels")
    return [own]


def lay_out(step: Step) -> Sequence[Copies]:
    """Lay a pooled grid of one place out in memory: all that torch's own pooling does so."""
    own, shape = step.of(0), step.outputs[0].shape
    if set(own.axes) - {1} or shape[2:] != (1, 1):
        raise Torn("it reads its channels from other places in memory")
    return [own]


def pad(step: Step) -> Sequence[Copies]:
    """Put values around axes."""
    own, rank = step.of(0), step.args[0].ndim
    padded = [rank - 1 - place // 2 for place, width in enumerate(step.args[1]) if width]
    untouched(own, padded, "it pads its channels")
    return [own]


def roll(step: Step) -> Sequence[Copies]:
    """Shift axes in a circle."""
    own = step.of(0)
    axes = step.args[2] if len(step.args) > 2 else step.args[1]
    untouched(own, [axis % step.args[0].ndim for axis in axes], "it shifts its channels")
    return [own]


def look_up(step: Step) -> Sequence[Copies]:
    """Look rows up in a table whose other axes are widened."""
    own, indices = step.of(0), step.args[1]
    if 0 in own.axes or indices[0] is None or any(each is not None for each in indices[1:]):
        raise Torn("it picks single channels")
    shift = indices[0].ndim - 1
    return [own.moved({axis + shift: chunks for axis, chunks in own.axes.items()})]


def pointwise(step: Step) -> Sequence[Copies]:
    """Compute each element from those at its own place."""
    tensors = [each for each in step.args if isinstance(each, Tensor)]
    each = [step.known(tensor) for tensor in tensors]
    return [Copies(broadcast([tensor.shape for tensor in tensors], [own.axes for own in each]))]


def untouched(own: Copies, axes: Sequence[int], reason: str) -> None:
    """Check that none of these axes is widened."""
    if set(axes) & set(own.axes):
        raise Torn(reason)
