"""Rules that need the number of parameters: what learns has some, what has some learns."""

from __future__ import annotations

from collections.abc import Iterator

from graphkd.compile.phases import learners, phases_of, taught
from graphkd.compile.rules.whole import is_whole
from graphkd.component import name_of
from graphkd.errors import Problem
from graphkd.graph import (
    Graph,
    blueprint_of,
    describe_vertex,
    flow_of,
    problem,
    vertex,
    vertices,
)


def weightless_flows(graph: Graph) -> Iterator[Problem]:
    """Something behind the learner's tap has parameters.

    Args:
        graph: inferred without a problem.
    """
    phases = phases_of(blueprint_of(graph))
    for loss in vertices(graph, "loss"):
        found = {name for phase in phases for name in learners(graph, loss.name, phase)}
        if found and not any(vertex(graph, name).cost.parameters for name in found):
            flow = flow_of(graph, loss)
            text = f"teaches nothing: nothing behind '{flow.to}' has parameters"
            text = f"{describe_vertex(loss)}: {text}; write another learner"
            assert loss.flow is not None
            yield problem(graph, text, ("flows", loss.flow, "to"))


def wild_projectors(graph: Graph) -> Iterator[Problem]:
    """A node with random weights is taught or fitted.

    Args:
        graph: inferred without a problem.
    """
    if not is_whole(graph):
        return
    phases = phases_of(blueprint_of(graph))
    known = {name for phase in phases for name in (*taught(graph, phase), *phase.fit)}
    for each in vertices(graph, "projector", "transform"):
        if each.settings is None or each.name in known or not each.cost.parameters:
            continue
        what = name_of(each.component)
        text = (
            f"node '{each.name}': nobody teaches this {what}, so its weights stay random; add a "
            f"flow with to: {each.name}, or write via: {{type: {what}, on: from}} in a flow from it"
        )
        yield problem(graph, text, each.where)
