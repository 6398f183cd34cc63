"""One optimizer step of a phase: forwards, losses, backwards, update."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from graphkd.compile.instructions import Advance, Backward, Loss, PhasePlan, Update
from graphkd.run.executor import PhaseModule
from graphkd.run.factors import StepFactors
from graphkd.run.outcome import Factors, Outcome
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
        self,
        plan: PhasePlan,
        session: Session,
        module: PhaseModule,
        *,
        steps_per_epoch: int,
        steps: int = 0,
    ) -> None:
        """Get ready.

        Args:
            plan: the phase.
            session: what moves.
            module: of the phase.
            steps_per_epoch: optimizer steps in an epoch.
            steps: optimizer steps of the phase, for nodes that are told how far it has come.
        """
        assert session.optimizer is not None
        flows = [each for each in plan.instructions if isinstance(each, Loss)]
        backwards = [each for each in plan.instructions if isinstance(each, Backward)]
        self.plan = plan
        self.session = session
        self.module = module
        self.names = [each.name for each in flows]
        self.losses: list[Tensor | None] = []
        self._factors = StepFactors(
            plan, module.launches, steps_per_epoch=steps_per_epoch, device=session.device
        )
        self._launching = bool(module.launches)
        self._alone = any(group.losses for group in module.groups)
        self._every = [each.every for each in flows]
        self._seldom = any(every > 1 for every in self._every)
        self._groups = [
            (group, self._parameters(each), each is not backwards[-1])
            for group, each in zip(module.groups, backwards, strict=True)
        ]
        self._updates = [each for each in plan.instructions if isinstance(each, Update)]
        self._steps = steps
        self._advances = [
            session.parts[each.node] for each in plan.instructions if isinstance(each, Advance)
        ]
        self._optimizer = session.optimizer
        self._learning = [
            parameter for group in self._optimizer.param_groups for parameter in group["params"]
        ]
        self._precision = _autocast(session.device, plan.recipe.precision)

    def begin(self) -> None:
        """Tell nodes that the phase begins; a resumed phase has begun before.

        The moving averages of nodes that have not learnt before start at what they are now.
        """
        for part in self._advances:
            part.advance(0, self._steps)
        session = self.session
        before = session.schedule.phases[: session.phase]
        for each in self._updates:
            if all(each.node not in plan.trained for plan in before):
                session.averages[each.node].set(session.parts[each.node])

    def run(self, batches: Sequence[Batch]) -> None:
        """Do one optimizer step on the gradients of one or several batches.

        Args:
            batches: on the session's device. A batch counts by its number of samples.
        """
        self._factors.move_to(self.session.phase_step)
        if len(batches) == 1:
            self._accumulate(batches[0], 1.0)
        else:
            total = sum(len(batch["image"]) for batch in batches)
            for batch in batches:
                self._accumulate(batch, len(batch["image"]) / total)
        self._update()
        session = self.session
        for each in self._updates:
            session.averages[each.node].update(session.parts[each.node])
        session.phase_step += 1
        session.step += 1
        for part in self._advances:
            part.advance(session.phase_step, self._steps)
        if session.scheduler:
            session.scheduler.step_update(session.phase_step)

    def _accumulate(self, batch: Batch, share: float) -> None:
        alive = None
        if self._seldom:
            step = self.session.phase_step
            alive = [step % every == 0 for every in self._every]
        scaler = self.session.scaler
        factors = self._factors.of_launches(share, scaler) if self._launching else None
        with self._precision:
            outcome = self.module(batch, alive=alive, factors=factors)
        self.losses = [None if each is None else each.detach() for each in outcome.losses]
        weights = self._factors.of_losses(share, scaler) if self._alone else ()
        self._send_back(outcome, factors, weights)

    def _send_back(
        self, outcome: Outcome, factors: Factors | None, weights: Sequence[Tensor]
    ) -> None:
        """Send the gradient of each group's weighted sum into the parameters.

        The weights are the gradient that the sum would hand to its terms, so the sum itself, which
        nobody reads, is not computed. The sum of a launch has its weights in it.
        """
        for group, into, retain in self._groups:
            terms, gradients = [], []
            for index in group.losses:
                loss = outcome.losses[index]
                if loss is not None and loss.requires_grad:
                    terms.append(loss)
                    gradients.append(weights[index])
            for index in group.launches:
                total = outcome.launched[index]
                if total is not None and total.requires_grad:
                    assert factors is not None
                    terms.append(total)
                    gradients.append(factors.scale)
            if terms:
                torch.autograd.backward(terms, gradients, retain_graph=retain, inputs=into)

    def _update(self) -> None:
        """Take one step of the optimizer and forget the gradients."""
        scaler, clip = self.session.scaler, self.plan.recipe.clip_grad
        # a scaler refuses a step in which all flows slept
        if scaler and all(parameter.grad is None for parameter in self._learning):
            scaler = None
        if clip:
            if scaler:
                scaler.unscale_(self._optimizer)
            nn.utils.clip_grad_norm_(self._learning, clip)
        if scaler:
            scaler.step(self._optimizer)
            scaler.update()
        else:
            self._optimizer.step()
        # as the optimizer's zero_grad, whose entry in the profiler costs more than all of it
        for parameter in self._learning:
            parameter.grad = None

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


def _autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    dtype = {"bfloat16": torch.bfloat16, "float16": torch.float16}.get(precision)
    return nullcontext() if dtype is None else torch.autocast(device.type, dtype=dtype)
