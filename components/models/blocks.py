"""The blocks of a model: what may be gathered, run and put away by itself."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from torch import nn


def blocks_of(model: nn.Module, *, apart_from: Collection[str] = ()) -> list[nn.Module]:
    """Find the modules that stand in rows, as blocks and stages do, and have modules of their own.

    Args:
        model: of any library.
        apart_from: paths of modules at which something is read. A block with one of them inside is
            no block: the gradient may begin there, and never come to its end.

    Returns:
        In the order of the model, none within another; none at all where blocks share parameters.
    """
    found = dict(_rows(model))
    owners = [each for block in found.values() for each in block.parameters()]
    if len(owners) != len({id(each) for each in owners}):
        return []
    return [
        block
        for path, block in found.items()
        if not any(each.startswith(f"{path}.") for each in apart_from)
    ]


def _rows(module: nn.Module, path: str = "") -> Iterator[tuple[str, nn.Module]]:
    row = isinstance(module, (nn.Sequential, nn.ModuleList))
    for name, child in module.named_children():
        where = f"{path}.{name}" if path else name
        # a norm with an activation inside is a layer
        deep = any(next(each.parameters(), None) is not None for each in child.children())
        if row and deep and not isinstance(child, (nn.Sequential, nn.ModuleList)):
            yield where, child
        else:
            yield from _rows(child, where)
