"""Which rows and columns each program of an InfoNCE launch has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from torch import Tensor

from graphkd.kernels.infonce_group import Group, ceil_div
from graphkd.kernels.launch import num_multiprocessors

_MOST_SPLITS = 64


class Jobs(NamedTuple):
    """Problems, each seen from a side: 0 from the students, 1 from the knowledge."""

    problems: tuple[int, ...]
    sides: tuple[int, ...]


def jobs_from(group: Group, *sides: int) -> Jobs:
    """See all problems of a group from these sides."""
    numbers = range(len(group.problems))
    return Jobs(
        tuple(number for _ in sides for number in numbers),
        tuple(side for side in sides for _ in numbers),
    )


def per_job(jobs: Jobs, values: Sequence[Any]) -> tuple[Any, ...]:
    """Repeat what each problem has for each job."""
    return tuple(values[number] for number in jobs.problems)


def sides_of(group: Group, jobs: Jobs) -> tuple[tuple[Tensor, ...], ...]:
    """List rows, columns and further columns of each job."""
    pairs = [(each.student, each.knowledge) for each in group.problems]
    vectors = tuple(pairs[number][side] for number, side in zip(*jobs, strict=True))
    others = tuple(pairs[number][1 - side] for number, side in zip(*jobs, strict=True))
    if group.one.bank is None:
        return vectors, others, others
    return vectors, others, per_job(jobs, [each.bank for each in group.problems])


def numbers_of(group: Group, jobs: Jobs, name: str) -> tuple[Any, Any]:
    """List the index or the label of each job, and those of its bank."""
    if getattr(group.one, name) is None:
        return None, None
    own = per_job(jobs, [getattr(each, name) for each in group.problems])
    if getattr(group.one, f"bank_{name}") is None:
        return own, own
    return own, per_job(jobs, [getattr(each, f"bank_{name}") for each in group.problems])


def shares_of(group: Group, jobs: Jobs) -> tuple[float, float]:
    """Tell how much the rows' side and the columns' side count."""
    of_rows, of_columns = group.shares
    return (of_rows, of_columns) if jobs.sides[0] == 0 else (of_columns, of_rows)


def starts_of(sizes: Sequence[int], block: int) -> tuple[tuple[int, ...], int]:
    """Number the blocks of several lists.

    Returns:
        The first block of each, and how many there are.
    """
    starts, end = [], 0
    for size in sizes:
        starts.append(end)
        end += ceil_div(size, block)
    return tuple(starts), end


def grid_of(group: Group, jobs: Jobs) -> tuple[tuple[int, int, int], tuple[Any, ...]]:
    """Count the programs of a pass that makes directions, and tell which rows each has."""
    sizes = per_job(jobs, group.sizes)
    bank_sizes = tuple(
        0 if side else group.bank_sizes[number] for number, side in zip(*jobs, strict=True)
    )
    starts, num_blocks = starts_of(sizes, group.tiling.rows)
    num_tiles = max(
        ceil_div(size, group.tiling.columns) + ceil_div(bank_size, group.tiling.columns)
        for size, bank_size in zip(sizes, bank_sizes, strict=True)
    )
    num_widths = ceil_div(group.num_features, group.tiling.width)
    splits = _splits_of(group, num_blocks * num_widths, num_tiles)
    where = (starts, *jobs, sizes, bank_sizes, group.pad, group.bank_pad)
    return (num_blocks, splits, num_widths), where


def _splits_of(group: Group, num_blocks: int, num_tiles: int) -> int:
    """Choose among how many programs the columns of a block of rows are split.

    Args:
        group: problems of one form.
        num_blocks: programs without a split.
        num_tiles: steps of the longest loop without a split.
    """
    multiprocessors = num_multiprocessors(group.one.student.device)
    resident = multiprocessors * max(1, 8 // group.tiling.warps)
    return max(1, min(resident // num_blocks, num_tiles, _MOST_SPLITS))
