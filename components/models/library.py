"""What graphkd asks of a library of models, and what is the same for all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import attrs
from torch import nn

from graphkd.component import ImageSpec, Site
from graphkd.components.models.model import Model
from graphkd.components.models.tap_network import TapNetwork
from graphkd.errors import ComponentError


@attrs.frozen
class Expectation:
    """What weights were made for, as far as they say so.

    Attributes:
        mean: per channel, of images in [0, 1].
        std: per channel, of images in [0, 1].
        size: height and width in pixels, where the weights fix them.
        classes: number of classes.
    """

    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    size: tuple[int, int] | None = None
    classes: int | None = None


@attrs.frozen
class Recipe:
    """Everything that a library needs to make one model.

    Attributes:
        name: the library's name of the model.
        classes: number of classes.
        image: what the model will see.
        args: keyword arguments of the constructor.
        pretrained: whether the library loads its own weights.
    """

    name: str
    classes: int
    image: ImageSpec
    args: Mapping[str, Any]
    pretrained: bool

    @property
    def size(self) -> int | tuple[int, int]:
        """Height and width, one number for a square."""
        height, width = self.image.height, self.image.width
        return height if height == width else (height, width)


class Library(Protocol):
    """Where models come from.

    Attributes:
        name: the part before the `/` of a model's name.
        channels: the input channels of all its models, None where one can choose.
    """

    name: str
    channels: int | None

    def check(self, name: str) -> None:
        """Raise ComponentError when there is no such model."""
        ...

    def size_argument(self, name: str) -> str | None:
        """Name the constructor's argument for the size of the input, if it fixes one."""
        ...

    def pretrained(self, name: str) -> Expectation:
        """Say what the library's own weights were made for; ComponentError if it has none."""
        ...

    def make(self, recipe: Recipe, *, download: bool) -> tuple[nn.Module, dict[str, Any]]:
        """Make the model; give also the constructor's keyword arguments."""
        ...

    def network(self, model: nn.Module, recipe: Recipe, passport: dict[str, Any]) -> TapNetwork:
        """Put the taps around a model."""
        ...


def find_library(model: str) -> tuple[Library, str]:
    """Find where a model comes from.

    Args:
        model: as a blueprint writes it, `timm/resnet18`.

    Returns:
        The library, and the library's name of the model.

    Raises:
        ComponentError: there is no such library or no such model.
    """
    from graphkd.components.models.registered_library import RegisteredLibrary
    from graphkd.components.models.timm_library import TimmLibrary
    from graphkd.components.models.torchvision_library import TorchvisionLibrary

    libraries: dict[str, Library] = {
        "": RegisteredLibrary(),
        "timm": TimmLibrary(),
        "torchvision": TorchvisionLibrary(),
    }
    prefix, slash, name = model.partition("/")
    if not slash:
        prefix, name = "", model
    if prefix not in libraries:
        raise ComponentError(
            f"no library '{prefix}'; write timm/NAME, torchvision/NAME or a registered name",
            field="model",
        )
    libraries[prefix].check(name)
    return libraries[prefix], name


def image_spec(wanted: Model, site: Site, *, library: Library, expected: Expectation) -> ImageSpec:
    """Decide what images a model will see.

    Args:
        wanted: its `size`, `channels` and `args` come first.
        site: its images come last.
        library: says which argument fixes the size.
        expected: what the weights were made for.

    Raises:
        ComponentError: the channels do not go with the library, or nothing says the size.
    """
    height, width = _size(wanted, site, library, expected)
    channels = _channels(wanted, site, library)
    seen = site.image
    mean = expected.mean or (seen.mean if seen else (0.0,))
    std = expected.std or (seen.std if seen else (1.0,))
    return ImageSpec(
        channels=channels,
        height=height,
        width=width,
        mean=_per_channel(mean, channels),
        std=_per_channel(std, channels),
    )


def _size(wanted: Model, site: Site, library: Library, expected: Expectation) -> tuple[int, int]:
    argument = library.size_argument(wanted.model.partition("/")[2])
    written = wanted.args.get(argument) if argument else None
    if written is not None and wanted.size is not None:
        raise ComponentError(f"size and args.{argument} say the same; write size", field="args")
    size = wanted.size if wanted.size is not None else written
    if size is not None:
        return (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))
    if expected.size is not None:
        return expected.size
    if site.image is None:
        raise ComponentError("the data has no images; write size: N", field="size")
    return site.image.height, site.image.width


def _channels(wanted: Model, site: Site, library: Library) -> int:
    offered = site.image.channels if site.image else 0
    fixed = library.channels
    if fixed is not None:
        given = wanted.channels or offered
        if wanted.channels not in (None, fixed) or offered not in (0, 1, fixed):
            raise ComponentError(
                f"{library.name} models take {fixed} channels, not {given}", field="channels"
            )
        return fixed
    if not (wanted.channels or offered):
        raise ComponentError("the data has no images; write channels: N", field="channels")
    return wanted.channels or offered


def _per_channel(values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    if len(values) == channels:
        return values
    # grey made of colour, colour made of grey: one number stands for all channels
    return (sum(values) / len(values),) * channels
