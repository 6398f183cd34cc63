"""One `nn.Module` whose forward executes a phase's schedule."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial, reduce
from itertools import groupby
from operator import add, itemgetter
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from graphkd.compile.instructions import (
    Backward,
    Convert,
    Fit,
    Forward,
    Loss,
    Measure,
    PhasePlan,
    Read,
)
from graphkd.graph import describe_vertex, vertex
from graphkd.run.images import converter

Values = list[Any]
Operation = Callable[[Values], None]
Block = tuple[Operation, int | None]
"""Operations that run together, and the number of the loss when they are one."""


# a tuple, so that what wraps the module finds the tensors in it
class Outcome(NamedTuple):
    """What a forward of a phase gives.

    Attributes:
        losses: the plain value of each flow's loss, in the order of the schedule; None for a flow
            that sleeps in this step.
        weights: the factor of each loss in this step.
        groups: numbers of the losses of each `Backward`.
    """

    losses: list[Tensor | None]
    weights: Sequence[float]
    groups: Sequence[Sequence[int]]

    @property
    def totals(self) -> list[Tensor]:
        """One weighted sum of losses for each `Backward` of which a loss is awake."""
        terms = [
            [
                loss * self.weights[index]
                for index in group
                if (loss := self.losses[index]) is not None
            ]
            for group in self.groups
        ]
        return [reduce(add, group) for group in terms if group]


class PhaseModule(nn.Module):
    """A phase's part of the graph, as a module.

    Its forward runs the `Convert`, `Forward`, `Loss`, `Measure` and `Fit` instructions of one step.
    Whatever mode it is put in, only nodes that learn in the phase go into training mode.

    Attributes:
        plan: the phase.
        nodes: the modules that it uses, by vertex.
        groups: numbers of the losses of each `Backward`.
    """

    def __init__(self, plan: PhasePlan, parts: Mapping[str, Any]) -> None:
        super().__init__()
        self.plan = plan
        used = [*_modules_of(plan), *plan.trained]
        self.nodes = nn.ModuleDict(
            {name: parts[name] for name in used if isinstance(parts.get(name), nn.Module)}
        )
        losses = [each.node for each in plan.instructions if isinstance(each, Loss)]
        self.groups = [
            [losses.index(name) for name in each.losses]
            for each in plan.instructions
            if isinstance(each, Backward)
        ]
        self._slots: dict[str, int] = {}
        self._readers: list[Any] = []
        self._notes: dict[Operation, Callable[[Values], str]] = {}
        self._blocks = self._compile(plan, parts)
        self._inputs = [
            (name.removeprefix("data."), slot)
            for name, slot in self._slots.items()
            if name.startswith("data.")
        ]
        self._losses = [self._slots[name] for name in losses]
        self._awake = [True] * len(losses)

    def activate(self) -> None:
        """Let what learns in the phase learn, freeze the rest, and go into training mode."""
        for name, module in self.nodes.items():
            module.requires_grad_(name in self.plan.trained)
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
    ) -> Outcome:
        """Run one step's forward.

        Args:
            batch: `image`, `label`, `index`.
            weights: the factor of each loss in this step; only `Outcome.totals` needs them.
            alive: for each loss whether it is computed in this step; all by default.
        """
        awake = self._awake if alive is None else alive
        values = self._start(batch)
        for run, loss in self._blocks:
            if loss is None or awake[loss]:
                run(values)
        return Outcome([values[slot] for slot in self._losses], weights, self.groups)

    @torch.no_grad()
    def values(self, batch: Mapping[str, Tensor], wanted: Sequence[str]) -> dict[str, Tensor]:
        """Run the instructions and return some of the values by name."""
        values = self._start(batch)
        for run, loss in self._blocks:
            if loss is None:
                run(values)
        return {name: values[self._slots[name]] for name in wanted}

    def close(self) -> None:
        """Take back what was attached to the models to read their taps."""
        for reader in self._readers:
            getattr(reader, "close", lambda: None)()

    def _start(self, batch: Mapping[str, Tensor]) -> Values:
        values: Values = [None] * len(self._slots)
        for name, slot in self._inputs:
            values[slot] = batch[name]
        return values

    def _slot(self, value: str) -> int:
        return self._slots.setdefault(value, len(self._slots))

    def _compile(self, plan: PhasePlan, parts: Mapping[str, Any]) -> list[Block]:
        """Make one block of each loss, and of neighbours that record a graph or record none."""
        found: list[tuple[bool, int | None, Operation]] = []
        losses = 0
        for each in plan.instructions:
            gradient = False
            loss: int | None = None
            match each:
                case Convert():
                    operation = self._call(converter(each.image), each.reads, each.makes[0])
                    gradient = each.gradient
                case Forward():
                    operation, gradient = self._read_taps(each, parts), each.gradient
                case Loss():
                    operation = self._call(parts[each.node], each.reads, each.node)
                    gradient, loss = True, losses
                    losses += 1
                case Measure():
                    operation = self._call(parts[each.node], each.reads, each.node)
                case Fit():
                    operation = self._call(parts[each.node].update, each.reads)
                case _:
                    continue
            found.append((gradient, loss, operation))
            self._notes[operation] = partial(self._note, each)
            if each.frees:
                found.append((gradient, loss, self._free(each.frees)))
        return [
            (self._together([operation for _, _, operation in group], gradient=gradient), loss)
            for (gradient, loss), group in groupby(found, key=itemgetter(0, 1))
        ]

    def _read_taps(self, each: Forward, parts: Mapping[str, Any]) -> Operation:
        part = parts[each.module]
        if each.taps == ("",):
            return self._call(part, each.reads, each.makes[0])
        reader = part.reader(each.taps, stop=each.stops)
        self._readers.append(reader)
        arguments = self._arguments(each.reads)
        slots = [self._slot(name) for name in each.makes]

        def run(values: Values) -> None:
            for slot, made in zip(slots, reader(*arguments(values)), strict=True):
                values[slot] = made

        return run

    def _call(self, function: Any, reads: tuple[Read, ...], makes: str = "") -> Operation:
        """Make the call with values from their slots, and keep what it gives."""
        arguments = self._arguments(reads)
        slot = self._slot(makes)

        def run(values: Values) -> None:
            values[slot] = function(*arguments(values))

        return run

    def _arguments(self, reads: tuple[Read, ...]) -> Callable[[Values], Iterable[Any]]:
        """Take values from their slots, gradients stopped where they must."""
        slots = [self._slot(read.value) for read in reads]
        if any(read.detach for read in reads):
            stops = [(slot, read.detach) for slot, read in zip(slots, reads, strict=True)]
            return lambda values: [
                values[slot].detach() if stop else values[slot] for slot, stop in stops
            ]
        # the compiler cannot look into an itemgetter
        if len(slots) > 1 and not self.plan.recipe.compile:
            return itemgetter(*slots)
        return lambda values: [values[slot] for slot in slots]

    def _free(self, names: tuple[str, ...]) -> Operation:
        slots = [self._slots[name] for name in names]

        def run(values: Values) -> None:
            for slot in slots:
                values[slot] = None

        return run

    def _together(self, operations: Sequence[Operation], *, gradient: bool) -> Operation:
        """Run operations in order, and record no graph where no gradient is wanted."""
        notes = self._notes

        def run(values: Values) -> None:
            operation = operations[0]
            try:
                for operation in operations:
                    operation(values)
            except Exception as error:
                error.add_note(notes[operation](values))
                raise

        if gradient:
            return run

        def run_without_gradient(values: Values) -> None:
            with torch.no_grad():
                run(values)

        return run_without_gradient

    def _note(self, each: Any, values: Values) -> str:
        """Say which vertex failed, and on what."""
        found = [(read.value, values[self._slots[read.value]]) for read in each.reads]
        shapes = [f"{name} {tuple(value.shape)}" for name, value in found if value is not None]
        who = describe_vertex(vertex(self.plan.graph, each.node))
        return f"while running {who} on {', '.join(shapes)}"


def _modules_of(plan: PhasePlan) -> list[str]:
    names: list[str] = []
    for each in plan.instructions:
        if isinstance(each, Forward):
            names.append(each.module)
        elif isinstance(each, (Loss, Measure, Fit)):
            names.append(each.node)
    return list(dict.fromkeys(names))
