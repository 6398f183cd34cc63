"""InfoNCE problems that fit one form of launch, and the memory that their launches share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from graphkd.kernels.infonce_reference import ContrastProblem
from graphkd.kernels.infonce_tiling import Chip, Tiling, chip_of, tiling_for
from graphkd.kernels.launch import takes_kernel

# arguments of a launch grow with the problems; more are cheaper as a second launch
_MOST_PROBLEMS = 16
_MOST_FEATURES = 4096
# up to here the root of an exponential times that of a log-sum-exp stays inside float32
_MOST_SHARED_SCALE = 128.0
# elements of the tile of a kernel that goes over rows
_ROW_ELEMENTS = 8192
# of what a row's or column's measures are: log of the sum, sum and number of positives
_PLANES = 3


class Group(NamedTuple):
    """Problems of one form, and the memory that all of their launches share.

    Attributes:
        problems: contiguous, without gradient; an empty bank counts as none.
        places: their numbers among all problems.
        chip: the kind of GPU.
        tiling: of the kernels that multiply.
        sizes: number of rows of each problem.
        bank_sizes: number of rows of each bank.
        pad: the largest of `sizes`, rounded up.
        bank_pad: the largest of `bank_sizes`, rounded up.
        inverses: "problems 2 pad", 1 / length of students and knowledge.
        bank_inverses: "problems bank_pad", of the bank.
        units: "problems 2 pad d", float16, vectors of length 1; None for other dtypes.
        bank_units: "problems bank_pad d", of the bank.
        settings: "problems 2", scale and weight.
        measures: "3 problems 2 pad", of rows (side 0) and columns (side 1).
    """

    problems: tuple[ContrastProblem, ...]
    places: tuple[int, ...]
    chip: Chip
    tiling: Tiling
    sizes: tuple[int, ...]
    bank_sizes: tuple[int, ...]
    pad: int
    bank_pad: int
    inverses: Tensor
    bank_inverses: Tensor | None
    units: Tensor | None
    bank_units: Tensor | None
    settings: Tensor
    measures: Tensor

    @property
    def one(self) -> ContrastProblem:
        """A problem, for what all have in common."""
        return self.problems[0]

    @property
    def accumulator(self) -> torch.dtype:
        """What sums are kept in."""
        return self.settings.dtype

    @property
    def num_features(self) -> int:
        """Width of the vectors."""
        return self.one.student.shape[1]

    @property
    def block_features(self) -> int:
        """That of a tile: a power of 2, at least what a product needs."""
        return max(16, power_of_2(self.num_features))

    @property
    def row_block(self) -> int:
        """Rows of a tile of a kernel that goes over rows and joins no parts."""
        return max(1, min(32, _ROW_ELEMENTS // self.block_features))

    @property
    def shares(self) -> tuple[float, float]:
        """How much the direction of the student and that of the knowledge count."""
        if self.one.symmetric:
            return 0.5, 0.5
        return (1.0, 0.0) if self.one.anchor == "student" else (0.0, 1.0)

    @property
    def shares_exponentials(self) -> bool:
        """Whether one exponential may serve both directions."""
        scales = [each.scale for each in self.problems if not isinstance(each.scale, Tensor)]
        return len(scales) == len(self.problems) and max(scales) <= _MOST_SHARED_SCALE

    def empty(self, *shape: int, dtype: torch.dtype | None = None) -> Tensor:
        """Take memory, as a rule for sums."""
        return torch.empty(shape, dtype=dtype or self.accumulator, device=self.one.student.device)


def has_kernel(problem: ContrastProblem) -> bool:
    """Say whether the kernels can compute a problem."""
    student = problem.student
    known = student.dtype in (torch.float32, torch.float16, torch.bfloat16)
    # no GPU multiplies float64 fast; the interpreter does, and so gradients can be checked
    known = known or (student.dtype == torch.float64 and student.device.type == "cpu")
    size, num_features = student.shape
    known = known and size > 0 and 0 < num_features <= _MOST_FEATURES
    return known and takes_kernel(student)


def groups_of(problems: Sequence[ContrastProblem]) -> list[tuple[int, ...]]:
    """Find the problems that fit one form of launch.

    Returns:
        Numbers of the problems of each group, each number once.
    """
    found: dict[object, list[int]] = {}
    for number, problem in enumerate(problems):
        found.setdefault(_form(problem), []).append(number)
    return [
        tuple(numbers[start : start + _MOST_PROBLEMS])
        for numbers in found.values()
        for start in range(0, len(numbers), _MOST_PROBLEMS)
    ]


def _form(problem: ContrastProblem) -> object:
    optional = (problem.index, problem.bank_index, problem.label, problem.bank_label)
    return (
        problem.student.dtype,
        # of a traced graph, too, a width is one number
        int(problem.student.shape[1]),
        problem.symmetric,
        problem.anchor,
        problem.knowledge_gradient,
        problem.bank is not None and bool(len(problem.bank) > 0),
        *(each is not None for each in optional),
    )


def make_group(
    problems: Sequence[ContrastProblem], places: Sequence[int], *, chip: Chip | None = None
) -> Group:
    """Take the memory for problems of one form.

    Args:
        problems: at most 16.
        places: their numbers among all problems.
        chip: plan for this kind of GPU instead of that of the tensors.
    """
    clean = tuple(_clean(each) for each in problems)
    student, num = clean[0].student, len(clean)
    chip = chip or chip_of(student.device)
    accumulator = torch.float64 if student.dtype == torch.float64 else torch.float32
    sizes = tuple(len(each.student) for each in clean)
    bank_sizes = tuple(0 if each.bank is None else len(each.bank) for each in clean)
    pad, bank_pad = (-(-max(each) // 16) * 16 for each in (sizes, bank_sizes))
    num_features = student.shape[1]
    masked = clean[0].index is not None or clean[0].label is not None
    halves = student.dtype == torch.float16

    def empty(*shape: int, dtype: torch.dtype = accumulator) -> Tensor:
        return torch.empty(shape, dtype=dtype, device=student.device)

    return Group(
        problems=clean,
        places=tuple(places),
        chip=chip,
        tiling=tiling_for(chip, student.dtype, num_features, masked=masked),
        sizes=sizes,
        bank_sizes=bank_sizes,
        pad=pad,
        bank_pad=bank_pad,
        inverses=empty(num, 2, pad),
        bank_inverses=empty(num, bank_pad) if bank_pad else None,
        units=empty(num, 2, pad, num_features, dtype=torch.float16) if halves else None,
        bank_units=(
            empty(num, bank_pad, num_features, dtype=torch.float16) if halves and bank_pad else None
        ),
        settings=empty(num, 2),
        measures=empty(_PLANES, num, 2, pad),
    )


def _clean(problem: ContrastProblem) -> ContrastProblem:
    tensors: dict[str, Any] = {
        name: value.detach().contiguous()
        for name, value in problem._asdict().items()
        if isinstance(value, Tensor)
    }
    problem = problem._replace(**tensors)
    if problem.bank is not None and len(problem.bank) == 0:
        return problem._replace(bank=None, bank_index=None, bank_label=None)
    return problem


def power_of_2(number: int) -> int:
    """Round up to a power of 2."""
    return 1 << max(number - 1, 0).bit_length()


def ceil_div(number: int, by: int) -> int:
    """Divide and round up."""
    return -(-number // by)
