"""Loss operations on tensors, each beside its plain PyTorch reference; usable alone."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphkd.kernels.contrast import Contrast
    from graphkd.kernels.cross_entropy import cross_entropy
    from graphkd.kernels.distance import cosine, l1, mse, smooth_l1
    from graphkd.kernels.fidelity import accuracy_gap, agreement
    from graphkd.kernels.infonce import infonce
    from graphkd.kernels.kl import kl

__all__ = [
    "Contrast",
    "accuracy_gap",
    "agreement",
    "cosine",
    "cross_entropy",
    "infonce",
    "kl",
    "l1",
    "mse",
    "smooth_l1",
]

_HOME = {
    "Contrast": "contrast",
    "accuracy_gap": "fidelity",
    "agreement": "fidelity",
    "cosine": "distance",
    "cross_entropy": "cross_entropy",
    "infonce": "infonce",
    "kl": "kl",
    "l1": "distance",
    "mse": "distance",
    "smooth_l1": "distance",
}


class _Package(ModuleType):
    """Let `kernels.kl` be the operation, in whatever order the files are imported.

    Python puts each imported file into its package under the file's name. Where the file is named
    for its operation, the operation takes that place.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, ModuleType):
            value = getattr(value, name, value)
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'graphkd.kernels' has no attribute '{name}'")
    value = getattr(importlib.import_module(f"graphkd.kernels.{_HOME[name]}"), name)
    globals()[name] = value
    return value
