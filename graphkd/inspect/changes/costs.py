"""What two blueprints cost, side by side."""

from __future__ import annotations

from collections.abc import Iterator

from graphkd.compile.plan import PhasePlan, Schedule
from graphkd.graph import vertex
from graphkd.inspect.amount import short
from graphkd.inspect.document import table
from graphkd.inspect.explain import rows_of

MINUS = "\N{MINUS SIGN}"
Numbers = dict[str, tuple[int, str]]
"""Amounts with their units, by what they are of."""


def cost_table(one: Schedule, other: Schedule) -> str:
    """Write a table of what each phase of two blueprints costs, and what they hand back."""
    rows: list[tuple[str, str, str, str, str]] = []
    for name, before, after in _pairs(one, other):
        for what in dict.fromkeys((*before, *after)):
            rows.append(_row(name, what, before.get(what), after.get(what)))
    return table(("phase", "of", "before", "after", "difference"), rows)


def _pairs(one: Schedule, other: Schedule) -> Iterator[tuple[str, Numbers, Numbers]]:
    first, second = ({plan.name: plan for plan in each.phases} for each in (one, other))
    for name in dict.fromkeys((*first, *second)):
        yield name, _costs(first.get(name)), _costs(second.get(name))
    yield "handed back", _handed(one), _handed(other)


def _costs(plan: PhasePlan | None) -> Numbers:
    """Count a phase; none where there is no such phase."""
    if plan is None:
        return {}
    parameters, flops, size = (
        sum(row[column] for row in rows_of(plan)) for column in ("parameters", "FLOPs", "bytes")
    )
    batch = plan.data.batch_size
    return {
        "parameters in use": (parameters, ""),
        "a step's forward": (flops * batch, "FLOP"),
        "its activations": (size * batch, "B"),
    }


def _handed(schedule: Schedule) -> Numbers:
    costs = [vertex(schedule.graph, name).cost for name in schedule.deliver]
    return {
        "parameters": (sum(each.parameters for each in costs), ""),
        "a sample's forward": (sum(each.flops for each in costs), "FLOP"),
    }


def _row(
    phase: str, what: str, before: tuple[int, str] | None, after: tuple[int, str] | None
) -> tuple[str, str, str, str, str]:
    old, new = (short(*each) if each else "no such phase" for each in (before, after))
    return phase, what, old, new, _difference(before, after)


def _difference(before: tuple[int, str] | None, after: tuple[int, str] | None) -> str:
    if before is None or after is None:
        return ""
    apart = after[0] - before[0]
    if not apart:
        return "the same"
    sign = "+" if apart > 0 else MINUS
    share = abs(apart) / max(before[0], 1)
    if share < 0.005:
        return f"{sign}{short(abs(apart), after[1])} (under 1%)"
    said = f" ({sign}{share:.0%})" if before[0] else ""
    return f"{sign}{short(abs(apart), after[1])}{said}"
