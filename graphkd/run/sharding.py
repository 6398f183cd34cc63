"""Nodes of which each process of a run holds a part of every weight: PyTorch's FSDP2."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from graphkd.compile.plan import Schedule
from graphkd.errors import mistake
from graphkd.graph import edges_out_of
from graphkd.run.build import build_parts
from graphkd.run.together import any_of, first_does
from graphkd.run.world import World

Batch = dict[str, Tensor]


def sharded_nodes(schedule: Schedule, world: World) -> frozenset[str]:
    """Name the nodes whose weights the processes share out; one process has all to itself."""
    nodes = schedule.blueprint.nodes
    return frozenset(name for name in nodes if nodes[name].shard and world.size > 1)


def shard_nodes(
    schedule: Schedule, parts: Mapping[str, Any], names: frozenset[str], device: torch.device
) -> None:
    """Divide the weights of nodes among all processes, and move them to the device.

    Blocks are gathered one by one when they run, what is left of a network with its beginning.

    Args:
        schedule: says which taps are read.
        parts: the modules, with the same weights in all processes.
        names: of the nodes.
        device: where the parts of this process go.

    Raises:
        BlueprintError: a weight cannot be divided.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import FSDPModule, fully_shard

    if not names:
        return
    mesh = init_device_mesh(device.type, (torch.distributed.get_world_size(),))
    for name in sorted(names):
        network = parts[name]
        _require_divisible(schedule, name, network)
        taps = {edge.tap for _, edge in edges_out_of(schedule.graph, name) if edge.tap}
        split = getattr(network, "blocks", None)
        for module in (*(split(sorted(taps)) if split else ()), network):
            module.register_forward_hook(_without_views)
            # weights are put away after every forward: what reads them finds the parts
            fully_shard(module, mesh=mesh, reshard_after_forward=True)
        for module in network.modules():
            if isinstance(module, FSDPModule):
                # losses are multiplied with the part of the samples, so gradients add up
                module.set_gradient_divide_factor(1.0)
                module.set_force_sum_reduction_for_comms(True)


def _without_views(module: nn.Module, inputs: Any, output: Any) -> Any:
    """Copy views: who changed one in place would take off what gathers weights in the backward."""
    if isinstance(output, Tensor):
        return output.clone() if output.requires_grad and output._is_view() else output
    if type(output) in (list, tuple):
        return type(output)(_without_views(module, inputs, each) for each in output)
    return output


def _require_divisible(schedule: Schedule, name: str, network: nn.Module) -> None:
    for path, parameter in network.named_parameters():
        if not parameter.ndim:
            place = schedule.blueprint.place("nodes", name, "shard")
            text = f"node '{name}': its weight '{path}' is one number, which cannot be divided"
            raise mistake(f"{text}; drop shard", place)


def in_step(batches: Iterator[Batch], world: World) -> Iterator[tuple[Batch, bool]]:
    """Let all processes run equally many batches, as a sharded forward takes all of them.

    Returns:
        Batches, and whether they count: where others have one more, a sample is seen again.
    """
    sample: Batch | None = None
    while True:
        batch = next(batches, None)
        if not any_of(world, batch is not None):
            return
        if sample is None:
            # the first process has the first batch
            one = {key: each[:1] for key, each in (batch or {}).items()}
            sample = first_does(world, lambda one=one: one)  # type: ignore[misc]
        yield (sample, False) if batch is None else (batch, True)


@torch.no_grad()
def clip_gradients(parameters: Sequence[nn.Parameter], largest: float) -> None:
    """Shorten the gradient of all parameters together to a length, shared out or not."""
    kinds = [
        [each for each in parameters if isinstance(each, DTensor) is kind] for kind in (True, False)
    ]
    lengths = []
    for group in kinds:
        gradients = [each.grad for each in group if each.grad is not None]
        if gradients:
            length = nn.utils.get_total_norm(gradients)
            lengths.append(length.full_tensor() if isinstance(length, DTensor) else length)
    if lengths:
        one = len(lengths) == 1
        total = lengths[0] if one else torch.linalg.vector_norm(torch.stack(lengths))
        for group in kinds:
            nn.utils.clip_grads_with_norm_(group, largest, total)


def whole_parts(
    schedule: Schedule, parts: Mapping[str, Any], moving: frozenset[str], *, seed: int, world: World
) -> dict[str, Any]:
    """Put the weights together again, on the CPU of the first process.

    Args:
        schedule: what ran.
        parts: the trained modules.
        moving: names of those whose state is not that of the beginning.
        seed: of the run, from which the modules are built anew.
        world: the processes, all of which call this.

    Returns:
        New modules with the trained weights in the first process; nothing in the others.
    """
    made = build_parts(schedule, seed=seed) if world.first else {}
    for name in sorted(moving):
        if not isinstance(parts.get(name), nn.Module):
            continue
        state = {}
        for key, value in parts[name].state_dict().items():
            whole = value.full_tensor() if isinstance(value, DTensor) else value
            if world.first:
                state[key] = whole.cpu() if isinstance(whole, Tensor) else whole
        if world.first:
            made[name].load_state_dict(state)  # type: ignore[union-attr]
    return dict(made)
