"""What a run writes down at its start, so that its page needs no compiling while it trains."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from html import escape
from typing import Any

from graphkd.blueprint.model import Ramp
from graphkd.compile.instructions import Loss
from graphkd.compile.plan import PhasePlan, Schedule, loss_names
from graphkd.component import name_of
from graphkd.graph import flow_of, vertex, vertices
from graphkd.inspect.drawing.arrangement import Spot, Wire
from graphkd.inspect.drawing.svg import Mark, drawing
from graphkd.inspect.page.facts import ids_of
from graphkd.inspect.page.knowledge import knowledge_drawing
from graphkd.inspect.text import one_line

_ROOM = "00000000000 ↓ x 0.0000"
_SAMPLES = 32


def prepared(schedule: Schedule, *, ramp_value: Callable[[Ramp, float], float]) -> dict[str, Any]:
    """Draw a schedule with room for values, and say which loss of a record is which flow.

    Args:
        schedule: what will run.
        ramp_value: returns a ramp's weight some epochs after the beginning of the phase.

    Returns:
        Plain data: both drawings; `flows` by the id that these call them; `phases` in order, each
        with its flows by the names that records give them.
    """
    ids = ids_of(schedule)
    losses = {each.name: ids[each.name] for each in vertices(schedule.graph, "loss")}
    room = dict.fromkeys(losses, _ROOM)
    mark = _marking(ids)
    flows = {
        losses[each.name]: {
            "title": f"{flow_of(schedule.graph, each).source} → "
            f"{flow_of(schedule.graph, each).to}, {name_of(each.component)}",
            "weight": _weight(flow_of(schedule.graph, each).weight, ramp_value),
        }
        for each in vertices(schedule.graph, "loss")
    }
    phases = [
        {
            "name": one_line(plan.name),
            "awake": _awake(plan, ids),
            "losses": _losses(plan, ids),
            **_length(plan),
        }
        for plan in schedule.phases
    ]
    models = vertices(schedule.graph, "model")
    return {
        "about": schedule.blueprint.about,
        "knowledge": knowledge_drawing(schedule.graph, mark=mark, more=room),
        "dataflow": drawing(schedule.graph, style="", mark=mark, more=room),
        "flows": flows,
        "phases": phases,
        "deliver": list(schedule.deliver),
        "seeds": list(schedule.blueprint.train.seeds),
        "parameters": {
            each.name: vertex(schedule.graph, each.name).cost.parameters for each in models
        },
    }


def _awake(plan: PhasePlan, ids: Mapping[str, str]) -> list[str]:
    """Name the vertices that take part in a phase, and the taps that are read of them."""
    taps = [f"{ids[each.name]} {one_line(t)}" for each in vertices(plan.graph) for t in each.taps]
    return [*dict.fromkeys(ids[name] for name in (*plan.graph.nodes, *plan.trained)), *taps]


def _losses(plan: PhasePlan, ids: Mapping[str, str]) -> dict[str, str]:
    losses = [each for each in plan.instructions if isinstance(each, Loss)]
    names = loss_names(plan)
    return {name: ids[each.node] for name, each in zip(names, losses, strict=True)}


def _length(plan: PhasePlan) -> dict[str, int]:
    """Say how long a phase trains; one that only fits takes no step."""
    if plan.phase.fit:
        return {"epochs": 0, "steps": 0}
    return {"epochs": plan.recipe.epochs, "steps": plan.recipe.steps or 0}


def _weight(
    weight: float | Ramp, ramp_value: Callable[[Ramp, float], float]
) -> float | list[list[float]]:
    """Return a number, or epochs and the weights at them."""
    if not isinstance(weight, Ramp):
        return weight
    epochs = [float(weight.epochs) * number / _SAMPLES for number in range(_SAMPLES + 1)]
    return [[epoch, ramp_value(weight, epoch)] for epoch in epochs]


def _marking(ids: Mapping[str, str]) -> Mark:
    """Say of each box, tap and arrow which it is, and of the places for values whose they are."""

    def mark(thing: Spot | Wire, lines: list[str]) -> Iterable[str]:
        if isinstance(thing, Wire):
            ends = [ids.get(name, "") for name, _ in thing.ends]
            opened = f'<g class="arrow" data-of="{ends[1]}" data-ends="{" ".join(ends)}">'
            return [opened, *(_place(line, ends[1]) for line in lines), "</g>"]
        name, tap = thing
        tapped = f' data-tap="{escape(tap)}"' if tap else ""
        opened = f'<g class="part" data-of="{ids[name]}"{tapped}>'
        return [opened, *(_place(line, ids[name]) for line in lines), "</g>"]

    return mark


def _place(line: str, of: str) -> str:
    return re.sub(
        r'^(<text [^>]*class="more")>.*</text>$', rf'\1 data-live="{of}"></text>', line, flags=re.S
    )
