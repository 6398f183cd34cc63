"""Forwards of a batch, and the backwards that add its gradients up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from graphkd.compile.instructions import Backward
from graphkd.compile.plan import PhasePlan
from graphkd.run.executor import PhaseModule
from graphkd.run.outcome import Factors, Outcome
from graphkd.run.session import Session

Batch = Mapping[str, Tensor]


class Backwards:
    """Computes the gradients of a phase's losses.

    Attributes:
        module: the phase's module.
    """

    def __init__(self, plan: PhasePlan, session: Session, module: PhaseModule) -> None:
        """Get ready.

        Args:
            plan: the phase.
            session: what moves.
            module: of the phase.
        """
        self.module = module
        self._plan = plan
        self._parts = session.parts
        self._precision = autocast_of(session.device, plan.recipe.precision)
        backwards = [each for each in plan.instructions if isinstance(each, Backward)]
        self._groups = [
            (group, self._parameters(each), each is not backwards[-1])
            for group, each in zip(module.groups, backwards, strict=True)
        ]

    @property
    def count(self) -> int:
        """How many backwards a batch has."""
        return len(self._groups)

    def __call__(
        self,
        batch: Batch,
        alive: tuple[bool, ...] | None,
        factors: Factors | None,
        weights: Sequence[Tensor],
    ) -> list[Tensor | None]:
        """Add the gradients of a batch up.

        Args:
            batch: on the session's device.
            alive: which losses are; None for all.
            factors: what launches of fused losses multiply with.
            weights: the gradient of each other loss.

        Returns:
            The detached losses in the order of the schedule; None for one that slept.
        """
        with self._precision:
            outcome = self.module(batch, alive=alive, factors=factors)
        self._send_back(outcome, factors, weights)
        return [None if each is None else each.detach() for each in outcome.losses]

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

    def _parameters(self, each: Backward) -> list[Tensor] | None:
        """Return the parameters that a restricted backward may change, its own loss included."""
        if not each.into:
            return None
        flows = {self._plan.graph.nodes[name]["vertex"].flow for name in each.losses}
        nodes = [
            name
            for name in self._plan.trained
            if name in each.into or self._plan.graph.nodes[name]["vertex"].flow in flows
        ]
        return [
            parameter
            for name in nodes
            if isinstance(part := self._parts[name], nn.Module)
            for parameter in part.parameters()
            if parameter.requires_grad
        ]


def autocast_of(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """Make what runs forwards in a recipe's precision."""
    dtype = {"bfloat16": torch.bfloat16, "float16": torch.float16}.get(precision)
    return nullcontext() if dtype is None else torch.autocast(device.type, dtype=dtype)
