"""Where and how the forwards of a phase run, in words."""

from __future__ import annotations

from collections.abc import Iterator

from graphkd.compile.instructions import Forward, Instruction, forward_in
from graphkd.compile.plan import PhasePlan, forwards_of
from graphkd.errors import listing
from graphkd.graph import Placement
from graphkd.inspect.text import one_line

WHERE = "where"
"""Key of the column that says it; there is one where some node is placed."""


def where(each: Instruction) -> str:
    """Say where and how an instruction's forward runs; empty where the recipe alone says it."""
    forward = forward_in(each)
    at = forward.placement if forward else Placement()
    ways = {"compiled": at.compiled, "twice": at.checkpointed, "aside": at.aside}
    said = [at.device, at.precision, *(word for word, so in ways.items() if so)]
    return ", ".join(filter(None, said))


def is_computed_again(each: Instruction) -> bool:
    """Say whether the backward computes an instruction's forward anew."""
    forward = forward_in(each)
    return forward is not None and forward.placement.checkpointed


def placed_lines(plan: PhasePlan) -> Iterator[str]:
    """Write a line for each way in which forwards are placed."""
    nodes = {each.node: each.placement for each in forwards_of(plan)}
    for precision in dict.fromkeys(at.precision for at in nodes.values() if at.precision):
        names = _names(name for name, at in nodes.items() if at.precision == precision)
        yield one_line(f"{precision}: {names}: weights and forward; what others read is float32")
    for device in dict.fromkeys(at.device for at in nodes.values() if at.device):
        names = _names(name for name, at in nodes.items() if at.device == device)
        yield one_line(f"on {device}: {names}: what they read and make is copied")
    if names := _names(name for name, at in nodes.items() if at.compiled):
        yield one_line(f"compiled: {names}: each forward by itself")
    if names := _names(name for name, at in nodes.items() if at.checkpointed):
        yield one_line(f"computed twice: {names}: again in the backward, and not kept for it")
    if names := _names(name for name, at in nodes.items() if at.aside):
        yield one_line(f"side stream: {names}: beside the others on a GPU; none on a cpu")
    elif plan.recipe.streams and plan.trained and not _runs_without_gradient(plan):
        yield "side stream: nothing runs on it here: each forward is read from a cache, or learns"
    if plan.captured:
        yield "captured: forwards and backwards are one CUDA graph on a GPU; none on a cpu"
    elif plan.trained and plan.recipe.capture and (reason := plan.graph.graph["uncapturable"]):
        yield one_line(f"not captured: {reason}")


def _runs_without_gradient(plan: PhasePlan) -> bool:
    """Say whether a forward could run aside; where none does, `place` was left out."""
    return any(isinstance(each, Forward) and not each.gradient for each in plan.instructions)


def _names(names: Iterator[str]) -> str:
    return listing(list(names), show=8)
