"""The schedule of the compiled case."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from functools import reduce

from torch import Tensor

from graphkd.bench.cases import HARD, HINT, SOFT, Start
from graphkd.run.backwards import Batch
from graphkd.run.executor import PhaseModule
from graphkd.run.optim import make_optimizer
from graphkd.run.step import PhaseStep


class Scheduled:
    """What `graphkd train` runs, without its loader and its log."""

    def __init__(self, start: Start) -> None:
        session, plan = start.session, start.plan
        session.optimizer = make_optimizer(plan, session.parts)
        self.module = PhaseModule(plan, session.parts)
        self.module.activate()
        self.step = PhaseStep(plan, session, self.module, steps_per_epoch=1000)
        self.student = session.parts["student"].deliverable()
        self.weights = [HARD, SOFT, *[HINT] * (len(self.step.names) - 2)]

    def run(self, batches: Sequence[Batch]) -> None:
        """Do one optimizer step for each batch."""
        step = self.step
        for batch in batches:
            step.run([batch])

    def loss(self) -> Tensor:
        """Return the weighted sum of losses of the last step."""
        losses = [loss for loss in self.step.losses if loss is not None]
        terms = (weight * loss for weight, loss in zip(self.weights, losses, strict=True))
        return reduce(operator.add, terms)
