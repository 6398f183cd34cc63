"""Rules of captured steps: some phase has a step that a CUDA graph can hold."""

from __future__ import annotations

from collections.abc import Iterator

from graphkd.blueprint.model import recipe_of
from graphkd.compile.capturing import capture_obstacle
from graphkd.compile.phases import phases_of
from graphkd.compile.rules.whole import is_whole
from graphkd.errors import Problem
from graphkd.graph import Graph, blueprint_of, problem


def refused_captures(graph: Graph) -> Iterator[Problem]:
    """A phase that asks for it by itself can be captured; where the recipe asks, one of all."""
    blueprint = blueprint_of(graph)
    phases = [each for each in phases_of(blueprint) if recipe_of(blueprint, each).capture]
    if not phases or not is_whole(graph):
        return
    reasons = {each.name: capture_obstacle(graph, each) for each in phases}
    for number, phase in enumerate(blueprint.phases):
        reason = reasons.get(phase.name)
        if "capture" in phase.recipe and reason:
            text = f"phase '{phase.name}': it cannot be captured: {reason}; drop capture"
            yield problem(graph, text, ("phases", number, "capture"))
    if blueprint.train.capture and all(reasons.values()):
        said = "; ".join(
            f"{reason} (phase '{name}')" if len(reasons) > 1 else reason
            for name, reason in reasons.items()
        )
        text = f"train.capture: no phase can be captured: {said}; drop capture"
        yield problem(graph, text, ("train", "capture"))
