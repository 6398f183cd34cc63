"""Optimizers, learning-rate courses and loss weights, from timm and the recipe."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from graphkd.blueprint.model import Ramp, Train
from graphkd.compile.instructions import Loss, PhasePlan
from graphkd.errors import did_you_mean, mistake
from graphkd.graph import vertex


def make_optimizer(plan: PhasePlan, parts: Mapping[str, Any]) -> torch.optim.Optimizer:
    """Make the phase's optimizer, with one group of parameters for each node and kind of decay.

    Biases, norms and what a module lists in `no_weight_decay()` get no weight decay.

    Raises:
        BlueprintError: timm has no optimizer of that name.
    """
    from timm.optim import create_optimizer_v2

    recipe = plan.recipe
    groups = parameter_groups(plan, parts)
    known = _optimizer_names()
    if recipe.optimizer.lower() not in known:
        hint = did_you_mean(recipe.optimizer, known)
        raise mistake(f"train: no optimizer '{recipe.optimizer}'{hint}")
    made: torch.optim.Optimizer = create_optimizer_v2(
        groups,
        opt=recipe.optimizer,
        lr=recipe.lr,
        weight_decay=0.0,
        momentum=recipe.momentum,
    )
    return made


def _optimizer_names() -> list[str]:
    from timm.optim import list_optimizers

    return [str(name) for name in list_optimizers()]


def parameter_groups(plan: PhasePlan, parts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Sort the phase's trained parameters into groups; each parameter once."""
    recipe = plan.recipe
    seen: set[int] = set()
    groups: list[dict[str, Any]] = []
    for name in plan.trained:
        part = parts.get(name)
        if not isinstance(part, nn.Module):
            continue
        settings = vertex(plan.graph, name).settings
        decay = recipe.weight_decay
        lr = recipe.lr
        if settings is not None:
            decay = settings.weight_decay if settings.weight_decay is not None else decay
            lr = settings.lr or lr
        exempt = _no_weight_decay(part)
        plain: list[nn.Parameter] = []
        decayed: list[nn.Parameter] = []
        for path, parameter in part.named_parameters():
            if id(parameter) in seen:
                continue
            seen.add(id(parameter))
            spared = parameter.ndim <= 1 or path in exempt
            (plain if spared else decayed).append(parameter)
        for parameters, weight_decay in ((plain, 0.0), (decayed, decay)):
            if parameters:
                groups.append(
                    {"params": parameters, "lr": lr, "weight_decay": weight_decay, "node": name}
                )
    return groups


def _no_weight_decay(module: nn.Module) -> set[str]:
    exempt: set[str] = set()
    for path, each in module.named_modules():
        listed = getattr(each, "no_weight_decay", None)
        if callable(listed):
            exempt |= {f"{path}.{name}" if path else str(name) for name in listed()}
    return exempt


def make_scheduler(
    optimizer: torch.optim.Optimizer, recipe: Train, *, total_steps: int, steps_per_epoch: int
) -> Any:
    """Make timm's learning-rate course, counted in optimizer steps; None for a constant rate."""
    from timm.scheduler import create_scheduler_v2

    if recipe.schedule == "constant" and not recipe.warmup_epochs:
        return None
    if recipe.schedule == "constant":
        course, rate = "step", 1.0
    else:
        course, rate = recipe.schedule, recipe.decay_rate
    made, _ = create_scheduler_v2(
        optimizer,
        sched=course,
        num_epochs=total_steps,
        updates_per_epoch=1,
        step_on_epochs=False,
        warmup_epochs=round(recipe.warmup_epochs * steps_per_epoch),
        warmup_lr=recipe.lr * 1e-2,
        min_lr=recipe.min_lr,
        decay_epochs=round(recipe.decay_epochs * steps_per_epoch),
        decay_milestones=[each * steps_per_epoch for each in recipe.milestones],
        decay_rate=rate,
    )
    made.step_update(0)
    return made


Weight = Callable[[int], float]


def loss_weights(plan: PhasePlan, *, steps_per_epoch: int) -> list[Weight]:
    """Return for each loss of a phase the function step -> factor."""
    losses = [each for each in plan.instructions if isinstance(each, Loss)]
    return [_weight(each.weight, steps_per_epoch) for each in losses]


def _weight(weight: float | Ramp, steps_per_epoch: int) -> Weight:
    if not isinstance(weight, Ramp):
        return lambda step: weight
    ramp = weight
    return lambda step: ramp_value(ramp, step / steps_per_epoch)


def ramp_value(ramp: Ramp, epoch: float) -> float:
    """Return the weight at a time since the phase began.

    Args:
        ramp: start, end, length and shape.
        epoch: epochs since the beginning of the phase, fractions included.
    """
    t = min(epoch / ramp.epochs, 1.0)
    match ramp.shape:
        case "linear":
            share = t
        case "cosine":
            share = 0.5 * (1.0 - math.cos(math.pi * t))
        case "exp":
            share = math.exp(-5.0 * (1.0 - t) ** 2) if t < 1.0 else 1.0
    return ramp.start + (ramp.end - ramp.start) * share
