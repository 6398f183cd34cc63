"""The blueprints of a study's runs: of a teacher, of a student, of one that starts near."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs

from graphkd.blueprint import Blueprint, Flow, Node, Phase
from graphkd.component import find, reference_fields
from graphkd.run.study_setup import STUDENT, TEACHER, Setup

FLOOR = 1e-6
"""Lowest learning rate of a student that starts near, where the recipe has no `min_lr`."""
RECALIBRATE = "recalibrate"


def teacher_blueprint(setup: Setup, *, name: str) -> Blueprint:
    """Return the part of a blueprint that trains the teacher, and hands its models back."""
    whole = setup.blueprint
    flows = [flow for flow in whole.flows if flow.to.node in setup.members]
    phases = [phase for phase in whole.phases if set(phase.train) & set(setup.members)]
    wanted = {*setup.members, *(node for flow in flows for node in (flow.source.node,))}
    wanted |= {ref.node for flow in flows for ref in flow.extra.values()}
    nodes = {key: whole.nodes[key] for key in whole.nodes if key in _closure(whole, wanted)}
    fits = [phase for phase in whole.phases if phase.fit and set(phase.fit) <= nodes.keys()]
    kept = [phase for phase in whole.phases if phase in phases or phase in fits]
    return _part(whole, name, nodes, flows, kept, setup.members)


def _part(
    whole: Blueprint,
    name: str,
    nodes: dict[str, Node],
    flows: Iterable[Flow],
    phases: list[Phase],
    deliver: tuple[str, ...],
) -> Blueprint:
    """Return some of a blueprint; flows that were alive in phases that are gone are gone too."""
    alive = {phase.name for phase in phases}
    kept = []
    for flow in flows:
        left = tuple(each for each in flow.phases if each in alive)
        if left or not flow.phases:
            kept.append(attrs.evolve(flow, phases=left))
    return attrs.evolve(
        whole, blueprint=name, nodes=nodes, flows=kept, phases=phases, deliver=deliver, places={}
    )


def _closure(blueprint: Blueprint, names: Iterable[str]) -> set[str]:
    """Add to these nodes all that they read or lend from."""
    found: set[str] = set()
    waiting = [name for name in names if name in blueprint.nodes]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        node = blueprint.nodes[name]
        read = [ref.node for ref in (*node.input, *node.extra.values())]
        lent = [getattr(node.component, field) for field in reference_fields(node.component)]
        # a reference to a tap is written NODE.TAP
        read += [str(each).partition(".")[0] for each in lent if each]
        waiting += [each for each in read if each in blueprint.nodes]
    return found


def student_blueprint(setup: Setup, *, name: str, weights: Mapping[str, str]) -> Blueprint:
    """Return what is left when the teacher is there: its models frozen, with these weights.

    Args:
        setup: what is studied.
        name: of the new blueprint.
        weights: of each member, as a blueprint writes them.
    """
    whole = setup.blueprint
    nodes = dict(whole.nodes)
    for member, file in weights.items():
        component = attrs.evolve(nodes[member].component, weights=file)
        nodes[member] = attrs.evolve(nodes[member], component=component)
    flows = [flow for flow in whole.flows if flow.to.node not in setup.members]
    phases = [phase for phase in whole.phases if not set(phase.train) & set(setup.members)]
    return _part(whole, name, nodes, flows, phases, (STUDENT,))


def other_teacher(blueprint: Blueprint, members: tuple[str, ...], *, seed: int) -> Blueprint:
    """Return a teacher's blueprint with other initial weights; data and order stay."""
    nodes = dict(blueprint.nodes)
    for number, name in enumerate(members, 1):
        nodes[name] = attrs.evolve(nodes[name], seed=10_000 * number + seed)
    return attrs.evolve(blueprint, nodes=nodes)


def near_blueprint(blueprint: Blueprint, share: float) -> Blueprint:
    """Let the student of a blueprint begin near the teacher, with a smaller learning rate.

    lr = max((1 - share) lr, min_lr), for the recipe and where a phase or the node says otherwise.
    """
    node = blueprint.nodes[STUDENT]
    kept = {f.name: getattr(node.component, f.name) for f in attrs.fields(type(node.component))}
    near = find("model", "near")(**kept, of=TEACHER, share=share)
    floor = blueprint.train.min_lr or FLOOR

    def slow(lr: float) -> float:
        return max((1.0 - share) * lr, floor)

    recipe = attrs.evolve(blueprint.train, lr=slow(blueprint.train.lr))
    own = None if node.lr is None else slow(node.lr)
    phases = [
        attrs.evolve(p, recipe={**p.recipe, "lr": slow(p.recipe["lr"])}) if "lr" in p.recipe else p
        for p in blueprint.phases
    ]
    first = next(n for n, phase in enumerate(phases) if STUDENT in phase.train)
    phases.insert(first, Phase(RECALIBRATE, fit=(STUDENT,)))
    nodes = {**blueprint.nodes, STUDENT: attrs.evolve(node, component=near, lr=own)}
    return attrs.evolve(blueprint, nodes=nodes, phases=phases, train=recipe)
