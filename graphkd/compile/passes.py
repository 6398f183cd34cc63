"""The passes in their order, and the one runner that applies them."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Any, Literal

import attrs

from graphkd.blueprint.model import Blueprint, Phase
from graphkd.compile.cache import cache
from graphkd.compile.check import check
from graphkd.compile.convert import convert
from graphkd.compile.fuse import fuse
from graphkd.compile.infer import infer
from graphkd.compile.phases import EVALUATE, delivered, phases_of
from graphkd.compile.place import place
from graphkd.compile.plan import PhasePlan, Schedule
from graphkd.compile.prune import prune
from graphkd.compile.resolve import resolve
from graphkd.compile.schedule import schedule
from graphkd.compile.share import share
from graphkd.compile.split import split
from graphkd.errors import BlueprintError, did_you_mean, mistake
from graphkd.graph import Graph, verify


@attrs.frozen
class Pass:
    """One step of the compiler.

    Attributes:
        run: the pure function graph -> graph.
        scope: whether it sees the whole blueprint or one phase.
        optional: whether `--without NAME` may leave it out.
    """

    run: Callable[..., Graph]
    scope: Literal["blueprint", "phase"] = "blueprint"
    optional: bool = False

    @property
    def name(self) -> str:
        """Name the pass, in logs, drawings and on the command line."""
        return str(getattr(self.run, "__name__", ""))


PASSES = (
    Pass(resolve),
    # names are edges now, so rules about who teaches whom can be checked without a shape
    Pass(check),
    # needs edges to know which taps are read
    Pass(infer),
    # the passes below see one phase, with what is alive in it
    Pass(split, scope="phase"),
    # needs each model's own image size, which infer learns by building it
    Pass(convert, scope="phase"),
    # before share: what nobody reads is not worth sharing
    Pass(prune, scope="phase", optional=True),
    Pass(share, scope="phase", optional=True),
    # after share: equal values have one name, so that a launch reads them once
    Pass(fuse, scope="phase", optional=True),
    # after share: a conversion that others read too must run in any case
    Pass(cache, scope="phase", optional=True),
    # last: what runs is known, and what it waits for
    Pass(place, scope="phase", optional=True),
)


def compile_blueprint(
    blueprint: Blueprint, *, without: Collection[str] = (), keep_stages: bool = False
) -> Schedule:
    """Check a blueprint completely and compile it. Needs no GPU, no weights and no data.

    Args:
        blueprint: what to compile.
        without: names of optional passes to leave out.
        keep_stages: keep the graph after each pass, for pictures.

    Returns:
        The schedule.

    Raises:
        BlueprintError: with every problem that was found.
    """
    _check_names(without)
    stages: dict[str, Graph] = {}
    graph = analyse(blueprint, stages=stages)
    problems = graph.graph["problems"]
    if problems:
        raise BlueprintError(problems, source=source_of(blueprint))
    plans = [
        _plan(graph, phase, without=without, stages=stages if keep_stages else {})
        for phase in (*phases_of(blueprint), Phase(EVALUATE))
    ]
    return Schedule(
        blueprint=blueprint,
        graph=graph,
        phases=tuple(plans[:-1]),
        evaluation=plans[-1],
        deliver=delivered(graph),
        without=tuple(without),
        stages=stages if keep_stages else {},
    )


def analyse(blueprint: Blueprint, *, stages: dict[str, Graph] | None = None) -> Graph:
    """Run the passes on the whole blueprint, and stop before those on phases.

    Args:
        blueprint: what to look at.
        stages: filled with the graph after each pass.

    Returns:
        The inferred graph; its `graph.graph["problems"]` holds what is wrong.
    """
    graph = Graph(blueprint=blueprint, problems=(), seconds={})
    for each in PASSES:
        if each.scope != "blueprint":
            continue
        graph = _timed(each, graph)
        if stages is not None:
            stages[each.name] = graph
    return graph


def _plan(
    graph: Graph, phase: Phase, *, without: Collection[str], stages: dict[str, Graph]
) -> PhasePlan:
    part = graph.copy()
    part.graph["phase"] = phase
    for each in PASSES:
        if each.scope == "phase" and each.name not in without:
            part = _timed(each, part)
            stages[f"{each.name}:{phase.name}"] = part
    return schedule(part)


def _timed(each: Pass, graph: Graph) -> Graph:
    """Run a pass, note how long it took, and check what it made."""
    start = time.perf_counter()
    made = each.run(graph)
    seconds: dict[str, Any] = {
        **graph.graph["seconds"],
        each.name: time.perf_counter() - start,
    }
    made.graph["seconds"] = seconds
    verify(made)
    return made


def _check_names(without: Collection[str]) -> None:
    optional = [each.name for each in PASSES if each.optional]
    for name in without:
        if name not in optional:
            known = [each.name for each in PASSES]
            hint = " (always runs)" if name in known else did_you_mean(name, optional)
            raise mistake(f"--without {name}: no optional pass '{name}'{hint}")


def source_of(blueprint: Blueprint) -> str:
    """Name where a blueprint comes from, as errors do."""
    place = blueprint.places.get(())
    return place.file if place else f"blueprint '{blueprint.blueprint}'"
