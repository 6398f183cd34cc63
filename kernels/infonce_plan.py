"""The launches that compute a group of InfoNCE problems, in their order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from graphkd.kernels.infonce_group import (
    Group,
    Jobs,
    ceil_div,
    gradient_dtype,
    gradient_places,
    jobs_from,
    make_group,
    per_job,
    power_of_2,
    splits_of,
    starts_of,
)
from graphkd.kernels.infonce_reference import ContrastProblem
from graphkd.kernels.infonce_tiling import Chip
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


class Plan(NamedTuple):
    """The launches of one group.

    Attributes:
        launches: in their order.
        gradients: flat, its places are those of `gradient_places`; None without gradient.
    """

    launches: list[Launch]
    gradients: Tensor | None


class _Pass(NamedTuple):
    """The launches of one pass over the similarities.

    Attributes:
        launches: in their order.
        parts: "problems .. blocks", parts of sums that `total_kernel` sums up.
        rows: that a part is the sum of.
    """

    launches: list[Launch]
    parts: Tensor
    rows: int


def plan(
    problems: Sequence[ContrastProblem],
    places: Sequence[int],
    results: Results,
    *,
    weights: Tensor | Sequence[float],
    gradient: bool,
    first: bool = True,
    chip: Chip | None = None,
) -> Plan:
    """List the launches of problems that fit one form.

    The direction of one side, whose other side needs no gradient, takes one pass with an online
    softmax; what else needs a gradient takes a pass for the log-sum-exps and one for each side.

    Source: Milakov, Gimelshein, "Online normalizer calculation for softmax", 2018, arXiv
    1805.02867; without the matrix of similarities: Cheng et al., "Breaking the Memory Barrier: Near
    Infinite Batch Size Scaling for Contrastive Loss", 2024, arXiv 2410.17243.

    Args:
        problems: of one form, at most 16.
        places: their places in `results` and in `weights`.
        results: written to.
        weights: a tensor, one element for each problem of all groups, or numbers of this one's.
        gradient: compute gradients too.
        first: no other group has written to the total.
        chip: plan for this kind of GPU instead of that of the tensors.
    """
    group = make_group(problems, places, chip=chip)
    anchor = 1 if group.one.anchor == "knowledge" else 0
    both, changes = group.one.symmetric, group.one.knowledge_gradient
    attends = gradient and not both and group.one.label is None and (anchor == 0 or changes)
    gradients = _make_gradients(group) if gradient else None
    launches, slopes = [_prepare(group, weights)], None
    if attends:
        assert gradients is not None
        losses, slopes = _attend(group, jobs_from(group, anchor), gradients)
        sides = [1 - anchor] if anchor == 1 or changes else []
    else:
        losses = _measure(group, jobs_from(group, anchor))
        sides = [0, 1] if changes else [0]
    launches += losses.launches
    # both sides share a launch where both have a term of the rows and one of the columns
    for together in [sides] if both else [[side] for side in sides]:
        if gradients is not None and together:
            weighed = _weigh(group, jobs_from(group, *together), gradients)
            launches += weighed.launches
            slopes = weighed if 0 in together else slopes
    launches.append(_total(group, results, losses=losses, slopes=slopes, first=first))
    return Plan(launches, None if gradients is None else gradients.flat)


class _Gradients(NamedTuple):
    flat: Tensor
    parts: tuple[tuple[Tensor, ...], ...]


def _make_gradients(group: Group) -> _Gradients:
    places, end = gradient_places(group.problems)
    flat = group.empty(end, dtype=gradient_dtype(group.one.student.dtype))
    return _Gradients(flat, tuple(tuple(flat[place:] for place in each) for each in places))


def _prepare(group: Group, weights: Tensor | Sequence[float]) -> Launch:
    from graphkd.kernels.infonce_row_kernels import prepare_kernel

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
        **_constants(group, JOBS=len(problems), ROWS=rows, num_warps=4),
        **_width(group),
        "SCALE_TENSORS": tuple(isinstance(scale, Tensor) for scale in scales),
        "PLACES": group.places,
        "WEIGHT_TENSOR": isinstance(weights, Tensor),
        "BANK": group.one.bank is not None,
        "UNITS": group.units is not None,
    }
    return Launch(prepare_kernel, (num_blocks,), arguments, constants)


def _attend(group: Group, jobs: Jobs, gradients: _Gradients) -> tuple[_Pass, _Pass]:
    from graphkd.kernels.infonce_kernels import attend_kernel

    grid, where = _grid(group, jobs)
    sums = group.empty(grid[1], len(jobs.sides), group.pad, group.num_features)
    logs = group.empty(grid[1], len(jobs.sides), group.pad)
    vectors, others, banks = _sides(group, jobs)
    arguments = (
        vectors,
        others,
        banks,
        group.units,
        group.bank_units,
        group.inverses,
        group.bank_inverses,
        *_numbers(group, jobs, "index"),
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
    finish, losses, slopes = _finish(group, jobs, gradients, sums, logs)
    launches = [Launch(attend_kernel, grid, arguments, constants), finish]
    rows = finish.constants["ROWS"]
    return _Pass(launches, losses, rows), _Pass([], slopes, rows)


def _measure(group: Group, jobs: Jobs) -> _Pass:
    from graphkd.kernels.infonce_kernels import measure_kernel
    from graphkd.kernels.infonce_row_kernels import merge_kernel

    grid, where = _grid(group, jobs)
    grid = (*grid[:2], 1)
    both, label = group.one.symmetric, group.one.label is not None
    planes, num_jobs = 3 if label else 1, len(jobs.sides)
    rows = group.empty(grid[1], planes, num_jobs, group.pad)
    num_blocks = ceil_div(max(group.sizes), group.tiling.rows)
    columns = group.empty(num_blocks, planes, num_jobs, group.pad) if both else None
    arguments = (
        *_sides(group, jobs),
        group.inverses,
        group.bank_inverses,
        *_numbers(group, jobs, "index"),
        *_numbers(group, jobs, "label"),
        group.settings,
        rows,
        columns,
        *where,
    )
    constants = {
        **_product_constants(group, jobs),
        "LABEL": label,
        "BANK_LABEL": group.one.bank_label is not None,
        "PLANES": planes,
        "BOTH": both,
        "SHARED": both and group.shares_exponentials,
    }
    measure = Launch(measure_kernel, grid, arguments, constants)
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
    constants = {
        **_constants(group, JOBS=num_jobs, ROWS=_MERGE_ROWS, num_warps=4),
        "PARTS": _MERGE_PARTS,
        "SPLITS": grid[1],
        "BLOCK": group.tiling.rows,
        "PLANES": planes,
        "BOTH": both,
        "LABEL": label,
    }
    merge = Launch(merge_kernel, (num_blocks, 2 if both else 1), arguments, constants)
    return _Pass([measure, merge], losses, _MERGE_ROWS)


def _weigh(group: Group, jobs: Jobs, gradients: _Gradients) -> _Pass:
    from graphkd.kernels.infonce_kernels import weigh_kernel

    grid, where = _grid(group, jobs)
    sums = group.empty(grid[1], len(jobs.sides), group.pad, group.num_features)
    arguments = (
        *_sides(group, jobs),
        group.units,
        group.bank_units,
        group.inverses,
        group.bank_inverses,
        *_numbers(group, jobs, "index"),
        *_numbers(group, jobs, "label"),
        group.settings,
        group.measures,
        sums,
        *where,
        group.measures[0].numel(),
    )
    of_rows, of_columns = _shares(group, jobs)
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
    finish, _, slopes = _finish(group, jobs, gradients, sums, None)
    launches = [Launch(weigh_kernel, grid, arguments, constants), finish]
    return _Pass(launches, slopes, finish.constants["ROWS"])


def _finish(
    group: Group,
    jobs: Jobs,
    gradients: _Gradients,
    sums: Tensor,
    logs: Tensor | None,
) -> tuple[Launch, Tensor, Tensor]:
    from graphkd.kernels.infonce_row_kernels import finish_kernel

    parts = min(16, power_of_2(len(sums)))
    rows = max(1, group.row_block // parts)
    num_problems, blocks = len(group.problems), ceil_div(group.pad, rows)
    losses, slopes = group.empty(num_problems, 2, blocks), group.empty(num_problems, blocks)
    starts, num_blocks = starts_of(per_job(jobs, group.sizes), rows)
    vectors, others, _ = _sides(group, jobs)
    arguments = (
        vectors,
        others,
        tuple(
            gradients.parts[number][min(side, len(gradients.parts[number]) - 1)]
            for number, side in zip(*jobs, strict=True)
        ),
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
    of_rows, of_columns = _shares(group, jobs)
    constants = {
        **_constants(group, JOBS=len(jobs.sides), ROWS=rows, num_warps=8),
        **_width(group),
        "PARTS": parts,
        "SPLITS": len(sums),
        "ATTEND": logs is not None,
        "ROW_SHARE": of_rows,
        "COLUMN_SHARE": of_columns,
    }
    return Launch(finish_kernel, (num_blocks,), arguments, constants), losses, slopes


def _total(
    group: Group, results: Results, *, losses: _Pass, slopes: _Pass | None, first: bool
) -> Launch:
    from graphkd.kernels.infonce_row_kernels import total_kernel

    arguments = (
        group.settings,
        losses.parts,
        None if slopes is None else slopes.parts,
        results.values,
        results.slopes,
        results.total,
        group.sizes,
        losses.parts.shape[-1],
        0 if slopes is None else slopes.parts.shape[-1],
    )
    of_rows, of_columns = group.shares
    constants = {
        **_constants(group, JOBS=len(group.problems), num_warps=4),
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


def _grid(group: Group, jobs: Jobs) -> tuple[tuple[int, int, int], tuple[Any, ...]]:
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
    splits = splits_of(group, num_blocks * num_widths, num_tiles)
    where = (starts, *jobs, sizes, bank_sizes, group.pad, group.bank_pad)
    return (num_blocks, splits, num_widths), where


def _sides(group: Group, jobs: Jobs) -> tuple[tuple[Tensor, ...], ...]:
    """List rows, columns and further columns of each job."""
    pairs = [(each.student, each.knowledge) for each in group.problems]
    vectors = tuple(pairs[number][side] for number, side in zip(*jobs, strict=True))
    others = tuple(pairs[number][1 - side] for number, side in zip(*jobs, strict=True))
    if group.one.bank is None:
        return vectors, others, others
    return vectors, others, per_job(jobs, [each.bank for each in group.problems])


def _numbers(group: Group, jobs: Jobs, name: str) -> tuple[Any, Any]:
    """List the index or the label of each job, and those of its bank."""
    if getattr(group.one, name) is None:
        return None, None
    own = per_job(jobs, [getattr(each, name) for each in group.problems])
    if getattr(group.one, f"bank_{name}") is None:
        return own, own
    return own, per_job(jobs, [getattr(each, f"bank_{name}") for each in group.problems])


def _shares(group: Group, jobs: Jobs) -> tuple[float, float]:
    of_rows, of_columns = group.shares
    return (of_rows, of_columns) if jobs.sides[0] == 0 else (of_columns, of_rows)


def _product_constants(group: Group, jobs: Jobs) -> dict[str, Any]:
    tiling, wide = group.tiling, group.one.student.dtype == torch.float32
    return {
        **_constants(group, JOBS=len(jobs.sides), ROWS=tiling.rows, num_warps=tiling.warps),
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


def _width(group: Group) -> dict[str, Any]:
    return {"D": group.num_features, "BLOCK_D": group.block_features}


def _constants(group: Group, **constants: Any) -> dict[str, Any]:
    import triton.language as tl

    accumulator = tl.float64 if group.accumulator == torch.float64 else tl.float32
    return {"ACC": accumulator, "enable_fp_fusion": True, **constants}
