"""One seed of a run, before its first step or its checkpoint."""

from __future__ import annotations

import attrs

from graphkd.compile import Schedule
from graphkd.component import Splits
from graphkd.run.device import pick_device
from graphkd.run.failures import told_of_data
from graphkd.run.fingerprint import fingerprint
from graphkd.run.norms import share_statistics
from graphkd.run.optim import make_optimizer
from graphkd.run.plan import hardware, versions
from graphkd.run.processes import PROCESSES
from graphkd.run.session import Session, start_session
from graphkd.run.source import Opened, divide, training_source
from graphkd.run.surroundings import surroundings
from graphkd.run.world import World


@attrs.frozen(eq=False)
class Ready:
    """What a seed needs to run.

    Attributes:
        session: what moves.
        opened: the data.
    """

    session: Session
    opened: Opened


def get_ready(schedule: Schedule, splits: Splits, seed: int, world: World) -> Ready:
    """Build what a seed needs, and find every mistake that would stop a phase later."""
    device = pick_device(schedule.blueprint.train.device, world=world)
    opened = divide(schedule.blueprint, splits, seed=seed)
    for plan in schedule.phases:
        training_source(opened, plan, seed=seed, world=world)
    session = start_session(schedule, seed=seed, device=device, world=world)
    if schedule.blueprint.train.sync_batchnorm and world.size > 1:
        share_statistics(session)
    with told_of_data(schedule.blueprint):
        data = fingerprint(opened)
    session.made |= {
        "versions": versions(),
        "device": hardware(schedule.blueprint.train.device),
        "data": data,
        "surroundings": surroundings(device),
        PROCESSES: world.size,
    }
    for plan in schedule.phases:
        if plan.trained:
            make_optimizer(plan, session.parts)
    return Ready(session, opened)
