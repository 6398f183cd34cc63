"""The schedule as a plan that people read: what runs, on which shapes, at what cost."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from graphkd.blueprint.model import Ramp
from graphkd.compile.instructions import (
    Advance,
    Backward,
    Cached,
    Convert,
    Fit,
    Forward,
    Fused,
    Instruction,
    Loss,
    Measure,
    Read,
    Record,
    Step,
    Update,
    Wait,
)
from graphkd.compile.plan import PhasePlan, Schedule
from graphkd.component import name_of
from graphkd.graph import Vertex, vertex
from graphkd.inspect.amount import counted
from graphkd.inspect.amount import short as short
from graphkd.inspect.cached import cached_data, cached_lines
from graphkd.inspect.fused import fused_lines, unfused
from graphkd.inspect.placed import WHERE, placed_lines, where
from graphkd.inspect.sharded import sharded_lines
from graphkd.inspect.text import one_line

WORDS = ("instruction", "of", "reads", "makes")
NUMBERS = ("parameters", "FLOPs", "bytes")
WIDTH = 140
"""Characters in a line of the table; longer cells are folded."""

Row = dict[str, Any]


def explain(schedule: Schedule) -> str:
    """Write the schedule as text: one table for each phase.

    FLOPs and bytes of activations are those of one sample's forward. Parameters are counted where
    they belong, or at the first call of a node that runs by calls alone.
    """
    stream = io.StringIO()
    console = Console(file=stream, width=WIDTH, color_system=None, highlight=False, markup=False)
    for plan in schedule.phases:
        rows = rows_of(plan)
        console.print(phase_title(schedule, plan), soft_wrap=True)
        console.print(_table(rows))
        told = (*fused_lines(plan), *cached_lines(plan), *placed_lines(plan), *sharded_lines(plan))
        for line in (*told, total_line(plan, rows)):
            console.print(line, soft_wrap=True)
        console.print()
    return "\n".join(line.rstrip() for line in stream.getvalue().rstrip().splitlines())


def plan_data(schedule: Schedule) -> list[dict[str, Any]]:
    """Return the same as plain data, for scripts."""
    return [
        {
            "phase": plan.name,
            "trained": list(plan.trained),
            "instructions": rows_of(plan),
            "unfused": unfused(plan),
            "cached": cached_data(plan),
            **_sums(rows_of(plan)),
        }
        for plan in schedule.phases
    ]


def _table(rows: list[Row]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="")
    words = (*WORDS, WHERE) if any(row[WHERE] for row in rows) else WORDS
    for column in (*words, *NUMBERS):
        right = column in NUMBERS
        table.add_column(column, justify="right" if right else "left", overflow="fold")
    for row in rows:
        cells = [Text(one_line(row[column])) for column in words]
        table.add_row(*cells, *(short(row[column]) if row[column] else "" for column in NUMBERS))
    return table


def phase_title(schedule: Schedule, plan: PhasePlan) -> str:
    """Say in one line what a phase is, and which passes its schedule was made without."""
    without = f"; without {', '.join(schedule.without)}" if schedule.without else ""
    return one_line(f"{plan_title(plan)}{without}")


def plan_title(plan: PhasePlan) -> str:
    """Say in one line what a phase is: its length, its batches, its recipe."""
    recipe = plan.recipe
    if plan.phase.fit and not plan.phase.train:
        said = f"fits {', '.join(plan.phase.fit)} in one pass"
    else:
        count, word = (recipe.steps, "step") if recipe.steps else (recipe.epochs, "epoch")
        batches = f"{counted(count, word)} in batches of {plan.data.batch_size}"
        said = f"{batches}, {recipe.optimizer} lr {recipe.lr:g}, {recipe.schedule}"
    return one_line(f"phase '{plan.name}': {said}")


def rows_of(plan: PhasePlan) -> list[Row]:
    """Return a row for each instruction, with the keys `WORDS`, `WHERE` and `NUMBERS`."""
    first = _first_calls(plan)
    rows = [_row(plan, each) for each in plan.instructions]
    for each, row in zip(plan.instructions, rows, strict=True):
        if isinstance(each, Forward) and first.get(each.module) == each.node:
            row["parameters"] = vertex(plan.graph, each.module).cost.parameters
    return rows


def _first_calls(plan: PhasePlan) -> dict[str, str]:
    """Name the first call of each module whose own node does not run in the phase."""
    forwards = [each for each in plan.instructions if isinstance(each, Forward)]
    run = {each.node for each in forwards}
    return {each.module: each.node for each in reversed(forwards) if each.module not in run}


def _row(plan: PhasePlan, each: Instruction) -> Row:
    row: Row = {**dict.fromkeys(WORDS, ""), **dict.fromkeys(NUMBERS, 0)}
    row["instruction"] = type(each).__name__
    row[WHERE] = where(each)
    match each:
        case Convert(image=image):
            makes = f"{each.makes[0]} b c={image.channels} h={image.height} w={image.width}"
            row |= {"of": each.node, "reads": _reads(each.reads), "makes": makes}
            row["bytes"] = 4 * image.channels * image.height * image.width
        case Forward():
            cost = vertex(plan.graph, each.node).cost
            row |= {"of": _forward(each), "reads": _reads(each.reads), "makes": _makes(plan, each)}
            row |= {"parameters": cost.parameters, "FLOPs": cost.flops}
            row["bytes"] = cost.activation_bytes
        case Cached():
            # what a step costs once all is there: nothing is computed
            row |= {"of": each.node, "reads": _reads(each.reads[:1])}
            row["makes"] = _makes(plan, each.forward)
            row["parameters"] = vertex(plan.graph, each.node).cost.parameters
        case Loss():
            loss = vertex(plan.graph, each.node)
            row |= {"of": f"{each.node} {name_of(loss.component)}", "reads": _reads(each.reads)}
            row |= {"makes": _weight(each, loss), "parameters": loss.cost.parameters}
        case Fused():
            members = " + ".join(one.node for one in each.members)
            row |= {"of": f"{each.fusion}: {members}", "reads": _distinct(each.reads)}
            row["makes"] = "in one launch"
        case Measure() | Fit() | Wait():
            row |= {"of": each.node, "reads": _reads(each.reads)}
        case Backward():
            into = f"into {', '.join(each.into)}" if each.into else ""
            row |= {"of": " + ".join(each.losses), "makes": into}
        case Step():
            row["of"] = ", ".join(each.nodes)
        case Update():
            row |= {"of": each.node, "makes": f"average, decay {each.decay:g}"}
        case Advance():
            row |= {"of": each.node, "makes": "told how far the phase has come"}
        case Record():
            row["of"] = f"every {counted(each.every, 'step')}"
    return row


def _forward(each: Forward) -> str:
    marks = [] if each.module == each.node else [f"with {each.module}'s weights"]
    marks += [] if each.gradient else ["no gradient"]
    # behind the logits there is nothing to leave out
    early = each.stops and "logits" not in each.taps
    marks += ["stops early"] if early else []
    return f"{each.node} ({', '.join(marks)})" if marks else each.node


def _reads(reads: tuple[Read, ...]) -> str:
    return ", ".join(f"{each.value} (detached)" if each.detach else each.value for each in reads)


def _distinct(reads: tuple[Read, ...]) -> str:
    return _reads(tuple(dict.fromkeys(reads)))


def _makes(plan: PhasePlan, each: Forward) -> str:
    """Name what a forward computes, with shapes; a node with a single output has them all."""
    taps = vertex(plan.graph, each.node).taps
    single = next(iter(taps.values()), None)
    found = [(tap, taps.get(tap, single)) for tap in each.taps]
    return ", ".join(f"{tap} {socket or ''}".strip() for tap, socket in found)


def _weight(each: Loss, loss: Vertex) -> str:
    weight = each.weight
    words = []
    if isinstance(weight, Ramp):
        words.append(f"x {weight.start:g} to {weight.end:g} in {weight.epochs:g} epochs")
    elif weight != 1:
        words.append(f"x {weight:g}")
    if each.every > 1:
        words.append(f"every {each.every} steps")
    if loss.fused_with:
        words.append("fused")
    return ", ".join(words)


def _sums(rows: list[Row]) -> dict[str, int]:
    return {column: sum(row[column] for row in rows) for column in NUMBERS}


def total_line(plan: PhasePlan, rows: list[Row]) -> str:
    """Say in one line what the instructions of a phase cost together."""
    parameters, flops, size = _sums(rows).values()
    batch = plan.data.batch_size
    return (
        f"total: {counted(parameters, 'parameter')}, {short(flops, 'FLOP')} and "
        f"{short(size, 'B')} a sample; x {batch}: {short(flops * batch, 'FLOP')}, "
        f"{short(size * batch, 'B')} a forward"
    )
