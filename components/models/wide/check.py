"""Compares a wider model with its student on an image, weights and all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from graphkd.component import ImageSpec
from graphkd.components.models.wide.layers import NORMS, Widths
from graphkd.components.models.wide.shared_tensor import tile
from graphkd.errors import ComponentError

# copies with noise of 1e-6 differ by 2e-5 to 2e-4; a layer that mixes them up, by about 1
_TOLERANCE = 1e-2
# noise alone can be more than a student that starts near zero puts out
_SLACK = 1e-3


def check_equal(
    student: nn.Module,
    wide: nn.Module,
    image: ImageSpec,
    *,
    layers: Mapping[str, Widths],
    copies: int,
    noise: float,
) -> None:
    """Run both in eval mode on the same noise.

    Args:
        student: what `wide` starts from.
        wide: not changed, nor are running statistics.
        image: size of the input.
        layers: see `widths`.
        copies: r.
        noise: of the shared tensors.

    Raises:
        ComponentError: the outputs differ by more than 1e-2 of the largest.
    """
    like = next(student.parameters())
    pixels = torch.randn(
        (2, image.channels, image.height, image.width),
        generator=torch.Generator(like.device).manual_seed(0),
        device=like.device,
        dtype=like.dtype,
    )
    outputs = (_outputs(each, pixels, paths=("",))[""] for each in (wide, student))
    if not _apart(*outputs):
        return
    path = _first_difference(student, wide, pixels, layers=layers, copies=copies)
    where = f"first at layer '{path}'" if path else "at the output"
    raise ComponentError(
        f"the dynamic teacher does not start from its student's function: they differ {where}; "
        f"write a smaller noise than {noise:g}, or use another student",
        field="noise" if noise > 1e-4 else "of",
    )


def _first_difference(
    student: nn.Module,
    wide: nn.Module,
    pixels: Tensor,
    *,
    layers: Mapping[str, Widths],
    copies: int,
) -> str:
    """Name the first module whose outputs differ, in the order in which they end."""
    paths = [path for path, _ in student.named_modules() if "parametrizations" not in path]
    narrow, broad = (_outputs(each, pixels, paths=paths) for each in (student, wide))
    for path, one in narrow.items():
        width = layers.get(path, Widths())
        chunks = width.into if isinstance(student.get_submodule(path), NORMS) else width.out
        if path in broad and _differ(one, broad[path], chunks=chunks, copies=copies):
            return path
    return ""


def _outputs(model: nn.Module, pixels: Tensor, *, paths: Sequence[str]) -> dict[str, Tensor]:
    """Keep the outputs of modules, in the order in which they end."""
    found: dict[str, Tensor] = {}
    handles = []
    for path in paths:

        def keep(module: nn.Module, inputs: Any, output: Any, path: str = path) -> None:
            if isinstance(output, Tensor):
                # what follows may change it in place
                found.setdefault(path, output.detach().clone())

        handles.append(model.get_submodule(path).register_forward_hook(keep))
    try:
        with _eval(model), torch.no_grad():
            model(pixels)
    finally:
        for handle in handles:
            handle.remove()
    return found


@contextmanager
def _eval(model: nn.Module) -> Iterator[None]:
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


def _differ(narrow: Tensor, wide: Tensor, *, chunks: int, copies: int) -> bool:
    """Compare with copies along the axis that is longer."""
    sizes = enumerate(zip(narrow.shape, wide.shape, strict=False))
    axes = [axis for axis, (one, two) in sizes if one != two]
    return _apart(wide, tile(narrow, tuple((axis, max(1, chunks)) for axis in axes), copies))


def _apart(one: Tensor, two: Tensor) -> bool:
    if one.shape != two.shape or not one.is_floating_point():
        return False
    return float((one - two).abs().max()) > _TOLERANCE * float(two.abs().max()) + _SLACK
