"""The device that a process computes on."""

from __future__ import annotations

import torch

from graphkd.errors import mistake
from graphkd.run.world import ALONE, World


def pick_device(name: str, *, world: World = ALONE) -> torch.device:
    """Return the device of a recipe; of several processes each gets a GPU of its own.

    Raises:
        BlueprintError: there is no such device here.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and world.size > 1:
        name = f"cuda:{world.local}"
    elif name.startswith("cuda:") and world.size > 1:
        text = f"train: device '{name}' is one device for {world.size} processes"
        raise mistake(f"{text}; write auto or cuda")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise mistake(f"train: no device '{name}'; write auto, cpu, cuda or cuda:0") from error
    if device.type not in ("cpu", "cuda"):
        raise mistake(f"train: device '{name}' is not supported; write auto, cpu, cuda or cuda:0")
    count = torch.cuda.device_count() if device.type == "cuda" else 1
    if world.size > 1 and device.type == "cuda" and world.local >= count:
        text = f"train: {count} CUDA devices are too few for a process each"
        raise mistake(f"{text}; start {count} or fewer on this machine")
    if device.type == "cuda" and (device.index or 0) >= count:
        raise mistake(f"train: device '{name}' is not there ({count} CUDA devices); write auto")
    return device
