"""A network whose weights are moved towards another's before it learns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from graphkd.components.models.tail import Tail
from graphkd.components.models.tap_network import Reading, TapNetwork


def difference(network: Any, teacher: Any) -> str:
    """Say the first entry by which two states differ in name or size; empty when none does."""
    own, other = (_sizes(each) for each in (network, teacher))
    for key in dict.fromkeys((*own, *other)):
        if key not in other:
            return f"it has no '{key}'"
        if key not in own:
            return f"it has '{key}' besides"
        if own[key] != other[key]:
            sizes = [" x ".join(map(str, size)) or "one number" for size in (own[key], other[key])]
            return f"its '{key}' is {sizes[1]}, here {sizes[0]}"
    return ""


def _sizes(network: Any) -> dict[str, tuple[int, ...]]:
    state = network.deliverable().state_dict()
    return {key: tuple(value.shape) for key, value in state.items()}


def between(
    own: Mapping[str, Tensor], teacher: Mapping[str, Tensor], share: float
) -> dict[str, Tensor]:
    """Mix two states.

    Args:
        own: theta_r, by entry.
        teacher: theta_t, with the same entries.
        share: no unit, 0 to 1; at both ends the result is bitwise one of the states.

    Returns:
        share theta_t + (1 - share) theta_r for floating entries, the teacher's for others.
    """
    mixed = {}
    for key, value in own.items():
        other = teacher[key].to(value.device)
        if value.is_floating_point():
            mixed[key] = share * other + (1.0 - share) * value
            if share in (0.0, 1.0):
                mixed[key] = (other if share else value).clone()
        else:
            mixed[key] = other.clone()
    return mixed


class NearNetwork(TapNetwork):
    """A network that a phase fits: `begin` moves it, `update` measures its running statistics.

    Args:
        network: what learns; its model becomes this network's.
        teacher: what it starts near; not a part of this module.
        share: of the teacher's weights.
    """

    def __init__(self, network: TapNetwork, teacher: Any, *, share: float) -> None:
        super().__init__(network.model, image=network.image, passport=network.passport())
        self._share = share
        # in lists: as submodules their weights would be counted, trained and saved once more
        self._network = [network]
        self._teacher = [teacher]
        self._start: dict[str, Tensor] = {}
        self._momenta: list[float | None] = []

    def taps(self) -> tuple[str, ...]:
        """Name the taps, module paths left out."""
        return self._network[0].taps()

    def tap_layout(self, tap: str) -> str | None:
        """Say the axis words of one of `taps`, None for others."""
        return self._network[0].tap_layout(tap)

    def reading(self, taps: Sequence[str], *, stop: bool) -> Reading:
        """Plan one forward that gives these taps."""
        return self._network[0].reading(taps, stop=stop)

    def tail(self, stage: str) -> Tail:
        """Give what runs from the beginning of a stage on."""
        return self._network[0].tail(stage)

    def begin(self) -> None:
        """Go to the start between random weights and the teacher's, and forget statistics."""
        if not self._start:
            self._start = {key: value.clone() for key, value in self.model.state_dict().items()}
        teacher = self._teacher[0].deliverable().state_dict()
        self.model.load_state_dict(between(self._start, teacher, self._share))
        norms = list(self._norms())
        self._momenta = [each.momentum for each in norms]
        for each in norms:
            each.reset_running_stats()
            # None is the average over all batches since the reset
            each.momentum = None

    @torch.no_grad()
    def update(self, image: Tensor) -> None:
        """Let a batch pass in training mode.

        Args:
            image: "b c h w", as the network takes it. One image alone has no variance, and is left
                out.
        """
        if len(image) < 2 or not self._momenta:
            return
        self.model.train()
        try:
            self.model(image)
        finally:
            self.model.eval()

    def finish(self) -> None:
        """Take the statistics of all processes together, and let them follow as before again."""
        if dist.is_available() and dist.is_initialized():
            for each in self._norms():
                _average(each)
        for each, momentum in zip(self._norms(), self._momenta, strict=True):
            each.momentum = momentum
        self._start = {}

    def _norms(self) -> Iterator[_BatchNorm]:
        for each in self.model.modules():
            if isinstance(each, _BatchNorm) and each.track_running_stats:
                yield each


@torch.no_grad()
def _average(norm: _BatchNorm) -> None:
    """Average running statistics over all processes, each counted by its batches."""
    count = norm.num_batches_tracked
    assert count is not None and norm.running_mean is not None and norm.running_var is not None
    own = count.clone()
    dist.all_reduce(count)
    for each in (norm.running_mean, norm.running_var):
        each.mul_(own / count.clamp(min=1))
        dist.all_reduce(each)
