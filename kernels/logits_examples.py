"""The shipped configurations of the logit kernel, to be compiled and measured."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from graphkd.kernels.launch import Launch
from graphkd.kernels.logit_layout import LONGEST_NEAR, LONGEST_ROW
from graphkd.kernels.logit_operands import operands, outputs
from graphkd.kernels.logit_plan import plan
from graphkd.kernels.problem import LogitProblem
from graphkd.kernels.terms import DKD, KL, NKD, OFA, CrossEntropy, Term

TERMS: dict[str, tuple[Term, ...]] = {
    "CE": (CrossEntropy(),),
    "KL": (KL(),),
    "KL + CE": (CrossEntropy(), KL()),
    "reverse KL": (KL(direction="reverse"),),
    "JS": (KL(direction="jensen_shannon"),),
    "DKD + CE": (CrossEntropy(label_smoothing=0.1), DKD()),
    "OFA + CE": (CrossEntropy(), OFA(gamma=1.5)),
    "NKD + CE": (CrossEntropy(), NKD()),
    "two teachers + CE": (CrossEntropy(), KL(0), KL(1)),
}
"""Sums of terms by name."""
CLASSES = (10, 1000, LONGEST_ROW, LONGEST_NEAR)
"""A row of each form up to the longest that is near when it is read again."""
LONG = 128256
"""A row that is not."""
ODD = 21841
"""A row that starts anywhere."""
_ROWS = 64


def example_launches() -> dict[str, list[Launch]]:
    """Lay out a launch of every configuration, on CPU tensors of the right sizes.

    Returns:
        By name, "KL + CE, 1000 classes, bfloat16".
    """
    found = {}
    for dtype in (torch.bfloat16, torch.float32):
        for classes in CLASSES:
            for name, terms in TERMS.items():
                found[_name(name, classes, dtype)] = _launches(terms, [classes], dtype)
    dtype = torch.bfloat16
    found[_name("KL + CE", 1000, torch.float16)] = _launches(
        TERMS["KL + CE"], [1000], torch.float16
    )
    found[_name("KL + CE", ODD, dtype)] = _launches(TERMS["KL + CE"], [ODD], dtype)
    for name in ("KL", "KL + CE"):
        found[_name(name, LONG, dtype)] = _launches(TERMS[name], [LONG], dtype)
        found[_name(f"{name}, cluster", LONG, dtype)] = _launches(
            TERMS[name], [LONG], dtype, clusters=True
        )
    found["KL + CE, grouped 1000 and 100 classes, bfloat16"] = _launches(
        TERMS["KL + CE"], [1000, 100], dtype
    )
    return found


def _name(terms: str, classes: int, dtype: torch.dtype) -> str:
    return f"{terms}, {classes} classes, {str(dtype).removeprefix('torch.')}"


def _launches(
    terms: Sequence[Term], classes: Sequence[int], dtype: torch.dtype, *, clusters: bool = False
) -> list[Launch]:
    teachers = {each.teacher for each in terms if not isinstance(each, CrossEntropy)}
    problems = [
        LogitProblem(
            torch.zeros(_ROWS, count, dtype=dtype),
            terms,
            [torch.zeros(_ROWS, count, dtype=dtype) for _ in teachers],
            torch.zeros(_ROWS, dtype=torch.int64),
        )
        for count in classes
    ]
    given = operands(problems, torch.ones(len(terms) * len(problems)))
    made = outputs(given, wanted=[True] * len(problems))
    return plan(given, made, scale=torch.ones(1), clusters=clusters)
