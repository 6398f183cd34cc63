"""Everything of a run that moves, in one place."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np
import torch
from torch import Tensor, nn

from graphkd.blueprint import loads
from graphkd.blueprint.save import to_plain
from graphkd.compile.instructions import Schedule, Update
from graphkd.errors import mistake
from graphkd.run.build import build_parts

Weights = dict[str, Tensor]


@attrs.define
class Best:
    """The best weights of a student so far, by accuracy on the validation split.

    Attributes:
        score: top-1 accuracy.
        step: optimizer steps since the run began.
        weights: by node, its state, or that of its moving average; and that of the nodes that it
            shares modules with.
    """

    score: float
    step: int
    weights: dict[str, Weights]


@attrs.define
class Session:
    """The state of a run.

    Attributes:
        schedule: what runs.
        parts: the modules and stateless components, by vertex.
        device: where the modules are.
        averages: timm's moving averages of nodes, by name.
        fixed: parameters that their models keep as they are, whatever learns.
        still: hashes of the weights that never move, which a checkpoint leaves out, by node.
        phase: number of the phase, from 0.
        epoch: number of the epoch in the phase.
        batch: batches of the epoch that are done.
        phase_step: optimizer steps since the phase began.
        step: optimizer steps since the run began.
        records: lines of `metrics.jsonl` that are written.
        best: for each student that was validated, the best weights so far.
        optimizer: of the phase; None between phases.
        scheduler: the course of the learning rate, None when it is constant.
        scaler: of float16 losses, None otherwise.
    """

    schedule: Schedule
    parts: dict[str, Any]
    device: torch.device
    averages: dict[str, Any] = attrs.field(factory=dict)
    fixed: frozenset[nn.Parameter] = frozenset()
    still: dict[str, str] = attrs.field(factory=dict)
    phase: int = 0
    epoch: int = 0
    batch: int = 0
    phase_step: int = 0
    step: int = 0
    records: int = 0
    best: dict[str, Best] = attrs.field(factory=dict)
    optimizer: torch.optim.Optimizer | None = None
    scheduler: Any = None
    scaler: Any = None

    def state_dict(self) -> dict[str, Any]:
        """Return all of it, as tensors and plain values. Weights that never move are left out."""
        modules, moving = modules_of(self.parts), moving_nodes(self.schedule)
        return {
            "blueprint": json.dumps(to_plain(self.schedule.blueprint)),
            "still": self.still,
            "modules": {n: m.state_dict() for n, m in modules.items() if n in moving},
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
            "best": {n: attrs.asdict(each, recurse=False) for n, each in self.best.items()},
            "random": random_state(self.device),
        }

    def load_weights(self, state: Mapping[str, Any]) -> None:
        """Take over position, weights, averages and the best; optimizers come with their phase.

        Raises:
            BlueprintError: the checkpoint is of another blueprint, or of other frozen weights.
        """
        self._require_same(state)
        modules = modules_of(self.parts)
        for name, weights in state["modules"].items():
            modules[name].load_state_dict(weights)
        for name, weights in state["averages"].items():
            self.averages[name].module.load_state_dict(weights)
        for name, value in state["position"].items():
            setattr(self, name, value)
        self.best = {name: Best(**each) for name, each in state["best"].items()}

    def _require_same(self, state: Mapping[str, Any]) -> None:
        # JSON is YAML
        if loads(state["blueprint"]) != self.schedule.blueprint:
            changed = ["the blueprint"]
        else:
            still = state["still"]
            names = [name for name, digest in self.still.items() if still[name] != digest]
            changed = [f"the weights of '{name}'" for name in names]
        if changed:
            text = f"{' and '.join(changed)} changed since the run began"
            raise mistake(f"{text}; undo that, or train into a new folder")

    def load_optimizer(self, state: Mapping[str, Any]) -> None:
        """Take over the state of the phase's optimizer, with its rates, and the random streams."""
        if self.optimizer is not None and state["optimizer"] is not None:
            self.optimizer.load_state_dict(state["optimizer"])
        if self.scaler is not None and state["scaler"] is not None:
            self.scaler.load_state_dict(state["scaler"])
        set_random_state(state["random"], self.device)

    def take_best(self) -> None:
        """Give each student the weights with which it did best."""
        for best in self.best.values():
            for name, weights in best.weights.items():
                self.parts[name].load_state_dict(weights)


def start_session(schedule: Schedule, *, seed: int, device: torch.device) -> Session:
    """Build the modules of a schedule on a device, and nothing trained yet."""
    from timm.utils.model_ema import ModelEmaV3

    parts = build_parts(schedule, seed=seed)
    recipe = schedule.blueprint.train
    modules = modules_of(parts)
    for module in modules.values():
        module.to(device)
        if recipe.channels_last:
            module.to(memory_format=torch.channels_last)
    averages = {
        each.node: ModelEmaV3(parts[each.node], decay=each.decay)
        for plan in schedule.phases
        for each in plan.instructions
        if isinstance(each, Update)
    }
    parameters = [each for module in modules.values() for each in module.parameters()]
    fixed = frozenset(each for each in parameters if not each.requires_grad)
    return Session(schedule, parts, device, averages, fixed, _still(schedule, modules))


def moving_nodes(schedule: Schedule) -> frozenset[str]:
    """Name the vertices whose state changes in some phase."""
    trained = {name for plan in schedule.phases for name in plan.trained}
    fitted = {name for plan in schedule.phases for name in plan.phase.fit}
    return frozenset(trained | fitted)


def modules_of(parts: Mapping[str, Any]) -> dict[str, nn.Module]:
    """Return the parts that have state, each module once, by the first name it has."""
    first = {id(part): name for name, part in reversed(list(parts.items()))}
    return {
        name: part
        for name, part in parts.items()
        if isinstance(part, nn.Module) and first[id(part)] == name
    }


def _still(schedule: Schedule, modules: Mapping[str, nn.Module]) -> dict[str, str]:
    """Hash the weights that never move."""
    found = {}
    for name in sorted(modules.keys() - moving_nodes(schedule)):
        digest = hashlib.blake2b(digest_size=16)
        for value in modules[name].state_dict().values():
            flat = value.detach().cpu().contiguous().view(-1)
            digest.update(flat.view(torch.uint8).numpy())
        found[name] = digest.hexdigest()
    return found


def snapshot(module: nn.Module) -> Weights:
    """Copy the state of a module to the CPU."""
    return {key: value.detach().cpu().clone() for key, value in module.state_dict().items()}


def seed_streams(seed: int) -> None:
    """Start every random stream that dropout and components may draw from."""
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)


def random_state(device: torch.device) -> dict[str, Any]:
    """Return the state of every random stream, as tensors and plain values."""
    kind, keys, position, has_gauss, gauss = np.random.get_state()
    words = torch.from_numpy(np.asarray(keys).astype(np.int64))
    version, integers, cached = random.getstate()
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
        "numpy": [str(kind), words, position, has_gauss, gauss],
        "python": [version, list(integers), cached],
    }


def set_random_state(state: Mapping[str, Any], device: torch.device) -> None:
    """Put every random stream where it was."""
    kind, words, position, has_gauss, gauss = state["numpy"]
    np.random.set_state((kind, words.numpy().astype(np.uint32), position, has_gauss, gauss))
    version, integers, cached = state["python"]
    random.setstate((version, tuple(integers), cached))
    if state["cuda"] is not None and device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda"], device)
    torch.set_rng_state(state["torch"])
