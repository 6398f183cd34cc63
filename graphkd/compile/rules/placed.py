"""Rules of placements: precision, device, compilation and checkpointing where they make sense."""

from __future__ import annotations

import re
from collections.abc import Iterator

from graphkd.blueprint.model import Node, recipe_of
from graphkd.compile.phases import delivered, phases_of, taught
from graphkd.compile.rules.whole import is_whole
from graphkd.errors import Problem, listing, shown
from graphkd.graph import Graph, above, blueprint_of, borrows, owner_of, problem, vertex

_KEYS = ("precision", "device", "compile", "checkpoint")
_OF_WEIGHTS = ("precision", "device")
_DEVICE = re.compile(r"cpu|cuda(:\d+)?")


def misplaced(graph: Graph) -> Iterator[Problem]:
    """What a node or the recipe asks of a placement can be had, and changes no learner."""
    if not is_whole(graph):
        return
    blueprint = blueprint_of(graph)
    for name, node in blueprint.nodes.items():
        for key in _KEYS:
            if getattr(node, key) and (said := _obstacle(graph, name, node, key)):
                text = f"node '{name}': {key}: {said}"
                yield problem(graph, text, ("nodes", name, key))
    for phase in phases_of(blueprint):
        recipe = recipe_of(blueprint, phase)
        if recipe.compile and recipe.streams:
            number = blueprint.phases.index(phase) if phase in blueprint.phases else 0
            own = [key for key in ("streams", "compile") if key in phase.recipe]
            where = ("phases", number, own[0]) if own else ("train", "streams")
            text = "streams: compile makes one program of the whole forward; drop one of the two"
            yield problem(graph, text, where)
            return


def _obstacle(graph: Graph, name: str, node: Node, key: str) -> str:
    """Say why a node cannot have a setting, and what to write; empty where it can."""
    if vertex(graph, name).kind != "model":
        return f"only models have it; drop {key}"
    if node.shard and key != "precision":
        return "a model whose weights are divided among processes has none; drop one of the two"
    if key in _OF_WEIGHTS:
        return _of_weights(graph, name, node, key)
    phases = phases_of(blueprint_of(graph))
    whole = [each.name for each in phases if recipe_of(blueprint_of(graph), each).compile]
    if whole:
        return f"train.compile compiles the whole forward in {_phases(whole)}; drop one of the two"
    if key == "checkpoint" and not any(name in taught(graph, each) for each in phases):
        return "it never learns, so nothing is kept for a backward; drop checkpoint"
    return ""


def _of_weights(graph: Graph, name: str, node: Node, key: str) -> str:
    owner = owner_of(graph, name)
    if owner != name:
        return f"it computes with the weights of '{owner}'; write {key} there"
    instead = "train.precision: bfloat16" if key == "precision" else "train.device"
    phases = phases_of(blueprint_of(graph))
    learning = [each.name for each in phases if name in {*taught(graph, each), *each.fit}]
    if learning:
        return f"it learns in {_phases(learning)}; drop {key}, or write {instead}"
    sharing = [f"'{each}'" for each in graph if _shares(graph, name, each)]
    if sharing:
        return f"it shares modules with {listing(sharing)}; drop {key}, or write {instead}"
    if key == "precision" and name in delivered(graph):
        return "it is handed back, as its library makes it; drop precision"
    if key == "device" and not _DEVICE.fullmatch(node.device):
        return f"is {shown(node.device)}, not cpu, cuda or cuda:N; drop device for that of the run"
    return ""


def _shares(graph: Graph, name: str, other: str) -> bool:
    """Say whether another node is made of a node's modules, or the other way round."""
    if other == name or borrows(graph, other):
        return False
    return other in above(graph, [name], "weights") or name in above(graph, [other], "weights")


def _phases(names: list[str]) -> str:
    return "phase " + listing([f"'{each}'" for each in names])
