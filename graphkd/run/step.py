"""One optimizer step of a phase: forwards, losses, backwards, update."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import repeat

from torch import Tensor, nn

from graphkd.compile.instructions import Advance, Loss, Update
from graphkd.compile.plan import PhasePlan, loss_names
from graphkd.compile.wiring import DATA
from graphkd.graph import inputs_of, vertex
from graphkd.run import captured
from graphkd.run.backwards import Backwards, Batch
from graphkd.run.executor import PhaseModule
from graphkd.run.factors import StepFactors
from graphkd.run.gradients import GradientSum
from graphkd.run.guard import Broken, Guard, are_finite
from graphkd.run.portions import Portion
from graphkd.run.processes import moving_modules
from graphkd.run.session import Session
from graphkd.run.sharding import clip_gradients
from graphkd.run.statistics import Statistics
from graphkd.run.together import any_of, take_weights
from graphkd.run.world import ALONE, World


class PhaseStep:
    """Runs a phase's schedule step by step, without waiting for the device.

    Attributes:
        module: the phase's module.
        names: name of each loss, in the order of the schedule.
        guard: looks at the losses.
        losses: the detached losses of the last step, in that order; None for one that slept.
        portions: what each of them counts beside those of other processes; empty for one process.
    """

    def __init__(
        self,
        plan: PhasePlan,
        session: Session,
        module: PhaseModule,
        *,
        steps_per_epoch: int,
        steps: int = 0,
        world: World = ALONE,
    ) -> None:
        """Get ready.

        Args:
            plan: the phase.
            session: what moves.
            module: of the phase.
            steps_per_epoch: optimizer steps in an epoch.
            steps: optimizer steps of the phase, for nodes that are told how far it has come.
            world: the processes that take the step together.
        """
        assert session.optimizer is not None
        flows = [each for each in plan.instructions if isinstance(each, Loss)]
        self.plan = plan
        self.session = session
        self.module = module
        self.names = loss_names(plan)
        self.guard = Guard(
            self.names,
            policy=plan.recipe.nonfinite,
            device=session.device,
            memory=session.guard,
        )
        skipping = plan.recipe.nonfinite == "skip"
        self._statistics = Statistics(moving_modules(session) if skipping else ())
        self.losses: list[Tensor | None] = []
        self.portions: list[float] = []
        self._world = world
        self._label: Tensor | None = None
        self._portion: Portion | None = None
        self._labelled = [_is_of_labelled(plan, each) for each in flows]
        self._factors = StepFactors(
            plan, module.launches, steps_per_epoch=steps_per_epoch, device=session.device
        )
        self._launching = bool(module.launches)
        self._alone = any(group.losses for group in module.groups)
        self._every = [each.every for each in flows]
        self._seldom = any(every > 1 for every in self._every)
        self._updates = [each for each in plan.instructions if isinstance(each, Update)]
        self._steps = steps
        self._advances = [
            session.parts[each.node] for each in plan.instructions if isinstance(each, Advance)
        ]
        self._optimizer = session.optimizer
        self._learning = [
            parameter for group in self._optimizer.param_groups for parameter in group["params"]
        ]
        self._sum = GradientSum(world, self._learning)
        self._backwards = Backwards(plan, session, module)
        self._find_gradients = self._backwards if world.size > 1 else self._captured()

    def begin(self) -> None:
        """Tell nodes that the phase begins; a resumed phase has begun before.

        The moving averages of nodes that have not learnt before start at what they are now.
        """
        for part in self._advances:
            part.advance(0, self._steps)
        session = self.session
        # random numbers may have been drawn, from streams that differ between processes
        take_weights(self._world, moving_modules(session))
        before = session.schedule.phases[: session.phase]
        for each in self._updates:
            if all(each.node not in plan.trained for plan in before):
                session.averages[each.node].set(session.parts[each.node])

    def run(self, batches: Sequence[Batch], portions: Sequence[Portion] = ()) -> None:
        """Do one optimizer step on the gradients of one or several batches.

        Args:
            batches: on the session's device. A batch counts by its number of samples.
            portions: with several processes, how much of each whole batch this one has.
        """
        self._factors.move_to(self.session.phase_step)
        self.guard.begin()
        self._statistics.keep()
        if portions:
            self._run_together(batches, portions)
        elif len(batches) == 1:
            self._accumulate(batches[0], 1.0)
        else:
            total = sum(len(batch["image"]) for batch in batches)
            for batch in batches:
                self._accumulate(batch, len(batch["image"]) / total)
        session = self.session
        if self.guard.passes(self._world):
            self._update()
            for each in self._updates:
                session.averages[each.node].update(session.parts[each.node])
        else:
            self._statistics.put_back()
        self._forget_gradients()
        session.phase_step += 1
        session.step += 1
        for part in self._advances:
            part.advance(session.phase_step, self._steps)
        if session.scheduler:
            session.scheduler.step_update(session.phase_step)

    def _run_together(self, batches: Sequence[Batch], portions: Sequence[Portion]) -> None:
        """Find the gradients of whole batches, of which this process has a part."""
        total = sum(portion.whole for portion in portions)
        for number, (batch, portion) in enumerate(zip(batches, portions, strict=True), 1):
            self._portion = portion
            self.portions = [portion.share(labelled=each) for each in self._labelled]
            if number == len(batches) and self._backwards.count == 1:
                self._sum.listen(self._awake())
            self._accumulate(batch, portion.whole / total)
        self._sum.run(self._awake())

    def require_sound(self) -> None:
        """Make sure that the weights may take the place of those of a checkpoint before.

        Raises:
            Broken: a loss was not finite, or weights are not.
        """
        self.guard.check({})
        if self.guard.policy == "ignore":
            return
        groups = self._optimizer.param_groups
        broken = [group["node"] for group in groups if not are_finite(group["params"])]
        if any_of(self._world, bool(broken)):
            whose = f"'{broken[0]}'" if broken else "a node, in another process,"
            raise Broken(f"weights of {whose} are not finite", values={}, names=[])

    def close(self) -> None:
        """Take back what was attached to the parameters."""
        self._sum.close()

    def _accumulate(self, batch: Batch, share: float) -> None:
        alive, portions = self._awake(), self.portions
        # the most common case: all count the same
        if len(set(portions)) == 1:
            share, portions = share * portions[0], []
        scaler = self.session.scaler
        factors = self._factors.of_launches(share, scaler, portions) if self._launching else None
        weights = self._factors.of_losses(share, scaler, portions) if self._alone else ()
        self.losses = self._find_gradients(batch, alive, factors, weights)
        self._label = batch.get("label")
        self.guard.look(self.losses, [batch])

    def _captured(self) -> Callable[..., list[Tensor | None]]:
        """Compute gradients by replays where the phase says so, and the device can."""
        recorder = captured.recorder_of(self.session.device) if self.plan.captured else None
        if recorder is None:
            return self._backwards
        adding = self.plan.recipe.accumulate > 1
        modules = [each for each in self.session.parts.values() if isinstance(each, nn.Module)]
        return captured.Captured(
            self._backwards, self._learning, recorder, modules=modules, adding=adding
        )

    def portioned_losses(self) -> list[Tensor | None]:
        """Give the losses of the last batch, each as what it adds to that of all processes.

        A mean over labelled samples is None where no sample had a label. The host waits for it.
        """
        told = self._has_labels() or not any(self._labelled)
        return [
            None if loss is None or (labelled and not told) else loss * portion
            for loss, labelled, portion in zip(
                self.losses, self._labelled, self.portions or repeat(1.0), strict=False
            )
        ]

    def _has_labels(self) -> bool:
        if self._portion is not None:
            return self._portion.labelled > 0
        label = self._label
        # mixed labels are shares of classes
        return label is not None and (label.dim() > 1 or bool((label >= 0).any()))

    def _awake(self) -> tuple[bool, ...] | None:
        """Say which losses are alive in this step; None for all."""
        if not self._seldom:
            return None
        step = self.session.phase_step
        return tuple(step % every == 0 for every in self._every)

    def _update(self) -> None:
        """Take one step of the optimizer."""
        scaler, clip = self.session.scaler, self.plan.recipe.clip_grad
        # a scaler refuses a step in which all flows slept
        if scaler and all(parameter.grad is None for parameter in self._learning):
            scaler = None
        if clip:
            if scaler:
                scaler.unscale_(self._optimizer)
            clip_gradients(self._learning, clip)
        if scaler:
            scaler.step(self._optimizer)
            scaler.update()
        else:
            self._optimizer.step()

    def _forget_gradients(self) -> None:
        # as the optimizer's zero_grad, whose entry in the profiler costs more than all of it
        for parameter in self._learning:
            parameter.grad = None


def _is_of_labelled(plan: PhasePlan, loss: Loss) -> bool:
    """Say whether a loss is a mean over the samples to which the data gives a label."""
    port = getattr(vertex(plan.graph, loss.node).component, "mean_over", None)
    ports = [edge.port for _, edge in inputs_of(plan.graph, loss.node)]
    read = {each: one.value for each, one in zip(ports, loss.reads, strict=True)}
    return port is not None and read.get(port) == f"{DATA}.label"
