"""Rules of sharding: a node whose weights are divided among processes is a network of its own."""

from __future__ import annotations

from collections.abc import Iterator

from graphkd.blueprint.model import Node, recipe_of
from graphkd.compile.phases import phases_of, reached, taught
from graphkd.compile.rules.whole import is_whole
from graphkd.component import name_of
from graphkd.errors import Problem
from graphkd.graph import (
    Graph,
    above,
    blueprint_of,
    describe_vertex,
    edges_into,
    edges_out_of,
    flow_of,
    problem,
    vertex,
    vertices,
)

ELEMENTWISE = ("adam", "adamw", "momentum", "sgd")
"""Optimizers that look at each weight alone, so that a part of a tensor is enough for them."""


def refused_shards(graph: Graph) -> Iterator[Problem]:
    """Each node that asks for sharding can have it."""
    if not is_whole(graph):
        return
    for name, node in blueprint_of(graph).nodes.items():
        if node.shard and name in graph:
            found = _own_obstacles(graph, name, node) or _obstacles_of_learning(graph, name)
            for text in found[:1]:
                yield problem(graph, f"node '{name}': {text}", ("nodes", name, "shard"))


def _own_obstacles(graph: Graph, name: str, node: Node) -> list[str]:
    component = vertex(graph, name).component
    others = [source for source, _ in edges_into(graph, name, "weights")]
    others += [target for target, _ in edges_out_of(graph, name, "weights")]
    found = []
    if vertex(graph, name).kind != "model":
        found.append(f"shard is for models, and this is a {vertex(graph, name).kind}; drop shard")
    if others:
        text = f"shard needs modules of its own, and '{others[0]}' and '{name}' share some"
        found.append(f"{text}; drop shard")
    for trait, what in (("fits", "is fitted"), ("advances", "changes as a phase goes on")):
        if getattr(component, trait, False):
            found.append(f"a {name_of(component)} {what}, on whole weights; drop shard")
    if node.ema:
        found.append("shard has no moving average; drop ema or shard")
    if node.cache:
        text = "shard runs its forward in all processes at once, and cache where something is new"
        found.append(f"{text}; drop one of the two")
    for phase in phases_of(blueprint_of(graph)):
        if phase.fit and name in above(graph, phase.fit, "signal", "knowledge", "learner"):
            text = f"phase '{phase.name}' fits what reads it, which processes do on their own"
            found.append(f"{text}; drop shard")
    return found


def _obstacles_of_learning(graph: Graph, name: str) -> list[str]:
    """Say what in flows and recipes needs whole weights, or gradients in pieces."""
    blueprint, found = blueprint_of(graph), []
    for loss in vertices(graph, "loss"):
        if flow_of(graph, loss).into and name in reached(graph, loss.name):
            text = f"shard takes the gradient of all losses together, and {describe_vertex(loss)}"
            found.append(f"{text} has into; drop one of the two")
    for phase in phases_of(blueprint):
        recipe = recipe_of(blueprint, phase)
        for key in ("compile", "streams"):
            if getattr(recipe, key):
                found.append(f"shard and train.{key} do not go together; drop one of the two")
        if name not in taught(graph, phase):
            continue
        if recipe.optimizer.lower() not in ELEMENTWISE:
            choices = ", ".join(ELEMENTWISE)
            text = f"shard divides tensors, and optimizer '{recipe.optimizer}' may want whole ones"
            found.append(f"{text}; take one of {choices}, or drop shard")
        if recipe.precision == "float16":
            found.append("shard has no loss scaling; take precision: bfloat16, or drop shard")
    return found
