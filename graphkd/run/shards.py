"""Shares of sharded tensors in checkpoints: each process writes its own, any number reads them."""

from __future__ import annotations

import copy
import os
import warnings
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import attrs
import torch
from torch import Tensor
from torch.distributed import ProcessGroup, new_group
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.filesystem import FileSystemReader, FileSystemWriter
from torch.distributed.checkpoint.planner import SavePlan, SavePlanner
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save
from torch.distributed.checkpoint.storage import WriteResult
from torch.distributed.tensor import DTensor, distribute_tensor, empty
from torch.futures import Future

from graphkd.run.copies import Put
from graphkd.run.watch import patience_of
from graphkd.run.world import World

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


def noting(put: Put, found: dict[str, Tensor]) -> Put:
    """Put a note in the place of each sharded tensor.

    Args:
        put: makes of a tensor what is saved.
        found: gets what it made of sharded ones; equal states of all processes give equal keys.
    """

    def note(tensor: Tensor, path: str) -> Any:
        made = put(tensor, path)
        if not isinstance(made, DTensor):
            return made
        key = f"{len(found)}{path}"
        found[key] = made
        return {_SHARD: key}

    return note


def put_back(value: Any, folder: Path) -> Any:
    """Say in a state, in place, where the tensors are that `noting` has found."""
    if isinstance(value, dict):
        if value.keys() == {_SHARD}:
            return Stored(folder, value[_SHARD])
        for key, each in value.items():
            value[key] = put_back(each, folder)
    elif type(value) in (list, tuple):
        return type(value)(put_back(each, folder) for each in value)
    return value


def group_for_writing(world: World) -> ProcessGroup | None:
    """Let the processes talk about what they write while the training talks of other things.

    Messages of one group must come in the same order in all processes, which two threads that
    share it cannot promise.
    """
    if world.size == 1:
        return None
    group = new_group(backend="gloo", timeout=patience_of(os.environ))
    # all processes are in it
    assert not isinstance(group, int)
    return group


class _ShareWriter(FileSystemWriter):
    """Says what the system said when a file takes no more: torch has an error of its own then."""

    def write_data(self, plan: SavePlan, planner: SavePlanner) -> Future[list[WriteResult]]:
        try:
            return super().write_data(plan, planner)
        except RuntimeError as error:
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise


def write_shards(tensors: dict[str, Tensor], draft: Path, group: ProcessGroup | None) -> None:
    """Write what each process holds of sharded tensors; return when all have written.

    Args:
        tensors: by key, on the CPU.
        draft: of the checkpoint, in which the folder is made.
        group: of all processes, in which nobody else talks meanwhile.

    Raises:
        OSError: a process cannot write.
    """
    # nothing comes from a device any more
    writer = _ShareWriter(draft / SHARDS, sync_files=True, per_thread_copy_ahead=0)
    try:
        save(tensors, storage_writer=writer, process_group=group)
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
