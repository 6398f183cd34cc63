"""Rules of rates: what has a learning rate or a weight decay of its own has weights of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import nn

from graphkd.blueprint.model import Phase
from graphkd.compile.phases import phases_of, taught
from graphkd.compile.rules.whole import is_whole
from graphkd.errors import Problem
from graphkd.graph import Graph, blueprint_of, problem, vertex

_KEYS = ("lr", "weight_decay")


def idle_rates(graph: Graph, modules: Mapping[str, nn.Module]) -> Iterator[Problem]:
    """Some weights learn at the rate that a node names: the first node that has them decides.

    Args:
        graph: inferred without a problem.
        modules: of the nodes, on the meta device.
    """
    if not is_whole(graph):
        return
    phases = phases_of(blueprint_of(graph))
    for name, node in blueprint_of(graph).nodes.items():
        keys = [key for key in _KEYS if getattr(node, key) is not None]
        learning = [each for each in phases if name in taught(graph, each)] if keys else []
        takers = [_taker(graph, name, each, modules) for each in learning]
        if takers and all(takers):
            text = f"all weights of '{name}' are those of '{takers[0]}', which learn as that says"
            text = f"node '{name}': {keys[0]} does nothing: {text}; write {keys[0]} there"
            yield problem(graph, text, ("nodes", name, keys[0]))


def _taker(graph: Graph, name: str, phase: Phase, modules: Mapping[str, nn.Module]) -> str:
    """Name the node whose rate all weights of another have in a phase; empty where it has own."""
    left = {id(each) for each in modules[name].parameters()} if name in modules else set[int]()
    learning = taught(graph, phase)
    for other in graph:
        if other == name or not left:
            return ""
        if other in learning and other in modules and vertex(graph, other).settings is not None:
            left -= {id(each) for each in modules[other].parameters()}
            if not left:
                return str(other)
    return ""
