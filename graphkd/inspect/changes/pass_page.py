"""What passes of the compiler did, as one page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from graphkd.compile.plan import Schedule
from graphkd.graph import Graph
from graphkd.inspect.changes.compare import Changes, compare
from graphkd.inspect.changes.draw import changed_dataflow
from graphkd.inspect.changes.parts import (
    EDGES,
    VERTICES,
    change_list,
    change_style,
    number_of,
    signs,
)
from graphkd.inspect.changes.steps import EVERY, Step, does
from graphkd.inspect.changes.union import halves, union
from graphkd.inspect.document import document, figure, said
from graphkd.inspect.drawing.svg import drawing

_STYLE = """
.reading .pair { display: flex; flex-wrap: wrap; gap: 0 24px; align-items: flex-start; }
.reading .pair figure { flex: 0 1 auto; max-width: 100%; margin: 4px 0; }
.reading .pair figcaption, .reading h3 { font-size: 15px; font-weight: 600; margin: 16px 0 4px; }
"""


def pass_page(schedule: Schedule, after: str, found: Iterable[Step]) -> str:
    """Write the page of what one pass did, or all.

    Args:
        schedule: what was compiled.
        after: name of the pass, or `all`.
        found: what was done, those of one pass together.

    Returns:
        HTML that needs no network. One pass is drawn before and after, of all passes each in one
        drawing, and only where something changed.
    """
    body = [_order(schedule, found), signs()] if after == EVERY else [signs()]
    for name, same in groupby(found, key=lambda step: step.name):
        body += [f'<section id="{name}"><h2>{name}</h2>', f"<p>{said(does(name))}</p>"]
        body += [*_section(tuple(same), paired=after != EVERY), "</section>"]
    what = "every pass" if after == EVERY else f"the pass {after}"
    title = f"{schedule.blueprint.blueprint}: {what}"
    return document(title, "".join(body), style=change_style() + _STYLE)


def _order(schedule: Schedule, found: Iterable[Step]) -> str:
    links = (f'<a href="#{name}">{name}</a>' for name in dict.fromkeys(s.name for s in found))
    left_out = f"; left out: {', '.join(schedule.without)}" if schedule.without else ""
    return f"<p>{' → '.join(links)}{said(left_out)}</p>"


def _section(same: tuple[Step, ...], *, paired: bool) -> Iterator[str]:
    """Write what a pass did in each phase; phases without a change on one line."""
    quiet = []
    for step in same:
        changes = compare(step.before, step.after)
        if not changes:
            quiet.append(step)
            continue
        if step.phase:
            yield f"<h3>{said(f'phase {step.phase}')}</h3>"
        yield f"<p>{_counts(step, changes)}</p>"
        yield from _shown(step, changes, paired=paired)
    if quiet:
        where = ", ".join(f"phase {step.phase}" for step in quiet if step.phase)
        yield f"<p>{said(f'{where}: ' if where else '')}changed nothing.</p>"


def _counts(step: Step, changes: Changes) -> str:
    """Say how large the graph was and is."""
    before, after = map(_size, (step.before, step.after))
    changed = sum(each.sign == "~" for each in changes.vertices)
    more = f"; {number_of(changed, VERTICES)} changed in place" if changed else ""
    return f"before: {before}, after: {after}{more}" if len(step.before) else after


def _size(graph: Graph) -> str:
    edges = number_of(graph.number_of_edges(), EDGES)
    return f"{number_of(len(graph), VERTICES)} and {edges}"


def _shown(step: Step, changes: Changes, *, paired: bool) -> Iterator[str]:
    if not len(step.before):
        # there is nothing to compare with
        yield figure(drawing(step.after, style=""))
        return
    yield change_list(changes)
    if not paired:
        yield figure(changed_dataflow(union(step.before, step.after)))
        return
    yield '<div class="pair">'
    for when, made in zip(("before", "after"), halves(step.before, step.after), strict=True):
        yield figure(changed_dataflow(made), caption=when)
    yield "</div>"
