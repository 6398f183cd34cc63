"""Build stores ahead of a run, in the very batches in which the run would."""

from __future__ import annotations

import time
from pathlib import Path

import attrs

from graphkd.compile.instructions import Cached, Convert
from graphkd.compile.plan import PhasePlan, Schedule
from graphkd.graph import above
from graphkd.run.backwards import autocast_of
from graphkd.run.budget import Budget
from graphkd.run.cache.stores import open_stores, rows_of
from graphkd.run.executor import PhaseModule
from graphkd.run.failures import told_of_data
from graphkd.run.folder import seeds_of
from graphkd.run.moving import moved
from graphkd.run.progress import Progress
from graphkd.run.session import Session, start_session
from graphkd.run.source import Opened, Source, divide, open_splits, training_source
from graphkd.run.train import pick_device


@attrs.frozen
class Built:
    """What was done for a node in a phase.

    Attributes:
        phase: name of the phase.
        node: name of the node.
        seed: of the run.
        folder: of its store; None where it cannot be built ahead.
        rows: how many the run reads.
        written: how many of these were missing.
        bytes: of these rows.
        seconds: the time it took; nodes of one phase are built together.
    """

    phase: str
    node: str
    seed: int
    folder: Path | None = None
    rows: int = 0
    written: int = 0
    bytes: int = 0
    seconds: float = 0.0


def build_stores(schedule: Schedule, progress: Progress) -> list[Built]:
    """Build the stores of all nodes whose weights are known before the run.

    Args:
        schedule: of the run.
        progress: what the user sees.

    Returns:
        What was done for each seed, phase and node. A node that learns in a phase before is kept
        when the run comes to it.

    Raises:
        BlueprintError: a store is damaged, there is no room, or an image cannot be read.
    """
    blueprint = schedule.blueprint
    device = pick_device(blueprint.train.device)
    if not any(isinstance(each, Cached) for plan in schedule.phases for each in plan.instructions):
        return []
    splits = open_splits(blueprint)
    found: list[Built] = []
    for seed in seeds_of(blueprint):
        opened = divide(blueprint, splits, seed=seed)
        session = start_session(schedule, seed=seed, device=device)
        moving: set[str] = set()
        for plan in schedule.phases:
            with told_of_data(blueprint):
                found += _build(plan, session, opened, progress, seed=seed, moving=moving)
            moving |= {*plan.trained, *plan.phase.fit}
    return found


def _build(
    plan: PhasePlan,
    session: Session,
    opened: Opened,
    progress: Progress,
    *,
    seed: int,
    moving: set[str],
) -> list[Built]:
    wanted = [each for each in plan.instructions if isinstance(each, Cached)]
    late = [each for each in wanted if above(plan.graph, [each.node], "weights") & moving]
    known = [each for each in wanted if each not in late]
    found = [Built(plan.name, each.node, seed) for each in late]
    if not known:
        return found
    part = _only(plan, known)
    source = training_source(opened, part, seed=seed)
    indices = source.batches.indices
    # a run with fewer epochs never comes to the others
    views = range(min(plan.views, Budget.of(plan, len(source)).epochs))
    stores = open_stores(part, session, opened, indices=indices, views=len(views), seed=seed)
    rows = [rows_of(indices, view, len(opened.parts.train.samples)) for view in views]
    absent = {
        node: [int((~store.has(each)).sum()) for each in rows]
        for node, store in stores.stores.items()
    }
    lacking = [view for view in views if any(counts[view] for counts in absent.values())]
    start = time.perf_counter()
    _fill(part, session, attrs.evolve(source, stores=stores), lacking, progress)
    seconds = time.perf_counter() - start
    for node, store in stores.stores.items():
        count, written = sum(map(len, rows)), sum(absent[node])
        size = count * store.bytes
        found.append(Built(plan.name, node, seed, store.folder, count, written, size, seconds))
    return found


def _only(plan: PhasePlan, known: list[Cached]) -> PhasePlan:
    """Leave of a phase what nodes with a store read, and these."""
    read = {each.value for one in known for each in one.reads}
    kept = [
        each
        for each in plan.instructions
        if each in known or (isinstance(each, Convert) and each.makes[0] in read)
    ]
    return attrs.evolve(plan, instructions=tuple(kept), trained=())


def _fill(
    plan: PhasePlan, session: Session, source: Source, views: list[int], progress: Progress
) -> None:
    """Go through the epochs in which a run would meet these augmentations for the first time."""
    module = PhaseModule(plan, session.parts, source.stores.stores)
    module.eval()
    try:
        with progress.phase(plan.name, len(views) * len(source)) as advance:
            for view in views:
                for batch in source.epoch(view):
                    with autocast_of(session.device, plan.recipe.precision):
                        module.values(moved(batch, session), [])
                    advance()
    finally:
        module.close()
