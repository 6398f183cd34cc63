"""Which losses one launch computes, and why the others are computed by themselves, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from graphkd.compile.instructions import Fused, Loss
from graphkd.compile.plan import PhasePlan
from graphkd.graph import flow_of, vertex
from graphkd.inspect.amount import counted
from graphkd.inspect.text import one_line


def fused_lines(plan: PhasePlan) -> Iterator[str]:
    """Write a line for each launch, and one for each reason not to fuse; none without `fuse`."""
    for each in plan.instructions:
        if isinstance(each, Fused):
            yield one_line(f"fused: {each.fusion}: {_learners(plan, each)} in one launch")
    reasons: dict[str, list[str]] = {}
    for name, reason in unfused(plan).items():
        reasons.setdefault(reason, []).append(name)
    for reason, names in reasons.items():
        yield one_line(f"not fused: {', '.join(names)}: {reason}")


def unfused(plan: PhasePlan) -> dict[str, str]:
    """Say for each loss that is computed by itself why, as far as the pass `fuse` has looked."""
    losses = [each.node for each in plan.instructions if isinstance(each, Loss)]
    reasons = {name: vertex(plan.graph, name).unfused for name in losses}
    return {name: reason for name, reason in reasons.items() if reason}


def _learners(plan: PhasePlan, each: Fused) -> str:
    """Count the flows of each learner: `3 flows of student, 2 of assistant`."""
    flows = [flow_of(plan.graph, vertex(plan.graph, one.node)) for one in each.members]
    (first, count), *others = Counter(flow.to.node for flow in flows).items()
    words = [f"{counted(count, 'flow')} of {first}"]
    return ", ".join([*words, *(f"{number} of {name}" for name, number in others)])
