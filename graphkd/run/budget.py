"""How long a phase trains."""

from __future__ import annotations

import math

import attrs

from graphkd.compile.plan import PhasePlan

VALIDATIONS = 10
"""A short phase is validated about so often."""
STEPS_BETWEEN = 500
"""A long phase is validated at the end of the epoch after so many steps."""


@attrs.frozen
class Budget:
    """How long a phase trains.

    Attributes:
        steps: optimizer steps.
        epochs: epochs that are begun.
        steps_per_epoch: optimizer steps in an epoch.
        epochs_between: epochs from one validation to the next.
    """

    steps: int
    epochs: int
    steps_per_epoch: int
    epochs_between: int

    @classmethod
    def of(cls, plan: PhasePlan, batches: int) -> Budget:
        """Work out the budget of a phase with that many batches in an epoch."""
        per_epoch = math.ceil(batches / plan.recipe.accumulate)
        steps = plan.recipe.steps or plan.recipe.epochs * per_epoch
        between = math.ceil(min(steps / VALIDATIONS, STEPS_BETWEEN) / per_epoch)
        return cls(steps, math.ceil(steps / per_epoch), per_epoch, between)

    def validates(self, epoch: int) -> bool:
        """Say whether the phase is validated after this epoch, counted from 0."""
        return epoch + 1 == self.epochs or (epoch + 1) % self.epochs_between == 0
