"""The InfoNCE kernels that go over rows: before, between and after the products."""

# mypy: ignore-errors
# pyright: basic

import triton
import triton.language as tl

from graphkd.kernels.infonce_tiles import LOWEST, job_of, pick, tile

LOG_2 = tl.constexpr(0.6931471805599453)
LOG2_E = tl.constexpr(1.4426950408889634)


@triton.jit
def prepare_kernel(
    students,  # of each problem, "b d", in
    knowledges,  # of each problem, "b d", in
    banks,  # of each problem, "m d", in
    scales,  # of each problem, "1" or a number, in
    weights,  # "all problems", or of each problem a number, in
    units,  # "problems 2 pad d", float16, out
    bank_units,  # "problems bank_pad d", float16, out
    inverses,  # "problems 2 pad", out
    bank_inverses,  # "problems bank_pad", out
    settings,  # "problems 2", scale and weight, out
    measures,  # "3 problems 2 pad": the second plane is the cosine of one's own; out
    starts,  # of each problem, its first program
    sizes,  # of each problem, b
    bank_sizes,  # of each problem, m
    pad,
    bank_pad,
    plane,  # elements of a plane of `measures`
    JOBS: tl.constexpr,
    D: tl.constexpr,
    BLOCK_D: tl.constexpr,
    ROWS: tl.constexpr,
    ACC: tl.constexpr,
    SCALE_TENSORS: tl.constexpr,
    PLACES: tl.constexpr,
    WEIGHT_TENSOR: tl.constexpr,
    BANK: tl.constexpr,
    UNITS: tl.constexpr,
):
    """Compute the vectors' inverse lengths and the cosines of what belongs together."""
    problem, first = job_of(starts, JOBS, ROWS)
    if tl.program_id(0) == 0:
        for i in tl.static_range(JOBS):
            if SCALE_TENSORS[i]:
                tl.store(settings + 2 * i, tl.load(scales[i]).to(ACC))
            else:
                tl.store(settings + 2 * i, tl.full((), scales[i], ACC))
            if WEIGHT_TENSOR:
                tl.store(settings + 2 * i + 1, tl.load(weights + PLACES[i]).to(ACC))
            else:
                tl.store(settings + 2 * i + 1, tl.full((), weights[i], ACC))
    size = pick(sizes, problem, JOBS)
    rows = first + tl.arange(0, ROWS)
    mine = (problem * 2).to(tl.int64) * pad
    x = tile(pick(students, problem, JOBS), first, size, 0, D, BLOCK_D, ROWS).to(ACC)
    y = tile(pick(knowledges, problem, JOBS), first, size, 0, D, BLOCK_D, ROWS).to(ACC)
    inverse_x = tl.rsqrt(tl.sum(x * x, axis=1) + 1e-12)
    inverse_y = tl.rsqrt(tl.sum(y * y, axis=1) + 1e-12)
    cosine = tl.sum(x * y, axis=1) * inverse_x * inverse_y
    inside = rows < size
    tl.store(inverses + mine + rows, inverse_x, mask=inside)
    tl.store(inverses + mine + pad + rows, inverse_y, mask=inside)
    for side in tl.static_range(2):
        tl.store(measures + plane + mine + side * pad + rows, cosine, mask=inside)
        tl.store(measures + 2 * plane + mine + side * pad + rows, 1.0, mask=inside)
    features = tl.arange(0, BLOCK_D)
    offsets = tl.arange(0, ROWS)[:, None] * D + features[None, :]
    if UNITS:
        place = units + (mine + first) * D + offsets
        kept = inside[:, None] & (features < D)[None, :]
        tl.store(place, (x * inverse_x[:, None]).to(tl.float16), mask=kept)
        tl.store(place + pad * D, (y * inverse_y[:, None]).to(tl.float16), mask=kept)
    if BANK:
        bank_size = pick(bank_sizes, problem, JOBS)
        bank = pick(banks, problem, JOBS)
        place = problem.to(tl.int64) * bank_pad
        inside = rows < bank_size
        z = tile(bank, first, bank_size, 0, D, BLOCK_D, ROWS).to(ACC)
        inverse_z = tl.rsqrt(tl.sum(z * z, axis=1) + 1e-12)
        tl.store(bank_inverses + place + rows, inverse_z, mask=inside)
        if UNITS:
            unit = (z * inverse_z[:, None]).to(tl.float16)
            kept = inside[:, None] & (features < D)[None, :]
            tl.store(bank_units + (place + first) * D + offsets, unit, mask=kept)


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
    mine = (problem * 2 + side).to(tl.int64) * pad
    theirs = (problem * 2 + 1 - side).to(tl.int64) * pad
    rows, features = first + tl.arange(0, ROWS), tl.arange(0, BLOCK_D)
    inside, exists = rows < size, features < D
    scale = tl.load(settings + problem * 2).to(ACC)
    own = tl.load(measures + plane + mine + rows, mask=inside, other=0.0) * (scale * LOG2_E)
    top = tl.full((ROWS,), LOWEST, ACC)
    if ATTEND:
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
        row_log = top + tl.log2(tl.where(inside, total, 1.0))
        tl.store(measures + mine + rows, row_log, mask=inside)
        loss = tl.sum(tl.where(inside, row_log - own, 0.0), axis=0) * LOG_2
        tl.store(losses + (problem * 2 + side) * num_blocks + first // ROWS, loss)
    else:
        row_log = tl.load(measures + mine + rows, mask=inside, other=0.0)
    own = tl.where(inside, own, row_log)
    average = tl.zeros((ROWS, BLOCK_D), ACC)
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
    # the row's own: 2^(own - log) - 1 / number, in full precision, since it may nearly cancel
    slope = tl.zeros((ROWS,), ACC)
    if ROW_SHARE > 0.0:
        number = tl.load(measures + 2 * plane + mine + rows, mask=inside, other=1.0)
        slope += ROW_SHARE * (tl.exp2(own - row_log) - 1.0 / number)
    if COLUMN_SHARE > 0.0:
        number = tl.load(measures + 2 * plane + theirs + rows, mask=inside, other=1.0)
        column_log = tl.load(measures + theirs + rows, mask=inside, other=0.0)
        slope += COLUMN_SHARE * (tl.exp2(own - column_log) - 1.0 / number)
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
def total_kernel(
    settings,  # "problems 2", scale and weight, in
    losses,  # "problems 2 loss_blocks", in
    slopes,  # "problems slope_blocks", in
    values,  # "all problems", the losses, out
    slope_values,  # "all problems", the slopes on the scales, out
    total,  # "", their weighted sum, in and out
    sizes,  # of each problem, b
    loss_blocks,
    slope_blocks,
    JOBS: tl.constexpr,
    PLACES: tl.constexpr,
    FIRST: tl.constexpr,
    LOSS_ROWS: tl.constexpr,
    SLOPE_ROWS: tl.constexpr,
    BLOCK: tl.constexpr,
    ACC: tl.constexpr,
    ROW_SHARE: tl.constexpr,
    COLUMN_SHARE: tl.constexpr,
    SLOPES: tl.constexpr,
):
    """Sum the parts of the losses and of the slopes on the scales, in a fixed order."""
    weighted = tl.full((), 0.0, ACC)
    if not FIRST:
        weighted = tl.load(total).to(ACC)
    at = tl.arange(0, BLOCK)
    for i in tl.static_range(JOBS):
        value = tl.zeros((BLOCK,), ACC)
        for start in range(0, tl.cdiv(sizes[i], LOSS_ROWS), BLOCK):
            kept = start + at < tl.cdiv(sizes[i], LOSS_ROWS)
            place = losses + i * 2 * loss_blocks + start + at
            if ROW_SHARE > 0.0:
                value += ROW_SHARE * tl.load(place, mask=kept, other=0.0)
            if COLUMN_SHARE > 0.0:
                value += COLUMN_SHARE * tl.load(place + loss_blocks, mask=kept, other=0.0)
        loss = tl.sum(value, axis=0) / sizes[i]
        tl.store(values + PLACES[i], loss)
        weighted += loss * tl.load(settings + 2 * i + 1).to(ACC)
        if SLOPES:
            slope = tl.zeros((BLOCK,), ACC)
            for start in range(0, tl.cdiv(sizes[i], SLOPE_ROWS), BLOCK):
                kept = start + at < tl.cdiv(sizes[i], SLOPE_ROWS)
                slope += tl.load(slopes + i * slope_blocks + start + at, mask=kept, other=0.0)
            tl.store(slope_values + PLACES[i], tl.sum(slope, axis=0))
    tl.store(total, weighted)
