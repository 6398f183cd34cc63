"""Models that timm makes."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from typing import Any

import timm
import torch
from torch import nn

from graphkd.components.models.arguments import construct
from graphkd.components.models.library import Expectation, Recipe
from graphkd.components.models.timm_network import TimmNetwork
from graphkd.errors import ComponentError, did_you_mean


class TimmLibrary:
    """The models of `timm.list_models()`, with or without the tag of their weights."""

    name = "timm"
    channels: int | None = None

    def check(self, name: str) -> None:
        """Raise ComponentError when there is no such model or no such tag."""
        architecture, _, tag = name.partition(".")
        if not timm.is_model(architecture):
            known = [f"timm/{each}" for each in timm.list_models()]
            hint = did_you_mean(f"timm/{architecture}", known)
            raise ComponentError(f"no model 'timm/{architecture}'{hint}", field="model")
        if tag and name not in timm.list_pretrained(f"{architecture}.*"):
            known = [f"timm/{each}" for each in timm.list_pretrained(f"{architecture}.*")]
            hint = did_you_mean(f"timm/{name}", known)
            raise ComponentError(f"no weights 'timm/{name}'{hint}", field="model")

    def size_argument(self, name: str) -> str:
        """Name the constructor's argument for the size of the input."""
        return "img_size"

    def pretrained(self, name: str) -> Expectation:
        """Say what timm's weights were made for, from the table that timm carries."""
        found = timm.get_pretrained_cfg(name)
        if found is None or not found.has_weights:
            raise ComponentError(
                f"timm/{name} has no pretrained weights; write a .safetensors file", field="weights"
            )
        return Expectation(
            mean=tuple(found.mean),
            std=tuple(found.std),
            size=tuple(found.input_size[1:]) if found.fixed_input_size else None,
            classes=found.num_classes,
        )

    def make(self, recipe: Recipe, *, download: bool) -> tuple[nn.Module, dict[str, Any]]:
        """Make the model; with `download` a pretrained one gets its weights from the hub."""
        given: dict[str, Any] = {
            "num_classes": recipe.classes,
            "in_chans": recipe.image.channels,
        }
        trained_for = timm.get_pretrained_cfg(recipe.name)
        # only these constructors take a size; they are also those that need it
        if trained_for is not None and trained_for.fixed_input_size:
            given["img_size"] = recipe.size
        fetch = recipe.pretrained and download
        create = partial(timm.create_model, recipe.name)
        # before a download, try the arguments where it costs nothing
        with torch.device("meta") if fetch else nullcontext():
            model = construct(create, given, recipe.args, model=f"timm/{recipe.name}")
        args = {**given, **recipe.args}
        return (_download(recipe, args) if fetch else model), args

    def network(self, model: nn.Module, recipe: Recipe, passport: dict[str, Any]) -> TimmNetwork:
        """Put the taps around a model."""
        return TimmNetwork(model, image=recipe.image, passport=passport)


def _download(recipe: Recipe, args: dict[str, Any]) -> nn.Module:
    try:
        model: nn.Module = timm.create_model(recipe.name, pretrained=True, **args)
    except OSError as error:
        raise ComponentError(
            f"the pretrained weights of timm/{recipe.name} could not be downloaded "
            f"({type(error).__name__}); write a .safetensors file",
            field="weights",
        ) from error
    return model
