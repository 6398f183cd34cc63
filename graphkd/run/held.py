"""What modules hold from one step to the next: tensors, plain values, and collections of both."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

Held = dict[tuple[str, str], list[Hashable]]
"""Memory of tensors and plain values, by the class and field and the path of their module."""
_TORCH = ("_parameters", "_buffers", "_modules")
"""Fields in which torch keeps what `named_modules` and the fields of each come to."""


def held_by(modules: Iterable[nn.Module]) -> Held:
    """Say what modules hold."""
    found: Held = {}
    for number, module in enumerate(modules):
        for path, each in module.named_modules(prefix=str(number)):
            own = {**vars(each), **each._parameters, **each._buffers}
            for name in own.keys() - {*_TORCH}:
                leaves = tree_leaves(own[name])
                found[f"{type(each).__name__}.{name}", path] = [
                    leaf.data_ptr() if isinstance(leaf, Tensor) else leaf
                    for leaf in leaves
                    if isinstance(leaf, Tensor | bool | int | float | str)
                ]
    return found


def changed(before: Held, after: Held) -> list[str]:
    """Name the fields that hold another tensor or value."""
    keys = before.keys() | after.keys()
    return sorted({key[0] for key in keys if before.get(key) != after.get(key)})
