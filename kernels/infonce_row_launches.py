"""The InfoNCE launches that go over rows: before, between and after the products."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from graphkd.kernels.infonce_gradients import Gradients
from graphkd.kernels.infonce_group import Group, ceil_div, power_of_2
from graphkd.kernels.infonce_jobs import Jobs, per_job, shares_of, sides_of, starts_of
from graphkd.kernels.launch import Launch

# rows of a program that joins measures, and parts that it takes at the same time
_MERGE_ROWS, _MERGE_PARTS = 64, 32
_TOTAL_BLOCK = 1024


class Results(NamedTuple):
    """Where the launches of all groups write to.

    Attributes:
        total: "", the weighted sum of the losses.
        values: "problems", the losses.
        slopes: "problems", the gradient of the total by the scales.
    """

    total: Tensor
    values: Tensor
    slopes: Tensor


class Parts(NamedTuple):
    """Parts of sums, which `total_kernel` sums up.

    Attributes:
        sums: "problems .. blocks".
        rows: that a part is the sum of.
    """

    sums: Tensor
    rows: int


def prepare(group: Group, weights: Tensor | Sequence[float]) -> Launch:
    """Launch what computes lengths, cosines and settings."""
    from graphkd.kernels.infonce_prepare import prepare_kernel

    problems, rows = group.problems, group.row_block
    most = tuple(map(max, group.sizes, group.bank_sizes))
    starts, num_blocks = starts_of(most, rows)
    knowledges = tuple(each.knowledge for each in problems)
    banks = knowledges if group.one.bank is None else tuple(each.bank for each in problems)
    scales = tuple(each.scale for each in problems)
    arguments = (
        tuple(each.student for each in problems),
        knowledges,
        banks,
        scales,
        weights if isinstance(weights, Tensor) else tuple(map(float, weights)),
        group.units,
        group.bank_units,
        group.inverses,
        group.bank_inverses,
        group.settings,
        group.measures,
        starts,
        group.sizes,
        group.bank_sizes,
        group.pad,
        group.bank_pad,
        group.measures[0].numel(),
    )
    constants = {
        **constants_of(group, JOBS=len(problems), ROWS=rows, num_warps=4),
        **_widths_of(group),
        "SCALE_TENSORS": tuple(isinstance(scale, Tensor) for scale in scales),
        "PLACES": group.places,
        "WEIGHT_TENSOR": isinstance(weights, Tensor),
        "BANK": group.one.bank is not None,
        "UNITS": group.units is not None,
    }
    return Launch(prepare_kernel, (num_blocks,), arguments, constants)


def merge(group: Group, jobs: Jobs, rows: Tensor, columns: Tensor | None) -> tuple[Launch, Parts]:
    """Launch what joins measures: those of the rows, and those of the columns where there are any.

    Args:
        group: problems of one form.
        jobs: whose measures they are.
        rows: "splits planes jobs pad".
        columns: "blocks planes jobs pad".

    Returns:
        The launch; and parts of the losses.
    """
    from graphkd.kernels.infonce_merge import merge_kernel

    losses = group.empty(len(group.problems), 2, ceil_div(group.pad, _MERGE_ROWS))
    starts, num_blocks = starts_of(per_job(jobs, group.sizes), _MERGE_ROWS)
    arguments = (
        rows,
        columns,
        group.settings,
        group.measures,
        losses,
        starts,
        *jobs,
        per_job(jobs, group.sizes),
        group.pad,
        group.measures[0].numel(),
        losses.shape[2],
    )
    both = columns is not None
    constants = {
        **constants_of(group, JOBS=len(jobs.sides), ROWS=_MERGE_ROWS, num_warps=4),
        "PARTS": _MERGE_PARTS,
        "SPLITS": len(rows),
        "BLOCK": group.tiling.rows,
        "PLANES": rows.shape[1],
        "BOTH": both,
        "LABEL": group.one.label is not None,
    }
    launch = Launch(merge_kernel, (num_blocks, 2 if both else 1), arguments, constants)
    return launch, Parts(losses, _MERGE_ROWS)


def finish(
    group: Group, jobs: Jobs, gradients: Gradients, *, sums: Tensor, logs: Tensor | None
) -> tuple[Launch, Parts, Parts]:
    """Launch what turns sums of directions into gradients.

    Args:
        group: problems of one form.
        jobs: whose sums they are.
        gradients: written to.
        sums: "splits jobs pad d".
        logs: "splits jobs pad", where nobody has measured the rows yet.

    Returns:
        The launch; parts of the losses, written with `logs` only; and parts of the slopes on the
        scales, written for side 0 only.
    """
    from graphkd.kernels.infonce_finish import finish_kernel

    parts = min(16, power_of_2(len(sums)))
    rows = max(1, group.row_block // parts)
    num_problems, blocks = len(group.problems), ceil_div(group.pad, rows)
    losses, slopes = group.empty(num_problems, 2, blocks), group.empty(num_problems, blocks)
    starts, num_blocks = starts_of(per_job(jobs, group.sizes), rows)
    vectors, others, _ = sides_of(group, jobs)
    arguments = (
        vectors,
        others,
        gradients.of(jobs),
        sums,
        logs,
        group.inverses,
        group.settings,
        group.measures,
        losses,
        slopes,
        starts,
        *jobs,
        per_job(jobs, group.sizes),
        group.pad,
        group.measures[0].numel(),
        blocks,
    )
    of_rows, of_columns = shares_of(group, jobs)
    constants = {
        **constants_of(group, JOBS=len(jobs.sides), ROWS=rows, num_warps=8),
        **_widths_of(group),
        "PARTS": parts,
        "SPLITS": len(sums),
        "ATTEND": logs is not None,
        "ROW_SHARE": of_rows,
        "COLUMN_SHARE": of_columns,
    }
    launch = Launch(finish_kernel, (num_blocks,), arguments, constants)
    return launch, Parts(losses, rows), Parts(slopes, rows)


def total(
    group: Group, results: Results, *, losses: Parts, slopes: Parts | None, first: bool
) -> Launch:
    """Launch what sums up the losses; `first` if no other group has written to the total."""
    from graphkd.kernels.infonce_total import total_kernel

    arguments = (
        group.settings,
        losses.sums,
        None if slopes is None else slopes.sums,
        results.values,
        results.slopes,
        results.total,
        group.sizes,
        losses.sums.shape[-1],
        0 if slopes is None else slopes.sums.shape[-1],
    )
    of_rows, of_columns = group.shares
    constants = {
        **constants_of(group, JOBS=len(group.problems), num_warps=4),
        "PLACES": group.places,
        "FIRST": first,
        "LOSS_ROWS": losses.rows,
        "SLOPE_ROWS": 1 if slopes is None else slopes.rows,
        "BLOCK": _TOTAL_BLOCK,
        "ROW_SHARE": of_rows,
        "COLUMN_SHARE": of_columns,
        "SLOPES": slopes is not None,
    }
    return Launch(total_kernel, (1,), arguments, constants)


def _widths_of(group: Group) -> dict[str, Any]:
    """List the widths of a kernel that goes over rows."""
    return {"D": group.num_features, "BLOCK_D": group.block_features}


def constants_of(group: Group, **constants: Any) -> dict[str, Any]:
    """List what all kernels are compiled with, and these."""
    import triton.language as tl

    accumulator = tl.float64 if group.accumulator == torch.float64 else tl.float32
    return {"ACC": accumulator, "enable_fp_fusion": True, **constants}
