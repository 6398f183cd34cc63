"""Everything of a run that moves, in one place."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

import attrs
import torch
from torch import Tensor, nn

from graphkd.blueprint.save import to_plain
from graphkd.compile.instructions import Update
from graphkd.compile.plan import Schedule
from graphkd.errors import mistake
from graphkd.graph import vertex
from graphkd.run.build import build_parts
from graphkd.run.changed import require_same
from graphkd.run.fingerprint import hash_of
from graphkd.run.guard import Memory
from graphkd.run.placed import Home, homes_of
from graphkd.run.random_streams import random_state, set_random_state
from graphkd.run.sharding import shard_nodes, sharded_nodes
from graphkd.run.shards import fitted, fitted_optimizer
from graphkd.run.world import ALONE, World

Weights = dict[str, Tensor]
RATES = frozenset({"lr", "initial_lr", "weight_decay", "momentum"})
"""What a recipe says of the groups of an optimizer."""


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
        made: what the run rests on and a checkpoint is compared with, as `changed.differences`
            takes it.
        sharded: names of the nodes whose weights the processes share out.
        changed: keys of what was allowed to differ from the checkpoint that was loaded.
        phase: number of the phase, from 0.
        epoch: number of the epoch in the phase.
        batch: batches of the epoch that are done.
        phase_step: optimizer steps since the phase began.
        step: optimizer steps since the run began.
        records: lines of `metrics.jsonl` that are written.
        best: for each student that was validated, the best weights so far.
        guard: what the guard of the phase's losses keeps.
        optimizer: of the phase; None between phases.
        scheduler: the course of the learning rate, None when it is constant.
        scaler: of float16 losses, None otherwise.
    """

    schedule: Schedule
    parts: dict[str, Any]
    device: torch.device
    averages: dict[str, Any] = attrs.field(factory=dict)
    fixed: frozenset[nn.Parameter] = frozenset()
    made: dict[str, Any] = attrs.field(factory=dict)
    sharded: frozenset[str] = frozenset()
    changed: frozenset[str] = frozenset()
    phase: int = 0
    epoch: int = 0
    batch: int = 0
    phase_step: int = 0
    step: int = 0
    records: int = 0
    best: dict[str, Best] = attrs.field(factory=dict)
    guard: Memory = attrs.field(factory=Memory)
    optimizer: torch.optim.Optimizer | None = None
    scheduler: Any = None
    scaler: Any = None

    @property
    def still(self) -> dict[str, str]:
        """Hashes of the weights that never move, which a checkpoint leaves out, by node."""
        found: dict[str, str] = self.made["still"]
        return found

    def state_dict(self) -> dict[str, Any]:
        """Return all of it, as tensors and plain values; the tensors are not copied."""
        modules = modules_of(self.parts)
        return {
            **self.made,
            "modules": {n: m.state_dict() for n, m in modules.items() if n not in self.still},
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
            "guard": attrs.asdict(self.guard),
            "random": random_state(self.device),
        }

    def load_weights(self, state: Mapping[str, Any], *, allowed: Collection[str] = ()) -> None:
        """Take over position, weights, averages and the best; optimizers come with their phase.

        A node that is new since begins as it was built, and a new average at the weights.

        Args:
            state: of a checkpoint.
            allowed: keys of changes that are accepted.

        Raises:
            BlueprintError: the checkpoint is of another blueprint, or of other frozen weights.
        """
        found = require_same(state, self.made, allowed=allowed)
        self.changed = frozenset(each.key for each in found if not each.harmless)
        modules = modules_of(self.parts)
        for name, weights in state["modules"].items():
            if name in modules:
                _load(modules[name], weights, name)
        for name, each in self.averages.items():
            _load(each.module, state["averages"].get(name) or self.parts[name].state_dict(), name)
        for name, value in state["position"].items():
            setattr(self, name, value)
        # older checkpoints have none
        self.guard = Memory(**state.get("guard", {}))
        best = {name: Best(**each) for name, each in state["best"].items()}
        self.best = {name: each for name, each in best.items() if name in modules}
        for each in self.best.values():
            # a node that is gone since shared modules with the student
            kept = {name: one for name, one in each.weights.items() if name in self.parts}
            each.weights = {name: _fitted(self.parts[name], one) for name, one in kept.items()}

    def load_optimizer(self, state: Mapping[str, Any]) -> None:
        """Take over the state of the phase's optimizer, with its rates, and the random streams.

        Where something changed, the rates are those of the recipe; another optimizer begins anew.

        Raises:
            BlueprintError: the optimizer has other parameters.
        """
        another = any(key.rpartition(".")[2] == "optimizer" for key in self.changed)
        if self.optimizer is not None and state["optimizer"] is not None and not another:
            fresh = [{key: group[key] for key in RATES & group.keys()} for group in self._groups()]
            saved = fitted_optimizer(state["optimizer"], self._groups())
            try:
                self.optimizer.load_state_dict(saved)
            except ValueError as error:
                text = "the optimizer learns other parameters than that of the checkpoint"
                raise mistake(f"{text} ({error}); train into a new folder") from error
            if self.changed:
                for group, rates in zip(self._groups(), fresh, strict=True):
                    group.update(rates)
                if self.scheduler is not None:
                    self.scheduler.step_update(self.phase_step)
        if self.scaler is not None and state["scaler"] is not None:
            self.scaler.load_state_dict(state["scaler"])
        set_random_state(state["random"], self.device)

    def _groups(self) -> list[dict[str, Any]]:
        assert self.optimizer is not None
        return self.optimizer.param_groups

    def take_best(self) -> None:
        """Give each student the weights with which it did best."""
        for best in self.best.values():
            for name, weights in best.weights.items():
                self.parts[name].load_state_dict(weights)


def start_session(
    schedule: Schedule, *, seed: int, device: torch.device, world: World = ALONE
) -> Session:
    """Build the modules of a schedule on a device, and nothing trained yet.

    Args:
        schedule: what was compiled.
        seed: the run's.
        device: of this process.
        world: the processes, all of which call this where a node is sharded.
    """
    from timm.utils.model_ema import ModelEmaV3

    parts = build_parts(schedule, seed=seed)
    recipe = schedule.blueprint.train
    modules = modules_of(parts)
    homes = homes_of(schedule, device)
    sharded = sharded_nodes(schedule, world)
    for name, module in modules.items():
        home = homes.get(name, Home(device))
        # no device needs room for all of a sharded node
        module.to("cpu" if name in sharded else home.device, home.dtype)
        if recipe.channels_last:
            module.to(memory_format=torch.channels_last)
    averages = {
        each.node: ModelEmaV3(parts[each.node], decay=each.decay)
        for plan in schedule.phases
        for each in plan.instructions
        if isinstance(each, Update)
    }
    made = {**made_of(schedule), "still": _still(schedule, modules)}
    shard_nodes(schedule, parts, sharded, device)
    parameters = [each for module in modules.values() for each in module.parameters()]
    fixed = frozenset(each for each in parameters if not each.requires_grad)
    return Session(schedule, parts, device, averages, fixed, made, sharded)


def made_of(schedule: Schedule) -> dict[str, Any]:
    """Say what a schedule was compiled from, as plain values."""
    return {
        "blueprint": json.dumps(to_plain(schedule.blueprint)),
        "without": sorted(schedule.without),
    }


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
    """Hash the weights of the models that no phase moves.

    Other parts, as losses, may move in any step, and are small: they are in every checkpoint.
    """
    return {
        name: hash_of(modules[name].state_dict().values())
        for name in sorted(modules.keys() - moving_nodes(schedule))
        if vertex(schedule.graph, name).kind == "model"
    }


def _fitted(module: nn.Module, weights: Mapping[str, Any]) -> Any:
    return fitted(weights, module.state_dict())


def _load(module: nn.Module, weights: Mapping[str, Any], name: str) -> None:
    try:
        module.load_state_dict(_fitted(module, weights))
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise mistake(f"the weights of '{name}' in the checkpoint do not fit: {reason}") from error
