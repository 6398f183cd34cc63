"""The schedule view of a page: what each phase runs, in order, and how long values live."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape

from graphkd.compile.instructions import Backward, Forward, Fused, Instruction, Loss, Measure
from graphkd.compile.plan import PhasePlan, Schedule
from graphkd.errors import listing
from graphkd.graph import vertices
from graphkd.inspect.amount import short
from graphkd.inspect.cached import cached_lines
from graphkd.inspect.explain import WORDS, Row, phase_title, rows_of, total_line
from graphkd.inspect.fused import fused_lines
from graphkd.inspect.page.lives import frees_of, held, lives, lives_drawing
from graphkd.inspect.placed import WHERE, is_computed_again, placed_lines
from graphkd.inspect.text import one_line

BAR = 70
"""Pixels of the bar of the largest cost."""
_NUMBERS = {
    "parameters": "where they belong, or at the first call of a node that runs by calls alone",
    "FLOPs / sample": "operations of a sample's forward; a backward costs about twice that",
    "bytes / sample": "all intermediate results of a sample's forward",
    "frees": "values that nobody reads any more",
    "held / batch": "bytes of values that are alive while the instruction runs",
    "values": "from who makes a value to who frees it; rest on a line to see which",
}


def fusion_id(name: str) -> str:
    """Say what the page calls a fusion; no vertex is called so."""
    return f"fused:{name}"


def schedule_tables(schedule: Schedule, ids: Mapping[str, str]) -> str:
    """Write a table for each phase, then for the evaluation: a row for each instruction.

    Args:
        schedule: what is shown.
        ids: of the vertices.
    """
    return "\n".join(
        line
        for number, plan in enumerate((*schedule.phases, schedule.evaluation))
        for line in _phase(_titled(schedule, plan), plan, number, lambda name: ids.get(name, ""))
    )


def evaluation_title(plan: PhasePlan) -> str:
    """Say in one line what runs between epochs and at the end."""
    models = [each.node for each in plan.instructions if isinstance(each, Forward)]
    probes = [each.node for each in plan.instructions if isinstance(each, Measure)]
    said = f"forwards of {listing(models, show=8)}" if models else "nothing"
    measured = f"; probes {listing(probes, show=8)}" if probes else ""
    return one_line(f"evaluation, between epochs and at the end: {said}{measured}; no gradient")


def _titled(schedule: Schedule, plan: PhasePlan) -> str:
    if plan is schedule.evaluation:
        return evaluation_title(plan)
    return phase_title(schedule, plan)


def _phase(said: str, plan: PhasePlan, number: int, id_of: Callable[[str], str]) -> Iterator[str]:
    rows = rows_of(plan)
    sizes = held(lives(plan), len(rows))
    found, batch = lives(plan), plan.data.batch_size
    yield f'<section class="phase" data-phase="{number}"><h2>{_said(said)}</h2>'
    for line in (*fused_lines(plan), *cached_lines(plan), *placed_lines(plan), *_shared(plan)):
        yield f"<p>{_said(line)}</p>"
    words = WORDS[1:] + ((WHERE,) if any(row[WHERE] for row in rows) else ())
    columns = {**dict.fromkeys(("", WORDS[0], *words), ""), **_NUMBERS}
    heads = "".join(_head(each, meaning) for each, meaning in columns.items())
    yield f'<div class="wide"><table><thead><tr>{heads}</tr></thead><tbody>'
    largest = max((row["FLOPs"] for row in rows), default=0) or 1
    for index, (each, row) in enumerate(zip(plan.instructions, rows, strict=True)):
        # one drawing beside all rows
        drawn = "" if index else lives_drawing(found, len(rows), batch=batch)
        beside = f'<td class="lives" rowspan="{len(rows)}">{drawn}</td>' if drawn else ""
        folded = " folded" if isinstance(each, Loss) and "fused" in row["makes"] else ""
        yield (
            f'<tr class="part{folded}" data-of="{_said(_about(each, id_of))}">'
            f"<td>{index + 1}</td>{_cells(each, row, words, largest)}"
            f'<td class="number">{_amount(sizes[index] * batch)}</td>{beside}</tr>'
        )
    step = _step_line(plan, rows, max(sizes, default=0) * batch)
    yield f"</tbody></table></div><p>{_said(total_line(plan, rows))}</p><p>{step}</p></section>"


def _step_line(plan: PhasePlan, rows: list[Row], peak: int) -> str:
    """Say what a step costs with its backwards, which take about twice their forwards."""
    pairs = list(zip(plan.instructions, rows, strict=True))
    twice = sum(row["FLOPs"] for each, row in pairs if getattr(each, "gradient", False))
    again = sum(row["FLOPs"] for each, row in pairs if is_computed_again(each))
    backward = any(isinstance(each, Backward) for each in plan.instructions)
    flops = (
        sum(row["FLOPs"] for row in rows) + 2 * twice * backward + again
    ) * plan.data.batch_size
    what = "a step, forwards and backwards" if backward else "a batch"
    return f"{what}: about {short(flops, 'FLOP')}; values between instructions: {short(peak, 'B')}"


def _head(name: str, meaning: str) -> str:
    return f'<th title="{_said(meaning)}">{name}</th>' if meaning else f"<th>{name}</th>"


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
    takers: dict[str, list[str]] = {}
    for each in vertices(plan.graph):
        if each.same_as:
            takers.setdefault(each.same_as, []).append(each.name)
    for maker, names in takers.items():
        verb = "takes" if len(names) == 1 else "take"
        yield f"shared: {listing(names, show=8)} {verb} over what {maker} makes"


def _cells(each: Instruction, row: Row, words: Sequence[str], largest: int) -> str:
    kind = row["instruction"]
    said = "".join(_cell(row[key]) for key in words)
    flops = row["FLOPs"]
    bar = ""
    if flops:
        length = max(BAR * flops / largest, 1)
        bar = f'<svg class="bar" width="{BAR}" height="5"><rect width="{length:.1f}" height="5"/>'
        bar += "</svg>"
    frees = ", ".join(frees_of(each))
    return (
        f'<td><span class="kind {kind}">{kind}</span></td>{said}'
        f'<td class="number">{_amount(row["parameters"])}</td>'
        f'<td class="number">{_amount(flops)}{bar}</td>'
        f'<td class="number">{_amount(row["bytes"])}</td>{_cell(frees)}'
    )


def _amount(number: int) -> str:
    return short(number) if number else ""


def _cell(text: str) -> str:
    # a long name goes on in the next line behind a sign, not within a word
    said = re.sub(r"(?<=[a-z0-9][._/])(?=[a-z0-9])", "<wbr>", _said(text))
    return f'<td><div class="cell">{said}</div></td>' if said else "<td></td>"
