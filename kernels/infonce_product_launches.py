"""The InfoNCE launches that multiply, each with the one that joins what its programs made."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from graphkd.kernels.infonce_gradients import Gradients
from graphkd.kernels.infonce_group import Group, ceil_div
from graphkd.kernels.infonce_jobs import Jobs, grid_of, numbers_of, shares_of, sides_of
from graphkd.kernels.infonce_row_launches import Parts, constants_of, finish, merge
from graphkd.kernels.launch import Launch


def attend(group: Group, jobs: Jobs, gradients: Gradients) -> tuple[list[Launch], Parts, Parts]:
    """Launch what computes losses and gradients of one direction in one pass.

    Returns:
        The launches; parts of the losses; and, for side 0, of the slopes on the scales.
    """
    from graphkd.kernels.infonce_attend import attend_kernel

    grid, where = grid_of(group, jobs)
    sums = group.empty(grid[1], len(jobs.sides), group.pad, group.num_features)
    logs = group.empty(grid[1], len(jobs.sides), group.pad)
    arguments = (
        *sides_of(group, jobs),
        group.units,
        group.bank_units,
        group.inverses,
        group.bank_inverses,
        *numbers_of(group, jobs, "index"),
        group.settings,
        sums,
        logs,
        *where,
    )
    constants = {
        **_product_constants(group, jobs),
        "WIDTH": group.tiling.width,
        "UNITS": group.units is not None,
    }
    last, losses, slopes = finish(group, jobs, gradients, sums=sums, logs=logs)
    return [Launch(attend_kernel, grid, arguments, constants), last], losses, slopes


def measure(group: Group, jobs: Jobs) -> tuple[list[Launch], Parts]:
    """Launch what computes the log-sum-exps of the rows and, if symmetric, of the columns.

    Returns:
        The launches; and parts of the losses.
    """
    from graphkd.kernels.infonce_measure import measure_kernel

    grid, where = grid_of(group, jobs)
    grid = (*grid[:2], 1)
    both, label = group.one.symmetric, group.one.label is not None
    rows, columns = _make_measures(group, jobs, num_splits=grid[1])
    arguments = (
        *sides_of(group, jobs),
        group.inverses,
        group.bank_inverses,
        *numbers_of(group, jobs, "index"),
        *numbers_of(group, jobs, "label"),
        group.settings,
        rows,
        columns,
        *where,
    )
    constants = {
        **_product_constants(group, jobs),
        "LABEL": label,
        "BANK_LABEL": group.one.bank_label is not None,
        "PLANES": rows.shape[1],
        "BOTH": both,
        "SHARED": both and group.shares_exponentials,
    }
    last, losses = merge(group, jobs, rows, columns)
    return [Launch(measure_kernel, grid, arguments, constants), last], losses


def _make_measures(group: Group, jobs: Jobs, *, num_splits: int) -> tuple[Tensor, Tensor | None]:
    """Take the memory for parts of what is measured of the rows, and of the columns."""
    planes, num_jobs = 1 if group.one.label is None else 3, len(jobs.sides)
    rows = group.empty(num_splits, planes, num_jobs, group.pad)
    if not group.one.symmetric:
        return rows, None
    num_blocks = ceil_div(max(group.sizes), group.tiling.rows)
    return rows, group.empty(num_blocks, planes, num_jobs, group.pad)


def weigh(group: Group, jobs: Jobs, gradients: Gradients) -> tuple[list[Launch], Parts]:
    """Launch what computes gradients once the log-sum-exps are known.

    Returns:
        The launches; and, for side 0, parts of the slopes on the scales.
    """
    from graphkd.kernels.infonce_weigh import weigh_kernel

    grid, where = grid_of(group, jobs)
    sums = group.empty(grid[1], len(jobs.sides), group.pad, group.num_features)
    arguments = (
        *sides_of(group, jobs),
        group.units,
        group.bank_units,
        group.inverses,
        group.bank_inverses,
        *numbers_of(group, jobs, "index"),
        *numbers_of(group, jobs, "label"),
        group.settings,
        group.measures,
        sums,
        *where,
        group.measures[0].numel(),
    )
    of_rows, of_columns = shares_of(group, jobs)
    constants = {
        **_product_constants(group, jobs),
        "WIDTH": group.tiling.width,
        "LABEL": group.one.label is not None,
        "BANK_LABEL": group.one.bank_label is not None,
        "UNITS": group.units is not None,
        "ROW_SHARE": of_rows,
        "COLUMN_SHARE": of_columns,
        "SHARED": group.one.symmetric and group.shares_exponentials,
    }
    last, _, slopes = finish(group, jobs, gradients, sums=sums, logs=None)
    return [Launch(weigh_kernel, grid, arguments, constants), last], slopes


def _product_constants(group: Group, jobs: Jobs) -> dict[str, Any]:
    tiling, wide = group.tiling, group.one.student.dtype == torch.float32
    return {
        **constants_of(group, JOBS=len(jobs.sides), ROWS=tiling.rows, num_warps=tiling.warps),
        "D": group.num_features,
        "STEP": tiling.step or group.block_features,
        "COLUMNS": tiling.columns,
        # three products of the halves of a number, about as exact as one of float32
        "PRECISION": "tf32x3" if wide and group.chip in ("hopper", "ampere") else "ieee",
        "BANK": group.one.bank is not None,
        "INDEX": group.one.index is not None,
        "BANK_INDEX": group.one.bank_index is not None,
        "num_stages": tiling.stages,
    }
