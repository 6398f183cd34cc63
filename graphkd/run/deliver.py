"""Hand back what a run is for: the student alone, as plain timm or torchvision weights."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn

from graphkd.compile.plan import Schedule
from graphkd.component import find_model
from graphkd.run.data import Batches
from graphkd.run.evaluate import logits_of, models_of
from graphkd.run.executor import PhaseModule
from graphkd.run.images import converter

PASSPORT = "graphkd"
"""Key of the passport in a safetensors header."""
FOLDING = 1e-4
"""How far logits may move when helpers are folded into a student, relative to the largest."""
FEW = 8
"""Samples on which they are compared."""


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


@torch.no_grad()
def check_folded(
    schedule: Schedule, parts: Mapping[str, Any], batches: Batches, *, device: torch.device
) -> None:
    """Make sure that what is handed back computes what was trained, where it is another module.

    Args:
        schedule: what ran.
        parts: the trained modules.
        batches: a few samples of them are read if there is something to compare.
        device: where the parts are.

    Raises:
        AssertionError: a node's `deliverable` is another function than the node.
    """
    measured = [name for name in models_of(schedule) if name in schedule.deliver]
    handed = {name: parts[name].deliverable() for name in measured}
    folded = {
        name: plain
        for name, plain in handed.items()
        if all(plain is not each for each in parts[name].modules())
    }
    if not folded:
        return
    batch = {key: each[:FEW].to(device) for key, each in next(batches.epoch(0)).items()}
    module = PhaseModule(schedule.evaluation, parts)
    module.eval()
    try:
        for name, plain in folded.items():
            value = logits_of(schedule, name)
            logits = plain.eval()(converter(parts[name].image)(batch["image"]))
            _compare(name, logits, module.values(batch, [value])[value])
    finally:
        module.close()


def _compare(name: str, handed: Tensor, trained: Tensor) -> None:
    # a student that diverged computes nothing that can be compared
    if not trained.isfinite().all():
        return
    difference = float((handed - trained).abs().max())
    size = float(trained.abs().max())
    assert difference <= FOLDING * size, (
        f"'{name}' hands back another function than it was trained as: logits of up to {size:.3g} "
        f"differ by {difference:.3g}"
    )


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
