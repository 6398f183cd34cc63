"""Optimizers, learning-rate courses and loss weights, from timm and the recipe."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from graphkd.blueprint import Ramp, Train
from graphkd.compile.instructions import Loss
from graphkd.compile.plan import PhasePlan
from graphkd.errors import did_you_mean, mistake
from graphkd.graph import vertex


def make_optimizer(plan: PhasePlan, parts: Mapping[str, Any]) -> torch.optim.Optimizer:
    """Make the phase's optimizer, with one group of parameters for each node and kind of decay.

    Biases, norms and what a module lists in `no_weight_decay()` get no weight decay.

    Args:
        plan: the phase.
        parts: the modules; what needs no gradient is left out.

    Raises:
        BlueprintError: timm has no optimizer of that name, or cannot make it here.
    """
    from timm.optim import create_optimizer_v2, get_optimizer_info, list_optimizers

    recipe = plan.recipe
    name, known = recipe.optimizer.lower(), [str(each) for each in list_optimizers()]
    place = plan.graph.graph["blueprint"].place("train", "optimizer")
    if name not in known:
        hint = did_you_mean(name, known)
        raise mistake(f"train: no optimizer '{recipe.optimizer}'{hint}", place)
    if get_optimizer_info(name).second_order:
        text = f"train: optimizer '{name}' needs second derivatives, which no phase computes"
        raise mistake(f"{text}; write adamw", place)
    # timm's sgd is Nesterov's, which needs a momentum; its momentum is the plain one
    plain_sgd = name == "sgd" and not recipe.momentum
    try:
        made: torch.optim.Optimizer = create_optimizer_v2(
            parameter_groups(plan, parts),
            opt="momentum" if plain_sgd else name,
            lr=recipe.lr,
            weight_decay=0.0,
            momentum=recipe.momentum,
        )
    except (AssertionError, ImportError, RuntimeError, ValueError) as error:
        # timm also lists what needs apex, bitsandbytes or a GPU, and some refuse a momentum of 0
        text = f"train: optimizer '{name}' cannot be made here: {error}"
        raise mistake(text, place) from error
    return made


def parameter_groups(plan: PhasePlan, parts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Sort the phase's trained parameters into groups; each parameter once."""
    recipe = plan.recipe
    seen: set[nn.Parameter] = set()
    groups: list[dict[str, Any]] = []
    for name in plan.trained:
        part = parts.get(name)
        if not isinstance(part, nn.Module):
            continue
        settings = vertex(plan.graph, name).settings
        lr, decay = recipe.lr, recipe.weight_decay
        if settings is not None:
            lr = settings.lr if settings.lr is not None else lr
            decay = settings.weight_decay if settings.weight_decay is not None else decay
        exempt = _no_weight_decay(part)
        plain: list[nn.Parameter] = []
        decayed: list[nn.Parameter] = []
        for path, parameter in part.named_parameters():
            if parameter in seen or not parameter.requires_grad:
                continue
            seen.add(parameter)
            spared = bool(decay) and (parameter.ndim <= 1 or _plain_path(path) in exempt)
            (plain if spared else decayed).append(parameter)
        for parameters, weight_decay in ((plain, 0.0), (decayed, decay)):
            if parameters:
                groups.append(
                    {"params": parameters, "lr": lr, "weight_decay": weight_decay, "node": name}
                )
    return groups


def _plain_path(path: str) -> str:
    """Name a parameter as its module does, also where torch's parametrize keeps it elsewhere."""
    return path.replace("parametrizations.", "").removesuffix(".original")


def _no_weight_decay(module: nn.Module) -> set[str]:
    exempt: set[str] = set()
    for path, each in module.named_modules():
        listed: Any = getattr(each, "no_weight_decay", None)
        if listed is not None:
            exempt |= {f"{path}.{name}" if path else str(name) for name in listed()}
    return exempt


def make_scheduler(
    optimizer: torch.optim.Optimizer, recipe: Train, *, total_steps: int, steps_per_epoch: int
) -> Any:
    """Make timm's learning-rate course, counted in optimizer steps; None for a constant rate."""
    from timm.scheduler import create_scheduler_v2

    if recipe.schedule == "constant" and not recipe.warmup_epochs:
        return None
    # timm knows a constant course only in its newest versions, and takes the decay rate for the
    # power of a poly course
    course = "step" if recipe.schedule == "constant" else recipe.schedule
    rate = 1.0 if recipe.schedule in ("constant", "poly") else recipe.decay_rate
    lowest = min(float(group["lr"]) for group in optimizer.param_groups)
    made, _ = create_scheduler_v2(
        optimizer,
        sched=course,
        num_epochs=total_steps,
        updates_per_epoch=1,
        step_on_epochs=False,
        warmup_epochs=round(recipe.warmup_epochs * steps_per_epoch),
        warmup_lr=lowest * 1e-2,
        min_lr=recipe.min_lr,
        decay_epochs=max(1, round(recipe.decay_epochs * steps_per_epoch)),
        # timm drops the rate one step before each of these
        decay_milestones=[each * steps_per_epoch + 1 for each in sorted(recipe.milestones)],
        decay_rate=rate,
    )
    assert made is not None
    made.step_update(0)
    return made


Weight = Callable[[int], float]


def loss_weights(plan: PhasePlan, *, steps_per_epoch: int) -> list[Weight]:
    """Return for each loss of a phase the function step -> factor."""
    losses = [each for each in plan.instructions if isinstance(each, Loss)]
    return [_weight(each.weight, steps_per_epoch) for each in losses]


def _weight(weight: float | Ramp, steps_per_epoch: int) -> Weight:
    if isinstance(weight, Ramp):
        return lambda step: ramp_value(weight, step / steps_per_epoch)
    return lambda step: weight


def ramp_value(ramp: Ramp, epoch: float) -> float:
    """Return the weight at a time since the phase began.

    With t the share of the ramp's length that has passed, it is start + (end - start) s(t), where
    s(t) is t for `linear`, (1 - cos(pi t)) / 2 for `cosine`, exp(-5 (1 - t)^2) for `exp`. The last
    begins at exp(-5) = 0.0067, not at 0.

    Source: Laine, Aila, "Temporal Ensembling for Semi-Supervised Learning", 2017, arXiv 1610.02242,
    section 3, for `exp`.

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
            share = math.exp(-5.0 * (1.0 - t) ** 2)
    return ramp.start + (ramp.end - ramp.start) * share
