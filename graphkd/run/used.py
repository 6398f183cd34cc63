"""Which nodes' modules a phase uses."""

from __future__ import annotations

from graphkd.compile.instructions import Cached, Fit, Forward, Loss, Measure
from graphkd.compile.plan import PhasePlan
from graphkd.graph import above


def used_nodes(plan: PhasePlan) -> list[str]:
    """Name the vertices whose modules a phase runs, trains, or borrows for those.

    What lends its module is frozen and moved like what uses it.
    """
    names = list(dict.fromkeys([*_running(plan), *plan.trained]))
    lenders = above(plan.graph, [name for name in names if name in plan.graph], "weights")
    return [*names, *(name for name in plan.graph if name in lenders.difference(names))]


def sharing_with(plan: PhasePlan, name: str) -> list[str]:
    """Name those of `used_nodes` that share modules with a vertex, itself among them."""
    lenders = above(plan.graph, [name], "weights")
    return [
        each
        for each in used_nodes(plan)
        if each in lenders or (each in plan.graph and name in above(plan.graph, [each], "weights"))
    ]


def _running(plan: PhasePlan) -> list[str]:
    names: list[str] = []
    for each in plan.instructions:
        if isinstance(each, Forward):
            names.append(each.module)
        elif isinstance(each, Cached):
            names.append(each.forward.module)
        elif isinstance(each, (Loss, Measure, Fit)):
            names.append(each.node)
    return names
