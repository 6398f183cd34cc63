"""Two blueprints as one page: what differs, drawn, in words and in cost."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from graphkd.blueprint.diff import Change as Difference
from graphkd.blueprint.diff import diff
from graphkd.compile.passes import source_of
from graphkd.compile.plan import Schedule
from graphkd.inspect.changes.costs import cost_table
from graphkd.inspect.changes.draw import changed_dataflow, changed_knowledge
from graphkd.inspect.changes.parts import change_list, change_style, sign_mark, signs
from graphkd.inspect.changes.union import Union, union
from graphkd.inspect.document import document, figure, said


def diff_page(one: Schedule, other: Schedule) -> str:
    """Write the page of what differs between two blueprints.

    Args:
        one: before.
        other: after.

    Returns:
        HTML that needs no network.
    """
    made = union(one.graph, other.graph)
    names = one.blueprint.blueprint, other.blueprint.blueprint
    body = "".join(
        (
            _abouts(one, other),
            _summary(made),
            signs(),
            "<h2>Who teaches whom</h2>",
            figure(changed_knowledge(made)),
            "<h2>What is computed from what</h2>",
            figure(changed_dataflow(made)),
            _hidden(made),
            "<h2>In the blueprints</h2>",
            _differences(diff(one.blueprint, other.blueprint)),
            "<h2>In the graph</h2>" if made.changes else "",
            change_list(made.changes),
            "<h2>In cost</h2>",
            cost_table(one, other),
        )
    )
    title = " → ".join(names) if names[0] != names[1] else f"{names[0]}: before → after"
    return document(title, body, style=change_style())


def _abouts(one: Schedule, other: Schedule) -> str:
    same = one.blueprint.blueprint == other.blueprint.blueprint
    lines = []
    for when, schedule in (("before", one), ("after", other)):
        blueprint = schedule.blueprint
        # two states of one blueprint have the same name
        name = source_of(blueprint) if same else blueprint.blueprint
        about = f": {blueprint.about}" if blueprint.about else ""
        lines.append(f"<dt>{when}</dt><dd>{said(name + about)}</dd>")
    return f"<dl>{''.join(lines)}</dl>"


def _summary(made: Union) -> str:
    counts = [
        f"{sum(each.sign == sign for each in made.changes.vertices)} {word}"
        for sign, word in (("+", "added"), ("-", "removed"), ("~", "changed"))
    ]
    if not made.changes:
        return "<p>The graphs are the same.</p>"
    return f"<p>Of the parts of the graph: {', '.join(counts)}.</p>"


def _hidden(made: Union) -> str:
    if not made.hidden:
        return ""
    arrows = "1 removed arrow is" if made.hidden == 1 else f"{made.hidden} removed arrows are"
    return (
        f'<p class="soft">{arrows} not drawn: with those that were added there would be a circle. '
        "The lists below are whole.</p>"
    )


def _differences(changes: Iterable[Difference]) -> str:
    """List what the files say otherwise, with the values before and after."""
    rows = [
        f"<tr><td>{sign_mark(each.kind)}</td><td>{said(each.path)}</td>"
        f"<td>{_value(each.before, each.kind != '+')}</td>"
        f"<td>{_value(each.after, each.kind != '-')}</td></tr>"
        for each in changes
    ]
    if not rows:
        return "<p>No difference.</p>"
    head = "<tr><th></th><th>where</th><th>before</th><th>after</th></tr>"
    return f'<table class="told">{head}{"".join(rows)}</table>'


def _value(value: Any, there: bool) -> str:
    if not there:
        return ""
    return said(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
