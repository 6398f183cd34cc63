"""The factors of a phase's losses on the device, brought up to date without waiting for it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import torch
from torch import Tensor

from graphkd.blueprint.model import Ramp
from graphkd.compile.instructions import Loss
from graphkd.compile.plan import PhasePlan
from graphkd.run.optim import loss_weights
from graphkd.run.outcome import Factors


class StepFactors:
    """What each loss is multiplied with, and on its way back what its gradient is.

    Attributes:
        weights: "" each, the factor of each loss in this step.
        launches: for each launch "k", the factors of its members: the same memory.
    """

    def __init__(
        self,
        plan: PhasePlan,
        launches: Sequence[Sequence[int]],
        *,
        steps_per_epoch: int,
        device: torch.device,
    ) -> None:
        """Write all factors down as they are in the first step.

        Args:
            plan: the phase.
            launches: numbers of the losses of each launch.
            steps_per_epoch: optimizer steps in an epoch.
            device: where the losses are.
        """
        losses = [each for each in plan.instructions if isinstance(each, Loss)]
        courses = loss_weights(plan, steps_per_epoch=steps_per_epoch)
        # a launch reads the factors of its members as one tensor
        order = list(dict.fromkeys([*chain.from_iterable(launches), *range(len(losses))]))
        self._order = order
        self._places = [order.index(number) for number in range(len(losses))]
        self._every = torch.tensor([float(courses[number](0)) for number in order], device=device)
        self.weights = self._apart(self._every)
        sizes = [len(each) for each in launches]
        self.launches = torch.split(self._every[: sum(sizes)], sizes)
        self._ramps = [
            (weight, course)
            for weight, course, loss in zip(self.weights, courses, losses, strict=True)
            if isinstance(loss.weight, Ramp)
        ]
        self._one = torch.ones((), device=device)

    def move_to(self, step: int) -> None:
        """Take the factors of an optimizer step of the phase."""
        # filled on the device: a copy from the host would wait for it
        for weight, course in self._ramps:
            weight.fill_(course(step))

    def of_launches(
        self,
        share: float,
        scaler: torch.amp.GradScaler | None,
        portions: Sequence[float] = (),
    ) -> Factors:
        """Give what launches multiply with.

        Args:
            share: what the gradients of this batch count in the step.
            scaler: of float16 losses, None otherwise.
            portions: for each loss what it counts beside that of other processes; all 1 when empty.
        """
        weights = self.launches
        if portions:
            sizes = [len(each) for each in self.launches]
            weights = torch.split(self._portioned(portions)[: sum(sizes)], sizes)
        scale = self._one if share == 1.0 else torch.full_like(self._one, share)
        return Factors(weights, scaler.scale(scale) if scaler else scale)

    def of_losses(
        self,
        share: float,
        scaler: torch.amp.GradScaler | None,
        portions: Sequence[float] = (),
    ) -> Sequence[Tensor]:
        """Give the gradient that the weighted sum hands to each loss: see `of_launches`."""
        if share == 1.0 and scaler is None and not portions:
            return self.weights
        every = self._portioned(portions) if portions else self._every
        every = every if share == 1.0 else every * share
        return self._apart(scaler.scale(every) if scaler else every)

    def _portioned(self, portions: Sequence[float]) -> Tensor:
        # filled on the device: a copy from the host would wait for it
        filled = [torch.full_like(self._one, portions[number]) for number in self._order]
        return self._every * torch.stack(filled) if filled else self._every

    def _apart(self, every: Tensor) -> list[Tensor]:
        each = every.unbind()
        return [each[place] for place in self._places]
