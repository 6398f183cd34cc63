"""Tails of timm's models."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import partial
from itertools import chain
from typing import Any

import torch
from torch import nn
from torch.func import functional_call

from graphkd.component import Socket
from graphkd.components.models.stages import STAGES
from graphkd.components.models.tail import BEGINNINGS, cannot_run, model_name
from graphkd.components.models.tap_network import Reader, TapNetwork
from graphkd.components.models.timm_course import find_course
from graphkd.components.models.timm_network import TimmNetwork
from graphkd.components.models.timm_tail_reading import TailReading, leave
from graphkd.components.models.watch import Place, Watch
from graphkd.errors import ComponentError, did_you_mean

# of the batch in a socket, which is a stand-in
_BATCH = 2


class TimmTail:
    """The very modules of a timm model that run from the beginning of a stage to its logits.

    See `graphkd.components.models.tail.Tail`.

    Args:
        network: whose modules are run; they are looked up in each forward.
        stage: with which it begins, `stage2` to `stage4`.

    Raises:
        ComponentError: tails do not begin there, or the model has none.
    """

    def __init__(self, network: TimmNetwork, stage: str) -> None:
        if stage not in BEGINNINGS:
            raise ComponentError(
                f"a tail begins with one of {', '.join(BEGINNINGS)}, not with '{stage}'"
            )
        course = find_course(network.model, network.anatomy, stage)
        if course is None:
            raise cannot_run(network, stage)
        last = STAGES[STAGES.index(stage) - 1]
        if network.anatomy.indices[stage] == network.anatomy.indices.get(last):
            raise ComponentError(
                f"{model_name(network)} has no blocks between {last} and {stage}; "
                "give it at least 4 blocks"
            )
        self.network = network
        self.stage = stage
        self.course = course
        reached = STAGES[STAGES.index(stage) :]
        tokens = ("tokens",) if "tokens" in network.taps() else ()
        self.taps: tuple[str, ...] = ("logits", "embedding", *reached, *tokens)
        self._socket: Socket | None = None

    @property
    def socket(self) -> Socket:
        """What it reads when the network sees images of its own size; "b c h w" or "b n d".

        The model runs for it on the meta device.
        """
        if self._socket is None:
            self._socket = self._measured()
        return self._socket

    def _measured(self) -> Socket:
        model, spec = self.network.model, self.network.image
        state = {
            name: torch.empty_like(each, device="meta")
            for name, each in chain(model.named_parameters(), model.named_buffers())
        }
        dtype = next(each.dtype for each in model.parameters())
        size = (_BATCH, spec.channels, spec.height, spec.width)
        anatomy = self.network.anatomy
        entry = Place(self.course.entry, side="input", convert=partial(leave, anatomy))
        watch = Watch(model, [entry], stop=True)
        running = [each for each in model.modules() if each.training]
        try:
            model.eval()
            with torch.no_grad():
                image = torch.empty(size, dtype=dtype, device="meta")
                _, (found,) = watch(functional_call, model, state, (image,))
        finally:
            watch.close()
            for each in running:
                each.training = True
        return Socket(anatomy.layout, tuple(found.shape), str(found.dtype).removeprefix("torch."))

    @property
    def heads(self) -> int:
        """Attention heads of the stage, 0 where it has none."""
        stage = self.network.model.get_submodule(self.course.entry)
        found = (getattr(each, "num_heads", None) for each in stage.modules())
        return next((each for each in found if isinstance(each, int)), 0)

    def reader(self, taps: Sequence[str], *, stop: bool = False, tracking: bool = False) -> Reader:
        """Make the function that computes these taps from the stage's input.

        Args:
            taps: some of `taps`, in the order of the answer.
            stop: leave out what lies behind the deepest of them.
            tracking: whether running statistics in the tail follow what passes through it.

        Raises:
            ComponentError: there is no such tap.
        """
        for tap in taps:
            if tap not in self.taps:
                raise ComponentError(
                    f"{model_name(self.network)} from {self.stage} on has no tap '{tap}'"
                    f"{did_you_mean(tap, self.taps)}"
                )
        reading = TailReading(self.network, self.course, taps, stop=stop, tracking=tracking)
        return Reader(self.network, reading)

    def separate(self) -> TapNetwork:
        """Copy what the tail runs, and nothing before it, into a trainable network of its own."""
        network = self.network
        memo: dict[int, Any] = {}
        for path in self.course.early:
            holder, _, name = path.rpartition(".")
            part = getattr(network.model.get_submodule(holder), name)
            memo[id(part)] = nn.Identity() if isinstance(part, nn.Module) else None
        model = copy.deepcopy(network.model, memo).requires_grad_(True)
        return network.around(model)
