"""Hand back what a run is for: the student alone, as plain timm or torchvision weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from graphkd.compile.instructions import Schedule

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
    save_file(tensors, str(draft), metadata=header)
    draft.replace(path)


def total_parameters(network: Any) -> int:
    """Count the parameters of a delivered model."""
    model: torch.nn.Module = network.deliverable()
    return sum(each.numel() for each in model.parameters())
