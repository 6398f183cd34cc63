"""Loss operations on tensors, each beside its plain PyTorch reference; usable alone."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphkd.kernels.kl import kl

__all__ = ["kl"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'graphkd.kernels' has no attribute '{name}'")
    return getattr(importlib.import_module(f"graphkd.kernels.{name}"), name)
