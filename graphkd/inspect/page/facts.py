"""What a page knows of vertices, components and phases, as plain data for its script."""

from __future__ import annotations

import inspect as python_inspect
import re
from collections.abc import Iterator, Mapping
from typing import Any

from graphkd.compile.instructions import Fused, PhasePlan, Schedule
from graphkd.component import FUSION, find, summary_of
from graphkd.errors import listing
from graphkd.graph import vertices
from graphkd.inspect.explain import phase_title
from graphkd.inspect.fused import unfused
from graphkd.inspect.page.item import Item, Items, item, key_of
from graphkd.inspect.text import one_line

Facts = dict[str, Any]


def ids_of(schedule: Schedule) -> dict[str, str]:
    """Give each vertex of the graph and of its phases a short name that no text can imitate."""
    graphs = (schedule.graph, *(plan.graph for plan in schedule.phases))
    names = dict.fromkeys(name for graph in graphs for name in graph.nodes)
    return {name: f"v{number}" for number, name in enumerate(names)}


def page_facts(schedule: Schedule, ids: Mapping[str, str]) -> Facts:
    """Return what the side panel, the search and the phase selector say.

    Args:
        schedule: what the page shows.
        ids: what the page calls each vertex.

    Returns:
        `items` by id, `components` by kind and name, `phases` in order; nothing but texts.
    """
    items: dict[str, Item] = {}
    components: dict[str, Facts] = {}
    for graph in (schedule.graph, *(plan.graph for plan in schedule.phases)):
        makes = Items(graph, ids)
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
    phases = [_phase(schedule, plan, ids) for plan in schedule.phases]
    return {"items": items, "components": components, "phases": phases}


def fusion_id(name: str) -> str:
    """Say what the page calls a fusion; no vertex is called so."""
    return f"fused:{name}"


def _described(cls: type) -> Facts:
    """Return the docstring, without the parameters, which are listed with their values."""
    whole = python_inspect.getdoc(cls) or ""
    rest = whole.partition("\nAttributes:")[0].partition("\n")[2].strip()
    # paragraphs in one line each, which the page breaks; what is indented stays
    return {"summary": summary_of(cls), "text": re.sub(r"(?<=\S)\n(?=\S)", " ", rest)}


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


def _phase(schedule: Schedule, plan: PhasePlan, ids: Mapping[str, str]) -> Facts:
    awake = [ids[name] for name in (*plan.graph.nodes, *plan.trained)]
    taps = [f"{ids[each.name]} {one_line(t)}" for each in vertices(plan.graph) for t in each.taps]
    learning = (*plan.trained, *(name for name in plan.phase.fit if name in ids))
    return {
        "name": one_line(plan.name),
        "said": phase_title(schedule, plan),
        "awake": list(dict.fromkeys((*awake, *taps))),
        "learning": [ids[name] for name in learning],
    }
