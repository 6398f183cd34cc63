"""The InfoNCE kernel that sums directions by the loss's slope on the scores."""

# mypy: ignore-errors
# pyright: basic

import triton
import triton.language as tl

from graphkd.kernels.infonce_columns import (
    add_directions,
    column_bounds,
    column_numbers,
    column_tile,
    direction_source,
    equal_pairs,
    products,
    row_numbers,
    store_directions,
)
from graphkd.kernels.infonce_tiles import LOG2_E, LOWEST, UNIT_FACTOR, job_of, pick, places, tile


@triton.jit
def weigh_kernel(
    vectors,  # of each job, "b d", the rows, in
    others,  # of each job, "b d", the columns, in
    banks,  # of each job, "m d", in
    units,  # "problems 2 pad d", float16, in
    bank_units,  # "problems bank_pad d", float16, in
    inverses,  # "problems 2 pad", in
    bank_inverses,  # "problems bank_pad", in
    indexes,  # of each job, "b", int64, in
    bank_indexes,  # of each job, "m", int64, in
    labels,  # of each job, "b", int64, in
    bank_labels,  # of each job, "m", int64, in
    settings,  # "problems 2", scale and weight, in
    measures,  # "3 problems 2 pad": log of the sum, sum and number of positives; in
    sums,  # "splits jobs pad d", out
    starts,  # of each job, its first program
    problems,  # of each job, its problem
    sides,  # of each job, 0 or 1
    sizes,  # of each job, b
    bank_sizes,  # of each job, m
    pad,
    bank_pad,
    plane,  # elements of a plane of `measures`
    JOBS: tl.constexpr,
    D: tl.constexpr,
    WIDTH: tl.constexpr,
    STEP: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    ACC: tl.constexpr,
    PRECISION: tl.constexpr,
    BANK: tl.constexpr,
    INDEX: tl.constexpr,
    BANK_INDEX: tl.constexpr,
    LABEL: tl.constexpr,
    BANK_LABEL: tl.constexpr,
    UNITS: tl.constexpr,
    ROW_SHARE: tl.constexpr,
    COLUMN_SHARE: tl.constexpr,
    SHARED: tl.constexpr,
):
    """Sum the columns' directions by the loss's slope on the scores, without the row's own."""
    job, first_row = job_of(starts, JOBS, ROWS)
    problem, side = pick(problems, job, JOBS), pick(sides, job, JOBS)
    size, bank_size = pick(sizes, job, JOBS), pick(bank_sizes, job, JOBS)
    other, bank = pick(others, job, JOBS), pick(banks, job, JOBS)
    mine, theirs = places(problem, side, pad)
    bank_place = problem.to(tl.int64) * bank_pad
    at = tl.program_id(2) * WIDTH
    rows = first_row + tl.arange(0, ROWS)
    inside = rows < size
    vector = pick(vectors, job, JOBS)
    x = tile(vector, first_row, size, 0, D, STEP, ROWS)
    scale = tl.load(settings + problem * 2).to(ACC) * LOG2_E
    row_scale = tl.load(inverses + mine + rows, mask=inside, other=0.0) * scale
    row_log = tl.load(measures + mine + rows, mask=inside, other=-LOWEST)
    row_index = row_numbers(indexes, job, rows, inside, JOBS, INDEX)
    row_label, row_number = row_numbers(labels, job, rows, inside, JOBS, LABEL), row_log
    if LABEL:
        row_number = tl.load(measures + 2 * plane + mine + rows, mask=inside, other=1.0)
    total = tl.zeros((ROWS, WIDTH), ACC)
    own_tiles, begin, end = column_bounds(size, bank_size, COLUMNS, BANK)
    for t in range(begin, end):
        part = column_numbers(t, own_tiles, size, bank_size, COLUMNS, BANK)
        in_bank, first, limit, own_limit, shift = part
        base, columns, k, inverse = column_tile(
            part, other, bank, inverses, theirs, bank_inverses, bank_place, D, STEP, COLUMNS, BANK
        )
        s = products(x, k, vector, first_row, size, base, first, limit, D, STEP, ACC, PRECISION)
        s *= row_scale[:, None] * inverse[None, :]
        own = rows[:, None] == (shift + columns)[None, :]
        out = own | (columns >= limit)[None, :]
        if INDEX:
            out |= equal_pairs(
                row_index, own, columns, part, indexes, bank_indexes, job, JOBS, BANK_INDEX
            )
        counted = columns < own_limit
        column_log = inverse
        if COLUMN_SHARE > 0.0:
            column_log = tl.load(measures + theirs + columns, mask=counted, other=-LOWEST)
        w = _softmax(s, row_log, column_log, ROW_SHARE, COLUMN_SHARE, SHARED)
        if LABEL:
            equal = equal_pairs(
                row_label, own, columns, part, labels, bank_labels, job, JOBS, BANK_LABEL
            )
            place = measures + 2 * plane + theirs + columns
            share = _share_of_positives(row_number, place, counted, ROW_SHARE, COLUMN_SHARE)
            w -= tl.where(equal & (row_label >= 0)[:, None], share, 0.0)
        w = tl.where(out, 0.0, w)
        source = direction_source(
            base, in_bank, units, theirs, bank_units, bank_place, D, BANK, UNITS
        )
        total = add_directions(
            total, w, k, inverse, source, first, limit, at, D, WIDTH, STEP, PRECISION, UNITS
        )
    if UNITS:
        total = total / UNIT_FACTOR
    place = (tl.program_id(1) * JOBS + job).to(tl.int64) * pad + first_row
    store_directions(sums, place, total, inside, at, D, WIDTH, ROWS)


@triton.jit
def _softmax(
    s,
    row_log,
    column_log,
    ROW_SHARE: tl.constexpr,
    COLUMN_SHARE: tl.constexpr,
    SHARED: tl.constexpr,
):
    """Add up the shares of the softmax over each row and of that over each column, "r c"."""
    if SHARED:
        root = tl.exp2(0.5 * s)
        of_rows = root * tl.exp2(-0.5 * row_log)[:, None]
        of_columns = root * tl.exp2(-0.5 * column_log)[None, :]
        w = ROW_SHARE * of_rows * of_rows + COLUMN_SHARE * of_columns * of_columns
    else:
        w = tl.zeros_like(s)
        if ROW_SHARE > 0.0:
            w += ROW_SHARE * tl.exp2(s - row_log[:, None])
        if COLUMN_SHARE > 0.0:
            w += COLUMN_SHARE * tl.exp2(s - column_log[None, :])
    return w


@triton.jit
def _share_of_positives(
    row_number, column_numbers, counted, ROW_SHARE: tl.constexpr, COLUMN_SHARE: tl.constexpr
):
    """Tell how much a pair counts as a positive: 1 / number of its row's, or its column's."""
    share = ROW_SHARE / row_number[:, None]
    if COLUMN_SHARE > 0.0:
        column_number = tl.load(column_numbers, mask=counted, other=-LOWEST)
        share += COLUMN_SHARE / column_number[None, :]
    return share
