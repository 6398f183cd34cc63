"""The names of the four stages, and where they end in models of equal blocks."""

from __future__ import annotations

STAGES = ("stage1", "stage2", "stage3", "stage4")
# of twelve blocks; the division that OFA-KD uses, see Hao et al., 2023, arXiv 2310.19444
_STAGE_ENDS = (2, 4, 10, 12)


def stage_ends(depth: int) -> tuple[int, ...]:
    """Say after which of `depth` equal blocks the four stages end, counted from 1.

    From four blocks on, each stage has a block of its own.
    """
    ends = [max(1, round(end * depth / _STAGE_ENDS[-1])) for end in _STAGE_ENDS]
    if depth >= len(ends):
        for i in range(1, len(ends)):
            ends[i] = max(ends[i], ends[i - 1] + 1)
        for i in reversed(range(len(ends) - 1)):
            ends[i] = min(ends[i], ends[i + 1] - 1)
    return tuple(ends)
