"""What modules hold from one step to the next: tensors, and plain values beside them."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

from torch import Tensor, nn

Held = dict[tuple[str, str], Hashable]
"""Memory of a tensor or a plain value, by the class and field and the path of its module."""


def held_by(modules: Iterable[nn.Module]) -> Held:
    """Say what modules hold."""
    found: Held = {}
    for number, module in enumerate(modules):
        for path, each in module.named_modules(prefix=str(number)):
            own = {**vars(each), **each._parameters, **each._buffers}
            for name, value in own.items():
                if isinstance(value, Tensor):
                    found[f"{type(each).__name__}.{name}", path] = value.data_ptr()
                elif isinstance(value, bool | int | float | str):
                    found[f"{type(each).__name__}.{name}", path] = value
    return found


def changed(before: Held, after: Held) -> list[str]:
    """Name the fields that hold another tensor or value."""
    keys = before.keys() | after.keys()
    return sorted({key[0] for key in keys if before.get(key) != after.get(key)})
