"""A model of any library with graphkd's taps around it."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor, nn

from graphkd.component import ImageSpec
from graphkd.components.models.blocks import blocks_of
from graphkd.components.models.plain_model import plain_model
from graphkd.components.models.tail import cannot_run
from graphkd.components.models.watch import Place, Watch
from graphkd.errors import ComponentError

if TYPE_CHECKING:
    from graphkd.components.models.tail import Tail


class Reading(Protocol):
    """One way to run a model: which taps, and where it ends."""

    def __call__(self, model: nn.Module, image: Tensor) -> tuple[Tensor, ...]:
        """Run the model once and give the taps."""
        ...

    def close(self) -> None:
        """Undo what was attached to the model."""
        ...


class TapNetwork(nn.Module, ABC):
    """A model behind the `Network` protocol; each library has a subclass.

    Args:
        model: as its library made it.
        image: what it was made for.
        passport: what its library needs to make it again (JSON types).
    """

    def __init__(self, model: nn.Module, *, image: ImageSpec, passport: Mapping[str, Any]) -> None:
        super().__init__()
        self.model = model
        self.image = image
        self._passport = dict(passport)

    def forward(self, image: Tensor, reading: Reading | None = None) -> Any:
        """Run the model plainly, or as a reading says.

        Readings come through here so that what wraps this module (compile, FSDP) sees them.

        Args:
            image: "b c h w", resized and normalized as `self.image` says.
            reading: None for the model's own forward.
        """
        return self.model(image) if reading is None else reading(self.model, image)

    def begin_with(self, change: Callable[[TapNetwork], None]) -> None:
        """Let something change the model once, when the first phase begins that trains it."""
        self._change: Callable[[TapNetwork], None] | None = change
        self.register_buffer("begun", torch.zeros((), dtype=torch.bool))

    def advance(self, step: int, steps: int) -> None:
        """Begin, where something is to be done then; see `begin_with`.

        Args:
            step: optimizer steps of the phase that are done.
            steps: those of the whole phase.
        """
        begun, change = getattr(self, "begun", None), getattr(self, "_change", None)
        if step == 0 and change is not None and begun is not None and not begun:
            change(self)
            begun.fill_(True)

    @abstractmethod
    def taps(self) -> tuple[str, ...]:
        """Name the taps, module paths left out."""

    @abstractmethod
    def tap_layout(self, tap: str) -> str | None:
        """Say the axis words of one of `taps`, None for others."""

    @abstractmethod
    def reading(self, taps: Sequence[str], *, stop: bool) -> Reading:
        """Plan one forward that gives these taps."""

    def layout(self, tap: str) -> str | None:
        """Say the axis words of a tap or module path, `""` if only running it tells."""
        if tap in self.taps():
            return self.tap_layout(tap)
        return "" if tap and tap in dict(self.model.named_modules()) else None

    def reader(self, taps: Sequence[str], *, stop: bool = False) -> Reader:
        """Make the function that computes these taps in one forward.

        Args:
            taps: names that `layout` knows, in the order of the answer.
            stop: leave out what lies behind the deepest of them, which then also leaves its
                running statistics unmoved.
        """
        return Reader(self, self.reading(taps, stop=stop))

    def blocks(self, taps: Sequence[str]) -> list[nn.Module]:
        """Give the modules of the model that may be sharded one by one while these taps are read.

        Each runs as a whole or not at all.
        """
        reading = self.reading(taps, stop=False)
        watch: Watch | None = getattr(reading, "watch", None)
        reading.close()
        places = () if watch is None else watch.places
        # what a module takes is there before its blocks run, so it counts as inside of it
        read = [
            f"{each.path}.{each.side}" if each.side == "input" else each.path for each in places
        ]
        return blocks_of(self.model, apart_from=read)

    def tail(self, stage: str) -> Tail:
        """Give what runs from the beginning of a stage on, made of this model's own modules.

        Args:
            stage: `stage2` to `stage4`.

        Raises:
            ComponentError: tails do not begin there, or the model has none.
        """
        raise cannot_run(self, stage)

    def classifier(self) -> str:
        """Name the linear layer of the model that reads the embedding and gives the logits.

        Raises:
            ComponentError: there is none, or it has no bias.
        """
        path = self.classifier_path()
        layer = self.model.get_submodule(path) if path else None
        if not isinstance(layer, nn.Linear):
            raise ComponentError("its logits are not one linear layer on its embedding")
        if layer.bias is None:
            raise ComponentError(f"the linear layer of its logits, '{path}', has no bias")
        return path

    def classifier_path(self) -> str:
        """Name the module that reads the embedding; empty where it is not one alone."""
        return ""

    def passport(self) -> dict[str, Any]:
        """Say what the model's library needs to make it again."""
        return dict(self._passport)

    def deliverable(self) -> nn.Module:
        """Give the model as its library makes it: itself, or a copy if it stores other tensors."""
        return plain_model(self.model)

    def around(self, model: nn.Module, *, passport: Mapping[str, Any] | None = None) -> TapNetwork:
        """Put the same taps around another model with the same module paths.

        Args:
            model: a copy of this network's, of other weights or widths.
            passport: how to make that one again; None: as this one's.
        """
        other = copy.deepcopy(self, {id(self.model): model})
        other._passport = dict(self._passport if passport is None else passport)
        return other


class Reader:
    """Calls a network for chosen taps.

    It is no module: a module that holds it does not hold the network's parameters a second time.

    Attributes:
        network: what is called.
        reading: how.
    """

    def __init__(self, network: TapNetwork, reading: Reading) -> None:
        self.network = network
        self.reading = reading

    def __call__(self, image: Tensor) -> tuple[Tensor, ...]:
        """Run the network once.

        Args:
            image: "b c h w", resized and normalized as the network's `image` says.

        Returns:
            The taps, in the order they were asked for.
        """
        taps: tuple[Tensor, ...] = self.network(image, self.reading)
        return taps

    def close(self) -> None:
        """Take hooks off the model; the reader is of no use afterwards."""
        self.reading.close()


class HookNetwork(TapNetwork):
    """A model whose taps are outputs or inputs of its modules.

    Args:
        places: where each tap is read; without a place `logits` is what the model returns.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        image: ImageSpec,
        passport: Mapping[str, Any],
        places: Mapping[str, Place],
    ) -> None:
        super().__init__(model, image=image, passport=passport)
        self.places = dict(places)

    def taps(self) -> tuple[str, ...]:
        """Name the taps, module paths left out."""
        return tuple(dict.fromkeys(("logits", *self.places)))

    def tap_layout(self, tap: str) -> str:
        """Say the axis words of one of `taps`."""
        place = self.places.get(tap)
        return "b c" if place is None else place.layout

    def classifier_path(self) -> str:
        """Name the module whose input is the embedding; empty where it is an output."""
        place = self.places.get("embedding")
        return place.path if place is not None and place.side == "input" else ""

    def reading(self, taps: Sequence[str], *, stop: bool) -> Reading:
        """Plan one forward with a hook for each tap but the logits."""
        return _HookReading(self, taps, stop=stop)


class _HookReading:
    """Runs the model as it is, with hooks in it."""

    def __init__(self, network: HookNetwork, taps: Sequence[str], *, stop: bool) -> None:
        hooked = [tap for tap in taps if tap != "logits" or tap in network.places]
        places = [network.places.get(tap, Place(tap)) for tap in hooked]
        self.watch = Watch(network.model, places, stop=stop and len(hooked) == len(taps))
        self.plain = not hooked
        self.order = [hooked.index(tap) + 1 if tap in hooked else 0 for tap in taps]

    def __call__(self, model: nn.Module, image: Tensor) -> tuple[Tensor, ...]:
        if self.plain:
            return (model(image),) * len(self.order)
        logits, values = self.watch(model, image)
        found = (logits, *values)
        return tuple(found[index] for index in self.order)

    def close(self) -> None:
        """Take the hooks off."""
        self.watch.close()


def last_linear(model: nn.Module) -> str | None:
    """Name the last linear layer in module order, None if there is none."""
    names = [name for name, each in model.named_modules() if isinstance(each, nn.Linear)]
    return names[-1] if names else None
