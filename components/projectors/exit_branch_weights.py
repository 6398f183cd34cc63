"""The initial weights of an exit branch."""

from __future__ import annotations

from torch import nn


def initialize(branch: nn.Module) -> None:
    """Give a branch its initial weights; norms start at weight 1 and bias 0 by themselves.

    Args:
        branch: convolutions become normal with variance 2 / fan-out, matrices normal with standard
            deviation 0.02, cut at 2, with bias 0.
    """
    for module in branch.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
