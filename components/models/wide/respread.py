"""Make the copies of a student anew when its dynamic teacher begins to learn."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from graphkd.component.lent import Lent
from graphkd.components.models.tap_network import TapNetwork
from graphkd.components.models.wide.shared_tensor import Part, tile

_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


class Respread:
    """Lets a wide model begin as the function of its student, which may have learnt alone before.

    Args:
        student: whose weights are slices of the wide model's.
        copies: r.
        noise: standard deviation of what is added to each repeated tensor.
    """

    def __init__(self, student: TapNetwork, *, copies: int, noise: float) -> None:
        self.student = Lent(student)
        self.copies = copies
        self.noise = noise

    @torch.no_grad()
    def __call__(self, wide: TapNetwork) -> None:
        """Copy the student's part of each stored tensor, and its running statistics, to the rest.

        Args:
            wide: the wide model's network.
        """
        seen: set[Tensor] = set()
        for module in self.student.module.modules():
            for stored, part in _parts(module):
                if stored not in seen and part.axes:
                    seen.add(stored)
                    self._spread(stored, part)
        theirs = dict(wide.model.named_buffers())
        for path, own in self.student.module.model.named_buffers():
            # all others are constants
            if path.rpartition(".")[2] in _STATISTICS:
                axes = () if theirs[path].shape == own.shape else ((0, 1),)
                theirs[path].copy_(tile(own, axes, self.copies))

    def _spread(self, stored: Tensor, part: Part) -> None:
        value = tile(part(stored), part.axes, self.copies) / part.factor
        stored.copy_(value)
        if self.noise:
            stored += self.noise * torch.randn_like(stored)


def _parts(module: nn.Module) -> list[tuple[Tensor, Part]]:
    """List the stored tensors that a module reads slices of."""
    if not parametrize.is_parametrized(module):
        return []
    lists = module.parametrizations
    assert isinstance(lists, nn.ModuleDict)
    found = []
    for each in lists.values():
        assert isinstance(each, parametrize.ParametrizationList)
        found += [(each.original, part) for part in each if isinstance(part, Part)]
    return found
