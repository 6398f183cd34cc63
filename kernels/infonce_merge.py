"""The InfoNCE kernel that joins what programs measured of the same row or column."""

# mypy: ignore-errors
# pyright: basic

import triton
import triton.language as tl

from graphkd.kernels.infonce_tiles import LOG2_E, LOG_2, LOWEST, job_of, pick


@triton.jit
def merge_kernel(
    row_parts,  # "splits planes jobs pad", in
    column_parts,  # "blocks planes jobs pad", in
    settings,  # "problems 2", scale and weight, in
    measures,  # "3 problems 2 pad", in and out
    losses,  # "problems 2 blocks", sums of the rows' losses, out
    starts,  # of each job, its first program
    problems,  # of each job, its problem
    sides,  # of each job, 0 or 1
    sizes,  # of each job, b
    pad,
    plane,  # elements of a plane of `measures`
    num_blocks,  # places of a problem's side in `losses`
    JOBS: tl.constexpr,
    ROWS: tl.constexpr,
    PARTS: tl.constexpr,
    SPLITS: tl.constexpr,
    BLOCK: tl.constexpr,
    ACC: tl.constexpr,
    PLANES: tl.constexpr,
    BOTH: tl.constexpr,
    LABEL: tl.constexpr,
):
    """Join the parts of the rows' measures (or, second axis of the grid, the columns')."""
    job, first = job_of(starts, JOBS, ROWS)
    problem, side = pick(problems, job, JOBS), pick(sides, job, JOBS)
    size = pick(sizes, job, JOBS)
    of_columns = tl.program_id(1) == 1
    parts, num_parts = row_parts, SPLITS
    if BOTH:
        parts = tl.where(of_columns, column_parts, row_parts)
        num_parts = tl.where(of_columns, tl.cdiv(size, BLOCK), SPLITS)
        side = tl.where(of_columns, 1 - side, side)
    rows = first + tl.arange(0, ROWS)
    inside = rows < size
    top = tl.full((ROWS,), LOWEST, ACC)
    total = tl.zeros((ROWS,), ACC)
    positive = tl.zeros((ROWS,), ACC)
    number = tl.zeros((ROWS,), ACC)
    for at in range(0, num_parts, PARTS):
        part = at + tl.arange(0, PARTS)
        kept = (part < num_parts)[:, None] & inside[None, :]
        place = parts + (part * PLANES * JOBS + job).to(tl.int64)[:, None] * pad + rows[None, :]
        log = tl.load(place, mask=kept, other=3 * LOWEST)
        higher = tl.maximum(top, tl.max(log, axis=0))
        total = total * tl.exp2(top - higher) + tl.sum(tl.exp2(log - higher[None, :]), axis=0)
        top = higher
        if LABEL:
            positive += tl.sum(tl.load(place + JOBS * pad, mask=kept, other=0.0), axis=0)
            number += tl.sum(tl.load(place + 2 * JOBS * pad, mask=kept, other=0.0), axis=0)
    log = top + tl.log2(tl.where(inside, total, 1.0))
    place = measures + (problem * 2 + side).to(tl.int64) * pad + rows
    tl.store(place, log, mask=inside)
    scale = tl.load(settings + problem * 2).to(ACC) * LOG2_E
    if LABEL:
        positive = positive / tl.where(inside, number, 1.0)
        tl.store(place + 2 * plane, number, mask=inside)
    else:
        positive = tl.load(place + plane, mask=inside, other=0.0) * scale
    loss = tl.sum(tl.where(inside, log - positive, 0.0), axis=0) * LOG_2
    tl.store(losses + (problem * 2 + side) * num_blocks + first // ROWS, loss)
