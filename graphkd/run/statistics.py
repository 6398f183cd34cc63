"""Running statistics, put back when a step is left out."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase


class Statistics:
    """The running statistics of norms, which one value that is no number would spoil for good."""

    def __init__(self, modules: Iterable[nn.Module]) -> None:
        """Get ready.

        Args:
            modules: whose norms are looked after.
        """
        every = (each for module in modules for each in module.modules())
        norms = dict.fromkeys(each for each in every if isinstance(each, _NormBase))
        self._now = [each for norm in norms for each in norm.buffers()]
        self._before = [each.clone() for each in self._now]

    def keep(self) -> None:
        """Remember what they are."""
        if self._now:
            torch._foreach_copy_(self._before, self._now)

    def put_back(self) -> None:
        """Make them what they were."""
        if self._now:
            torch._foreach_copy_(self._now, self._before)
