"""Files of trained weights: found, compared with a model by their header, and read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import nn

from graphkd.components.models.library import Expectation, Recipe
from graphkd.errors import ComponentError, listing

PASSPORT = "graphkd"
STUDENT = "student.safetensors"


@attrs.frozen
class WeightsFile:
    """A safetensors file whose header was read.

    Attributes:
        shown: the path as messages say it.
        path: where it is.
        shapes: the sizes of each tensor in it.
        passport: what graphkd wrote about the model when it saved it; else empty.
    """

    shown: str
    path: Path
    shapes: Mapping[str, tuple[int, ...]]
    passport: Mapping[str, Any]

    def expectation(self) -> Expectation:
        """Say what the weights were made for, as far as the file tells."""
        mean, std, size = (self.passport.get(key) for key in ("mean", "std", "size"))
        return Expectation(
            mean=tuple(mean) if mean else None,
            std=tuple(std) if std else None,
            size=(size, size) if isinstance(size, int) else tuple(size) if size else None,
        )

    def check(self, model: nn.Module, *, name: str, recipe: Recipe, origin: str) -> None:
        """Compare names and sizes with those of a model.

        Args:
            model: on any device, also meta.
            name: how messages call it.
            recipe: how it was made.
            origin: who decided the number of classes, `the data has` or `classes is`.

        Raises:
            ComponentError: a tensor is missing, too many or of another size.
        """
        wanted = {key: tuple(value.shape) for key, value in model.state_dict().items()}
        self._check_names(wanted, name)
        for key, shape in wanted.items():
            if self.shapes[key] != shape:
                text = self._explain(key, shape, name=name, recipe=recipe, origin=origin)
                raise ComponentError(f"weights file '{self.shown}' {text}", field="weights")

    def load(self, model: nn.Module) -> None:
        """Copy the weights into a model that they fit."""
        model.load_state_dict(load_file(self.path), strict=True)

    def _check_names(self, wanted: Mapping[str, Any], name: str) -> None:
        missing = [key for key in wanted if key not in self.shapes]
        besides = [key for key in self.shapes if key not in wanted]
        if not missing and not besides:
            return
        parts = [f"it lacks {_quoted(missing)}"] if missing else []
        parts += [f"it has {_quoted(besides)} besides"] if besides else []
        source = self.passport.get("model")
        parts += [f"it was saved from {self.passport['library']}/{source}"] if source else []
        raise ComponentError(
            f"weights file '{self.shown}' does not fit {name}: {'; '.join(parts)}", field="weights"
        )

    def _explain(
        self, key: str, shape: tuple[int, ...], *, name: str, recipe: Recipe, origin: str
    ) -> str:
        found = self.shapes[key]
        sizes = f"'{key}' is {_times(found)}"
        if _differ_at(found, shape, axis=0) and shape[0] == recipe.classes:
            return (
                f"has {found[0]} classes ({sizes}), {origin} {recipe.classes}; "
                f"write classes: {found[0]} or use other weights"
            )
        if _differ_at(found, shape, axis=1) and shape[1] == recipe.image.channels:
            return (
                f"takes {found[1]} input channels ({sizes}), the model {shape[1]}; "
                f"write channels: {found[1]} or use other weights"
            )
        return f"does not fit {name}: {sizes}, the model's is {_times(shape)}"


def open_weights(written: str, folder: Path) -> WeightsFile:
    """Read the header of a weights file, none of its data.

    Args:
        written: a `.safetensors` path, or `run:DIR`.
        folder: what relative paths start from.

    Raises:
        ComponentError: it is neither, does not exist or is damaged.
    """
    prefix, colon, run = written.partition(":")
    shown = str(Path(run) / STUDENT) if colon and prefix == "run" else written
    if not shown.endswith(".safetensors"):
        raise ComponentError(
            f"weights is '{written}'; write pretrained, a .safetensors file or run:DIR",
            field="weights",
        )
    path = folder / shown
    if not path.is_file():
        raise ComponentError(f"weights file '{shown}' does not exist", field="weights")
    try:
        shapes, metadata = _header(path)
        passport = json.loads(metadata.get(PASSPORT, "{}"))
    except (SafetensorError, json.JSONDecodeError) as error:
        raise ComponentError(
            f"weights file '{shown}' is not a safetensors file, or is damaged", field="weights"
        ) from error
    return WeightsFile(shown, path, shapes, passport)


def _header(path: Path) -> tuple[dict[str, tuple[int, ...]], dict[str, str]]:
    with safe_open(path, framework="numpy") as file:
        keys = list(file.keys())
        shapes = {key: tuple(file.get_slice(key).get_shape()) for key in keys}
        return shapes, file.metadata() or {}


def _differ_at(one: Sequence[int], other: Sequence[int], *, axis: int) -> bool:
    """Whether two shapes of the same length differ in this axis and in no other."""
    if len(one) != len(other):
        return False
    return [i for i, (a, b) in enumerate(zip(one, other, strict=True)) if a != b] == [axis]


def _times(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape)) or "a single number"


def _quoted(keys: Sequence[str]) -> str:
    return listing([f"'{key}'" for key in keys], show=3)
