"""The training loop: the same one for every system."""

from __future__ import annotations

from itertools import chain, islice
from typing import Any

import attrs
import torch

from graphkd.compile.plan import PhasePlan
from graphkd.inspect.amount import counted
from graphkd.run.budget import Budget
from graphkd.run.cache import open_stores
from graphkd.run.data import Batches
from graphkd.run.executor import PhaseModule
from graphkd.run.feed import batches, step_batches
from graphkd.run.guard import Memory
from graphkd.run.journal import UNREADABLE, Journal
from graphkd.run.moving import moved
from graphkd.run.optim import make_optimizer, make_scheduler
from graphkd.run.processes import moving_modules, save_together, seed_of
from graphkd.run.progress import Advance, Progress
from graphkd.run.random_streams import seed_streams, set_random_state
from graphkd.run.session import Session
from graphkd.run.source import Opened, Source, evaluation_batches, training_source
from graphkd.run.step import PhaseStep
from graphkd.run.together import add_up, any_of, gather, require_equal, take_statistics
from graphkd.run.validate import forget_best, validate
from graphkd.run.watch import taking_long
from graphkd.run.world import ALONE, World
from graphkd.run.writer import Writer


class Stopped(Exception):
    """The user asked to stop; the run can be resumed."""


@attrs.define
class Loop:
    """Runs the phases of a session.

    Attributes:
        session: what moves.
        opened: the data.
        writer: of the checkpoints.
        journal: where it is written down what happens; None in all processes but the first.
        progress: what the user sees.
        seed: the run's seed.
        stop: set to True to stop after the step that is running; of several processes, all stop.
        world: the processes that train together.
    """

    session: Session
    opened: Opened
    writer: Writer
    journal: Journal | None
    progress: Progress
    seed: int
    stop: bool = False
    world: World = ALONE
    _stopping: bool = False
    _validation: Batches | None = None

    def run(self, resume: dict[str, Any] | None = None) -> None:
        """Run all phases that are left.

        Args:
            resume: the checkpoint that the session was loaded from, whose optimizer and random
                streams are still to be taken over.

        Raises:
            Stopped: after `stop` was set.
        """
        if resume is None:
            seed_streams(seed_of(self.seed, self.world))
        else:
            set_random_state(resume["random"], self.session.device)
        plans = self.session.schedule.phases
        while self.session.phase < len(plans):
            plan = plans[self.session.phase]
            if plan.phase.fit:
                self._fit(plan)
            else:
                self._train(plan, resume)
            resume = None
            self._next_phase()
        self._wait_for_writer()

    def _next_phase(self) -> None:
        session = self.session
        session.phase += 1
        session.epoch = session.batch = session.phase_step = 0
        session.optimizer = session.scheduler = session.scaler = None
        session.guard = Memory()
        self._agree()
        self._save()
        self._leave_if_asked()

    def _agree(self) -> None:
        """Stop all processes if one was asked to: later signals count from the next time on."""
        self._stopping = any_of(self.world, self.stop)

    def _leave_if_asked(self) -> None:
        if self._stopping:
            raise Stopped

    def _fit(self, plan: PhasePlan) -> None:
        """Show each training sample once; when stopped, a resumed run begins the pass again."""
        session = self.session
        source = self._source(plan)
        fitted = [session.parts[name] for name in plan.phase.fit]
        module = PhaseModule(plan, session.parts)
        module.eval()
        try:
            for part in fitted:
                part.begin()
            with self.progress.phase(plan.name, len(source)) as advance, torch.no_grad():
                for batch, portion in batches(source, session, self.world):
                    # a part of a short last batch may be empty, and no image may be readable
                    if len(batch["index"]) and (portion is None or portion.own):
                        module.values(moved(batch, session), [])
                    advance()
                    self._agree()
                    self._leave_if_asked()
            self.tell_unreadable(source.batches)
            for part in fitted:
                part.finish()
        finally:
            module.close()

    def _train(self, plan: PhasePlan, resume: dict[str, Any] | None) -> None:
        session, recipe = self.session, plan.recipe
        source = self._source(plan)
        budget = Budget.of(plan, len(source))
        source = self._with_stores(plan, source, budget.epochs)
        module = PhaseModule(plan, session.parts, source.stores.stores)
        module.activate()
        for parameter in session.fixed:
            parameter.requires_grad_(False)
        session.optimizer = make_optimizer(plan, session.parts)
        session.scheduler = make_scheduler(
            session.optimizer,
            recipe,
            total_steps=budget.steps,
            steps_per_epoch=budget.steps_per_epoch,
        )
        if recipe.precision == "float16":
            session.scaler = torch.amp.GradScaler(session.device.type)
        if recipe.compile:
            module.compile()
        step = PhaseStep(
            plan,
            session,
            module,
            steps_per_epoch=budget.steps_per_epoch,
            steps=budget.steps,
            world=self.world,
        )
        # before a phase begins, which may draw random numbers
        if resume is not None:
            session.load_optimizer(resume)
        if session.phase_step == 0:
            forget_best(session, plan)
            step.begin()
        try:
            self._epochs(source, budget, step)
        finally:
            module.close()
            step.close()

    def _source(self, plan: PhasePlan) -> Source:
        self._wait_for_writer()
        on_gpu = self.session.device.type == "cuda"
        return training_source(
            self.opened, plan, seed=self.seed, pin_memory=on_gpu, world=self.world
        )

    def _wait_for_writer(self) -> None:
        # processes that read are forked: not while a thread writes
        self.writer.wait()

    def _with_stores(self, plan: PhasePlan, source: Source, epochs: int) -> Source:
        """Open the stores of what the phase keeps, for the weights that it begins with."""
        indices = source.batches.indices
        stores = open_stores(
            plan, self.session, self.opened, indices=indices, views=epochs, seed=self.seed
        )
        return attrs.evolve(source, stores=stores)

    def _epochs(self, source: Source, budget: Budget, step: PhaseStep) -> None:
        session, plan = self.session, step.plan
        with self.progress.phase(plan.name, budget.steps, done=session.phase_step) as advance:
            while session.epoch < budget.epochs:
                self._epoch(source, budget, step, advance)
                self.tell_unreadable(source.batches)
                validating = budget.validates(session.epoch)
                if validating:
                    step.require_sound()
                    self._validate(step)
                session.epoch += 1
                session.batch = 0
                over = session.epoch == budget.epochs
                if validating and not over and not plan.recipe.checkpoint_every:
                    self._save()

    def _epoch(self, source: Source, budget: Budget, step: PhaseStep, advance: Advance) -> None:
        session, recipe = self.session, step.plan.recipe
        # none are left where a checkpoint lies at the very end of the epoch
        left = max(budget.steps - session.phase_step, 0)
        steps = step_batches(source, session, self.world, size=recipe.accumulate)
        for group, portions in islice(steps, left):
            rates = self._rates()
            step.run(group, portions)
            if self.journal:
                whole = sum(portion.whole for portion in portions)
                self.journal.speed.count(whole or sum(len(batch["index"]) for batch in group))
            session.batch += len(group)
            advance()
            self._agree()
            ends = session.batch == len(source) or session.phase_step == budget.steps
            if session.phase_step % recipe.log_every == 0 or (
                ends and budget.validates(session.epoch)
            ):
                self._record(step, rates)
            if self._stopping or (
                recipe.checkpoint_every and session.step % recipe.checkpoint_every == 0
            ):
                step.require_sound()
                self._save()
            self._leave_if_asked()

    def _record(self, step: PhaseStep, rates: dict[str, float]) -> None:
        """Write the losses of the last step down: only here the host waits for the device."""
        session = self.session
        awake = {
            name: loss
            for name, loss in zip(step.names, step.portioned_losses(), strict=True)
            if loss is not None
        }
        stacked = torch.stack([loss.float() for loss in awake.values()]) if awake else None
        values = [] if stacked is None else add_up(self.world, stacked).tolist()
        found = dict(zip(awake, values, strict=True))
        losses = {f"loss/{name}": value for name, value in found.items()}
        if self.journal:
            self.journal.losses(session.step, step.plan.name, session.epoch, **rates, **losses)
        step.guard.check(found)

    def _rates(self) -> dict[str, float]:
        """Return the learning rate: one for all, or one for each node if they differ."""
        assert self.session.optimizer is not None
        rates = {group["node"]: float(group["lr"]) for group in self.session.optimizer.param_groups}
        if len(set(rates.values())) == 1:
            return {"lr": next(iter(rates.values()))}
        return {f"lr/{node}": rate for node, rate in rates.items()}

    def _validate(self, step: PhaseStep) -> None:
        session, plan = self.session, step.plan
        if self._validation is None:
            self._wait_for_writer()
            part, data = self.opened.parts.validation, session.schedule.blueprint.data
            self._validation = evaluation_batches(part, data, world=self.world)
        require_equal(self.world, step.module.parameters())
        take_statistics(self.world, moving_modules(session))
        found = validate(session, plan, self._validation, world=self.world)
        if self.journal:
            self.journal.validated(
                session.step, plan.name, session.epoch, whole=found.whole, values=found.values
            )
        self.tell_unreadable(self._validation)
        self.progress.say(plan.name, session.epoch, found.scores)
        step.module.train()

    def tell_unreadable(self, batches: Batches) -> None:
        """Write down and say what could not be read; all processes call this."""
        every = gather(self.world, list(batches.unreadable))
        if self.journal and (new := self.journal.unreadable(chain(*every))):
            self.progress.warn(
                f"{counted(new, 'image')} could not be read and were left out; "
                f"{self.journal.folder / UNREADABLE} names them"
            )

    def _save(self) -> None:
        take_statistics(self.world, moving_modules(self.session))
        if self.journal:
            self.session.records = self.journal.recorder.count
        with taking_long("writing a checkpoint"):
            save_together(self.session, self.writer, self.world)
