"""What each pass of the compiler did to the graph, in each phase."""

from __future__ import annotations

import inspect as python_inspect
import re
from collections.abc import Collection, Iterator, Mapping

import attrs

from graphkd.compile.passes import PASSES
from graphkd.compile.plan import Schedule
from graphkd.errors import did_you_mean, listing, mistake
from graphkd.graph import Graph, blueprint_of

EVERY = "all"
"""Stands for all passes."""


@attrs.frozen
class Step:
    """A pass, at work on the whole graph or on that of a phase.

    Attributes:
        name: of the pass.
        phase: of the phase; empty for the whole graph.
        before: the graph before it; empty before the first pass.
        after: the graph after it.
    """

    name: str
    phase: str
    before: Graph
    after: Graph


def steps(schedule: Schedule, after: str, *, phase: str | None = None) -> tuple[Step, ...]:
    """Find what a pass did.

    Args:
        schedule: compiled with `keep_stages`.
        after: name of a pass, or `all`.
        phase: name of the one phase that is asked for; None: all.

    Raises:
        BlueprintError: there is no such pass or phase, or the pass was left out.
    """
    check_pass(after, without=schedule.without)
    found = tuple(_steps(schedule, after))
    if phase is None:
        return found
    phases = list(dict.fromkeys(each.phase for each in found if each.phase))
    if not phases:
        raise mistake(f"--phase {phase}: {after} sees the whole graph, not one phase; leave it out")
    if phase not in phases:
        raise mistake(f"--phase {phase}: no phase '{phase}'{did_you_mean(phase, phases)}")
    return tuple(each for each in found if each.phase in ("", phase))


def check_pass(after: str, *, without: Collection[str] = ()) -> None:
    """Refuse what is no pass, and a pass that is left out.

    Raises:
        BlueprintError: with the choices.
    """
    known = [each.name for each in PASSES]
    if after not in (*known, EVERY):
        raise mistake(f"--after {after}: no pass '{after}'{did_you_mean(after, [*known, EVERY])}")
    if after in without:
        raise mistake(f"--after {after}: that pass is left out by --without {after}")


def only_step(found: Collection[Step]) -> Step:
    """Return the step of a picture that shows one graph.

    A blueprint with a single phase needs no word on which: its evaluation is not what is meant.

    Raises:
        BlueprintError: there are several; with their phases.
    """
    first, *others = found
    if len(others) > 1:
        phases = listing([each.phase for each in found])
        raise mistake(
            f"--after {first.name}: one picture shows one phase; add --phase, one of {phases}"
        )
    return first


def does(name: str) -> str:
    """Say in one sentence what a pass does, as its docstring begins."""
    (run,) = (each.run for each in PASSES if each.name == name)
    text = python_inspect.getdoc(run) or ""
    return re.sub(r"\s+", " ", text.partition("\n\n")[0]).replace("`", "")


def _steps(schedule: Schedule, after: str) -> Iterator[Step]:
    for key, graph in _ordered(schedule.stages).items():
        name, _, phase = key.partition(":")
        if after in (name, EVERY):
            yield Step(name, phase, _before(schedule.stages, key), graph)


def _ordered(stages: Mapping[str, Graph]) -> dict[str, Graph]:
    """Put the phases of a pass together."""
    places = {each.name: place for place, each in enumerate(PASSES)}
    keys = sorted(stages, key=lambda key: places[key.partition(":")[0]])
    return {key: stages[key] for key in keys}


def _before(stages: Mapping[str, Graph], key: str) -> Graph:
    """Find the graph that a pass was given: of its phase, else the whole one."""
    _, _, phase = key.partition(":")
    passed = [each for each in stages if each.partition(":")[2] in ("", phase)]
    place = passed.index(key)
    if place:
        return stages[passed[place - 1]]
    return Graph(blueprint=blueprint_of(stages[key]))
