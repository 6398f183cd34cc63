"""What a page knows of vertices, components and phases, as plain data for its script."""

from __future__ import annotations

import inspect as python_inspect
import re
from collections.abc import Iterator, Mapping
from typing import Any

from graphkd.blueprint.fields import keys_of
from graphkd.compile.instructions import Fused
from graphkd.compile.plan import PhasePlan, Schedule
from graphkd.component import FUSION, find, help_of, summary_of
from graphkd.errors import listing
from graphkd.graph import Graph, vertices
from graphkd.inspect.explain import phase_title
from graphkd.inspect.fused import unfused
from graphkd.inspect.page.item import Item, Items, item, key_of
from graphkd.inspect.page.schedule import evaluation_title, fusion_id
from graphkd.inspect.page.taps import every_tap
from graphkd.inspect.text import one_line

Facts = dict[str, Any]


def ids_of(schedule: Schedule) -> dict[str, str]:
    """Give each vertex of the graph and of its phases a short name that no text can imitate."""
    names = dict.fromkeys(name for graph in _graphs(schedule) for name in graph.nodes)
    return {name: f"v{number}" for number, name in enumerate(names)}


def _graphs(schedule: Schedule) -> tuple[Graph, ...]:
    plans = (*schedule.phases, schedule.evaluation)
    return (schedule.graph, *(plan.graph for plan in plans))


def page_facts(schedule: Schedule, ids: Mapping[str, str]) -> Facts:
    """Return what the side panel, the search and the phase selector say.

    Args:
        schedule: what the page shows.
        ids: what the page calls each vertex.

    Returns:
        `items` by id, `components` by kind and name, `phases` in order, the evaluation behind
        them; nothing but texts.
    """
    items: dict[str, Item] = {}
    components: dict[str, Facts] = {}
    offers = every_tap(schedule.graph)
    for graph in _graphs(schedule):
        makes = Items(graph, ids, offers=offers)
        for each in vertices(graph):
            if ids[each.name] not in items:
                items[ids[each.name]] = makes.make(each)
                components[key_of(each.component)] = _described(type(each.component))
    for plan in schedule.phases:
        for cls in _fusions(plan):
            components[key_of(cls)] = _described(cls)
            made = item(cls.component_name, "fused losses", key_of(cls))
            items[fusion_id(cls.component_name)] = made
        for name, row in _fusing(plan):
            items[ids[name]]["facts"].append(row)
    phases = [_phase(plan, ids, said=phase_title(schedule, plan)) for plan in schedule.phases]
    evaluation = schedule.evaluation
    phases.append(_phase(evaluation, ids, said=evaluation_title(evaluation)))
    return {"items": items, "components": components, "phases": phases}


def _described(cls: type) -> Facts:
    """Return what the docstring says, of the parameters what each means."""
    whole = python_inspect.getdoc(cls) or ""
    rest = whole.partition("\nAttributes:")[0].partition("\n")[2].strip()
    # paragraphs in one line each, which the page breaks; what is indented stays
    helps = help_of(cls) if hasattr(cls, "__attrs_attrs__") else {}
    said = {key: helps.get(field.name, "") for key, field in keys_of(cls).items()} if helps else {}
    return {"summary": summary_of(cls), "help": said, "text": re.sub(r"(?<=\S)\n(?=\S)", " ", rest)}


def _fusions(plan: PhasePlan) -> list[Any]:
    names = [each.fusion for each in plan.instructions if isinstance(each, Fused)]
    return [find(FUSION, name) for name in dict.fromkeys(names)]


def _fusing(plan: PhasePlan) -> Iterator[tuple[str, list[str]]]:
    """Say of each loss what it is computed with, or why by itself."""
    phase = one_line(plan.name)
    for each in plan.instructions:
        if isinstance(each, Fused):
            names = [one.node for one in each.members]
            launch = listing(names, show=8)
            for name in names:
                yield name, [f"fused in {phase}", one_line(f"{each.fusion}, one launch: {launch}")]
    for name, reason in unfused(plan).items():
        yield name, [f"alone in {phase}", one_line(reason)]


def _phase(plan: PhasePlan, ids: Mapping[str, str], *, said: str) -> Facts:
    awake = [ids[name] for name in (*plan.graph.nodes, *plan.trained)]
    taps = [f"{ids[each.name]} {one_line(t)}" for each in vertices(plan.graph) for t in each.taps]
    learning = (*plan.trained, *(name for name in plan.phase.fit if name in ids))
    return {
        "name": one_line(plan.name),
        "said": said,
        "awake": list(dict.fromkeys((*awake, *taps))),
        "learning": [ids[name] for name in learning],
    }
