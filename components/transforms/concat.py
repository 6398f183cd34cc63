"""Join several taps into one."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import attrs

from graphkd.component import Port, Site, component
from graphkd.errors import ComponentError

if TYPE_CHECKING:
    from torch import Tensor, nn


@component("transform", "concat")
@attrs.frozen
class Concat:
    """Put the inputs one behind the other along an axis, in the order of the list.

    Attributes:
        axis: number of the axis, where the batch is 0, or from the end as -1, -2, …; empty: the
            channels, which are axis 1 of a grid, else the last axis.
    """

    ports: ClassVar = (Port("input", "b ...", many=True),)

    axis: int | None = None

    def build(self, site: Site) -> nn.Module:
        """Build the joint for these inputs.

        Args:
            site: inputs "b ...", the same sizes on all axes but one.

        Returns:
            A module from the inputs to one tensor, as long on the axis as all of them together.

        Raises:
            ComponentError: there is no such axis, or the sizes of another axis differ.
        """
        import torch
        from torch import nn

        axis = self._axis(site)

        class Join(nn.Module):
            def forward(self, *inputs: Tensor) -> Tensor:
                return torch.cat(inputs, dim=axis)

        return Join()

    def _axis(self, site: Site) -> int:
        first, *others = site.inputs["input"]
        axes = len(first.shape)
        if axes < 2:
            raise ComponentError(f"concat joins axes behind the batch, and '{first}' has none")
        default = 1 if axes == 4 else axes - 1
        axis = self.axis if self.axis is not None else default
        if axis == 0 or not -axes < axis < axes:
            choices = ", ".join(map(str, range(1, axes)))
            raise ComponentError(
                f"axis is {axis}, not an axis of '{first}' behind the batch; try {choices}",
                field="axis",
            )
        axis %= axes
        for number, other in enumerate(others, start=2):
            if _without(axis, other.shape) != _without(axis, first.shape):
                raise ComponentError(
                    f"input {number} of concat is '{other}' and input 1 '{first}', "
                    f"but only axis {axis} may differ; put a projector before one of them"
                )
        return axis


def _without(axis: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    return shape[:axis] + shape[axis + 1 :]
