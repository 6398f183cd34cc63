"""Finds out whether two ways of a step compute the same."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Protocol

import attrs
import torch
from torch import Tensor

from graphkd.run.backwards import Batch


@attrs.frozen
class Tolerance:
    """How far apart two contestants may be.

    Attributes:
        loss: of each step's, relative.
        moved: of what a node's tensors of one kind, as all `weight` of the student, are after the
            last step: the length of the difference over that of their movement since the start.
    """

    loss: float
    moved: float


TOLERANCES = {"float32": Tolerance(1e-4, 5e-2), "bfloat16": Tolerance(1e-2, 0.5)}
"""By the coarsest precision in it.

Losses are computed by other formulas, whose last bits differ. Over some steps that grows: where a
ReLU flips, or a value is rounded to bfloat16, gradients change by far more than a last bit. On a
CPU with tiny networks weights came out up to 0.012 apart in float32, and 0.18 in bfloat16. In
float32 a rate that is 20 % off is found; in bfloat16 only coarse mistakes are.
"""


class Stepping(Protocol):
    """One way of a step."""

    def run(self, batches: Sequence[Batch]) -> None:
        """Do one optimizer step for each batch."""
        ...

    def loss(self) -> Tensor:
        """Return the weighted sum of losses of the last step."""
        ...

    def state(self) -> Mapping[str, Tensor]:
        """Return what it has learnt, `node.tensor`, networks as their libraries make them."""
        ...


@attrs.frozen
class Trace:
    """What some steps made.

    Attributes:
        losses: of each step.
        before: what was there before the first, on the CPU.
        after: that after the last.
    """

    losses: Tensor
    before: Mapping[str, Tensor]
    after: Mapping[str, Tensor]


def trace(contestant: Stepping, batches: Sequence[Batch]) -> Trace:
    """Take one step for each batch."""
    before, losses = _kept(contestant.state()), []
    for batch in batches:
        contestant.run([batch])
        losses.append(contestant.loss().detach().double().cpu())
    return Trace(torch.stack(losses), before, _kept(contestant.state()))


def check(found: Trace, plain: Trace, tolerance: Tolerance) -> None:
    """Compare losses, and how far what learns has moved.

    Args:
        found: of a contestant.
        plain: of the hand-written loop.
        tolerance: for both.

    Raises:
        AssertionError: they are not the same computation.
    """
    torch.testing.assert_close(found.losses, plain.losses, rtol=tolerance.loss, atol=0.0)
    assert found.after.keys() == plain.after.keys()
    for kind, names in _kinds(plain).items():
        moved = _distance(plain.after, plain.before, names)
        apart = _distance(found.after, plain.after, names)
        assert apart <= tolerance.moved * moved, (
            f"{kind} are {apart:.2g} apart and moved by {moved:.2g} only"
        )


def _kinds(found: Trace) -> dict[str, list[str]]:
    kinds: dict[str, list[str]] = {}
    for name in found.after:
        node, _, path = name.partition(".")
        kinds.setdefault(f"'{path.rpartition('.')[2]}' of '{node}'", []).append(name)
    return kinds


def _distance(one: Mapping[str, Tensor], other: Mapping[str, Tensor], names: list[str]) -> float:
    return math.hypot(*((one[name] - other[name]).norm().item() for name in names))


def _kept(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    # a copy also where it is on the CPU already
    return {name: each.detach().to("cpu", torch.float64, copy=True) for name, each in state.items()}
