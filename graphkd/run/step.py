"""One optimizer step of a phase: forwards, losses, backwards, update."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from graphkd.compile.instructions import Backward, Loss, PhasePlan, Update
from graphkd.run.executor import PhaseModule
from graphkd.run.optim import Weight, loss_weights
from graphkd.run.session import Session

Batch = Mapping[str, Tensor]


class PhaseStep:
    """Runs a phase's schedule step by step, without waiting for the device.

    Attributes:
        module: the phase's module.
        names: name of each loss, in the order of the schedule.
        losses: the detached losses of the last step, in that order; None for one that slept.
    """

    def __init__(
        self, plan: PhasePlan, session: Session, module: PhaseModule, *, steps_per_epoch: int
    ) -> None:
        flows = [each for each in plan.instructions if isinstance(each, Loss)]
        self.plan = plan
        self.session = session
        self.module = module
        self.names = [each.name for each in flows]
        self.losses: list[Tensor | None] = []
        self._weights: list[Weight] = loss_weights(plan, steps_per_epoch=steps_per_epoch)
        self._fixed = (
            [weight(0) for weight in self._weights]
            if all(isinstance(each.weight, (int, float)) for each in flows)
            else None
        )
        self._every = [each.every for each in flows]
        self._seldom = any(every > 1 for every in self._every)
        self._backwards = [each for each in plan.instructions if isinstance(each, Backward)]
        self._into = [self._parameters(each) for each in self._backwards]
        self._updates = [each for each in plan.instructions if isinstance(each, Update)]
        self._clipped = [
            parameter
            for group in (session.optimizer.param_groups if session.optimizer else ())
            for parameter in group["params"]
        ]
        self._dtype = {"bfloat16": torch.bfloat16, "float16": torch.float16}.get(
            plan.recipe.precision
        )

    def run(self, batches: Sequence[Batch]) -> None:
        """Do one optimizer step on the gradients of one or several batches.

        Args:
            batches: on the session's device. A batch counts by its number of samples.
        """
        session = self.session
        assert session.optimizer is not None
        total = sum(len(batch["image"]) for batch in batches) if len(batches) > 1 else 0
        for batch in batches:
            self._accumulate(batch, len(batch["image"]) / total if total else 1.0)
        if self.plan.recipe.clip_grad:
            if session.scaler:
                session.scaler.unscale_(session.optimizer)
            nn.utils.clip_grad_norm_(self._clipped, self.plan.recipe.clip_grad)
        if session.scaler:
            session.scaler.step(session.optimizer)
            session.scaler.update()
        else:
            session.optimizer.step()
        session.optimizer.zero_grad(set_to_none=True)
        for each in self._updates:
            session.averages[each.node].update(session.parts[each.node])
        session.phase_step += 1
        session.step += 1
        if session.scheduler:
            session.scheduler.step_update(session.phase_step)

    def _accumulate(self, batch: Batch, share: float) -> None:
        step = self.session.phase_step
        weights = self._fixed or [weight(step) for weight in self._weights]
        alive = [step % every == 0 for every in self._every] if self._seldom else None
        with self._autocast():
            outcome = self.module(batch, weights, alive)
        self.losses = [None if each is None else each.detach() for each in outcome.losses]
        last = len(outcome.totals) - 1
        for index, (total, into) in enumerate(zip(outcome.totals, self._into, strict=False)):
            scaled = total if share == 1.0 else total * share
            if self.session.scaler:
                scaled = self.session.scaler.scale(scaled)
            if into is None:
                scaled.backward(retain_graph=index < last)  # type: ignore[no-untyped-call]
            else:
                torch.autograd.backward(scaled, inputs=into, retain_graph=index < last)

    def _autocast(self) -> AbstractContextManager[object]:
        if self._dtype is None:
            return nullcontext()
        return torch.autocast(self.session.device.type, dtype=self._dtype)

    def _parameters(self, each: Backward) -> list[Tensor] | None:
        """Return the parameters that a restricted backward may change, its own loss included."""
        if not each.into:
            return None
        flows = {self.plan.graph.nodes[name]["vertex"].flow for name in each.losses}
        nodes = [
            name
            for name in self.plan.trained
            if name in each.into or self.plan.graph.nodes[name]["vertex"].flow in flows
        ]
        return [
            parameter
            for name in nodes
            if isinstance(part := self.session.parts[name], nn.Module)
            for parameter in part.parameters()
            if parameter.requires_grad
        ]
