"""Everything of a run that moves, in one place."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np
import torch
from torch import Tensor, nn

from graphkd.compile.instructions import Schedule, Update
from graphkd.run.build import build_parts


@attrs.define
class Best:
    """The best delivered weights so far, by accuracy on the validation split.

    Attributes:
        score: top-1 accuracy.
        step: optimizer steps since the run began.
        weights: state of each delivered node.
    """

    score: float = -1.0
    step: int = 0
    weights: dict[str, dict[str, Tensor]] = attrs.field(factory=dict)


@attrs.define
class Session:
    """The state of a run.

    Attributes:
        schedule: what runs.
        parts: the modules and stateless components, by vertex.
        device: where the modules are.
        averages: timm's moving averages of nodes, by name.
        phase: number of the phase, from 0.
        epoch: number of the epoch in the phase.
        batch: batches of the epoch that are done.
        phase_step: optimizer steps since the phase began.
        step: optimizer steps since the run began.
        records: lines of `metrics.jsonl` that are written.
        best: the best delivered weights so far.
        optimizer: of the phase; None between phases.
        scheduler: the course of the learning rate, None when it is constant.
        scaler: of float16 losses, None otherwise.
    """

    schedule: Schedule
    parts: dict[str, Any]
    device: torch.device
    averages: dict[str, Any] = attrs.field(factory=dict)
    phase: int = 0
    epoch: int = 0
    batch: int = 0
    phase_step: int = 0
    step: int = 0
    records: int = 0
    best: Best = attrs.field(factory=Best)
    optimizer: torch.optim.Optimizer | None = None
    scheduler: Any = None
    scaler: Any = None

    def modules(self) -> dict[str, nn.Module]:
        """Return the parts that have state, each module once, by the first name it has."""
        seen: set[int] = set()
        found = {}
        for name, part in self.parts.items():
            if isinstance(part, nn.Module) and id(part) not in seen:
                seen.add(id(part))
                found[name] = part
        return found

    def state_dict(self) -> dict[str, Any]:
        """Return all of it, as tensors and plain values. Weights that never move are left out."""
        moving = moving_nodes(self.schedule)
        return {
            "modules": {n: m.state_dict() for n, m in self.modules().items() if n in moving},
            "averages": {name: each.module.state_dict() for name, each in self.averages.items()},
            "optimizer": self.optimizer.state_dict() if self.optimizer else None,
            "scaler": self.scaler.state_dict() if self.scaler else None,
            "position": {
                "phase": self.phase,
                "epoch": self.epoch,
                "batch": self.batch,
                "phase_step": self.phase_step,
                "step": self.step,
                "records": self.records,
            },
            "best": attrs.asdict(self.best, recurse=False),
            "random": random_state(self.device),
        }

    def load_weights(self, state: Mapping[str, Any]) -> None:
        """Take over position, weights, averages and the best; optimizers come with their phase."""
        modules = self.modules()
        for name, weights in state["modules"].items():
            modules[name].load_state_dict(weights)
        for name, weights in state["averages"].items():
            self.averages[name].module.load_state_dict(weights)
        for name, value in state["position"].items():
            setattr(self, name, value)
        self.best = Best(**state["best"])

    def load_optimizer(self, state: Mapping[str, Any]) -> None:
        """Take over the state of the phase's optimizer, and the random streams."""
        if self.optimizer is not None and state["optimizer"] is not None:
            self.optimizer.load_state_dict(state["optimizer"])
        if self.scaler is not None and state["scaler"] is not None:
            self.scaler.load_state_dict(state["scaler"])
        set_random_state(state["random"], self.device)


def start_session(schedule: Schedule, *, seed: int, device: torch.device) -> Session:
    """Build the modules of a schedule on a device, and nothing trained yet."""
    from timm.utils.model_ema import ModelEmaV3

    parts = build_parts(schedule, seed=seed)
    recipe = schedule.blueprint.train
    for part in parts.values():
        if isinstance(part, nn.Module):
            part.to(device)
            if recipe.channels_last:
                part.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    torch.manual_seed(seed)
    averages = {
        each.node: ModelEmaV3(parts[each.node], decay=each.decay)
        for plan in schedule.phases
        for each in plan.instructions
        if isinstance(each, Update)
    }
    return Session(schedule, parts, device, averages)


def moving_nodes(schedule: Schedule) -> frozenset[str]:
    """Name the vertices whose state changes in some phase."""
    trained = {name for plan in schedule.phases for name in plan.trained}
    fitted = {name for plan in schedule.phases for name in plan.phase.fit}
    return frozenset(trained | fitted)


def random_state(device: torch.device) -> dict[str, Any]:
    """Return the state of every random stream, as tensors and plain values."""
    kind, keys, position, has_gauss, gauss = np.random.get_state()
    version, words, cached = random.getstate()
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
        "numpy": [str(kind), torch.from_numpy(np.asarray(keys).astype(np.int64)), position, has_gauss, gauss],
        "python": [version, list(words), cached],
    }


def set_random_state(state: Mapping[str, Any], device: torch.device) -> None:
    """Put every random stream where it was."""
    kind, keys, position, has_gauss, gauss = state["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), position, has_gauss, gauss))
    version, words, cached = state["python"]
    random.setstate((version, tuple(words), cached))
    if state["cuda"] is not None and device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda"], device)
    torch.set_rng_state(state["torch"])


def snapshot(session: Session, names: tuple[str, ...]) -> dict[str, dict[str, Tensor]]:
    """Copy the state of some nodes to the CPU."""
    return {
        name: {key: value.detach().cpu().clone() for key, value in part.state_dict().items()}
        for name, part in session.parts.items()
        if name in names and isinstance(part, nn.Module)
    }


