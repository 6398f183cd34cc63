"""A blueprint as one page: who teaches whom, what is computed from what, what runs when.

The page loads nothing: its drawings are made here, its script and style sheet stand in it. What a
blueprint says reaches it as text alone, and its policy lets no other script run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from string import Template

from graphkd.compile.plan import Schedule
from graphkd.inspect.document import json_text, policy, resource
from graphkd.inspect.drawing.arrangement import Spot, Wire
from graphkd.inspect.drawing.svg import Mark, drawing
from graphkd.inspect.look import themed_sheet
from graphkd.inspect.page.facts import ids_of, page_facts
from graphkd.inspect.page.knowledge import knowledge_drawing
from graphkd.inspect.page.legend import legend
from graphkd.inspect.page.schedule import schedule_tables
from graphkd.inspect.text import one_line

VIEWS = ("knowledge", "dataflow", "schedule")
"""What a page shows, each on a tab of its own."""


def page(schedule: Schedule, *, view: str = VIEWS[0]) -> str:
    """Write the page of a compiled blueprint.

    Args:
        schedule: what is shown.
        view: which of `VIEWS` is seen first.

    Returns:
        HTML that needs no network; the same for the same schedule.
    """
    ids = ids_of(schedule)
    mark = _marking(ids)
    plans = (*schedule.phases, schedule.evaluation)
    style = themed_sheet() + _resource("page.css")
    script = _resource("page.js")
    blueprint = schedule.blueprint
    facts = {
        "name": one_line(blueprint.blueprint),
        "about": one_line(blueprint.about),
        "first": view,
        **page_facts(schedule, ids),
    }
    return Template(_resource("page.html")).substitute(
        policy=policy(script, style),
        title=escape(one_line(blueprint.blueprint)),
        style=style,
        tabs="".join(_tab(each, chosen=each == view) for each in VIEWS),
        phases="".join(_option(number, plan.name) for number, plan in enumerate(plans)),
        knowledge=knowledge_drawing(schedule.graph, mark=mark),
        dataflow=drawing(schedule.graph, style="", mark=mark),
        schedule=schedule_tables(schedule, ids),
        legend=legend(),
        facts=json_text(facts),
        script=script,
    )


def _resource(name: str) -> str:
    return resource("graphkd.inspect.page", name)


def _tab(view: str, *, chosen: bool) -> str:
    said = "true" if chosen else "false"
    return (
        f'<button role="tab" data-view="{view}" aria-selected="{said}" '
        f'aria-controls="{view}">{view}</button>'
    )


def _option(number: int, name: str) -> str:
    return f'<option value="{number}">{escape(one_line(name))}</option>'


def _marking(ids: Mapping[str, str]) -> Mark:
    """Say of each box, tap and arrow which vertex the script shows for it."""

    def mark(thing: Spot | Wire, lines: list[str]) -> Iterable[str]:
        if isinstance(thing, Wire):
            ends = [ids[name] for name, _ in thing.ends]
            # the second reads, borrows or compares
            opened = f'<g class="arrow" data-of="{ends[1]}" data-ends="{" ".join(ends)}">'
            return [opened, *lines, "</g>"]
        name, tap = thing
        tapped = f' data-tap="{escape(tap)}"' if tap else ""
        return [f'<g class="part" data-of="{ids[name]}"{tapped}>', *lines, "</g>"]

    return mark
