"""What each process of a run has for itself: random streams, and what its samples left behind."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from graphkd.blueprint import loads
from graphkd.blueprint.model import data_of, recipe_of
from graphkd.compile.phases import phases_of
from graphkd.run import checkpoint
from graphkd.run.build import node_seed
from graphkd.run.folder import CHECKPOINTS
from graphkd.run.going_on import take_up
from graphkd.run.random_streams import random_state, seed_streams
from graphkd.run.session import Session, moving_nodes
from graphkd.run.together import first_does, gather
from graphkd.run.world import World
from graphkd.run.writer import Writer

PROCESSES = "processes"
"""Key of a checkpoint: their number, and under `own` what each had for itself."""


def seed_of(seed: int, world: World, *, step: int = 0) -> int:
    """Seed the random streams of a process; those of the first are a lone process's."""
    return seed if world.first else node_seed(seed, f"process {world.rank} from step {step}")


def moving_modules(session: Session) -> list[nn.Module]:
    """Return the modules whose state changes in some phase, and their averages."""
    moving = moving_nodes(session.schedule)
    parts = [part for name, part in session.parts.items() if name in moving]
    averages = [each.module for each in session.averages.values()]
    return [*(part for part in parts if isinstance(part, nn.Module)), *averages]


def gather_own(session: Session, world: World) -> dict[str, Any]:
    """Gather in the first process, for its checkpoint, what each has for itself."""
    if world.size == 1:
        return {}
    buffers = {name: value.detach().cpu() for name, value in _own_buffers(session).items()}
    return {"own": gather(world, {"random": random_state(session.device), "buffers": buffers})}


def save_together(session: Session, writer: Writer, world: World) -> None:
    """Begin to write a checkpoint of all processes; each writes its parts of sharded nodes.

    Args:
        session: the state of this process.
        writer: of this process.
        world: the processes, all of which call this.
    """
    own = gather_own(session, world)
    if world.first or session.sharded:
        writer.save(session.step, {**session.state_dict(), **own})


def _own_buffers(session: Session) -> dict[str, Tensor]:
    """Name the buffers that training may leave different: not those of norms, which are shared."""
    names = {name for plan in session.schedule.phases for name in plan.trained}
    return {
        f"{name}/{path}.{key}": value
        for name in sorted(names)
        if isinstance(part := session.parts[name], nn.Module)
        for path, module in part.named_modules()
        if not isinstance(module, _NormBase)
        for key, value in module.named_buffers(recurse=False)
    }


def take_up_together(
    session: Session,
    place: Path,
    folder: Path,
    *,
    seed: int,
    world: World,
    allowed: Collection[str] = (),
) -> dict[str, Any] | None:
    """Load a seed's newest whole checkpoint in all processes: see `take_up`.

    Steps of another size than before go on with the samples that are left, and another number of
    processes with new random streams.
    """
    states: list[dict[str, Any]] = []

    def first() -> bool:
        found = take_up(session, place, folder, seed=seed, allowed=allowed)
        states.extend([] if found is None else [found])
        return found is not None

    if not first_does(world, first):
        return None
    if not states:
        # after the first process has set aside what is damaged
        states.append(checkpoint.newest(place / CHECKPOINTS).state)
        session.load_weights(states[0], allowed=allowed)
    return _with_own(session, states[0], world, seed)


def _with_own(session: Session, state: dict[str, Any], world: World, seed: int) -> dict[str, Any]:
    """Take over what this process had for itself."""
    before = state.get(PROCESSES, 1)
    _change_sizes(session, state, before, world.size)
    if before != world.size:
        if world.first:
            return state
        seed_streams(seed_of(seed, world, step=session.step))
        return {**state, "random": random_state(session.device)}
    if world.size == 1:
        return state
    own: Mapping[str, Any] = state["own"][world.rank]
    for name, buffer in _own_buffers(session).items():
        if name in own["buffers"]:
            buffer.copy_(own["buffers"][name])
    return {**state, "random": own["random"]}


def _change_sizes(session: Session, state: Mapping[str, Any], before: int, now: int) -> None:
    """Stand where the same samples of the epoch are done, where steps have another size now."""
    old, plans = loads(state["blueprint"]), session.schedule.phases
    phases = phases_of(old)
    if session.phase >= min(len(phases), len(plans)):
        return
    phase, plan = phases[session.phase], plans[session.phase]
    was = before * data_of(old, phase).batch_size
    size = now * plan.data.batch_size
    session.batch = session.batch * was // size
    if not plan.recipe.steps:
        done = session.phase_step * was * recipe_of(old, phase).accumulate
        session.phase_step = done // (size * plan.recipe.accumulate)
