"""What a phase keeps of which nodes, how much that is, and why not of others, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from graphkd.compile.caching import Verdict
from graphkd.compile.columns import columns_of, row_bytes
from graphkd.compile.instructions import Cached
from graphkd.compile.plan import PhasePlan
from graphkd.graph import vertex
from graphkd.inspect.amount import counted, short
from graphkd.inspect.text import one_line


def cached_lines(plan: PhasePlan) -> Iterator[str]:
    """Write a line for each node whose outputs are kept, and for each that asks for it in vain.

    What the epochs show depends on it even where the pass is switched off, and is told too.
    """
    if plan.views and plan.data.augment:
        views = counted(plan.views, "augmentation")
        later = counted(plan.views, "epoch")
        yield f"replayed: {views} of each image: those of an epoch come again {later} later"
    kept = cached_data(plan)
    for name, each in kept.items():
        views = "" if each["views"] == 1 else f" x {counted(each['views'], 'view')}"
        total = f" = {short(each['bytes'], 'B')}" if each["bytes"] is not None else ""
        count = "images" if each["images"] is None else counted(each["images"], "image")
        size = f"{count}{views} x {short(each['row'], 'B')}{total}"
        yield one_line(f"cached: {name}: {size}; its forward runs for what is not there yet")
    found: Mapping[str, Verdict] = plan.graph.graph.get("caches", {})
    for name, verdict in found.items():
        if verdict.obstacle:
            yield one_line(f"not cached: {name}: {verdict.obstacle}")


def cached_data(plan: PhasePlan) -> dict[str, dict[str, Any]]:
    """Say for each node whose outputs are kept how much that is.

    Returns:
        By node: `images` of the training split (None where only reading the data tells), `views` of
        each, bytes of a `row`, and `bytes` of all.
    """
    spec = plan.graph.graph.get("data_spec")
    images = spec.samples if spec else None
    found = {}
    for each in plan.instructions:
        if isinstance(each, Cached):
            sockets = vertex(plan.graph, each.node).taps
            taps = {tap: made for tap in each.forward.taps if (made := sockets[tap]) is not None}
            row = row_bytes(columns_of(each.settings, taps))
            whole = None if images is None else images * each.views * row
            found[each.node] = {"images": images, "views": each.views, "row": row, "bytes": whole}
    return found
