"""A phase's instructions as operations, which hand each other values in numbered slots."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import Any

from torch import Tensor, nn

from graphkd.compile.instructions import (
    Cached,
    Convert,
    Fit,
    Forward,
    Fused,
    Instruction,
    Loss,
    Measure,
    Read,
    Wait,
)
from graphkd.compile.plan import PhasePlan
from graphkd.component import Launch
from graphkd.graph import describe_vertex, vertex
from graphkd.run.blocks import Operation, Values, in_turn, together
from graphkd.run.cache import Store, keeping, stored_name
from graphkd.run.images import converter
from graphkd.run.outcome import Factors
from graphkd.run.placed import SideStream, placed
from graphkd.run.used import sharing_with

Block = tuple[Operation, int | None]
"""Operations that run together, and the number of the loss that they make, of a launch its last."""


class Program:
    """What one step up to the first `Backward` does.

    Attributes:
        blocks: in order.
        losses: slots of the losses, in the order of the flows.
        sums: slots of the weighted sums of launches.
        factors: slot of what launches multiply with.
    """

    def __init__(
        self,
        plan: PhasePlan,
        parts: Mapping[str, Any],
        *,
        modules: Mapping[str, nn.Module],
        stores: Mapping[str, Store],
        launches: Sequence[tuple[Fused, Launch]],
    ) -> None:
        """Make the operations.

        Args:
            plan: the phase.
            parts: what the nodes and losses are, by vertex.
            modules: those that the phase uses, by vertex.
            stores: what is kept of nodes.
            launches: of fused losses.
        """
        self._plan = plan
        self._modules = modules
        self._stores = stores
        self._launches = launches
        self._fused = {one.node for each, _ in launches for one in each.members}
        self._side = SideStream()
        self._slots: dict[str, int] = {}
        self._stored: list[tuple[str, int]] = []
        self._readers: list[Any] = []
        self._notes: dict[Operation, Callable[[Values], str]] = {}
        # no value has a name with a space
        self.factors = self._slot("factors of launches")
        self.sums = [self._slot(f"sum of launch {n}") for n in range(len(launches))]
        self.blocks = self._compile(plan, parts)
        self.losses = [
            self._slots[each.node] for each in plan.instructions if isinstance(each, Loss)
        ]
        self._inputs = [
            (name.removeprefix("data."), slot)
            for name, slot in self._slots.items()
            if name.startswith("data.")
        ]

    def start(self, batch: Mapping[str, Tensor]) -> Values:
        """Put a batch, and what is stored of it, into the slots of a step."""
        values: Values = [None] * len(self._slots)
        for name, slot in self._inputs:
            values[slot] = batch[name]
        for name, slot in self._stored:
            values[slot] = batch.get(name)
        return values

    def slot(self, value: str) -> int:
        """Return the slot of a value by its name."""
        return self._slots[value]

    def close(self) -> None:
        """Take back what was attached to the models to read their taps."""
        for reader in self._readers:
            getattr(reader, "close", lambda: None)()

    def _slot(self, value: str) -> int:
        return self._slots.setdefault(value, len(self._slots))

    def _compile(self, plan: PhasePlan, parts: Mapping[str, Any]) -> list[Block]:
        """Make one block of each loss, and of neighbours that record a graph or record none."""
        found: list[tuple[bool, int | None, Operation]] = []
        losses = 0
        for each in plan.instructions:
            losses += isinstance(each, Loss)
            # a group of losses comes right behind its last one, and is alive with it
            loss = losses - 1 if isinstance(each, (Loss, Fused)) else None
            gradient = loss is not None or getattr(each, "gradient", False)
            operation = self._operation(each, parts)
            if operation is not None:
                found.append((gradient, loss, operation))
                self._notes[operation] = partial(self._note, each)
            if frees := getattr(each, "frees", ()):
                found.append((gradient, loss, self._free(frees)))
        return [
            (together([each for _, _, each in group], notes=self._notes, gradient=gradient), loss)
            for (gradient, loss), group in groupby(found, key=itemgetter(0, 1))
        ]

    def _operation(self, each: Instruction, parts: Mapping[str, Any]) -> Operation | None:
        """Make what runs an instruction; None for one that is left out here, or ends the step."""
        match each:
            case Convert():
                return self._call(converter(each.image), each.reads, each.makes[0])
            case Forward():
                return self._read_taps(each, parts)
            case Wait():
                return self._side.waiting(each.node)
            case Cached():
                return self._read_or_compute(each, parts)
            case Loss() if each.node not in self._fused:
                return self._call(parts[each.node], each.reads, each.node)
            case Fused():
                return self._launch(each)
            case Measure():
                return self._call(parts[each.node], each.reads, each.node)
            case Fit():
                return self._call(parts[each.node].update, each.reads)
        return None

    def _read_taps(self, each: Forward, parts: Mapping[str, Any]) -> Operation:
        part = parts[each.module]
        if each.taps == ("",):
            return self._call(part, each.reads, each.makes[0])
        reader = part.reader(each.taps, stop=each.stops)
        self._readers.append(reader)
        sharing = set(sharing_with(self._plan, each.module))
        modules = [module for name, module in self._modules.items() if name in sharing]
        read = placed(reader, each.placement, modules=modules)
        if each.placement.aside:
            read = self._side.aside(each.node, read)
        arguments = self._arguments(each.reads)
        slots = [self._slot(name) for name in each.makes]

        def run(values: Values) -> None:
            for slot, made in zip(slots, read(*arguments(values)), strict=True):
                values[slot] = made

        return run

    def _read_or_compute(self, each: Cached, parts: Mapping[str, Any]) -> Operation:
        body: list[Operation] = []
        for one in each.body:
            operation = self._operation(one, parts)
            assert operation is not None
            body += [operation, self._free(one.frees)]
        if each.node not in self._stores:
            return in_turn(body)
        stored = [(name, self._slot(name)) for name in map(stored_name, each.makes)]
        self._stored += stored
        return keeping(
            body,
            node=each.node,
            store=self._stores[each.node],
            rows=self._slot(each.reads[0].value),
            stored=[slot for _, slot in stored],
            makes=[self._slot(name) for name in each.makes],
        )

    def _call(self, function: Any, reads: tuple[Read, ...], makes: str = "") -> Operation:
        """Make the call with values from their slots, and keep what it gives."""
        arguments = self._arguments(reads)
        slot = self._slot(makes)

        def run(values: Values) -> None:
            values[slot] = function(*arguments(values))

        return run

    def _launch(self, each: Fused) -> Operation | None:
        """Compute the losses of a group together; None where there is no launch for it."""
        groups = [fused for fused, _ in self._launches]
        if each not in groups:
            return None
        number = groups.index(each)
        launch, total = self._launches[number][1], self.sums[number]
        arguments = [self._arguments(one.reads) for one in each.members]
        slots = [self._slot(one.node) for one in each.members]

        def run(values: Values) -> None:
            factors: Factors = values[self.factors]
            taken = [take(values) for take in arguments]
            losses, values[total] = launch(taken, factors.weights[number], factors.scale)
            for slot, loss in zip(slots, losses, strict=True):
                values[slot] = loss

        return run

    def _arguments(self, reads: tuple[Read, ...]) -> Callable[[Values], Sequence[Any]]:
        """Take values from their slots, gradients stopped where they must."""
        slots = [self._slot(read.value) for read in reads]
        if any(read.detach for read in reads):
            stops = [(slot, read.detach) for slot, read in zip(slots, reads, strict=True)]
            return lambda values: [
                values[slot].detach() if stop else values[slot] for slot, stop in stops
            ]
        # the compiler cannot look into an itemgetter
        if len(slots) > 1 and not self._plan.recipe.compile:
            return itemgetter(*slots)
        return lambda values: [values[slot] for slot in slots]

    def _free(self, names: tuple[str, ...]) -> Operation:
        slots = [self._slots[name] for name in names]

        def run(values: Values) -> None:
            for slot in slots:
                values[slot] = None

        return run

    def _note(self, each: Any, values: Values) -> str:
        """Say which vertex failed, and on what."""
        names = dict.fromkeys(read.value for read in each.reads)
        found = [(name, values[self._slots[name]]) for name in names]
        shapes = [f"{name} {tuple(value.shape)}" for name, value in found if value is not None]
        nodes = [one.node for one in each.members] if isinstance(each, Fused) else [each.node]
        who = [describe_vertex(vertex(self._plan.graph, node)) for node in nodes]
        return f"while running {' and '.join(who)} on {', '.join(shapes)}"
