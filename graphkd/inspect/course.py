"""Which nodes learn and which flows are alive in which phases, in the words of a picture."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from graphkd.compile.phases import alive_losses, phases_of, taught, trains
from graphkd.graph import Graph, Vertex, blueprint_of, vertices


@attrs.frozen
class Course:
    """The phases of a blueprint, as they concern each vertex.

    Attributes:
        phases: names of the phases that train.
        trained: for each node that learns, the phases in which a flow teaches it.
        alive: for each loss, the phases in which it is computed.
        fitted: for each node that is fitted, the phases that do so.
    """

    phases: tuple[str, ...]
    trained: Mapping[str, tuple[str, ...]]
    alive: Mapping[str, tuple[str, ...]]
    fitted: Mapping[str, tuple[str, ...]]

    def mark(self, each: Vertex) -> str:
        """Say `frozen`, `trained`, `trained in PHASES` or `fitted in PHASES`; empty for parts."""
        if each.name in self.fitted:
            return f"fitted in {', '.join(self.fitted[each.name])}"
        if each.name in self.trained:
            return f"trained {self._in(self.trained[each.name])}".rstrip()
        return "frozen" if each.kind == "model" else ""

    def state(self, each: Vertex) -> str:
        """Say `frozen`, `trained` or `fitted`; empty for parts."""
        return self.mark(each).partition(" ")[0]

    def when(self, each: Vertex) -> str:
        """Say `in PHASES` for a loss that sleeps in some, else nothing."""
        return self._in(self.alive.get(each.name, self.phases))

    def _in(self, phases: tuple[str, ...]) -> str:
        return "" if phases == self.phases else f"in {', '.join(phases) or 'no phase'}"


def course_of(graph: Graph) -> Course:
    """Work out the course of a blueprint's graph, or of the part of it for one phase."""
    if "phase" in graph.graph:
        # the pass `split` has said it, and left out what sleeps
        learning = {each.name: () for each in vertices(graph, "model") if each.learns}
        return Course((), learning, {}, {})
    trained: dict[str, tuple[str, ...]] = {}
    alive: dict[str, tuple[str, ...]] = {each.name: () for each in vertices(graph, "loss")}
    fitted: dict[str, tuple[str, ...]] = {}
    phases = phases_of(blueprint_of(graph))
    for phase in phases:
        for loss in alive_losses(graph, phase):
            alive[loss] = (*alive[loss], phase.name)
        for name in taught(graph, phase):
            trained[name] = (*trained.get(name, ()), phase.name)
        for name in phase.fit:
            fitted[name] = (*fitted.get(name, ()), phase.name)
    return Course(tuple(each.name for each in phases if trains(each)), trained, alive, fitted)
