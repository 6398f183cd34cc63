"""Whether a student's classifier may be replaced by another one."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn

from graphkd.errors import ComponentError


def require_foldable(network: Any, tap: str, width: int, *, run: bool) -> int:
    """Ask that the logits of a network are one linear layer, with bias, on what a tap gives.

    Args:
        network: the student's.
        tap: how the blueprint calls what is read, `student.embedding`.
        width: of that tap.
        run: also run a copy of the network on noise and compare.

    Returns:
        The number of classes.

    Raises:
        ComponentError: something else stands between.
    """
    node, _, name = tap.partition(".")
    if name != "embedding":
        raise ComponentError(
            f"'{tap}' is not what the classifier reads; write {node}.embedding", field="student"
        )
    said = ""
    try:
        path = network.classifier() if hasattr(network, "classifier") else ""
    except ComponentError as error:
        path, said = "", str(error)
    layer = network.deliverable().get_submodule(path) if path else None
    if layer is None:
        said = said or "it does not say which layer that is"
    elif layer.in_features != width:
        said = f"'{path}' reads width {layer.in_features}, not {width}"
    elif run and not _gives_the_logits(network, path):
        said = f"its logits are not what '{path}' makes of its embedding"
    if layer is None or said:
        raise ComponentError(
            f"nothing can be folded into the classifier of '{node}': {said}; write another student",
            field="student",
        )
    return int(layer.out_features)


@torch.no_grad()
def _gives_the_logits(network: Any, path: str) -> bool:
    """Compare on noise, with a classifier that is not 0; the network itself is left as it is."""
    twin = copy.deepcopy(network).eval()
    layer = twin.model.get_submodule(path)
    noise = torch.Generator().manual_seed(0)
    nn.init.normal_(layer.weight, generator=noise)
    image = network.image
    images = torch.rand(2, image.channels, image.height, image.width, generator=noise)
    embedding, logits = twin.reader(("embedding", "logits"))(images)
    return torch.allclose(layer(embedding), logits, rtol=1e-4, atol=1e-4)
