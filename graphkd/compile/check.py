"""Pass `check`: what can be wrong with a topology before any shape is known."""

from __future__ import annotations

from graphkd.compile import rules
from graphkd.graph import Graph, report

RULES = (
    rules.cycles,
    rules.idle_flows,
    rules.into_names,
    rules.untaught,
    rules.ignorant_sources,
    rules.unused,
    rules.unfitted,
    rules.too_few_samples,
    rules.unseen_samples,
    rules.phase_names,
    rules.empty_phases,
    rules.deliver,
    rules.mixing,
    rules.labels,
    rules.refused_caches,
    rules.misplaced,
    rules.refused_captures,
    rules.refused_shards,
)


def check(graph: Graph) -> Graph:
    """Report cycles, frozen learners, dead ends, untaught assistants and empty phases.

    Args:
        graph: resolved.

    Returns:
        A copy with more problems on its list.
    """
    return report(graph, [problem for rule in RULES for problem in rule(graph)])
