"""Models that torchvision makes."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import nn
from torchvision import models

from graphkd.components.models.arguments import construct
from graphkd.components.models.library import Expectation, Recipe
from graphkd.components.models.tap_network import HookNetwork
from graphkd.components.models.torchvision_places import find_places
from graphkd.errors import ComponentError, did_you_mean

# a second head that only training uses, and a normalization of their own inside the forward
_AUXILIARY = ("googlenet", "inception_v3")


class TorchvisionLibrary:
    """The classification models of `torchvision.models`."""

    name = "torchvision"
    channels: int | None = 3

    def check(self, name: str) -> None:
        """Raise ComponentError when there is no such model."""
        known = models.list_models(module=models)
        if name not in known:
            hint = did_you_mean(f"torchvision/{name}", [f"torchvision/{each}" for each in known])
            raise ComponentError(f"no model 'torchvision/{name}'{hint}", field="model")

    def size_argument(self, name: str) -> str | None:
        """Name the constructor's argument for the size of the input, if it fixes one."""
        if name.startswith("vit_"):
            return "image_size"
        return "input_size" if name.startswith("maxvit") else None

    def pretrained(self, name: str) -> Expectation:
        """Say what torchvision's default weights were made for."""
        weights = models.get_model_weights(name).DEFAULT
        seen = weights.transforms()
        return Expectation(
            mean=tuple(seen.mean),
            std=tuple(seen.std),
            size=(seen.crop_size[0],) * 2 if self.size_argument(name) else None,
            classes=len(weights.meta["categories"]),
        )

    def make(self, recipe: Recipe, *, download: bool) -> tuple[nn.Module, dict[str, Any]]:
        """Make the model; with `download` a pretrained one gets torchvision's default weights."""
        given: dict[str, Any] = {"num_classes": recipe.classes}
        argument = self.size_argument(recipe.name)
        if argument == "image_size":
            given[argument] = recipe.image.height
        if argument == "input_size":
            given[argument] = [recipe.image.height, recipe.image.width]
        if recipe.name in _AUXILIARY:
            given |= {"aux_logits": False, "transform_input": recipe.pretrained}
        create = partial(_create, recipe.name)
        model = construct(create, given, recipe.args, model=f"torchvision/{recipe.name}")
        if recipe.pretrained and download:
            _load_pretrained(model, recipe)
        return model, {**given, **recipe.args}

    def network(self, model: nn.Module, recipe: Recipe, passport: dict[str, Any]) -> HookNetwork:
        """Put the taps around a model."""
        places = find_places(recipe.name, model)
        return HookNetwork(model, image=recipe.image, passport=passport, places=places)


def _create(name: str, **args: Any) -> nn.Module:
    device = torch.get_default_device()
    # torchvision works out the widths of a regnet with tensors, which the meta device cannot
    if name.startswith("regnet_") and device.type == "meta":
        with torch.device("cpu"), torch.random.fork_rng(devices=[]):
            model: nn.Module = models.get_model(name, weights=None, **args)
        return model.to(device)
    model = models.get_model(name, weights=None, **args)
    return model


def _load_pretrained(model: nn.Module, recipe: Recipe) -> None:
    """Load all weights but those of a head with another number of classes."""
    weights = models.get_model_weights(recipe.name).DEFAULT
    try:
        loaded = weights.get_state_dict(progress=False, check_hash=True)
    except OSError as error:
        raise ComponentError(
            f"the pretrained weights of torchvision/{recipe.name} could not be downloaded "
            f"({type(error).__name__}); write a .safetensors file",
            field="weights",
        ) from error
    state = model.state_dict()
    kept = {key: value for key, value in loaded.items() if key in state}
    for key, value in state.items():
        own = kept.get(key, value)
        if own.shape == value.shape:
            continue
        if value.shape[:1] != (recipe.classes,) or own.shape[1:] != value.shape[1:]:
            raise ComponentError(
                f"the pretrained weights of torchvision/{recipe.name} do not fit these args "
                f"(at '{key}')",
                field="args",
            )
        kept[key] = value
    model.load_state_dict(kept, strict=True)
