"""The one place where components are found by kind and name."""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypeVar

from graphkd.errors import did_you_mean, mistake

KINDS = ("model", "projector", "transform", "loss", "probe", "dataset", "augmentation")

_components: dict[tuple[str, str], type] = {}
_models: dict[str, Callable[..., Any]] = {}

Class = TypeVar("Class", bound=type)
Function = TypeVar("Function", bound=Callable[..., Any])


def component(kind: str, name: str) -> Callable[[Class], Class]:
    """Register an `@attrs.frozen` class as a component.

    Args:
        kind: one of `KINDS`.
        name: how blueprints call it, lower case with underscores.

    Raises:
        ValueError: the kind is unknown, or another class has the name.
    """
    if kind not in KINDS:
        raise ValueError(f"component kind '{kind}' is none of {', '.join(KINDS)}")

    def register(cls: Class) -> Class:
        taken = _components.get((kind, name))
        if taken is not None and (taken.__module__, taken.__qualname__) != (
            cls.__module__,
            cls.__qualname__,
        ):
            raise ValueError(f"{kind} '{name}' is already {taken.__module__}.{taken.__qualname__}")
        cls.component_kind = kind
        cls.component_name = name
        _components[kind, name] = cls
        return cls

    return register


def register_model(name: str) -> Callable[[Function], Function]:
    """Register a function that builds a user's `nn.Module`, for `model: NAME` in a blueprint.

    The function takes `num_classes` and `in_chans` and the blueprint's `args`. The module may carry
    `graphkd_taps`, a dict from tap name to module path (`{"stage1": "layer1"}`).
    """

    def register(build: Function) -> Function:
        if "/" in name:
            raise ValueError(f"model name '{name}' must not hold '/': that is for timm/NAME")
        _models[name] = build
        return build

    return register


@cache
def _load_entry_points() -> None:
    for point in importlib.metadata.entry_points(group="graphkd.components"):
        point.load()


def load_plugin(module: str) -> None:
    """Import a module that registers components; only ever called for `--plugin`.

    Raises:
        BlueprintError: there is no such module.
    """
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name and module.split(".")[0] == error.name.split(".")[0]:
            raise mistake(f"--plugin {module}: no such module on Python's path") from error
        raise


def names(kind: str) -> tuple[str, ...]:
    """Name the registered components of a kind, in alphabetical order."""
    return tuple(sorted(_of_kind(kind)))


def _of_kind(kind: str) -> Mapping[str, type]:
    _load_entry_points()
    return {name: cls for (each, name), cls in _components.items() if each == kind}


def find(kind: str, name: str) -> type:
    """Return the component class of that name.

    Raises:
        KeyError: there is none; the text says the nearest name.
    """
    known = _of_kind(kind)
    if name not in known:
        raise KeyError(f"no {kind} '{name}'{did_you_mean(name, sorted(known))}")
    return known[name]


def find_model(name: str) -> Callable[..., Any]:
    """Return the builder of a registered user model.

    Raises:
        KeyError: there is none; the text says the nearest name.
    """
    _load_entry_points()
    if name not in _models:
        raise KeyError(f"no registered model '{name}'{did_you_mean(name, sorted(_models))}")
    return _models[name]
