"""The constructor arguments that a user wrote: which are refused, and which are to blame."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import torch
from torch import nn

from graphkd.errors import ComponentError, did_you_mean

# what stands elsewhere in the blueprint, or would load a file behind graphkd's back
_ELSEWHERE = {
    "num_classes": "write classes",
    "in_chans": "write channels",
    "pretrained": "write weights",
    "pretrained_cfg": "write weights",
    "pretrained_cfg_overlay": "write weights",
    "checkpoint_path": "write weights",
    "cache_dir": "leave it out",
    "weights": "write weights beside args",
    "weights_backbone": "write weights beside args",
    "progress": "leave it out",
    "features_only": "leave it out",
    "out_indices": "leave it out",
    "device": "leave it out",
    "dtype": "leave it out",
}


def check_args(args: Mapping[str, Any]) -> None:
    """Refuse constructor arguments that have a place of their own.

    Raises:
        ComponentError: there is one.
    """
    for name in args:
        if name in _ELSEWHERE:
            raise ComponentError(f"args may not hold '{name}'; {_ELSEWHERE[name]}", field="args")


def construct(
    make: Callable[..., nn.Module], given: Mapping[str, Any], args: Mapping[str, Any], *, model: str
) -> nn.Module:
    """Call a constructor, and say which of the user's arguments it does not take.

    Args:
        make: the constructor.
        given: arguments that graphkd decides.
        args: arguments that the user wrote; they come first.
        model: how the message calls it.

    Raises:
        ComponentError: it works without the user's arguments, and fails with them.
    """
    try:
        return make(**{**given, **args})
    except Exception as error:
        if args:
            _blame(make, given, args, error=error, model=model)
        raise


def _blame(
    make: Callable[..., nn.Module],
    given: Mapping[str, Any],
    args: Mapping[str, Any],
    *,
    error: Exception,
    model: str,
) -> NoReturn:
    with torch.device("meta"):
        # fails itself where the arguments are not to blame
        plain = make(**given)
    unknown = re.search(r"unexpected keyword argument '(\w+)'", str(error))
    if unknown and unknown[1] in args:
        known = (keyword_arguments(make) | _arguments(type(plain))) - _ELSEWHERE.keys()
        raise ComponentError(
            f"{model} takes no argument '{unknown[1]}'{did_you_mean(unknown[1], sorted(known))}",
            field="args",
        ) from error
    twice = re.search(r"multiple values for keyword argument '(\w+)'", str(error))
    if twice and twice[1] in args:
        raise ComponentError(
            f"{model} sets '{twice[1]}' itself; leave it out of args", field="args"
        ) from error
    raise ComponentError(
        f"{model} cannot be built with these args: {type(error).__name__}: {error}", field="args"
    ) from error


def _arguments(cls: type) -> set[str]:
    names: set[str] = set()
    for base in cls.__mro__:
        if issubclass(base, nn.Module) and base is not nn.Module:
            names.update(keyword_arguments(base.__init__))
    return names


def keyword_arguments(function: Callable[..., Any]) -> set[str]:
    """Name the arguments that a function takes by keyword."""
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    parameters = inspect.signature(function).parameters.values()
    return {each.name for each in parameters if each.kind in kinds and each.name != "self"}
