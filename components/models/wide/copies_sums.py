"""What operations that sum or average do to the copies in a wider model."""

from __future__ import annotations

from collections.abc import Sequence

from graphkd.components.models.wide.copies import Axes, Copies, Torn, broadcast
from graphkd.components.models.wide.copies_moves import Step, untouched

OTHER_ORDER = "its input's channels are not copies in the order that its weight expects"


def matmul(step: Step) -> Sequence[Copies]:
    """Multiply "... m k" by "... k n"; with three tensors the first is added."""
    added, one, two = (None, 0, 1) if len(step.args) == 2 else (0, 1, 2)
    left, right, out = step.of(one), step.of(two), step.outputs[0]
    rank = out.ndim
    _contracted(left, rank - 1, right, rank - 2)
    found = {axis: chunks for axis, chunks in left.axes.items() if axis != rank - 1}
    other = {axis: chunks for axis, chunks in right.axes.items() if axis != rank - 2}
    if rank == 3 and found.get(0) != other.get(0):
        raise Torn("widened channels meet others that are not, or lie in another order")
    found |= other
    if (
        added is not None
        and broadcast([step.args[added].shape, out.shape], [step.of(added).axes, found]) != found
    ):
        raise Torn(OTHER_ORDER)
    return [Copies(found)]


def linear(step: Step) -> Sequence[Copies]:
    """Multiply "... k" by a weight "n k" and add a bias."""
    own, weight, last = step.of(0), step.of(1), step.args[0].ndim - 1
    _contracted(own, last, weight, 1)
    out = {0: weight.axes[0]} if 0 in weight.axes else {}
    if len(step.args) > 2 and step.args[2] is not None and step.of(2) != Copies(out):
        raise Torn(OTHER_ORDER)
    kept = {axis: chunks for axis, chunks in own.axes.items() if axis != last}
    return [Copies(kept | ({last: out[0]} if out else {}))]


def convolution(step: Step) -> Sequence[Copies]:
    """Convolve "b c h w", densely or with r times the student's groups."""
    image, weight, bias = step.of(0), step.of(1), step.of(2)
    groups, before = step.args[8], step.narrow[8]
    if set(image.axes) - {1} or set(weight.axes) - {0, 1} or step.args[6]:
        raise Torn("it is widened along another axis than the channels")
    if groups == before == 1:
        _contracted(image, 1, weight, 1)
    elif groups != before * step.copies or image.axes != {1: 1} or weight != Copies({0: 1}):
        raise Torn(OTHER_ORDER)
    out = {0: weight.axes[0]} if 0 in weight.axes else {}
    if step.args[2] is not None and bias != Copies(out):
        raise Torn(OTHER_ORDER)
    return [Copies({1: out[0]} if out else {})]


def batch_norm(step: Step) -> Sequence[Copies]:
    """Normalize each channel."""
    own = step.of(0)
    return _affine(step, own, {axis - 1: chunks for axis, chunks in own.axes.items()}, range(1, 5))


def group_norm(step: Step) -> Sequence[Copies]:
    """Normalize groups of channels, r times the student's."""
    own = step.of(0)
    if own.axes and (own.axes != {1: 1} or step.args[6] != step.narrow[6] * step.copies):
        raise Torn(OTHER_ORDER)
    return _affine(step, own, {axis - 1: chunks for axis, chunks in own.axes.items()}, (1, 2))


def layer_norm(step: Step) -> Sequence[Copies]:
    """Normalize over the last axes, whose mean and variance are those of one copy."""
    own, start = step.of(0), step.args[0].ndim - len(step.args[1])
    inner = {axis - start: chunks for axis, chunks in own.axes.items() if axis >= start}
    return _affine(step, own, inner, (2, 3))


def mean(step: Step) -> Sequence[Copies]:
    """Reduce over axes; neither the mean nor the largest of r copies differs from that of one."""
    return [_reduced(step, _dims(step, 1), keep=_flag(step, 2))]


def norm(step: Step) -> Sequence[Copies]:
    """Take a vector norm over axes."""
    dims = _dims(step, 2)
    untouched(step.of(0), dims, "it sums over widened channels without a weight")
    return [_reduced(step, dims, keep=_flag(step, 3))]


def total(step: Step) -> Sequence[Copies]:
    """Sum over axes."""
    dims = _dims(step, 1)
    untouched(step.of(0), dims, "it sums over widened channels without a weight")
    return [_reduced(step, dims, keep=_flag(step, 2))]


def softmax(step: Step) -> Sequence[Copies]:
    """Take a softmax over an axis."""
    own = step.of(0)
    untouched(own, [step.axis(1)], "it takes a softmax over its channels")
    return [own]


def _contracted(left: Copies, one: int, right: Copies, two: int) -> None:
    """Check that a sum over an axis of two tensors is the student's sum."""
    if left.axes.get(one) != right.axes.get(two):
        raise Torn(OTHER_ORDER)
    # r equal terms for each of the student's must carry 1/r once
    if left.divided + right.divided != (one in left.axes):
        raise Torn("it sums over widened channels without a weight")


def _affine(step: Step, own: Copies, inner: Axes, indices: Sequence[int]) -> Sequence[Copies]:
    for index in indices:
        if step.args[index] is not None and step.of(index) != Copies(inner):
            raise Torn(OTHER_ORDER)
    return [own]


def _reduced(step: Step, dims: Sequence[int], *, keep: bool) -> Copies:
    kept = {axis: chunks for axis, chunks in step.of(0).axes.items() if axis not in dims}
    if keep:
        return Copies(kept)
    return Copies({axis - sum(dim < axis for dim in dims): n for axis, n in kept.items()})


def _dims(step: Step, index: int) -> list[int]:
    rank = step.args[0].ndim
    given = step.args[index] if index < len(step.args) else None
    given = [given] if isinstance(given, int) else given
    return [dim % rank for dim in given] if given else list(range(rank))


def _flag(step: Step, index: int) -> bool:
    return bool(step.args[index]) if index < len(step.args) else False
