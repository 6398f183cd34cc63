"""Losses that are no numbers, or that explode: found, named, and the run is stopped."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import attrs
import torch
from torch import Tensor
from torch.distributed.tensor import DTensor

from graphkd.run.together import any_of_each, share
from graphkd.run.world import ALONE, World

Policy = Literal["stop", "skip", "ignore"]

IN_A_ROW = 10
"""So many steps may be left out one after the other."""
EXPLODED = 1e4
"""A loss explodes when it is so many times the lowest that it had in the phase, and above it."""


@attrs.frozen
class _Found:
    """The losses of a batch by name, and `index` of the samples of its step's batches."""

    values: dict[str, float | None]
    samples: Sequence[Any] = ()


class Broken(Exception):
    """A loss is not finite, or has exploded.

    Attributes:
        values: the losses of the step by name; None for one that slept.
        names: of those that broke.
        batches: `index` of the samples in each batch of the step.
        exploded: they are finite, but far too large.
    """

    def __init__(
        self,
        reason: str,
        *,
        values: dict[str, float | None],
        names: Sequence[str],
        batches: Sequence[Any] = (),
        exploded: bool = False,
    ) -> None:
        super().__init__(reason)
        self.values = values
        self.names = tuple(names)
        self.batches = batches
        self.exploded = exploded


@attrs.define
class Memory:
    """What a guard keeps from step to step of a phase, and a run when it is resumed.

    Attributes:
        skipped: steps that were left out.
        in_a_row: those of them that came one after the other, up to now.
        lowest: the lowest that each loss had when it was recorded.
    """

    skipped: int = 0
    in_a_row: int = 0
    lowest: dict[str, float] = attrs.field(factory=dict)


class Guard:
    """Looks at the losses of each step.

    On a CPU it knows at once. On a GPU, where looking makes the host wait, it gathers flags there
    and looks when losses are recorded, unless a step is to be left out.

    Attributes:
        policy: what to do when a loss is not finite: `stop`, `skip` the step, or `ignore`.
        names: of the losses, in the order of the schedule.
        memory: what it keeps.
        waits: whether it looks only when losses are recorded.
    """

    def __init__(
        self,
        names: Sequence[str],
        *,
        policy: Policy,
        device: torch.device,
        memory: Memory | None = None,
    ) -> None:
        self.policy = policy
        self.names = list(names)
        self.memory = memory or Memory()
        self.waits = device.type == "cuda" and policy == "stop"
        self._flags = torch.zeros(len(self.names), dtype=torch.bool, device=device)
        self._broken: dict[int, _Found] = {}

    def begin(self) -> None:
        """Tell that another step begins: its batches are left out together."""
        self._broken = {}

    def look(self, losses: Sequence[Tensor | None], batches: Sequence[Any] = ()) -> None:
        """Look at the losses of a batch.

        Args:
            losses: of a batch, in the order of `names`; None for one that slept.
            batches: the step's batches, for the message.

        Raises:
            Broken: one is not finite, and that stops the run.
        """
        if self.policy == "ignore":
            return
        if self.waits:
            self._gather(losses)
            return
        broken = [n for n, each in enumerate(losses) if each is not None and not _finite(each)]
        if not broken:
            return
        numbers = [None if each is None else float(each) for each in losses]
        values = dict(zip(self.names, numbers, strict=True))
        found = _Found(values, [batch["index"].tolist() for batch in batches])
        if self.policy == "stop":
            raise self._error(broken, found)
        self._broken |= dict.fromkeys(broken, found)

    def passes(self, world: World = ALONE) -> bool:
        """Say whether the step is taken: all processes take it, or none.

        Args:
            world: the processes, all of which call this.

        Raises:
            Broken: too many were left out one after the other.
        """
        if self.policy != "skip":
            return True
        broken = any_of_each(world, [n in self._broken for n in range(len(self.names))])
        if not any(broken):
            self.memory.in_a_row = 0
            return True
        self.memory.in_a_row += 1
        if self.memory.in_a_row > IN_A_ROW:
            known = [each for one in share(world, self._broken) for each in one.values()]
            raise self._error([n for n, each in enumerate(broken) if each], known[0])
        self.memory.skipped += 1
        return False

    def _gather(self, losses: Sequence[Tensor | None]) -> None:
        for n, each in enumerate(losses):
            if each is not None:
                self._flags[n].logical_or_(~each.isfinite())

    def check(self, values: Mapping[str, float]) -> None:
        """Look at what a GPU has gathered, and whether a loss has exploded.

        Args:
            values: the losses of the last batch that were awake, by name.

        Raises:
            Broken: a loss was not finite since the last look, or has exploded.
        """
        if self.policy == "ignore":
            return
        known = {name: values.get(name) for name in self.names}
        if self.waits and (gathered := self._flags.nonzero().flatten().tolist()):
            raise self._error(gathered, _Found(known))
        for name, value in values.items():
            lowest = self.memory.lowest.get(name, math.inf)
            if math.isfinite(value) and value > EXPLODED * max(lowest, 1.0):
                reason = f"loss of {name} is {value:.3g}, and was {lowest:.3g}"
                raise Broken(reason, values=known, names=[name], exploded=True)
            self.memory.lowest[name] = min(lowest, value)

    def _error(self, which: Sequence[int], found: _Found) -> Broken:
        names, values = [self.names[n] for n in which], found.values
        said = ", ".join(f"{name} is {_said(values[name])}" for name in names)
        count = self.memory.in_a_row
        more = f" in {count} steps one after the other" if count else ""
        return Broken(f"loss of {said}{more}", values=values, names=names, batches=found.samples)


def are_finite(weights: Sequence[Tensor]) -> bool:
    """Say whether all numbers of these weights are finite, of shared out ones those that are here.

    The host waits for it.
    """
    own = [each.to_local() if isinstance(each, DTensor) else each.detach() for each in weights]
    return bool(torch.stack(torch._foreach_norm(own)).isfinite().all()) if own else True


def _finite(loss: Tensor) -> bool:
    return math.isfinite(loss.item())


def _said(value: float | None) -> str:
    # a GPU tells later, when the loss may sleep or be a number again
    return "not finite" if value is None or math.isfinite(value) else f"{value}"
