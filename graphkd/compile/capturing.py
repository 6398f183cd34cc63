"""Whether the step of a phase is the same work each time, so that a CUDA graph can hold it."""

from __future__ import annotations

from collections.abc import Iterator

from graphkd.blueprint.model import Phase
from graphkd.compile.caching import verdicts
from graphkd.compile.phases import EVALUATE, alive_losses, taught, trains
from graphkd.graph import Graph, Vertex, above, describe_vertex, vertices


def capture_obstacle(graph: Graph, phase: Phase) -> str:
    """Say why forwards and backwards of a phase cannot be captured; empty where they can.

    Args:
        graph: resolved; the whole one.
        phase: one of the blueprint's, or the evaluation.
    """
    if phase.name == EVALUATE or not trains(phase):
        return "nothing learns there"
    losses = alive_losses(graph, phase)
    running = above(graph, losses, "signal", "knowledge", "learner", "weights") | set(losses)
    return next(_reasons(graph, phase, running), "")


def _reasons(graph: Graph, phase: Phase, running: set[str]) -> Iterator[str]:
    learning = taught(graph, phase)
    kept = {name for name, each in verdicts(graph, phase).items() if not each.obstacle}
    for each in vertices(graph):
        if each.name in running:
            yield from _of_vertex(each, learns=each.name in learning, cached=each.name in kept)


def _of_vertex(each: Vertex, *, learns: bool, cached: bool) -> Iterator[str]:
    who = describe_vertex(each)
    if not getattr(each.component, "capturable", True):
        yield f"{who} needs the host in each step"
    if cached:
        yield f"{who} is read from a cache, which the host does"
    if each.settings is None:
        return
    if each.settings.shard:
        yield f"the weights of {who} are divided among processes"
    if each.settings.device:
        yield f"{who} is on a device of its own"
    if learns and each.settings.checkpoint:
        yield f"{who} is computed again, with random numbers that the host puts back"
