"""Losses that are no numbers, or that explode: found, named, and the run is stopped."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

Policy = Literal["stop", "skip", "ignore"]

IN_A_ROW = 10
"""So many steps may be left out one after the other."""
EXPLODED = 1e4
"""A loss explodes when it is so many times the lowest that it had in the phase, and above it."""


class Broken(Exception):
    """A loss is not finite, or has exploded.

    Attributes:
        values: the losses of the step by name; None for one that slept.
        names: of those that broke.
        batches: `index` of the samples in each batch of the step.
    """

    def __init__(
        self,
        reason: str,
        *,
        values: dict[str, float | None],
        names: Sequence[str],
        batches: Sequence[Any] = (),
    ) -> None:
        super().__init__(reason)
        self.values = values
        self.names = tuple(names)
        self.batches = batches


class Guard:
    """Looks at the losses of each step.

    On a CPU it knows at once. On a GPU, where looking makes the host wait, it gathers flags there
    and looks when losses are recorded, unless a step is to be left out.

    Attributes:
        policy: what to do when a loss is not finite: `stop`, `skip` the step, or `ignore`.
        names: of the losses, in the order of the schedule.
        skipped: steps that were left out.
        waits: whether it looks only when losses are recorded.
    """

    def __init__(self, names: Sequence[str], *, policy: Policy, device: torch.device) -> None:
        self.policy = policy
        self.names = list(names)
        self.skipped = 0
        self._in_a_row = 0
        self._leaving_out = False
        self.waits = device.type == "cuda" and policy == "stop"
        self._flags = torch.zeros(len(self.names), dtype=torch.bool, device=device)
        self._lowest: dict[str, float] = {}

    def begin(self) -> None:
        """Tell that another step begins: its batches are left out together."""
        if not self._leaving_out:
            self._in_a_row = 0
        self._leaving_out = False

    def passes(self, losses: Sequence[Tensor | None], batches: Sequence[Any] = ()) -> bool:
        """Say whether the step may be taken.

        Args:
            losses: of a batch, in the order of `names`; None for one that slept.
            batches: the step's batches, for the message.

        Raises:
            Broken: one is not finite, and that stops the run.
        """
        if self.policy == "ignore":
            return True
        if self.waits:
            self._gather(losses)
            return True
        broken = [n for n, each in enumerate(losses) if each is not None and not _finite(each)]
        if not broken:
            return True
        if self.policy == "skip" and (self._leaving_out or self._in_a_row < IN_A_ROW):
            self._in_a_row += not self._leaving_out
            self.skipped += not self._leaving_out
            self._leaving_out = True
            return False
        numbers = [None if each is None else float(each) for each in losses]
        raise self._broken(broken, dict(zip(self.names, numbers, strict=True)), batches)

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
            raise self._broken(gathered, known)
        for name, value in values.items():
            lowest = self._lowest.get(name, math.inf)
            if math.isfinite(value) and value > EXPLODED * max(lowest, 1.0):
                reason = f"loss of {name} is {value:.3g}, and was {lowest:.3g}"
                raise Broken(reason, values=known, names=[name])
            self._lowest[name] = min(lowest, value)

    def _broken(
        self,
        which: Sequence[int],
        values: dict[str, float | None],
        batches: Sequence[Any] = (),
    ) -> Broken:
        names = [self.names[n] for n in which]
        found = ", ".join(f"{name} is {_said(values[name])}" for name in names)
        more = f" in {self._in_a_row + 1} steps one after the other" if self._in_a_row else ""
        indices = [batch["index"].tolist() for batch in batches]
        return Broken(f"loss of {found}{more}", values=values, names=names, batches=indices)


def _finite(loss: Tensor) -> bool:
    return math.isfinite(loss.item())


def _said(value: float | None) -> str:
    # a GPU tells later, when the loss may sleep or be a number again
    return "not finite" if value is None or math.isfinite(value) else f"{value}"
