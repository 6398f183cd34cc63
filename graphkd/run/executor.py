"""One `nn.Module` whose forward executes a phase's schedule."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import torch
import torch.nn.functional as F
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
from graphkd.component import ImageSpec

Values = list[Any]
Operation = Callable[[Values], None]


@attrs.frozen
class Outcome:
    """What a forward of a phase gives.

    Attributes:
        totals: one weighted sum of losses for each `Backward`.
        losses: the plain value of each flow's loss, in the order of the schedule; None for a flow
            that sleeps in this step.
    """

    totals: list[Tensor]
    losses: list[Tensor | None]


class PhaseModule(nn.Module):
    """A phase's part of the graph, as a module.

    Its forward runs the `Convert`, `Forward`, `Loss`, `Measure` and `Fit` instructions of one step.
    Whatever mode it is put in, only nodes that learn in the phase go into training mode.
    """

    def __init__(self, plan: PhasePlan, parts: Mapping[str, Any]) -> None:
        super().__init__()
        self.plan = plan
        used = [*_modules_of(plan), *plan.trained]
        self.nodes = nn.ModuleDict(
            {name: parts[name] for name in used if isinstance(parts.get(name), nn.Module)}
        )
        self._slots: dict[str, int] = {}
        self._readers: list[Any] = []
        self._losses = [each for each in plan.instructions if isinstance(each, Loss)]
        groups = [each for each in plan.instructions if isinstance(each, Backward)]
        group_of = {loss: index for index, each in enumerate(groups) for loss in each.losses}
        self._groups = [group_of[each.node] for each in self._losses]
        self._group_count = len(groups)
        self._batch: dict[str, int] = {}
        self._operations = self._compile(plan, parts)

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
            weights: the factor of each loss in this step.
            alive: for each loss whether it is computed in this step; all by default.
        """
        values = self._start(batch)
        losses: list[Tensor | None] = []
        totals: list[Tensor | None] = [None] * self._group_count
        position = 0
        for operation, is_loss in self._operations:
            if not is_loss:
                operation(values)
                continue
            if alive is not None and not alive[position]:
                losses.append(None)
            else:
                loss = operation(values)
                losses.append(loss)
                group = self._groups[position]
                term = loss if weights[position] == 1 else loss * weights[position]
                total = totals[group]
                totals[group] = term if total is None else total + term
            position += 1
        return Outcome([each for each in totals if each is not None], losses)

    @torch.no_grad()
    def values(self, batch: Mapping[str, Tensor], wanted: Sequence[str]) -> dict[str, Tensor]:
        """Run the instructions and return some of the values by name."""
        values = self._start(batch)
        for operation, is_loss in self._operations:
            if not is_loss:
                operation(values)
        return {name: values[self._slots[name]] for name in wanted}

    def close(self) -> None:
        """Take back what was attached to the models to read their taps."""
        for reader in self._readers:
            getattr(reader, "close", lambda: None)()

    def _start(self, batch: Mapping[str, Tensor]) -> Values:
        values: Values = [None] * len(self._slots)
        for name, slot in self._batch.items():
            values[slot] = batch[name]
        return values

    def _slot(self, value: str) -> int:
        if value not in self._slots:
            self._slots[value] = len(self._slots)
            if value.startswith("data."):
                self._batch[value.removeprefix("data.")] = self._slots[value]
        return self._slots[value]

    def _compile(self, plan: PhasePlan, parts: Mapping[str, Any]) -> list[tuple[Any, bool]]:
        operations: list[tuple[Any, bool]] = []
        for each in plan.instructions:
            match each:
                case Convert():
                    operation = _converter(each.image, self._slot(each.reads[0].value))
                    made = self._guarded(operation, [self._slot(each.makes[0])], gradient=False)
                case Forward():
                    made = self._forward_operation(each, parts)
                case Loss():
                    made = self._call(parts[each.node], each.reads)
                case Measure():
                    made = self._measure(parts[each.node], each)
                case Fit():
                    made = self._guarded(
                        self._call(_method(parts[each.node], "update"), each.reads), [], gradient=False
                    )
                case _:
                    continue
            operations.append((self._freeing(made, each.frees), isinstance(each, Loss)))
        return operations

    def _forward_operation(self, each: Forward, parts: Mapping[str, Any]) -> Operation:
        part = parts[each.module]
        slots = [self._slot(name) for name in each.makes]
        if each.taps == ("",):
            return self._guarded(self._call(part, each.reads), slots, gradient=each.gradient)
        reader = part.reader(each.taps, stop=each.stops)
        self._readers.append(reader)
        return self._guarded(
            self._call(reader, each.reads), slots, gradient=each.gradient, several=True
        )

    def _measure(self, part: Any, each: Measure) -> Operation:
        return self._guarded(self._call(part, each.reads), [self._slot(each.node)], gradient=False)

    def _call(self, function: Any, reads: tuple[Read, ...]) -> Callable[[Values], Any]:
        """Make the call with values from their slots, gradients stopped where they must."""
        slots = [(self._slot(read.value), read.detach) for read in reads]
        if len(slots) == 1 and not slots[0][1]:
            only = slots[0][0]
            return lambda values: function(values[only])
        if len(slots) == 2 and not slots[0][1]:
            (one, _), (two, stop) = slots
            if stop:
                return lambda values: function(values[one], values[two].detach())
            return lambda values: function(values[one], values[two])
        return lambda values: function(
            *[values[slot].detach() if stop else values[slot] for slot, stop in slots]
        )

    def _guarded(
        self,
        call: Callable[[Values], Any],
        slots: list[int],
        *,
        gradient: bool,
        several: bool = False,
    ) -> Operation:
        """Keep the results of a call, and record no graph where no gradient is wanted."""
        if several:

            def keep(values: Values) -> None:
                for slot, made in zip(slots, call(values), strict=True):
                    values[slot] = made
        elif slots:
            (only,) = slots

            def keep(values: Values) -> None:
                values[only] = call(values)
        else:

            def keep(values: Values) -> None:
                call(values)

        if gradient:
            return keep

        def without_gradient(values: Values) -> None:
            with torch.no_grad():
                keep(values)

        return without_gradient

    def _freeing(self, operation: Any, frees: tuple[str, ...]) -> Any:
        slots = [self._slots[name] for name in frees]
        if not slots:
            return operation

        def then_free(values: Values) -> Any:
            result = operation(values)
            for slot in slots:
                values[slot] = None
            return result

        return then_free


def _modules_of(plan: PhasePlan) -> list[str]:
    names: list[str] = []
    for each in plan.instructions:
        if isinstance(each, Forward):
            names.append(each.module)
        elif isinstance(each, (Loss, Measure, Fit)):
            names.append(each.node)
    return list(dict.fromkeys(names))


def _method(part: Any, name: str) -> Any:
    return getattr(part, name)


def _converter(image: ImageSpec, slot: int) -> Callable[[Values], Tensor]:
    statistics: dict[tuple[torch.device, torch.dtype], tuple[Tensor, Tensor]] = {}

    def run(values: Values) -> Tensor:
        pixels: Tensor = values[slot]
        key = (pixels.device, pixels.dtype)
        if key not in statistics:
            statistics[key] = (
                torch.tensor(image.mean, device=key[0], dtype=key[1]).view(1, -1, 1, 1),
                torch.tensor(image.std, device=key[0], dtype=key[1]).view(1, -1, 1, 1),
            )
        mean, std = statistics[key]
        return convert_image(pixels, image, mean, std)

    return run


def convert_image(pixels: Tensor, image: ImageSpec, mean: Tensor, std: Tensor) -> Tensor:
    """Bring images in [0, 1] to what a model expects.

    Args:
        pixels: "b c h w".
        image: the size and number of channels wanted; one channel is repeated.
        mean: "1 c 1 1".
        std: "1 c 1 1".

    Returns:
        "b c h w", normalized.
    """
    if pixels.shape[-2:] != (image.height, image.width):
        size = (image.height, image.width)
        pixels = F.interpolate(pixels, size=size, mode="bilinear", antialias=True)
    if pixels.shape[1] != image.channels:
        if pixels.shape[1] != 1:
            raise ValueError(f"images have {pixels.shape[1]} channels, the model takes {image.channels}")
        pixels = pixels.expand(-1, image.channels, -1, -1)
    return (pixels - mean) / std
