"""Launches of the InfoNCE configurations that are shipped, for looking at their machine code."""

from __future__ import annotations

from typing import Any

import torch

from graphkd.kernels.infonce_plan import Results, plan
from graphkd.kernels.infonce_reference import ContrastProblem
from graphkd.kernels.infonce_tiling import Chip
from graphkd.kernels.launch import Launch

_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}
_WIDTHS = (64, 128, 256, 512)
_NUM_ROWS = 256


def example_launches(chip: Chip = "hopper") -> dict[str, list[Launch]]:
    """List what runs for each kind of problem, dtype and width; the tensors lie on the CPU.

    Args:
        chip: the kind of GPU that tile sizes are chosen for.
    """
    index = torch.arange(_NUM_ROWS)
    kinds: dict[str, tuple[int, dict[str, Any]]] = {
        "one-sided": (1, {}),
        "symmetric": (1, {"symmetric": True, "scale": 14.3}),
        "symmetric, learnt scale": (1, {"symmetric": True}),
        "bank": (1, {"bank": True}),
        "both gradients": (1, {"symmetric": True, "scale": 14.3, "knowledge_gradient": True}),
        "labels and index": (1, {"symmetric": True, "label": index, "index": index}),
        "8 problems": (8, {}),
    }
    return {
        f"infonce {kind}, {dtype}, d {width}": _launches(
            count, settings, _DTYPES[dtype], width, chip
        )
        for kind, (count, settings) in kinds.items()
        for dtype in _DTYPES
        for width in _WIDTHS
    }


def _launches(
    count: int, settings: dict[str, Any], dtype: torch.dtype, width: int, chip: Chip
) -> list[Launch]:
    vectors = torch.zeros(_NUM_ROWS, width, dtype=dtype)
    given = {"scale": torch.ones(1), **settings}
    if "bank" in given:
        given["bank"] = vectors
    problems = [ContrastProblem(vectors, vectors, **given) for _ in range(count)]
    results = Results(torch.zeros(()), torch.zeros(count), torch.zeros(count))
    return plan(
        problems, range(count), results, weights=[1.0] * count, gradient=True, chip=chip
    ).launches
