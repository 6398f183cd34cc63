"""Which nodes of a phase several processes share out, in words."""

from __future__ import annotations

from collections.abc import Iterator

from graphkd.compile.instructions import Forward
from graphkd.compile.plan import PhasePlan
from graphkd.graph import blueprint_of
from graphkd.inspect.text import one_line


def sharded_lines(plan: PhasePlan) -> Iterator[str]:
    """Write a line if a phase has sharded nodes; in one process they are whole."""
    nodes = blueprint_of(plan.graph).nodes
    run = dict.fromkeys(each.module for each in plan.instructions if isinstance(each, Forward))
    names = [name for name in run if name in nodes and nodes[name].shard]
    if names:
        held = "each of several processes holds a part of the weights; one process has all"
        yield one_line(f"sharded: {', '.join(names)}: {held}")
