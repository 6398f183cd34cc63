"""The schedule as a plan that people read: what runs, on which shapes, at what cost."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console
from rich.table import Table

from graphkd.blueprint.model import Ramp
from graphkd.compile.instructions import (
    Backward,
    Convert,
    Fit,
    Forward,
    Instruction,
    Loss,
    Measure,
    PhasePlan,
    Read,
    Record,
    Schedule,
    Step,
    Update,
)
from graphkd.component import Socket, name_of
from graphkd.graph import vertex

COLUMNS = ("instruction", "of", "reads", "makes", "parameters", "FLOPs", "bytes")


def explain(schedule: Schedule) -> str:
    """Write the schedule as text: one table for each phase.

    FLOPs and bytes of activations are those of one sample's forward.
    """
    stream = io.StringIO()
    console = Console(file=stream, width=160, color_system=None, highlight=False)
    for plan in schedule.phases:
        rows = [_row(plan, each) for each in plan.instructions]
        table = Table(box=None, pad_edge=False, header_style="")
        for column in COLUMNS:
            right = column in ("parameters", "FLOPs", "bytes")
            table.add_column(column, justify="right" if right else "left", overflow="fold")
        for row in rows:
            table.add_row(*(_text(row[column]) for column in COLUMNS))
        console.print(_title(schedule, plan))
        console.print(table)
        console.print(_total(plan, rows))
        console.print()
    return "\n".join(line.rstrip() for line in stream.getvalue().rstrip().splitlines())


def plan_data(schedule: Schedule) -> list[dict[str, Any]]:
    """Return the same as plain data, for scripts."""
    return [
        {
            "phase": plan.name,
            "trained": list(plan.trained),
            "instructions": [_row(plan, each) for each in plan.instructions],
            **_sums([_row(plan, each) for each in plan.instructions]),
        }
        for plan in schedule.phases
    ]


def _title(schedule: Schedule, plan: PhasePlan) -> str:
    recipe = plan.recipe
    length = f"{recipe.steps} steps" if recipe.steps else f"{recipe.epochs} epochs"
    without = f"; without {', '.join(schedule.without)}" if schedule.without else ""
    if plan.phase.fit and not plan.phase.train:
        return f"phase '{plan.name}': fits {', '.join(plan.phase.fit)} in one pass{without}"
    return (
        f"phase '{plan.name}': {length} of {plan.data.batch_size}, {recipe.optimizer} "
        f"lr {recipe.lr:g}, {recipe.schedule}{without}"
    )


def _row(plan: PhasePlan, each: Instruction) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(COLUMNS, "")
    row["instruction"] = _name(each)
    row |= {"parameters": 0, "FLOPs": 0, "bytes": 0}
    match each:
        case Convert():
            image = each.image
            size = f"c={image.channels} h={image.height} w={image.width}"
            row |= {"of": each.node, "reads": _reads(each.reads), "makes": f"{each.makes[0]} b {size}"}
            row["bytes"] = 4 * image.channels * image.height * image.width
        case Forward():
            cost = vertex(plan.graph, each.node).cost
            row |= {"of": each.node, "reads": _reads(each.reads), "makes": _makes(plan, each)}
            row |= {"parameters": cost.parameters, "FLOPs": cost.flops, "bytes": cost.activation_bytes}
        case Loss():
            cost = vertex(plan.graph, each.node).cost
            loss = name_of(vertex(plan.graph, each.node).component)
            row |= {"of": f"{each.node} {loss}", "reads": _reads(each.reads)}
            row |= {"makes": _weight(each), "parameters": cost.parameters}
        case Measure() | Fit():
            row |= {"of": each.node, "reads": _reads(each.reads)}
        case Backward():
            into = f"into {', '.join(each.into)}" if each.into else ""
            row |= {"of": " + ".join(each.losses), "makes": into}
        case Step():
            row["of"] = ", ".join(each.nodes)
        case Update():
            row |= {"of": each.node, "makes": f"average, decay {each.decay:g}"}
        case Record():
            row["of"] = f"every {each.every} steps"
    return row


def _name(each: Instruction) -> str:
    name = type(each).__name__
    if isinstance(each, Forward):
        marks = [
            word
            for word, holds in (("no gradient", not each.gradient), ("stops early", each.stops))
            if holds
        ]
        return f"{name} ({', '.join(marks)})" if marks else name
    return name


def _reads(reads: tuple[Read, ...]) -> str:
    return ", ".join(f"{each.value} (detached)" if each.detach else each.value for each in reads)


def _makes(plan: PhasePlan, each: Forward) -> str:
    taps = vertex(plan.graph, each.node).taps
    found = []
    for tap in each.taps:
        socket: Socket | None = taps.get(tap) or taps.get("output") or taps.get("")
        found.append(f"{tap} {socket}".strip() if socket else tap)
    return ", ".join(found)


def _weight(each: Loss) -> str:
    weight = each.weight
    words = []
    if isinstance(weight, Ramp):
        words.append(f"x {weight.start:g} to {weight.end:g} in {weight.epochs:g} epochs")
    elif weight != 1:
        words.append(f"x {weight:g}")
    if each.every > 1:
        words.append(f"every {each.every} steps")
    return ", ".join(words)


def _sums(rows: list[dict[str, Any]]) -> dict[str, int]:
    return {column: sum(row[column] for row in rows) for column in ("parameters", "FLOPs", "bytes")}


def _total(plan: PhasePlan, rows: list[dict[str, Any]]) -> str:
    sums = _sums(rows)
    batch = plan.data.batch_size
    return (
        f"total: {short(sums['parameters'])} parameters, {short(sums['FLOPs'])}FLOP and "
        f"{short(sums['bytes'])}B a sample; x {batch}: {short(sums['FLOPs'] * batch)}FLOP, "
        f"{short(sums['bytes'] * batch)}B a forward"
    )


def _text(value: Any) -> str:
    return (short(value) if value else "") if isinstance(value, int) else str(value)


def short(number: int) -> str:
    """Write a number with three digits and k, M, G or T."""
    for size, word in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g} {word}"
    return f"{number} "
