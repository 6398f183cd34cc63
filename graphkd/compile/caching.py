"""Which nodes' outputs are kept in a phase, and why others are not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import attrs

from graphkd.blueprint.model import Cache, Data, Phase, Ref, data_of
from graphkd.compile.phases import EVALUATE, alive_losses, taught
from graphkd.compile.wiring import DATA
from graphkd.graph import (
    IMAGES,
    Graph,
    Vertex,
    above,
    blueprint_of,
    inputs_of,
    owner_of,
    vertex,
    vertices,
)

REPLAY = "write cache: {views: 4}, which replays 4 augmentations of each image"
"""What to write where images are augmented."""


@attrs.frozen
class Verdict:
    """Whether the outputs of a node that asks for it are kept in a phase.

    Attributes:
        settings: how they are kept.
        views: how many augmentations of each sample are kept.
        obstacle: why they are not kept; empty where they are.
        advice: what to write instead, to be followed by `or drop cache`.
    """

    settings: Cache
    views: int = 1
    obstacle: str = ""
    advice: str = ""


def verdicts(graph: Graph, phase: Phase) -> dict[str, Verdict]:
    """Judge each node that asks for a cache.

    Args:
        graph: resolved; the whole one.
        phase: one of the blueprint's. An evaluation keeps nothing.
    """
    found = {}
    data = data_of(blueprint_of(graph), phase)
    for each in vertices(graph) if phase.name != EVALUATE else ():
        settings = each.settings.caching if each.settings else None
        if settings is not None:
            reasons = (*_of_graph(graph, each.name, phase), *_of_data(graph, each, data))
            obstacle, advice = (*reasons, ("", ""))[0]
            views = (settings.views or 1) if data.augment else 1
            found[each.name] = Verdict(settings, views, obstacle, advice)
    return found


def views_of(found: Mapping[str, Verdict]) -> int:
    """Say how many augmentations the epochs of a phase replay; 0 where each draws anew."""
    return max((each.views for each in found.values() if not each.obstacle), default=0)


def _of_graph(graph: Graph, name: str, phase: Phase) -> Iterator[tuple[str, str]]:
    """Say why a node's values are not the same again, and what to write; most telling first."""
    if vertex(graph, name).kind != "model":
        yield "only models are cached", "write cache at the model that it reads"
        return
    if phase.fit:
        yield "the phase fits, and sees each image once", ""
    read = above(graph, alive_losses(graph, phase), "signal", "knowledge", "learner")
    if name not in read:
        yield "no flow reads it there", ""
    changing = taught(graph, phase) & above(graph, [name], "signal", "learner", "weights")
    if owner_of(graph, name) in changing:
        yield "it learns there", ""
    if changing:
        others = " and ".join(f"'{each}'" for each in graph if each in changing)
        yield f"it depends on {others}, which learns there", ""
    strange = [
        str(Ref(source, edge.tap))
        for source, edge in inputs_of(graph, name)
        if source != DATA or edge.tap not in IMAGES
    ]
    if strange:
        yield f"it reads {' and '.join(strange)}, not the data's images alone", ""


def _of_data(graph: Graph, each: Vertex, data: Data) -> Iterator[tuple[str, str]]:
    """Say why images cannot be shown again as they were, and what to write."""
    settings = each.settings.caching if each.settings else None
    taps = {edge.tap for _, edge in inputs_of(graph, each.name)}
    mixed = [key for key in ("mixup", "cutmix") if getattr(data, key)]
    # views are not mixed
    if mixed and data.mixup_share and "image" in taps:
        yield f"{mixed[0]} mixes images anew in every epoch", f"drop {' and '.join(mixed)}"
    if data.extra:
        yield "batches hold images of extra, which have no place in the cache", "drop extra"
    if data.augment and settings and settings.views is None:
        yield "images are augmented anew in every epoch", REPLAY
