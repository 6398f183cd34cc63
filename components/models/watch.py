"""Reads tensors off a running model with hooks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import attrs
import torch
from torch import Tensor, nn

from graphkd.errors import ComponentError


@attrs.frozen
class Place:
    """Where a tap is read.

    Attributes:
        path: of the module, `layer1.0`.
        layout: axis words of the tensor, after `convert`.
        side: what the module gives or what it takes.
        convert: changes the tensor, as from "b h w c" to "b c h w".
    """

    path: str
    layout: str = ""
    side: Literal["output", "input"] = "output"
    convert: Callable[[Tensor], Tensor] | None = None


class _Reached(Exception):
    """The last watched module has run; the rest of the forward is not needed."""


class Watch:
    """Runs a function and keeps what passes through chosen modules of a model.

    A module that runs several times in one forward is read the first time. The hooks stay on the
    model until `close`; outside a call they do nothing.

    Args:
        model: its modules get the hooks.
        places: what to read.
        stop: end the forward when all is read. A compiler leaves out by itself what is not used,
            so this has no effect under `torch.compile`.
    """

    def __init__(self, model: nn.Module, places: Sequence[Place], *, stop: bool) -> None:
        self.places = tuple(places)
        self.stop = stop
        self.active = False
        self.eager = True
        self.missing = 0
        self.values: list[Tensor | None] = []
        self.versions: list[int] = []
        self.handles = [self._attach(model, index) for index in range(len(self.places))]

    def __call__(self, forward: Callable[..., Any], *inputs: Any) -> tuple[Any, tuple[Tensor, ...]]:
        """Run `forward` on `inputs`.

        Returns:
            What it returned, None if it was stopped; and the tensor of each place.

        Raises:
            ComponentError: a module did not run, or its tensor was overwritten afterwards.
        """
        count = len(self.places)
        self.missing = count
        self.values = [None] * count
        self.versions = [0] * count
        self.eager = not torch.compiler.is_compiling()
        self.active = True
        try:
            result = forward(*inputs)
        except _Reached:
            result = None
        finally:
            self.active = False
            values, self.values = self.values, []
        return result, self._checked(values)

    def close(self) -> None:
        """Take the hooks off."""
        for handle in self.handles:
            handle.remove()

    def _attach(self, model: nn.Module, index: int) -> torch.utils.hooks.RemovableHandle:
        module = model.get_submodule(self.places[index].path)

        def keep_input(module: nn.Module, inputs: tuple[Any, ...]) -> None:
            if self.active:
                self._keep(index, inputs[0])

        def keep_output(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
            if self.active:
                self._keep(index, output)

        if self.places[index].side == "input":
            return module.register_forward_pre_hook(keep_input)
        return module.register_forward_hook(keep_output)

    def _keep(self, index: int, value: Any) -> None:
        if self.values[index] is not None:
            return
        place = self.places[index]
        if not isinstance(value, Tensor):
            raise ComponentError(f"tap '{place.path}' is a {type(value).__name__}, not a tensor")
        value = value if place.convert is None else place.convert(value)
        self.values[index] = value
        self.missing -= 1
        if not self.eager:
            return
        # tensors of inference mode do not count their changes
        if not value.is_inference():
            self.versions[index] = value._version
        if self.stop and self.missing == 0:
            raise _Reached

    def _checked(self, values: Sequence[Tensor | None]) -> tuple[Tensor, ...]:
        found = []
        for place, value, version in zip(self.places, values, self.versions, strict=True):
            if value is None:
                raise ComponentError(f"tap '{place.path}' was not reached in the forward")
            if self.eager and not value.is_inference() and value._version != version:
                raise ComponentError(
                    f"tap '{place.path}' is overwritten in place by what follows it; "
                    "tap the module that does so"
                )
            found.append(value)
        return tuple(found)
