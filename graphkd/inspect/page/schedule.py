"""The schedule view of a page: what each phase runs, in order, and how long values live."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from html import escape

import attrs

from graphkd.compile.instructions import Fused, Instruction, Loss, PhasePlan, Schedule
from graphkd.graph import vertices
from graphkd.inspect.amount import short
from graphkd.inspect.explain import NUMBERS, WORDS, Row, phase_title, rows_of, total_line
from graphkd.inspect.fused import fused_lines
from graphkd.inspect.page.facts import fusion_id
from graphkd.inspect.text import one_line

TRACK, HEIGHT, BAR = 11, 40, 70
"""Pixels: width of a value's line, height of a row, length of the bar of the largest cost."""
_HEAD = ("", *WORDS, *NUMBERS, "frees", "values")


@attrs.frozen
class Life:
    """How long a value lives.

    Attributes:
        value: its name.
        made: row that makes it.
        freed: row behind which it is freed; the last row for what nobody frees.
        track: place of its line from the left.
        gradient: whether a graph is recorded for it.
    """

    value: str
    made: int
    freed: int
    track: int
    gradient: bool


def lives(plan: PhasePlan) -> tuple[Life, ...]:
    """Return the values of a phase's step in the order in which they are made.

    Each gets the first track that is free by then.
    """
    freed = {name: row for row, each in enumerate(plan.instructions) for name in _frees(each)}
    found: list[Life] = []
    until: list[int] = []
    for row, each in enumerate(plan.instructions):
        for value in getattr(each, "makes", ()):
            end = freed.get(value, len(plan.instructions) - 1)
            track = next((n for n, last in enumerate(until) if last < row), len(until))
            until[track : track + 1] = [end]
            found.append(Life(value, row, end, track, getattr(each, "gradient", False)))
    return tuple(found)


def _frees(each: Instruction) -> tuple[str, ...]:
    found: tuple[str, ...] = getattr(each, "frees", ())
    return found


def schedule_tables(schedule: Schedule, ids: Mapping[str, str]) -> str:
    """Write a table for each phase: a row for each instruction.

    Args:
        schedule: what is shown.
        ids: of the vertices.
    """
    return "\n".join(
        line
        for number, plan in enumerate(schedule.phases)
        for line in _phase(schedule, plan, number, lambda name: ids.get(name, ""))
    )


def _phase(
    schedule: Schedule, plan: PhasePlan, number: int, id_of: Callable[[str], str]
) -> Iterator[str]:
    rows = rows_of(plan)
    title = _said(phase_title(schedule, plan))
    yield f'<section class="phase" data-phase="{number}"><h2>{title}</h2>'
    for line in (*fused_lines(plan), *_shared(plan)):
        yield f"<p>{_said(line)}</p>"
    heads = "".join(f"<th>{each}</th>" for each in _HEAD)
    yield f'<div class="wide"><table><thead><tr>{heads}</tr></thead><tbody>'
    largest = max((row["FLOPs"] for row in rows), default=0) or 1
    for index, (each, row) in enumerate(zip(plan.instructions, rows, strict=True)):
        # one drawing beside all rows
        beside = "" if index else f'<td class="lives" rowspan="{len(rows)}">{_lives(plan)}</td>'
        folded = " folded" if isinstance(each, Loss) and "fused" in row["makes"] else ""
        yield (
            f'<tr class="part{folded}" data-of="{_said(_about(each, id_of))}">'
            f"<td>{index + 1}</td>{_cells(each, row, largest)}{beside}</tr>"
        )
    yield f"</tbody></table></div><p>{_said(total_line(plan, rows))}</p></section>"


def _said(text: str) -> str:
    return escape(one_line(text))


def _about(each: Instruction, id_of: Callable[[str], str]) -> str:
    """Say whose facts are shown for an instruction; empty where it is about several."""
    if isinstance(each, Fused):
        return fusion_id(each.fusion)
    several: tuple[str, ...] = getattr(each, "nodes", ())
    names = [name for name in (getattr(each, "node", ""), *several) if name]
    return id_of(names[0]) if len(names) == 1 else ""


def _shared(plan: PhasePlan) -> Iterator[str]:
    """Say what is computed once for several."""
    for each in vertices(plan.graph):
        if each.same_as:
            yield f"shared: {each.name} takes over what {each.same_as} makes"


def _cells(each: Instruction, row: Row, largest: int) -> str:
    kind = row["instruction"]
    words = "".join(_cell(row[key]) for key in ("of", "reads", "makes"))
    flops = row["FLOPs"]
    bar = ""
    if flops:
        length = max(BAR * flops / largest, 1)
        bar = f'<svg class="bar" width="{BAR}" height="5"><rect width="{length:.1f}" height="5"/>'
        bar += "</svg>"
    frees = ", ".join(_frees(each))
    return (
        f'<td><span class="kind {kind}">{kind}</span></td>{words}'
        f'<td class="number">{_amount(row["parameters"])}</td>'
        f'<td class="number">{_amount(flops)}{bar}</td>'
        f'<td class="number">{_amount(row["bytes"])}</td>{_cell(frees)}'
    )


def _amount(number: int) -> str:
    return short(number) if number else ""


def _cell(text: str) -> str:
    said = _said(text)
    return f'<td><div class="cell" title="{said}">{said}</div></td>' if said else "<td></td>"


def _lives(plan: PhasePlan) -> str:
    """Draw a line for each value, from the row that makes it to the row that frees it."""
    found = lives(plan)
    tracks = 1 + max((each.track for each in found), default=0)
    lines = []
    for each in found:
        x = TRACK * (each.track + 0.5)
        top, bottom = (HEIGHT * (row + 0.5) for row in (each.made, each.freed))
        look = "gradient" if each.gradient else "plain"
        said = f"{each.value}: made by {each.made + 1}, freed by {each.freed + 1}"
        lines.append(
            f'<g class="{look}"><title>{_said(said)}</title><circle cx="{x}" cy="{top}" r="3.5"/>'
            f'<path d="M{x},{top}L{x},{bottom}M{x - 4},{bottom}L{x + 4},{bottom}"/></g>'
        )
    height = HEIGHT * len(plan.instructions)
    return f'<svg width="{TRACK * tracks}" height="{height}">{"".join(lines)}</svg>'
