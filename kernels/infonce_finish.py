"""The InfoNCE kernel that turns sums of directions into the gradients of the rows."""

# mypy: ignore-errors
# pyright: basic

import triton
import triton.language as tl

from graphkd.kernels.infonce_tiles import LOG2_E, LOG_2, LOWEST, job_of, pick, places, tile


@triton.jit
def finish_kernel(
    vectors,  # of each job, "b d", the rows, in
    others,  # of each job, "b d", what belongs to the rows, in
    gradients,  # of each job, "b d", out
    sums,  # "splits jobs pad d", in
    logs,  # "splits jobs pad", in
    inverses,  # "problems 2 pad", in
    settings,  # "problems 2", scale and weight, in
    measures,  # "3 problems 2 pad", in; with ATTEND the first plane out
    losses,  # "problems 2 blocks", sums of the rows' losses; with ATTEND out
    slopes,  # "problems blocks", parts of the slope on the scale; of side 0, out
    starts,  # of each job, its first program
    problems,  # of each job, its problem
    sides,  # of each job, 0 or 1
    sizes,  # of each job, b
    pad,
    plane,  # elements of a plane of `measures`
    num_blocks,  # places of a problem's side in `losses`
    JOBS: tl.constexpr,
    D: tl.constexpr,
    BLOCK_D: tl.constexpr,
    ROWS: tl.constexpr,
    PARTS: tl.constexpr,
    SPLITS: tl.constexpr,
    ACC: tl.constexpr,
    ATTEND: tl.constexpr,
    ROW_SHARE: tl.constexpr,
    COLUMN_SHARE: tl.constexpr,
):
    """Join the parts of the slopes on the directions and turn them into gradients of the rows."""
    job, first = job_of(starts, JOBS, ROWS)
    problem, side = pick(problems, job, JOBS), pick(sides, job, JOBS)
    size = pick(sizes, job, JOBS)
    mine, theirs = places(problem, side, pad)
    rows, features = first + tl.arange(0, ROWS), tl.arange(0, BLOCK_D)
    inside, exists = rows < size, features < D
    scale = tl.load(settings + problem * 2).to(ACC)
    own = tl.load(measures + plane + mine + rows, mask=inside, other=0.0) * (scale * LOG2_E)
    if ATTEND:
        row_log = _join_logs(logs, job, rows, inside, pad, JOBS, ROWS, PARTS, SPLITS, ACC)
        tl.store(measures + mine + rows, row_log, mask=inside)
        loss = tl.sum(tl.where(inside, row_log - own, 0.0), axis=0) * LOG_2
        tl.store(losses + (problem * 2 + side) * num_blocks + first // ROWS, loss)
    else:
        row_log = tl.load(measures + mine + rows, mask=inside, other=0.0)
    own = tl.where(inside, own, row_log)
    average = _join_directions(
        sums, logs, row_log, job, rows, inside, pad, JOBS, D, BLOCK_D, ROWS, PARTS, SPLITS, ATTEND
    )
    slope = _slope_of_own(
        own, row_log, measures, plane, mine, theirs, rows, inside, ROW_SHARE, COLUMN_SHARE
    )
    inverse = tl.load(inverses + mine + rows, mask=inside, other=0.0)
    inverse_y = tl.load(inverses + theirs + rows, mask=inside, other=0.0)
    y = tile(pick(others, job, JOBS), first, size, 0, D, BLOCK_D, ROWS).to(ACC)
    average += y * (slope * inverse_y)[:, None]
    u = tile(pick(vectors, job, JOBS), first, size, 0, D, BLOCK_D, ROWS).to(ACC) * inverse[:, None]
    along = tl.where(inside, tl.sum(u * average, axis=1), 0.0)
    share = tl.load(settings + problem * 2 + 1).to(ACC) / size
    if side == 0:
        tl.store(slopes + problem * num_blocks + first // ROWS, tl.sum(along, axis=0) * share)
    factor = inverse * (scale * share)
    made = (average - u * along[:, None]) * factor[:, None]
    gradient = pick(gradients, job, JOBS) + first.to(tl.int64) * D
    offsets = tl.arange(0, ROWS)[:, None] * D + features[None, :]
    tl.store(
        gradient + offsets,
        made.to(gradient.dtype.element_ty),
        mask=inside[:, None] & exists[None, :],
    )


@triton.jit
def _join_logs(
    logs,
    job,
    rows,
    inside,
    pad,
    JOBS: tl.constexpr,
    ROWS: tl.constexpr,
    PARTS: tl.constexpr,
    SPLITS: tl.constexpr,
    ACC: tl.constexpr,
):
    """Compute the log of the sum of each row from those of its parts."""
    top = tl.full((ROWS,), LOWEST, ACC)
    total = tl.zeros((ROWS,), ACC)
    for at in range(0, SPLITS, PARTS):
        part = at + tl.arange(0, PARTS)
        kept = inside[:, None] & (part < SPLITS)[None, :]
        place = (part * JOBS + job).to(tl.int64)[None, :] * pad + rows[:, None]
        log = tl.load(logs + place, mask=kept, other=3 * LOWEST)
        higher = tl.maximum(top, tl.max(log, axis=1))
        total = total * tl.exp2(top - higher)
        total += tl.sum(tl.exp2(log - higher[:, None]), axis=1)
        top = higher
    return top + tl.log2(tl.where(inside, total, 1.0))


@triton.jit
def _join_directions(
    sums,
    logs,
    row_log,
    job,
    rows,
    inside,
    pad,
    JOBS: tl.constexpr,
    D: tl.constexpr,
    BLOCK_D: tl.constexpr,
    ROWS: tl.constexpr,
    PARTS: tl.constexpr,
    SPLITS: tl.constexpr,
    ATTEND: tl.constexpr,
):
    """Sum the parts of the directions, with ATTEND each by its part of the softmax, "r d"."""
    features = tl.arange(0, BLOCK_D)
    exists = features < D
    average = tl.zeros((ROWS, BLOCK_D), row_log.dtype)
    for at in range(0, SPLITS, PARTS):
        part = at + tl.arange(0, PARTS)
        kept = inside[:, None] & (part < SPLITS)[None, :]
        place = (part * JOBS + job).to(tl.int64)[None, :] * pad + rows[:, None]
        found = tl.load(
            sums + place[:, :, None] * D + features[None, None, :],
            mask=kept[:, :, None] & exists[None, None, :],
            other=0.0,
        )
        if ATTEND:
            log = tl.load(logs + place, mask=kept, other=3 * LOWEST)
            found = found * tl.exp2(log - row_log[:, None])[:, :, None]
        average += tl.sum(found, axis=1)
    return average


@triton.jit
def _slope_of_own(
    own,
    row_log,
    measures,
    plane,
    mine,
    theirs,
    rows,
    inside,
    ROW_SHARE: tl.constexpr,
    COLUMN_SHARE: tl.constexpr,
):
    """Compute the slope on a row's own score, 2^(own - log) - 1 / number.

    It is computed in full precision, since the two may nearly cancel.
    """
    slope = tl.zeros_like(own)
    if ROW_SHARE > 0.0:
        number = tl.load(measures + 2 * plane + mine + rows, mask=inside, other=1.0)
        slope += ROW_SHARE * (tl.exp2(own - row_log) - 1.0 / number)
    if COLUMN_SHARE > 0.0:
        number = tl.load(measures + 2 * plane + theirs + rows, mask=inside, other=1.0)
        column_log = tl.load(measures + theirs + rows, mask=inside, other=0.0)
        slope += COLUMN_SHARE * (tl.exp2(own - column_log) - 1.0 / number)
    return slope
