"""Hand back what a run is for: the student alone, as plain timm or torchvision weights."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save
from torch import nn

from graphkd.compile.instructions import Schedule
from graphkd.component import find_model

PASSPORT = "graphkd"
"""Key of the passport in a safetensors header."""


def deliver(schedule: Schedule, parts: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write each delivered model's weights.

    Args:
        schedule: what ran.
        parts: the trained modules.
        folder: the run's folder.

    Returns:
        The files: `student.safetensors` for one model, else `NAME.safetensors` for each.
    """
    names = schedule.deliver
    files = []
    for name in names:
        path = folder / ("student.safetensors" if len(names) == 1 else f"{name}.safetensors")
        write_weights(parts[name], path)
        files.append(path)
    return files


def write_weights(network: Any, path: Path) -> None:
    """Write a model's weights so that its own library loads them with strict keys.

    The header holds a passport: library, model name, arguments, and the normalization and size of
    the images that it was trained on.
    """
    state = network.deliverable().state_dict()
    tensors = {key: value.detach().cpu().contiguous().clone() for key, value in state.items()}
    draft = path.with_suffix(".tmp")
    header = {PASSPORT: json.dumps(network.passport())}
    # safetensors' own save_file makes files that only their owner can read
    with draft.open("wb") as stream:
        stream.write(save(tensors, metadata=header))
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(path)


def make_again(passport: Mapping[str, Any]) -> nn.Module | None:
    """Make a model as its passport says, with random initial weights.

    Args:
        passport: the JSON text under `graphkd` in the header of a delivered file.

    Returns:
        The model as plain timm or torchvision makes it; None where the passport names neither
        these nor a registered model.
    """
    import timm
    import torchvision

    make: Mapping[str, Callable[..., nn.Module]] = {
        "timm": timm.create_model,
        "torchvision": torchvision.models.get_model,
    }
    library, name = passport["library"], passport["model"]
    if library == "registered":
        model: nn.Module = find_model(name)(**passport["args"])
        return model
    return make[library](name, **passport["args"]) if library in make else None


def total_parameters(network: Any) -> int:
    """Count the parameters of a delivered model."""
    model: nn.Module = network.deliverable()
    return sum(each.numel() for each in model.parameters())
