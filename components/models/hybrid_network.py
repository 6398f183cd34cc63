"""A network of a few layers of its own and the last stages of another node's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NoReturn

import torch
from torch import Tensor, nn

from graphkd.component.lent import Lent
from graphkd.components.models.tap_network import TapNetwork
from graphkd.errors import ComponentError

_LAYOUTS = {"logits": "b c", "embedding": "b d", "tokens": "b n d"}


class HybridNetwork(nn.Module):
    """Goes on from an early stage of one network with the late stages of another.

    Its parameters are those of the projector, and of the late stages where they are its own. Lent
    stages keep the mode, the device and the running statistics that their node gives them, and
    copies of this network go on using them.

    Args:
        projector: from the early stage to what the late one reads.
        late: the network whose last stages run.
        stage: with which they begin.
        separate: copy these stages and train the copy, instead of running the network's own.
    """

    begun: Tensor

    def __init__(
        self, projector: nn.Module, late: TapNetwork, *, stage: str, separate: bool
    ) -> None:
        super().__init__()
        self.projector = projector
        self.stage = stage
        self.image = late.image
        tail = late.tail(stage)
        form = tail.socket.layout
        self.layouts = {tap: _LAYOUTS.get(tap, form) for tap in tail.taps}
        self._lent = Lent(late)
        self.late = tail.separate() if separate else None
        if separate:
            self.register_buffer("begun", torch.zeros((), dtype=torch.bool))

    def forward(
        self, early: Tensor, read: Callable[[Tensor], tuple[Tensor, ...]] | None = None
    ) -> tuple[Tensor, ...]:
        """Run the projector, and what reads it.

        Readings come through here so that what wraps this module (compile, FSDP) sees them.

        Args:
            early: of the layout and sizes that the projector was built for.
            read: made by the late stages' `reader`; None for the logits.
        """
        sequence = self.projector(early)
        return self._read(("logits",))(sequence) if read is None else read(sequence)

    def taps(self) -> tuple[str, ...]:
        """Name the taps: what the late stages give."""
        return tuple(self.layouts)

    def layout(self, tap: str) -> str | None:
        """Say the axis words of a tap; module paths are none."""
        return self.layouts.get(tap)

    def reader(self, taps: Sequence[str], *, stop: bool = False) -> HybridReader:
        """Make the function that computes these taps from the early stage.

        Args:
            taps: names that `layout` knows, in the order of the answer.
            stop: leave out what lies behind the deepest of them.
        """
        return HybridReader(self, self._read(taps, stop=stop))

    def advance(self, step: int, steps: int) -> None:
        """Take the copy of the late stages when the first phase begins: they may have learnt.

        Args:
            step: optimizer steps of the phase that are done.
            steps: those of the whole phase.
        """
        if step or self.late is None or self.begun:
            return
        ours, theirs = self.late.model.state_dict(), self._lent.module.model.state_dict()
        self.late.model.load_state_dict({key: theirs[key] for key in ours})
        self.begun.fill_(True)

    def passport(self) -> NoReturn:
        """Assistants are not delivered: ComponentError."""
        raise _undelivered()

    def deliverable(self) -> NoReturn:
        """Assistants are not delivered: ComponentError."""
        raise _undelivered()

    def _read(
        self, taps: Sequence[str], *, stop: bool = False
    ) -> Callable[[Tensor], tuple[Tensor, ...]]:
        owner = self.late or self._lent.module
        # statistics of lent stages are those of their owner's own images
        return owner.tail(self.stage).reader(taps, stop=stop, tracking=self.late is not None)


class HybridReader:
    """Calls a hybrid network for chosen taps; it is no module.

    Attributes:
        network: what is called.
        read: reads the taps off the late stages.
    """

    def __init__(
        self, network: HybridNetwork, read: Callable[[Tensor], tuple[Tensor, ...]]
    ) -> None:
        self.network = network
        self.read = read

    def __call__(self, early: Tensor) -> tuple[Tensor, ...]:
        """Run the network once.

        Args:
            early: "b c h w" or "b n d", the early stage.

        Returns:
            The taps, in the order they were asked for.
        """
        taps: tuple[Tensor, ...] = self.network(early, self.read)
        return taps

    def close(self) -> None:
        """Take hooks off the late stages; the reader is of no use afterwards."""
        getattr(self.read, "close", lambda: None)()


def _undelivered() -> ComponentError:
    return ComponentError(
        "a hybrid_assistant consists of other networks' stages and is not delivered; "
        "deliver the student"
    )
