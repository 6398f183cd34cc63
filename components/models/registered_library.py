"""Models that users register with `graphkd.register_model`."""

from __future__ import annotations

from typing import Any

from torch import nn

from graphkd.component import find_model
from graphkd.components.models.arguments import construct
from graphkd.components.models.library import Expectation, Recipe
from graphkd.components.models.tap_network import HookNetwork, last_linear
from graphkd.components.models.watch import Place
from graphkd.errors import ComponentError


class RegisteredLibrary:
    """The functions that were registered under a name without a `/`."""

    name = "registered"
    channels: int | None = None

    def check(self, name: str) -> None:
        """Raise ComponentError when there is no such model."""
        import timm

        try:
            find_model(name)
        except KeyError as error:
            text = str(error.args[0])
            if timm.is_model(name):
                text = f"no registered model '{name}'; did you mean 'timm/{name}'?"
            raise ComponentError(text, field="model") from error

    def size_argument(self, name: str) -> None:
        """Registered models are not told the size of their input."""
        return None

    def pretrained(self, name: str) -> Expectation:
        """Registered models have no weights of their own: ComponentError."""
        raise ComponentError(
            f"registered model '{name}' has no pretrained weights; write a .safetensors file",
            field="weights",
        )

    def make(self, recipe: Recipe, *, download: bool) -> tuple[nn.Module, dict[str, Any]]:
        """Call the registered function with `num_classes`, `in_chans` and the user's args."""
        given = {"num_classes": recipe.classes, "in_chans": recipe.image.channels}
        model = construct(find_model(recipe.name), given, recipe.args, model=recipe.name)
        if not isinstance(model, nn.Module):
            raise ComponentError(
                f"registered model '{recipe.name}' gives a {type(model).__name__}, "
                "not a torch.nn.Module",
                field="model",
            )
        return model, {**given, **recipe.args}

    def network(self, model: nn.Module, recipe: Recipe, passport: dict[str, Any]) -> HookNetwork:
        """Put hooks where the model's `graphkd_taps` says, and before its last linear layer."""
        head = last_linear(model)
        places = {"embedding": Place(head, "b d", side="input")} if head else {}
        modules = dict(model.named_modules())
        for tap, path in getattr(model, "graphkd_taps", {}).items():
            if path not in modules:
                raise ComponentError(
                    f"registered model '{recipe.name}' has no module '{path}', which its "
                    f"graphkd_taps names for '{tap}'",
                    field="model",
                )
            places[tap] = Place(path)
        return HookNetwork(model, image=recipe.image, passport=passport, places=places)
