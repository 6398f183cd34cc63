"""Which fused losses of a phase run as launches on a device, and what they multiply with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from graphkd.compile.instructions import Backward, Fused, Loss
from graphkd.compile.plan import PhasePlan, forwards_of
from graphkd.component import FUSION, Fusion, Launch, Member, find
from graphkd.graph import inputs_of
from graphkd.run.outcome import Factors, Group


def device_of(plan: PhasePlan, nodes: nn.ModuleDict) -> torch.device:
    """Return where parameters are that are not placed elsewhere; the CPU where there are none."""
    away = {each.module for each in forwards_of(plan) if each.placement.device}
    parameters = (
        one for name, each in nodes.items() if name not in away for one in each.parameters()
    )
    first = next(parameters, None)
    return torch.device("cpu") if first is None else first.device


def launches_of(
    plan: PhasePlan, parts: Mapping[str, Any], device: torch.device
) -> list[tuple[Fused, Launch]]:
    """Build the launches of a phase, as far as the device has them.

    Args:
        plan: the phase.
        parts: what computes each loss alone, by vertex.
        device: where the values are.
    """
    found = []
    for each in plan.instructions:
        if isinstance(each, Fused):
            fusion: Fusion = find(FUSION, each.fusion)()
            members = [_member(plan, one, parts[one.node]) for one in each.members]
            launch = fusion.build(members, device)
            if launch is not None:
                found.append((each, launch))
    return found


def _member(plan: PhasePlan, loss: Loss, part: Any) -> Member:
    ports = [edge.port for _, edge in inputs_of(plan.graph, loss.node)]
    names = [read.value for read in loss.reads]
    return Member(part, dict(zip(ports, names, strict=True)))


def groups_of(plan: PhasePlan, launches: Sequence[Sequence[int]]) -> list[Group]:
    """Sort losses and launches by the `Backward` that adds them up.

    Args:
        plan: the phase.
        launches: numbers of the losses of each launch.
    """
    names = [each.node for each in plan.instructions if isinstance(each, Loss)]
    fused = {number for launch in launches for number in launch}
    groups = []
    for each in plan.instructions:
        if isinstance(each, Backward):
            numbers = [names.index(name) for name in each.losses]
            alone = [number for number in numbers if number not in fused]
            found = [index for index, launch in enumerate(launches) if launch[0] in numbers]
            groups.append(Group(alone, found))
    return groups


def plain_factors(
    launches: Sequence[Sequence[int]], weights: Sequence[float], device: torch.device
) -> Factors:
    """Make the factors of launches from those of all losses, for a backward without a scale.

    Args:
        launches: numbers of the losses of each launch.
        weights: the factor of each loss; all 1 when empty.
        device: where the values are.
    """
    each = [[weights[number] if weights else 1.0 for number in launch] for launch in launches]
    # filled on the device: a copy from the host would wait for it
    made = [torch.stack([torch.full((), n, device=device) for n in numbers]) for numbers in each]
    return Factors(made, torch.ones((), device=device))
