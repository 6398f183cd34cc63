"""Knowledge distillation as a graph: draw it, check it, compile it, run it, take the student."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphkd.blueprint import Blueprint, load, save
    from graphkd.compile import compile_blueprint
    from graphkd.component import component, register_model
    from graphkd.errors import BlueprintError
    from graphkd.run import train

__version__ = "0.1.0"

__all__ = [
    "Blueprint",
    "BlueprintError",
    "__version__",
    "compile_blueprint",
    "component",
    "load",
    "register_model",
    "save",
    "train",
]

_HOME = {
    "Blueprint": "graphkd.blueprint",
    "BlueprintError": "graphkd.errors",
    "compile_blueprint": "graphkd.compile",
    "component": "graphkd.component",
    "load": "graphkd.blueprint",
    "register_model": "graphkd.component",
    "save": "graphkd.blueprint",
    "train": "graphkd.run",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'graphkd' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOME[name]), name)


def load_ipython_extension(shell: Any) -> None:
    """Show blueprints, graphs and schedules in a notebook: `%load_ext graphkd`."""
    importlib.import_module("graphkd.notebook").register(shell)


# who works in a notebook need not ask for it
_get_shell = getattr(sys.modules.get("IPython"), "get_ipython", None)
if _get_shell is not None and _get_shell() is not None:
    load_ipython_extension(_get_shell())
