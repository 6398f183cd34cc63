"""The training loop: the same one for every system."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import torch
from torch import Tensor, nn

from graphkd.compile.instructions import PhasePlan
from graphkd.run import checkpoint
from graphkd.run.data import Batches
from graphkd.run.evaluate import evaluate
from graphkd.run.executor import PhaseModule
from graphkd.run.folder import CHECKPOINTS
from graphkd.run.optim import make_optimizer, make_scheduler
from graphkd.run.progress import Progress
from graphkd.run.record import Recorder
from graphkd.run.session import Session, snapshot
from graphkd.run.source import Opened, Source, evaluation_batches, training_source
from graphkd.run.step import Batch, PhaseStep

VALIDATIONS = 10
"""Most validations of a phase."""


class Stopped(Exception):
    """The user asked to stop; a checkpoint was written."""


@attrs.define
class Loop:
    """Runs the phases of a session.

    Attributes:
        session: what moves.
        opened: the data.
        folder: the run's folder.
        recorder: where losses are written.
        progress: what the user sees.
        seed: the run's seed.
        stop: set to True to stop after the step that is running.
    """

    session: Session
    opened: Opened
    folder: Path
    recorder: Recorder
    progress: Progress
    seed: int
    stop: bool = False
    _newest: PhaseStep | None = None
    _validation: Batches | None = None

    def run(self, resume: dict[str, Any] | None = None) -> None:
        """Run all phases that are left.

        Args:
            resume: the checkpoint that the session was loaded from, whose optimizer and random
                streams are still to be taken over.

        Raises:
            Stopped: after `stop` was set.
        """
        plans = self.session.schedule.phases
        while self.session.phase < len(plans):
            plan = plans[self.session.phase]
            if plan.phase.fit:
                self._fit(plan)
            if plan.phase.train or not plan.phase.fit:
                self._train(plan, resume)
            resume = None
            self._next_phase()

    def _next_phase(self) -> None:
        session = self.session
        session.phase += 1
        session.epoch = session.batch = session.phase_step = 0
        session.optimizer = session.scheduler = session.scaler = None
        self._save()

    def _fit(self, plan: PhasePlan) -> None:
        source = training_source(self.opened, plan.data, seed=self.seed, fitting=True)
        fitted = [self.session.parts[name] for name in plan.phase.fit]
        module = PhaseModule(plan, self.session.parts)
        module.eval()
        try:
            for part in fitted:
                part.begin()
            with self.progress.phase(plan.name, len(source)) as advance, torch.no_grad():
                for batch in source.epoch(0):
                    module.values(self._on_device(batch), [])
                    advance("")
            for part in fitted:
                part.finish()
        finally:
            module.close()

    def _train(self, plan: PhasePlan, resume: dict[str, Any] | None) -> None:
        session = self.session
        source = training_source(
            self.opened,
            plan.data,
            seed=self.seed,
            pin_memory=session.device.type == "cuda",
        )
        budget = Budget.of(plan, len(source))
        session.optimizer = make_optimizer(plan, session.parts)
        session.scheduler = make_scheduler(
            session.optimizer,
            plan.recipe,
            total_steps=budget.steps,
            steps_per_epoch=budget.steps_per_epoch,
        )
        if plan.recipe.precision == "float16":
            session.scaler = torch.amp.GradScaler(session.device.type)
        if resume is not None:
            session.load_optimizer(resume)
            if session.scheduler:
                session.scheduler.step_update(session.phase_step)
        module = PhaseModule(plan, session.parts)
        module.activate()
        if plan.recipe.compile:
            module.compile()
        step = PhaseStep(plan, session, module, steps_per_epoch=budget.steps_per_epoch)
        try:
            self._epochs(plan, source, budget, step)
        finally:
            module.close()

    def _epochs(self, plan: PhasePlan, source: Source, budget: Budget, step: PhaseStep) -> None:
        session = self.session
        every = max(1, math.ceil(budget.epochs / VALIDATIONS))
        if plan.trained and session.phase_step == 0 and session.batch == 0:
            self._reset_best(plan)
        with self.progress.phase(plan.name, budget.steps, done=session.phase_step) as advance:
            while session.phase_step < budget.steps:
                self._epoch(plan, source, budget, step, advance)
                over = session.phase_step >= budget.steps
                validating = over or (session.epoch + 1) % every == 0
                if validating:
                    self._flush()
                    self._validate(plan)
                    step.module.train()
                session.epoch += 1
                session.batch = 0
                if validating and not over and not plan.recipe.checkpoint_every:
                    self._save()

    def _epoch(
        self, plan: PhasePlan, source: Source, budget: Budget, step: PhaseStep, advance: Any
    ) -> None:
        session = self.session
        log_every, save_every = plan.recipe.log_every, plan.recipe.checkpoint_every
        for group in self._groups(source, plan.recipe.accumulate):
            step.run(group)
            session.batch += len(group)
            self._newest = step
            if session.phase_step % log_every == 0:
                self._flush()
                advance("", log_every)
            if save_every and session.step % save_every == 0:
                self._save()
            if self.stop:
                self._flush()
                self._save()
                raise Stopped
            if session.phase_step >= budget.steps:
                return

    def _groups(self, source: Source, size: int) -> Iterator[list[Batch]]:
        group: list[Batch] = []
        for batch in source.epoch(self.session.epoch, self.session.batch):
            group.append(self._on_device(batch))
            if len(group) == size:
                yield group
                group = []
        if group:
            yield group

    def _on_device(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        if self.session.device.type == "cpu":
            return batch
        return {
            key: value.to(self.session.device, non_blocking=True) for key, value in batch.items()
        }

    def _flush(self) -> None:
        """Write the newest losses down: the only place where the host waits for the device."""
        newest, self._newest = self._newest, None
        if newest is None:
            return
        present = [
            (name, loss)
            for name, loss in zip(newest.names, newest.losses, strict=True)
            if loss is not None
        ]
        numbers = torch.stack([loss.float() for _, loss in present]).tolist() if present else []
        found = {f"loss/{name}": value for (name, _), value in zip(present, numbers, strict=True)}
        session = self.session
        assert session.optimizer is not None
        rate = float(session.optimizer.param_groups[-1]["lr"])
        plan = newest.plan.name
        self.recorder.write(session.step, phase=plan, epoch=session.epoch, lr=rate, **found)

    def _validate(self, plan: PhasePlan) -> None:
        session = self.session
        models = [name for name in plan.trained if isinstance(session.parts.get(name), nn.Module)]
        batches = self._validation_batches()
        found = evaluate(session.schedule, session.parts, batches, device=session.device)
        values = {
            f"validation/{name}/{key}": value
            for name in models
            for key, value in found.models.get(name, {}).items()
        }
        values |= {f"validation/{name}": value for name, value in found.probes.items()}
        averaged = self._validate_averages(plan)
        values |= {f"validation/{name}/ema/top1": score for name, score in averaged.items()}
        self.recorder.write(session.step, phase=plan.name, epoch=session.epoch, **values)
        scores = {name: found.models[name]["top1"] for name in models if name in found.models}
        self.progress.say(plan.name, session.epoch, scores)
        self._keep_best(plan, scores, averaged)

    def _validation_batches(self) -> Batches:
        if self._validation is None:
            data = self.session.schedule.blueprint.data
            self._validation = evaluation_batches(self.opened.parts.validation, data)
        return self._validation

    def _validate_averages(self, plan: PhasePlan) -> dict[str, float]:
        session = self.session
        averaged = {
            name: each.module for name, each in session.averages.items() if name in plan.trained
        }
        if not averaged:
            return {}
        batches = self._validation_batches()
        parts = {**session.parts, **averaged}
        found = evaluate(session.schedule, parts, batches, device=session.device, only=averaged)
        return {name: values["top1"] for name, values in found.models.items()}

    def _reset_best(self, plan: PhasePlan) -> None:
        if set(plan.trained) & set(self.session.schedule.deliver):
            self.session.best.score = -1.0

    def _keep_best(
        self, plan: PhasePlan, scores: dict[str, float], averaged: dict[str, float]
    ) -> None:
        session = self.session
        handed = [name for name in session.schedule.deliver if name in scores]
        if not handed:
            return
        best = {name: max(scores[name], averaged.get(name, -1.0)) for name in handed}
        score = sum(best.values()) / len(best)
        if score <= session.best.score:
            return
        weights = snapshot(session, tuple(handed))
        for name in handed:
            if averaged.get(name, -1.0) > scores[name]:
                state = session.averages[name].module.state_dict()
                weights[name] = {key: value.detach().cpu().clone() for key, value in state.items()}
        session.best.score, session.best.step = score, session.step
        session.best.weights = {**session.best.weights, **weights}

    def _save(self) -> None:
        recipe = self.session.schedule.blueprint.train
        self.session.records = self.recorder.count
        state = self.session.state_dict()
        checkpoint.save(self.folder / CHECKPOINTS, self.session.step, state, keep=recipe.keep)


@attrs.frozen
class Budget:
    """How long a phase trains.

    Attributes:
        steps: optimizer steps.
        steps_per_epoch: optimizer steps in an epoch.
        epochs: epochs that are begun.
    """

    steps: int
    steps_per_epoch: int
    epochs: int

    @classmethod
    def of(cls, plan: PhasePlan, batches: int) -> Budget:
        """Work out the budget of a phase with that many batches in an epoch."""
        per_epoch = max(1, math.ceil(batches / plan.recipe.accumulate))
        steps = plan.recipe.steps or plan.recipe.epochs * per_epoch
        return cls(steps, per_epoch, math.ceil(steps / per_epoch))
