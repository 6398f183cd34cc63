"""Where the gradients of a group of InfoNCE problems lie, and in which precision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from graphkd.kernels.infonce_group import Group
from graphkd.kernels.infonce_jobs import Jobs
from graphkd.kernels.infonce_reference import ContrastProblem


class Gradients(NamedTuple):
    """The gradients of a group.

    Attributes:
        flat: its places are those of `gradient_places`.
        parts: of each problem, the rest of `flat` from the student's gradient on and, where there
            is one, from the knowledge's.
    """

    flat: Tensor
    parts: tuple[tuple[Tensor, ...], ...]

    def of(self, jobs: Jobs) -> tuple[Tensor, ...]:
        """List where each job writes to."""
        return tuple(
            self.parts[number][min(side, len(self.parts[number]) - 1)]
            for number, side in zip(*jobs, strict=True)
        )


def make_gradients(group: Group) -> Gradients:
    """Take the memory for the gradients of a group."""
    places, end = gradient_places(group.problems)
    flat = group.empty(end, dtype=gradient_dtype(group.one.student.dtype))
    return Gradients(flat, tuple(tuple(flat[place:] for place in each) for each in places))


def gradient_places(problems: Sequence[ContrastProblem]) -> tuple[list[tuple[int, ...]], int]:
    """Lay the gradients of a group out in one flat tensor.

    Returns:
        For each problem the first element of the student's gradient and, where there is one, of
        the knowledge's; and how many elements there are.
    """
    places, end = [], 0
    for problem in problems:
        size, num_features = problem.student.shape
        each = size * num_features
        count = 2 if problem.knowledge_gradient else 1
        places.append(tuple(end + each * i for i in range(count)))
        end += each * count
    return places, end


def gradient_dtype(dtype: torch.dtype) -> torch.dtype:
    """Tell in which precision gradients are kept until the incoming gradient is known."""
    # float16 would lose what a loss scale then multiplies
    return torch.float32 if dtype == torch.float16 else dtype
