"""One stored tensor for a student's layer and for the wider layer that it is a slice of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import attrs
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

Role = Literal["inner", "first", "last", "same"]


@attrs.frozen
class Spread:
    """How a tensor of the student is repeated, and what it is divided by.

    With r copies, W the student's tensor and k_s, k_d the factors of student and wide model:

    | role  | what                                              | stored P    | k_s | k_d |
    |-------|---------------------------------------------------|-------------|-----|-----|
    | inner | dense weight, both axes widened                   | tile(W) / r | r   | 1   |
    | first | only the output widened; biases; tokens           | tile(W) / r | r   | r   |
    | last  | dense weight, only the input widened              | tile(W)     | 1   | 1/r |
    | same  | per channel: depthwise, norms, slopes; unwidened  | tile(W)     | 1   | 1   |

    The student reads k_s P[its slice], the wide model k_d P. P holds what the official code
    stores, so that step sizes and weight decay are its own; features are tile(h), without 1/r.

    Attributes:
        axes: the widened axes, each with its number of chunks: of a fused "3 c" axis each third
            is repeated for itself.
        role: see the table.
    """

    axes: tuple[tuple[int, int], ...] = ()
    role: Role = "same"

    def factors(self, copies: int) -> tuple[float, float, float]:
        """Give what P is divided by, k_s and k_d."""
        r = float(copies)
        match self.role:
            case "inner":
                return r, r, 1.0
            case "first":
                return r, r, r
            case "last":
                return 1.0, 1.0, 1.0 / r
        return 1.0, 1.0, 1.0


def tile(tensor: Tensor, axes: tuple[tuple[int, int], ...], copies: int) -> Tensor:
    """Repeat a tensor along axes, copy after copy within each chunk of an axis."""
    for axis, chunks in axes:
        split = tensor.reshape(*tensor.shape[:axis], chunks, 1, -1, *tensor.shape[axis + 1 :])
        sizes = [-1] * split.ndim
        sizes[axis + 1] = copies
        tensor = split.expand(sizes).flatten(axis, axis + 2)
    return tensor


def tile_shape(
    shape: torch.Size, axes: tuple[tuple[int, int], ...], copies: int
) -> tuple[int, ...]:
    """Say how large a tensor becomes."""
    widened = {axis for axis, _ in axes}
    return tuple(size * copies if axis in widened else size for axis, size in enumerate(shape))


class Part(nn.Module):
    """Reads k times a slice of a stored tensor: the first copy of each chunk.

    Args:
        spread: which axes are sliced.
        copies: r.
        factor: k.
    """

    def __init__(self, spread: Spread, *, copies: int, factor: float) -> None:
        super().__init__()
        self.axes = spread.axes
        self.copies = copies
        self.factor = factor

    def forward(self, stored: Tensor) -> Tensor:
        """Give the slice, contiguous so that it runs as an own tensor of that value would."""
        for axis, chunks in self.axes:
            size = stored.shape[axis] // chunks
            chunked = stored.reshape(*stored.shape[:axis], chunks, size, *stored.shape[axis + 1 :])
            stored = chunked.narrow(axis + 1, 0, size // self.copies).flatten(axis, axis + 1)
        return stored.contiguous() if self.factor == 1.0 else stored * self.factor


class Whole(nn.Module):
    """Reads k times a stored tensor.

    Args:
        factor: k.
    """

    def __init__(self, *, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, stored: Tensor) -> Tensor:
        """Give the tensor, itself where k is 1."""
        return stored if self.factor == 1.0 else stored * self.factor


@torch.no_grad()
def share_layer(
    student: nn.Module,
    wide: nn.Module,
    spreads: Mapping[str, Spread],
    *,
    copies: int,
    noise: float,
    known: dict[nn.Parameter, nn.Parameter],
) -> None:
    """Let a layer and its wide counterpart read the same stored parameters.

    Args:
        student: its own parameters give way to the stored ones.
        wide: the same.
        spreads: by parameter name, all of the layer's own parameters in their order.
        copies: r.
        noise: standard deviation of what is added to each repeated tensor.
        known: the stored parameter of each one that was met before: tied weights stay tied.
    """
    read = [spread.factors(copies) for spread in spreads.values()]
    sliced = any(spread.axes for spread in spreads.values())
    scaled = any(wide_factor != 1.0 for _, _, wide_factor in read)
    for (name, spread), (_, own_factor, wide_factor) in zip(spreads.items(), read, strict=True):
        weight = student.get_parameter(name)
        if weight not in known:
            known[weight] = stored_parameter(weight, spread, copies=copies, noise=noise)
        part = Part(spread, copies=copies, factor=own_factor)
        whole = Whole(factor=wide_factor)
        _read(student, name, known[weight], through=part if sliced else None)
        _read(wide, name, known[weight], through=whole if scaled else None)


def stored_parameter(
    weight: nn.Parameter, spread: Spread, *, copies: int, noise: float
) -> nn.Parameter:
    """Make P of a student's tensor; one that nothing widens is P itself."""
    if not spread.axes:
        return weight
    stored = tile(weight, spread.axes, copies).clone(memory_format=torch.contiguous_format)
    stored /= spread.factors(copies)[0]
    if noise:
        stored += noise * torch.randn_like(stored)
    return nn.Parameter(stored, weight.requires_grad)


def _read(module: nn.Module, name: str, stored: nn.Parameter, *, through: nn.Module | None) -> None:
    """Make a module's tensor a view of a stored one.

    All parameters of a module get a parametrization if one has one: they keep their order.
    """
    module._parameters[name] = stored
    if through is not None:
        # the check of shapes would only find that the slice is smaller
        parametrize.register_parametrization(module, name, through, unsafe=True)
