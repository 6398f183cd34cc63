"""One `nn.Module` whose forward executes a phase's schedule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from graphkd.compile.instructions import Loss
from graphkd.compile.plan import PhasePlan
from graphkd.run.cache import Store
from graphkd.run.launches import device_of, groups_of, launches_of, plain_factors
from graphkd.run.outcome import Factors, Outcome
from graphkd.run.program import Program
from graphkd.run.used import used_nodes


class PhaseModule(nn.Module):
    """A phase's part of the graph, as a module.

    Its forward runs the instructions of one step up to the first `Backward`. Whatever mode it is
    put in, only nodes that learn in the phase go into training mode.

    Attributes:
        plan: the phase.
        nodes: the modules that it uses, by vertex.
        launches: numbers of the losses of each launch of fused losses. There are none where the
            device of the nodes has no launches: each loss is then computed by itself.
        groups: what each `Backward` adds up.
    """

    def __init__(
        self,
        plan: PhasePlan,
        parts: Mapping[str, Any],
        stores: Mapping[str, Store] | None = None,
    ) -> None:
        """Get ready.

        Args:
            plan: the phase.
            parts: what the nodes and losses are, by vertex.
            stores: what is kept of nodes; those without a store are computed in every step.
        """
        super().__init__()
        self.plan = plan
        self.nodes = nn.ModuleDict(
            {
                name: parts[name]
                for name in used_nodes(plan)
                if isinstance(parts.get(name), nn.Module)
            }
        )
        self._device = device_of(plan, self.nodes)
        launches = launches_of(plan, parts, self._device)
        losses = [each.node for each in plan.instructions if isinstance(each, Loss)]
        self.launches = [[losses.index(one.node) for one in each.members] for each, _ in launches]
        self.groups = groups_of(plan, self.launches)
        self._awake = [True] * len(losses)
        modules = dict(self.nodes.items())
        self._program = Program(
            plan, parts, modules=modules, stores=stores or {}, launches=launches
        )

    def activate(self) -> None:
        """Let what learns in the phase learn, freeze the rest, and go into training mode."""
        self.nodes.requires_grad_(False)
        # nodes may share parameters, which learn if one of them does
        for name in self.plan.trained:
            if name in self.nodes:
                self.nodes[name].requires_grad_(True)
        self.train()

    def train(self, mode: bool = True) -> PhaseModule:
        """Put what learns into training mode, and everything else into evaluation mode."""
        super().train(mode)
        for name, module in self.nodes.items():
            if name not in self.plan.trained:
                module.eval()
        return self

    def forward(
        self,
        batch: Mapping[str, Tensor],
        weights: Sequence[float] = (),
        alive: Sequence[bool] | None = None,
        factors: Factors | None = None,
    ) -> Outcome:
        """Run one step's forward.

        Args:
            batch: `image`, `label`, `index`.
            weights: the factor of each loss in this step; `Outcome.totals` needs them, and
                launches where they get no `factors`.
            alive: for each loss whether it is computed in this step; all by default. Those of one
                launch are alive together.
            factors: what launches multiply with; by default the weights, and a scale of 1.
        """
        awake = self._awake if alive is None else alive
        program = self._program
        values = program.start(batch)
        if self.launches:
            values[program.factors] = factors or plain_factors(self.launches, weights, self._device)
        for run, loss in program.blocks:
            if loss is None or awake[loss]:
                run(values)
        return Outcome(
            [values[slot] for slot in program.losses],
            weights,
            self.groups,
            [values[slot] for slot in program.sums],
        )

    @torch.no_grad()
    def values(self, batch: Mapping[str, Tensor], wanted: Sequence[str]) -> dict[str, Tensor]:
        """Run the instructions and return some of the values by name."""
        program = self._program
        values = program.start(batch)
        for run, loss in program.blocks:
            if loss is None:
                run(values)
        return {name: values[program.slot(name)] for name in wanted}

    def close(self) -> None:
        """Take back what was attached to the models to read their taps."""
        self._program.close()
