"""The one place where components are found by kind and name."""

from __future__ import annotations

import importlib
import importlib.metadata
import sys
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypeVar

from graphkd.errors import did_you_mean, mistake

KINDS = ("model", "projector", "transform", "loss", "probe", "dataset", "augmentation")
"""The kinds of components that blueprints name."""
FUSION = "fusion"
"""The kind that loss classes name, to be computed together."""

_components: dict[tuple[str, str], type] = {}
_models: dict[str, Callable[..., Any]] = {}

Class = TypeVar("Class", bound=type)
Function = TypeVar("Function", bound=Callable[..., Any])


class NameTakenError(ValueError):
    """Two components, or two models, want the same name."""


def _path(thing: Any) -> str:
    # a module that is imported again brings the same thing as another object
    return f"{thing.__module__}.{thing.__qualname__}"


def component(kind: str, name: str) -> Callable[[Class], Class]:
    """Register an `@attrs.frozen` class as a component.

    Args:
        kind: one of `KINDS`, or `fusion`.
        name: how blueprints, or loss classes, call it, lower case with underscores.

    Raises:
        ValueError: the kind is unknown.
        NameTakenError: another class has the name.
    """
    if kind not in (*KINDS, FUSION):
        raise ValueError(f"component kind '{kind}' is none of {', '.join((*KINDS, FUSION))}")

    def register(cls: Class) -> Class:
        taken = _components.get((kind, name))
        if taken is not None and _path(taken) != _path(cls):
            raise NameTakenError(f"{kind} '{name}' is {_path(taken)} already")
        made: Any = cls
        made.component_kind, made.component_name = kind, name
        _components[kind, name] = cls
        return cls

    return register


def register_model(name: str) -> Callable[[Function], Function]:
    """Register a function that builds a user's `nn.Module`, for `model: NAME` in a blueprint.

    The function takes `num_classes` and `in_chans` and the blueprint's `args`. The module may carry
    `graphkd_taps`, a dict from tap name to module path (`{"stage1": "layer1"}`).

    Raises:
        ValueError: the name is that of a library's model.
        NameTakenError: another function has the name.
    """

    def register(build: Function) -> Function:
        if "/" in name:
            raise ValueError(f"model name '{name}' must not hold '/': that is for timm/NAME")
        taken = _models.get(name)
        if taken is not None and _path(taken) != _path(build):
            raise NameTakenError(f"model '{name}' is {_path(taken)} already")
        _models[name] = build
        return build

    return register


@cache
def _load_entry_points() -> None:
    for point in importlib.metadata.entry_points(group="graphkd.components"):
        point.load()


def load_plugin(module: str) -> None:
    """Import a module that registers components; only ever called for `--plugin`.

    It is looked for in the current folder first, as `python -m` does.

    Raises:
        BlueprintError: there is no such module, or a name that it registers is taken.
    """
    if not all(part.isidentifier() for part in module.split(".")):
        raise mistake(f"--plugin {module}: is no name of a module, like package.module")
    # first, so that the plugin is what is blamed for a name that is taken
    _load_entry_points()
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name and module.split(".")[0] == error.name.split(".")[0]:
            hint = f"; write --plugin {module[:-3]}" if module.endswith(".py") else ""
            raise mistake(f"--plugin {module}: no such module on Python's path{hint}") from error
        raise
    except NameTakenError as error:
        raise mistake(f"--plugin {module}: {error}") from error


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
