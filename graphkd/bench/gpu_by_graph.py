"""The schedule of a case on a GPU."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from functools import reduce

from torch import Tensor

from graphkd.graph import vertex
from graphkd.run.backwards import Batch
from graphkd.run.executor import PhaseModule
from graphkd.run.optim import loss_weights, make_optimizer
from graphkd.run.session import Session
from graphkd.run.step import PhaseStep


class ByGraph:
    """What `graphkd train` runs, without its loader and its log."""

    def __init__(self, session: Session) -> None:
        plan = session.schedule.phases[0]
        session.optimizer = make_optimizer(plan, session.parts)
        module = PhaseModule(plan, session.parts)
        module.activate()
        self.step = PhaseStep(plan, session, module, steps_per_epoch=1000)
        self.weights = [weight(0) for weight in loss_weights(plan, steps_per_epoch=1000)]

    def run(self, batches: Sequence[Batch]) -> None:
        """Do one optimizer step for each batch."""
        for batch in batches:
            self.step.run([batch])

    def loss(self) -> Tensor:
        """Return the weighted sum of losses of the last step."""
        losses = [loss for loss in self.step.losses if loss is not None]
        terms = (weight * loss for weight, loss in zip(self.weights, losses, strict=True))
        return reduce(operator.add, terms)

    def state(self) -> Mapping[str, Tensor]:
        """Return what it has learnt, `node.tensor`, networks as their libraries make them."""
        parts, plan = self.step.session.parts, self.step.plan
        found: dict[str, Tensor] = {}
        for name in plan.trained:
            part, component = parts[name], vertex(plan.graph, name).component
            # an assistant consists of other nodes' stages
            whole = hasattr(part, "deliverable") and getattr(component, "deliverable", True)
            own = part.deliverable() if whole else part
            found |= {f"{name}.{key}": each for key, each in own.state_dict().items()}
        return found
