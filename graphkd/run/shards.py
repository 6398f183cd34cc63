"""Shares of sharded tensors in checkpoints: each process writes its own, any number reads them."""

from __future__ import annotations

import copy
import warnings
from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import attrs
import torch
from torch import Tensor
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.filesystem import FileSystemReader, FileSystemWriter
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save
from torch.distributed.tensor import DTensor, distribute_tensor, empty

K = TypeVar("K", bound=Hashable)
SHARDS = "shards"
"""Folder of a checkpoint, in PyTorch's form."""
_SHARD = "sharded tensor"


@attrs.frozen
class Stored:
    """A tensor in the shards of a checkpoint, not read yet.

    Attributes:
        folder: of the shards.
        key: what it is called there.
    """

    folder: Path
    key: str


def take_out(value: Any, found: dict[str, Tensor], path: str = "") -> Any:
    """Copy a state with a note in the place of each sharded tensor.

    Args:
        value: tensors and plain values, the same ones in all processes.
        found: gets the sharded tensors.
        path: of the value in the state.
    """
    if isinstance(value, DTensor):
        key = f"{len(found)}{path}"
        found[key] = value.detach()
        return {_SHARD: key}
    if type(value) in (dict, OrderedDict):
        made = copy.copy(value)
        for key, each in value.items():
            made[key] = take_out(each, found, f"{path}.{key}")
        return made
    if type(value) in (list, tuple):
        return type(value)(take_out(each, found, f"{path}.{n}") for n, each in enumerate(value))
    return value


def put_back(value: Any, folder: Path) -> Any:
    """Say in a state, in place, where the tensors are that `take_out` has found."""
    if isinstance(value, dict):
        if value.keys() == {_SHARD}:
            return Stored(folder, value[_SHARD])
        for key, each in value.items():
            value[key] = put_back(each, folder)
    elif type(value) in (list, tuple):
        return type(value)(put_back(each, folder) for each in value)
    return value


def write_shards(tensors: dict[str, Tensor], draft: Path) -> None:
    """Write what each process holds of sharded tensors, all at the same time.

    Args:
        tensors: by key.
        draft: of the checkpoint, in which the folder is made.

    Raises:
        OSError: a process cannot write.
    """
    writer = FileSystemWriter(draft / SHARDS, sync_files=True)
    try:
        save(tensors, storage_writer=writer)
    except CheckpointException as error:
        for reason, _ in error.failures.values():
            if isinstance(reason, OSError):
                raise reason from error
        raise


def fitted(values: Mapping[K, Any], own: Mapping[K, Any]) -> Mapping[K, Any]:
    """Bring a state into the form in which a module has it: whole, or the part of this process.

    Args:
        values: by name; sharded ones are read here, as far as they are wanted.
        own: what they will be copied to, by name.

    Returns:
        `values` itself where there is nothing to do.
    """
    stored = {name: each for name, each in values.items() if isinstance(each, Stored)}
    whole = [
        name
        for name, each in values.items()
        if isinstance(each, Tensor) and not isinstance(each, DTensor) and _fits(each, own.get(name))
    ]
    if not stored and not whole:
        return values
    made: Any = copy.copy(values)
    for name in whole:
        mesh, placements = own[name].device_mesh, own[name].placements
        # each process has read all of it
        value = values[name].to(mesh.device_type)
        made[name] = distribute_tensor(value, mesh, placements, src_data_rank=None).clone()
    for name, value in _read(stored, own).items():
        made[name] = value
    return made  # type: ignore[no-any-return]


def fitted_optimizer(
    saved: Mapping[str, Any], groups: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Bring what an optimizer keeps of each parameter into the form of the parameter.

    Args:
        saved: its state; stays as it is.
        groups: of the parameters.
    """
    parameters = [each for group in groups for each in group["params"]]
    kept = {(n, key): each for n, one in saved["state"].items() for key, each in one.items()}
    own = {each: parameters[each[0]].detach() for each in kept if each[0] < len(parameters)}
    state: dict[int, dict[str, Any]] = {number: {} for number in saved["state"]}
    for (number, key), each in fitted(kept, own).items():
        state[number][key] = each
    return {**saved, "state": state}


def _fits(value: Tensor, target: Any) -> bool:
    return isinstance(target, DTensor) and value.shape == target.shape


def _read(stored: Mapping[K, Stored], own: Mapping[K, Any]) -> dict[K, Tensor]:
    folders = {each.folder for each in stored.values()}
    found: dict[K, Tensor] = {}
    for folder in folders:
        wanted = {name: each.key for name, each in stored.items() if each.folder == folder}
        known = FileSystemReader(folder).read_metadata().state_dict_metadata
        tensors = {key: _room(known[key], own.get(name)) for name, key in wanted.items()}
        # no process waits for another: they may come here one after the other
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="torch.distributed is disabled")
            load(tensors, checkpoint_id=folder, no_dist=True)
        found |= {name: tensors[key] for name, key in wanted.items()}
    return found


def _room(known: Any, target: Any) -> Tensor:
    size, dtype = known.size, known.properties.dtype
    if isinstance(target, DTensor) and target.shape == size:
        mesh, placements = target.device_mesh, target.placements
        return empty(size, dtype=dtype, device_mesh=mesh, placements=placements)
    return torch.empty(size, dtype=dtype)
