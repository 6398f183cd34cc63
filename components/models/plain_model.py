"""Turn a model that stores its weights in another way back into the plain one."""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.nn.utils import parametrize


def plain_model(model: nn.Module) -> nn.Module:
    """Give a model as its library makes it: own parameters, plain layers, the library's keys.

    Every parametrized tensor becomes a parameter (or buffer) with the value it has now, and every
    module with a method `merged()` is replaced by what that returns.

    Args:
        model: stays as it is, and so do the tensors that it shares with others.

    Returns:
        `model` itself where there is nothing to do, else a copy.
    """
    if not any(parametrize.is_parametrized(each) or _merges(each) for each in model.modules()):
        return model
    plain = copy.deepcopy(model)
    for each in plain.modules():
        if parametrize.is_parametrized(each):
            _resolve(each)
    return _replaced(plain)


def _merges(module: nn.Module) -> bool:
    return callable(getattr(module, "merged", None))


@torch.no_grad()
def _resolve(module: nn.Module) -> None:
    """Store the values of the parametrized tensors; torch's own removal would change all copies.

    The parametrized tensors come first, in the order in which they were parametrized.
    """
    lists = module.parametrizations
    assert isinstance(lists, nn.ModuleDict)
    found = {name: (each(), each) for name, each in lists.items()}
    cls = parametrize.type_before_parametrizations(module)
    del module.parametrizations
    module.__class__ = cls
    others = dict(module._parameters)
    module._parameters.clear()
    for name, (value, stored) in found.items():
        trained = next(iter(stored.parameters(recurse=False)), None)
        value = value.detach().clone(memory_format=torch.contiguous_format)
        if trained is None:
            module.register_buffer(name, value)
        else:
            module.register_parameter(name, nn.Parameter(value, trained.requires_grad))
    module._parameters.update(others)


def _replaced(module: nn.Module) -> nn.Module:
    """Put what `merged()` gives in the place of each module that has it."""
    if _merges(module):
        merged: nn.Module = module.merged()  # type: ignore[operator]
        return merged.train(module.training)
    for name, child in module.named_children():
        new = _replaced(child)
        if new is not child:
            setattr(module, name, new)
    return module
