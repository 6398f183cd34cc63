"""Rules of caches: what is asked to be kept can be, in some phase."""

from __future__ import annotations

from collections.abc import Iterator

from graphkd.compile.caching import Verdict, verdicts
from graphkd.compile.phases import phases_of
from graphkd.compile.rules.whole import is_whole
from graphkd.errors import Problem
from graphkd.graph import Graph, blueprint_of, edges_out_of, problem, vertex


def refused_caches(graph: Graph) -> Iterator[Problem]:
    """Each node that asks for a cache has one in some phase, and those of a phase agree."""
    if not is_whole(graph):
        return
    judged = {phase.name: verdicts(graph, phase) for phase in phases_of(blueprint_of(graph))}
    for name in next(iter(judged.values()), {}):
        mine = {phase: found[name] for phase, found in judged.items()}
        if all(each.obstacle for each in mine.values()):
            yield _refused(graph, name, mine)
    for phase, found in judged.items():
        yield from _at_odds(graph, phase, found)


def _refused(graph: Graph, name: str, mine: dict[str, Verdict]) -> Problem:
    reasons: dict[str, list[str]] = {}
    for phase, each in mine.items():
        reasons.setdefault(each.obstacle, []).append(f"'{phase}'")
    said = "; ".join(
        f"{reason} (phase {', '.join(phases)})" if len(mine) > 1 else reason
        for reason, phases in reasons.items()
    )
    advice = next((each.advice for each in mine.values() if each.advice), "")
    text = f"node '{name}': nothing of it can be cached: {said}; "
    text += f"{advice}, or drop cache" if advice else "drop cache"
    return problem(graph, text, ("nodes", name, "cache"))


def _at_odds(graph: Graph, phase: str, found: dict[str, Verdict]) -> Iterator[Problem]:
    """Report nodes of a phase that want other numbers of views than the first one."""
    kept = {name: each.views for name, each in found.items() if not each.obstacle}
    for name, views in kept.items():
        first, wanted = next(iter(kept.items()))
        if views != wanted:
            text = (
                f"node '{name}': cache: views is {views}, but that of '{first}' is {wanted}, and "
                f"phase '{phase}' shows all nodes the same images; write views: {wanted}"
            )
            yield problem(graph, text, ("nodes", name, "cache", "views"))


def useless_tops(graph: Graph) -> Iterator[Problem]:
    """Where the largest logits are kept there are logits, and more of them than are kept.

    Args:
        graph: inferred without a problem.
    """
    for name, node in blueprint_of(graph).nodes.items():
        top = node.caching.top if node.caching else None
        if top is None:
            continue
        read = {edge.tap for _, edge in edges_out_of(graph, name)}
        socket = vertex(graph, name).taps.get("logits")
        text = ""
        if "logits" not in read:
            text = f"top keeps logits, and nobody reads {name}.logits"
        elif socket is not None and top >= socket.shape[1]:
            text = f"top is {top}, and there are {socket.shape[1]} classes"
        if text:
            where = ("nodes", name, "cache", "top")
            yield problem(graph, f"node '{name}': cache: {text}; drop top", where)
