"""The compiled program as plain data: phases, and the schedule."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from graphkd.blueprint.model import Blueprint, Data, Flow, Phase, Train
from graphkd.compile.instructions import Forward, Instruction, Loss, forward_in
from graphkd.graph import Graph


@attrs.frozen
class PhasePlan:
    """One phase, ready to run.

    Attributes:
        name: the phase's name.
        graph: its graph after all passes.
        instructions: what one step does, in order.
        trained: nodes whose parameters change.
        recipe: the recipe of this phase.
        data: the data settings of this phase.
        phase: as the blueprint says it.
        views: how many augmentations of each sample its epochs replay; 0: each epoch draws anew.
        captured: whether a GPU replays forwards and backwards of a step as one CUDA graph.
    """

    name: str
    graph: Graph = attrs.field(eq=False, repr=False)
    instructions: tuple[Instruction, ...]
    trained: tuple[str, ...]
    recipe: Train
    data: Data
    phase: Phase
    views: int = 0
    captured: bool = False


@attrs.frozen
class Schedule:
    """The compiled blueprint.

    Attributes:
        blueprint: what was compiled.
        graph: the whole graph, inferred.
        phases: what to run, in order.
        evaluation: what computes each model's logits and the probes.
        deliver: the nodes that are handed back.
        without: passes that were switched off.
        stages: the graph after each pass, by the pass's name; for a pass that runs on each phase
            by `name:phase`.
    """

    blueprint: Blueprint
    graph: Graph = attrs.field(eq=False, repr=False)
    phases: tuple[PhasePlan, ...]
    evaluation: PhasePlan
    deliver: tuple[str, ...]
    without: tuple[str, ...] = ()
    stages: Mapping[str, Graph] = attrs.field(factory=dict, eq=False, repr=False)


def loss_names(plan: PhasePlan) -> list[str]:
    """Name the losses of a phase as records do; the second flow of a name becomes `NAME#2`."""
    names = [each.name for each in plan.instructions if isinstance(each, Loss)]
    return [
        f"{name}#{names[:index].count(name) + 1}" if name in names[:index] else name
        for index, name in enumerate(names)
    ]


def forwards_of(plan: PhasePlan) -> list[Forward]:
    """Return the forwards of a phase, those of what is cached too."""
    return [found for each in plan.instructions if (found := forward_in(each))]


def flows_of(plan: PhasePlan) -> list[Flow]:
    """Return the flows that are alive in a phase."""
    blueprint: Blueprint = plan.graph.graph["blueprint"]
    losses = [each for each in plan.instructions if isinstance(each, Loss)]
    numbers = [plan.graph.nodes[each.node]["vertex"].flow for each in losses]
    return [blueprint.flows[number] for number in numbers]
