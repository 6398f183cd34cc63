"""What goes into a forward of a phase beside the batch, and what comes out."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import add
from typing import NamedTuple

from torch import Tensor


class Group(NamedTuple):
    """What one `Backward` adds up, by number.

    Attributes:
        losses: those that are computed by themselves.
        launches: of fused losses.
    """

    losses: list[int]
    launches: list[int]


class Factors(NamedTuple):
    """What launches of fused losses multiply with.

    Attributes:
        weights: for each launch "k", float32, the factor of each of its members.
        scale: "", float32, what the backward of their sums will be handed.
    """

    weights: Sequence[Tensor]
    scale: Tensor


# a tuple, so that what wraps the module finds the tensors in it
class Outcome(NamedTuple):
    """What a forward of a phase gives.

    Attributes:
        losses: the plain value of each flow's loss, in the order of the flows; detached where a
            launch has made it; None for a flow that sleeps in this step.
        weights: the factor of each loss in this step.
        groups: what each `Backward` adds up.
        launched: the weighted sum of the losses of each launch.
    """

    losses: list[Tensor | None]
    weights: Sequence[float]
    groups: Sequence[Group]
    launched: list[Tensor | None]

    @property
    def totals(self) -> list[Tensor]:
        """One weighted sum of losses for each `Backward` of which a loss is awake."""
        terms = [
            [
                *(
                    loss * self.weights[index]
                    for index in group.losses
                    if (loss := self.losses[index]) is not None
                ),
                *(total for index in group.launches if (total := self.launched[index]) is not None),
            ]
            for group in self.groups
        ]
        return [reduce(add, group) for group in terms if group]
