"""What a component is made of.

A component is an `@attrs.frozen` class whose fields are its parameters. Its class attribute `ports`
says what it reads. It computes in one of two ways: a stateless one is called with its port tensors
(`__call__`), a stateful one is built first (`build(site) -> nn.Module`). One that looks at values
on the host, or keeps numbers there that change from step to step, says `capturable = False`: a CUDA
graph would replay what it did once.

Component files do not import torch at the top: blueprints are read, listed and compared without it.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import attrs

if TYPE_CHECKING:
    from torch import Tensor, nn


@attrs.frozen
class Port:
    """A named input of a component.

    Attributes:
        name: how the blueprint and the messages call it.
        shape: axis words in einops' language, `"b c"`; alternatives with `|`; `...` for any axes.
            Within one component equal words must have equal sizes.
        index: the axis that the values count, for class numbers: `label` of `"b c"` logits has
            index `c`.
        many: reads a list of taps instead of one.
        optional: stays unwired where nothing of that name is offered.
        fit: only the fit of the component reads it, not its forward: in phases that do not fit it,
            nothing is computed for this port.
    """

    name: str
    shape: str
    index: str = ""
    many: bool = False
    optional: bool = False
    fit: bool = False


@attrs.frozen
class Socket:
    """What an edge carries: a layout and sizes.

    Attributes:
        layout: axis words, `"b c h w"`, `"b n d"`, `"b c"`, `"b"` or `""`.
        shape: the sizes, batch first; the batch size is a stand-in.
        dtype: torch's name of the element type, `float32`.
        classes: number of classes when the values are class numbers.
    """

    layout: str
    shape: tuple[int, ...]
    dtype: str = "float32"
    classes: int | None = None

    @property
    def channels(self) -> int:
        """Size of the axis that projectors change: the second of a grid, else the last."""
        return self.shape[1] if len(self.shape) == 4 else self.shape[-1]

    @property
    def spatial(self) -> tuple[int, int] | None:
        """Height and width of a grid, None for everything else."""
        return (self.shape[2], self.shape[3]) if len(self.shape) == 4 else None

    def __str__(self) -> str:
        """Write the axes with their sizes: `b c=64 h=8 w=8`."""
        words = self.layout.split()
        sizes = list(self.shape)
        return " ".join(
            word if word == "b" else f"{word}={size}"
            for word, size in zip(words, sizes, strict=False)
        )


@attrs.frozen
class ImageSpec:
    """The images of a data set, as tensors in [0, 1] before normalization.

    Attributes:
        channels: number of channels.
        height: pixels.
        width: pixels.
        mean: per channel, of the training images.
        std: per channel, of the training images.
    """

    channels: int
    height: int
    width: int
    mean: tuple[float, ...]
    std: tuple[float, ...]


@attrs.frozen
class Site:
    """Where a component is built: what it reads, and what it must fit.

    Attributes:
        inputs: what each port reads, by port name.
        target: for a projector in a flow, what the other side of the loss offers; else None.
        image: the data set's images; None where there are none.
        classes: the data set's number of classes, 0 where there are none.
        modules: the built modules of the nodes that the component refers to, by field name.
        folder: the folder that relative paths start from.
        load_weights: False while shapes are inferred on the meta device.
    """

    inputs: Mapping[str, tuple[Socket, ...]] = attrs.field(factory=dict)
    target: Socket | None = None
    image: ImageSpec | None = None
    classes: int = 0
    modules: Mapping[str, nn.Module] = attrs.field(factory=dict)
    folder: Path = attrs.field(factory=Path)
    load_weights: bool = True

    @property
    def source(self) -> Socket:
        """What the only port reads."""
        (sockets,) = self.inputs.values()
        return sockets[0]


@runtime_checkable
class Network(Protocol):
    """What a model component builds: an `nn.Module` that offers taps.

    Attributes:
        image: size, channels and normalization that the weights were made for.
    """

    image: ImageSpec

    def taps(self) -> tuple[str, ...]:
        """Name the taps that a blueprint may ask for, module paths left out."""
        ...

    def layout(self, tap: str) -> str | None:
        """Say the axis words of a tap; None when there is no such tap.

        A module path that exists but whose layout is only known by running it answers `""`.
        """
        ...

    def reader(
        self, taps: Sequence[str], *, stop: bool = False
    ) -> Callable[..., tuple[Tensor, ...]]:
        """Make the function that computes these taps from the model's inputs in one forward.

        Args:
            taps: names that `layout` knows, in the order of the answer.
            stop: leave out what lies behind the deepest of them.

        Returns:
            A callable; its attribute `close()`, where it has one, undoes what it attached.
        """
        ...

    def passport(self) -> dict[str, Any]:
        """Say what plain timm or torchvision needs to build this model again (JSON types)."""
        ...

    def deliverable(self) -> nn.Module:
        """Give the model as its own library knows it, without anything of ours around it."""
        ...


def ports_of(component: Any) -> tuple[Port, ...]:
    """Return the ports of a component or component class."""
    return tuple(component.ports)


def kind_of(component: Any) -> str:
    """Return one of `KINDS`, as `model` or `loss`, or `fusion`."""
    return str(component.component_kind)


def name_of(component: Any) -> str:
    """Return the name that a blueprint's `type` or `loss` uses."""
    return str(component.component_name)


def reference_fields(component: Any) -> tuple[str, ...]:
    """Name the fields that refer to another node, whose module is lent to the component.

    A field's `metadata={"reference": KIND}` says what is written there: `node`, the node's name;
    `stage`, a tap from which the component goes on with the node's own modules; `tap`, a tap that
    it reads too, at the port with the field's name.
    """
    cls = component if isinstance(component, type) else type(component)
    return tuple(f.name for f in attrs.fields(cls) if f.metadata.get("reference"))


def summary_of(cls: type) -> str:
    """Return the first line of a component's docstring."""
    return (inspect.getdoc(cls) or "").partition("\n")[0]


@cache
def help_of(cls: type) -> Mapping[str, str]:
    """Return the one-line help of each parameter, read from the docstring's `Attributes`."""
    texts: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        texts |= _attributes_section(inspect.cleandoc(base.__doc__ or ""))
    return texts


def _attributes_section(docstring: str) -> dict[str, str]:
    _, _, section = docstring.partition("\nAttributes:\n")
    texts: dict[str, str] = {}
    name = ""
    for line in section.splitlines():
        if line and not line.startswith(" "):
            break
        start = re.match(r"    (\w+): (.*)", line)
        if start:
            name, texts[start[1]] = start[1], start[2].strip()
        elif name and line.strip():
            texts[name] += " " + line.strip()
    return texts
