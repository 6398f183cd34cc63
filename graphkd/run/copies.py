"""Copies of states on the CPU: one walk through nested values, and memory that is used again."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor

Put = Callable[[Tensor, str], Any]
"""What is put in the place of a tensor, and of its path."""
PLAIN = (type(None), bool, int, float, str, bytes, torch.dtype, torch.device, torch.Size)
"""What `torch.load` reads without running code, besides tensors and what holds others."""


def replaced(value: Any, put: Put, path: str = "") -> Any:
    """Copy what holds others, and put something in the place of each tensor.

    Args:
        value: tensors and plain values.
        put: says what.
        path: of the value, beginning with a dot; empty for a whole state.

    Raises:
        TypeError: something in it could not be read again without running code.
    """
    if isinstance(value, Tensor):
        return put(value, path)
    if type(value) in (dict, OrderedDict):
        # of the same class, with what torch notes beside the weights of modules
        made = copy.copy(value)
        for key, each in value.items():
            made[key] = replaced(each, put, f"{path}.{key}")
        return made
    if type(value) in (list, tuple):
        return type(value)(replaced(each, put, f"{path}.{n}") for n, each in enumerate(value))
    if type(value) not in PLAIN:
        text = f"{path.removeprefix('.')} is a {type(value).__name__}"
        raise TypeError(f"{text}; a checkpoint holds tensors and plain values only")
    return value


def copied(state: dict[str, Any]) -> dict[str, Any]:
    """Copy a state to the CPU; tensors that share memory share it in the copy too.

    Raises:
        TypeError: something in it could not be read again without running code.
    """
    made: dict[str, Any] = replaced(state, Copier().copy)
    return made


def size_of(state: Any) -> int:
    """Count the bytes of all tensors, those that share memory once."""
    found: dict[int, int] = {}

    def count(tensor: Tensor, path: str) -> None:
        storage = tensor.untyped_storage()
        found[storage.data_ptr()] = storage.nbytes()

    replaced(state, count)
    return sum(found.values())


class Copier:
    """Copies the tensors of one state after the other to the CPU.

    Memory that the last copy lay in is used again: what the system gives anew costs page faults,
    which take several times as long as the copying.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[torch.device, int, int], torch.UntypedStorage] = {}
        self._spare: dict[int, list[torch.UntypedStorage]] = {}

    @contextmanager
    def anew(self) -> Iterator[None]:
        """Begin the copy of another state, when nobody reads the last one any more."""
        for storage in self._known.values():
            self._spare.setdefault(storage.nbytes(), []).append(storage)
        self._known.clear()
        try:
            yield
        finally:
            self._spare.clear()

    def copy(self, tensor: Tensor, path: str = "") -> Tensor:
        """Copy a tensor; those of one state that share memory share it in the copy too.

        Args:
            tensor: of any device, sharded or not.
            path: of it in the state, without meaning here.
        """
        if isinstance(tensor, DTensor):
            # its mesh may be of another device, to which `from_local` would take the copy
            return DTensor(self.copy(tensor.to_local()), tensor._spec, requires_grad=False)
        tensor = tensor.detach()
        storage = tensor.untyped_storage()
        if not storage.nbytes():
            return tensor.cpu().clone()
        # of another length where both were made of memory that torch does not own
        place = (tensor.device, storage.data_ptr(), storage.nbytes())
        if place not in self._known:
            spare = self._spare.get(storage.nbytes())
            room = spare.pop() if spare else _room(storage.nbytes())
            self._known[place] = room.copy_(storage)
        made = torch.empty(0, dtype=tensor.dtype)
        made.set_(self._known[place], tensor.storage_offset(), tensor.size(), tensor.stride())
        # torch computes these when they are read
        made = made.conj() if tensor.is_conj() else made
        return torch._neg_view(made) if tensor.is_neg() else made


def _room(size: int) -> torch.UntypedStorage:
    return torch.UntypedStorage(size)  # type: ignore[no-untyped-call]
