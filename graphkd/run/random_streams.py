"""The random streams of a process, from which dropout and components draw."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch


def seed_streams(seed: int) -> None:
    """Start every random stream that dropout and components may draw from."""
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)


def random_state(device: torch.device) -> dict[str, Any]:
    """Return the state of every random stream, as tensors and plain values."""
    kind, keys, position, has_gauss, gauss = np.random.get_state()
    words = torch.from_numpy(np.asarray(keys).astype(np.int64))
    version, integers, cached = random.getstate()
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
        "numpy": [str(kind), words, position, has_gauss, gauss],
        "python": [version, list(integers), cached],
    }


def set_random_state(state: Mapping[str, Any], device: torch.device) -> None:
    """Put every random stream where it was."""
    kind, words, position, has_gauss, gauss = state["numpy"]
    np.random.set_state((kind, words.numpy().astype(np.uint32), position, has_gauss, gauss))
    version, integers, cached = state["python"]
    random.setstate((version, tuple(integers), cached))
    if state["cuda"] is not None and device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda"], device)
    torch.set_rng_state(state["torch"])
