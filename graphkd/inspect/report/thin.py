"""Leave out points of a long curve, but none that the eye would miss."""

from __future__ import annotations

from collections.abc import Sequence

Point = tuple[int, float | None]
"""Optimizer step, and value; None for what is no finite number."""

MOST = 600


def thinned(points: Sequence[Point], *, most: int = MOST) -> list[Point]:
    """Keep of each stretch its lowest and highest point and the first that is no number.

    Args:
        points: in order.
        most: how many stay at most; at least 5.

    Returns:
        Points of the curve in order, its first and last among them.
    """
    if len(points) <= most:
        return list(points)
    stretches = (most - 2) // 3
    kept = {0, len(points) - 1}
    for each in range(stretches):
        span = range(
            each * len(points) // stretches,
            (each + 1) * len(points) // stretches,
        )
        finite = [(value, place) for place in span if (value := points[place][1]) is not None]
        if finite:
            kept |= {min(finite)[1], max(finite)[1]}
        if len(finite) < len(span):
            kept.add(next(place for place in span if points[place][1] is None))
    return [points[place] for place in sorted(kept)]
