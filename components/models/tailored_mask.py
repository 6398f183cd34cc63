"""Which coordinates are used, how much, and which of them are dropped."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

if TYPE_CHECKING:
    from graphkd.components.models.tailored import Tailored


class CoordinateMask(nn.Module):
    """Multiplies coordinates by m u, scores them by the gradient of u, and drops the worst.

    Copies score for themselves.

    Args:
        count: k, number of coordinates.
        settings: the component.

    Attributes:
        gate: "k", u.
        mask: "k", bool, m.
        importance: "k", the scores since the last round.
    """

    mask: Tensor
    importance: Tensor

    def __init__(self, count: int, settings: Tailored) -> None:
        super().__init__()
        self.settings = settings
        self.gate = nn.Parameter(torch.ones(count))
        self.register_buffer("mask", torch.ones(count, dtype=torch.bool))
        self.register_buffer("importance", torch.zeros(count))
        self._listen()

    def forward(self, coordinates: Tensor) -> Tensor:
        """Multiply by m u, "b k" to "b k"."""
        return coordinates * self.factors()

    def factors(self) -> Tensor:
        """Give m u, "k"."""
        return self.gate * self.mask

    def no_weight_decay(self) -> set[str]:
        """Name the parameters that the optimizer must not shrink."""
        return {"gate"}

    @torch.no_grad()
    def advance(self, step: int, steps: int, *, kept: Tensor) -> None:
        """Begin scoring after the warm-up, and drop coordinates where rounds are due.

        Args:
            step: optimizer steps of the phase that are done, from 1.
            steps: those of the whole phase.
            kept: "k", bool, the coordinates that were there at the start.
        """
        done = sum(self._due(each, steps) <= step for each in self._rounds())
        if any(self._due(each, steps) == step for each in self._rounds()):
            self._drop(done, kept)
        elif step == round(self.settings.warmup * steps):
            self.importance.zero_()

    def _rounds(self) -> range:
        return range(1, self.settings.rounds + 1)

    def _due(self, each: int, steps: int) -> int:
        """Say after which step a round is due."""
        return max(1, round((self.settings.warmup + each * self.settings.every) * steps))

    def _drop(self, done: int, kept: Tensor) -> None:
        """Drop what is too much after so many rounds; the same in all processes."""
        if dist.is_available() and dist.is_initialized():
            dist.all_reduce(self.importance)
        start, active = int(kept.sum()), self.mask & kept
        if not start:
            name = self.settings.axes
            raise ValueError(f"'{name}' has no direction in use; fit it in a phase before")
        wanted = self.settings.keep or max(1, start // 2)
        left = max(start - done * math.ceil(max(0, start - wanted) / self.settings.rounds), wanted)
        surplus = max(0, int(active.sum()) - left)
        scores = self.importance.masked_fill(~active, math.inf)
        # the highest index first among equals
        worst = len(scores) - 1 - scores.flip(0).argsort(stable=True)
        self.mask[worst[:surplus]] = False
        self.importance.zero_()

    def _listen(self) -> None:
        """Score whenever a gradient arrives at u.

        A hook on the gradient of one backward, as what the parameter has gathered may be that of
        several batches.
        """
        frozen = not self.gate.requires_grad
        # a hook can only be attached to what learns
        self.gate.requires_grad_(True)
        self.gate.register_hook(self._score)  # type: ignore[no-untyped-call]
        self.gate.requires_grad_(not frozen)

    @torch.no_grad()
    def _score(self, gradient: Tensor) -> Tensor | None:
        """Add |u dL/du|; without a learnt mask, no gradient goes on to u."""
        change = (self.gate * gradient).abs()
        # a float16 loss scale that is too large makes a step that is left out
        self.importance += torch.where(change.isfinite().all(), change, 0.0)
        return None if self.settings.trainable_mask else torch.zeros_like(gradient)

    def __setstate__(self, state: Any) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        # a copied parameter has no hooks
        self._listen()
