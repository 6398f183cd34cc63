"""Match the direction of feature vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import attrs

from graphkd.component import Port, component

if TYPE_CHECKING:
    from torch import Tensor


@component("loss", "cosine")
@attrs.frozen
class Cosine:
    """1 minus the mean over all vectors of cos(student, teacher), vectors along the last axis.

    cos(s, t) = <s, t> / (|s| |t|), 0 where either is a zero vector. Lengths do not matter. Grids
    ("b c h w") are refused: their vectors lie along the second axis; pool them, or make tokens.
    """

    ports: ClassVar = (Port("student", "b d | b n d"), Port("teacher", "b d | b n d"))

    def __call__(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Compare two sets of vectors.

        Args:
            student: "b d" or "b n d".
            teacher: the same sizes; no gradient flows into it.

        Returns:
            "", no unit, 0 to 2.
        """
        from graphkd.kernels import cosine

        return cosine(student, teacher)
