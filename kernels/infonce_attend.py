"""The InfoNCE kernel of one direction: an online softmax and what it averages, in one pass."""

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
    log_of_sum,
    products,
    row_numbers,
    store_directions,
)
from graphkd.kernels.infonce_tiles import LOG2_E, LOWEST, UNIT_FACTOR, job_of, pick, places, tile


@triton.jit
def attend_kernel(
    vectors,  # of each job, "b d", the rows, in
    others,  # of each job, "b d", the columns, in
    banks,  # of each job, "m d", in
    units,  # "problems 2 pad d", float16, in
    bank_units,  # "problems bank_pad d", float16, in
    inverses,  # "problems 2 pad", in
    bank_inverses,  # "problems bank_pad", in
    indexes,  # of each job, "b", int64, in
    bank_indexes,  # of each job, "m", int64, in
    settings,  # "problems 2", scale and weight, in
    sums,  # "splits jobs pad d", out
    logs,  # "splits jobs pad", out
    starts,  # of each job, its first program
    problems,  # of each job, its problem
    sides,  # of each job, 0 or 1
    sizes,  # of each job, b
    bank_sizes,  # of each job, m
    pad,
    bank_pad,
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
    UNITS: tl.constexpr,
):
    """Average the columns' directions by the softmax of the scores, without the row's own."""
    job, first_row = job_of(starts, JOBS, ROWS)
    problem, side = pick(problems, job, JOBS), pick(sides, job, JOBS)
    size, bank_size = pick(sizes, job, JOBS), pick(bank_sizes, job, JOBS)
    other, bank = pick(others, job, JOBS), pick(banks, job, JOBS)
    mine, theirs = places(problem, side, pad)
    bank_place = problem.to(tl.int64) * bank_pad
    at = tl.program_id(2) * WIDTH
    rows = first_row + tl.arange(0, ROWS)
    vector = pick(vectors, job, JOBS)
    x = tile(vector, first_row, size, 0, D, STEP, ROWS)
    inside = rows < size
    scale = tl.load(settings + problem * 2).to(ACC) * LOG2_E
    row_scale = tl.load(inverses + mine + rows, mask=inside, other=0.0) * scale
    row_index = row_numbers(indexes, job, rows, inside, JOBS, INDEX)
    top = tl.full((ROWS,), LOWEST, ACC)
    total = tl.zeros((ROWS,), ACC)
    average = tl.zeros((ROWS, WIDTH), ACC)
    own_tiles, begin, end = column_bounds(size, bank_size, COLUMNS, BANK)
    for t in range(begin, end):
        part = column_numbers(t, own_tiles, size, bank_size, COLUMNS, BANK)
        in_bank, first, limit, _, shift = part
        base, columns, k, inverse = column_tile(
            part, other, bank, inverses, theirs, bank_inverses, bank_place, D, STEP, COLUMNS, BANK
        )
        s = products(x, k, vector, first_row, size, base, first, limit, D, STEP, ACC, PRECISION)
        s *= row_scale[:, None] * inverse[None, :]
        own = rows[:, None] == (shift + columns)[None, :]
        out = (columns >= limit)[None, :]
        if INDEX:
            out |= equal_pairs(
                row_index, own, columns, part, indexes, bank_indexes, job, JOBS, BANK_INDEX
            )
        s = tl.where(out, 3 * LOWEST, s)
        top, total, e, shrink = _raise_top(top, total, s)
        e = tl.where(own, 0.0, e)
        average *= shrink[:, None]
        source = direction_source(
            base, in_bank, units, theirs, bank_units, bank_place, D, BANK, UNITS
        )
        average = add_directions(
            average, e, k, inverse, source, first, limit, at, D, WIDTH, STEP, PRECISION, UNITS
        )
    some = total > 0.0
    share = tl.where(some, 1.0 / tl.where(some, total, 1.0), 0.0)
    if UNITS:
        share = share / UNIT_FACTOR
    log = log_of_sum(top, total)
    place = (tl.program_id(1) * JOBS + job).to(tl.int64) * pad + first_row
    if at == 0:
        tl.store(logs + place + tl.arange(0, ROWS), log, mask=inside)
    store_directions(sums, place, average * share[:, None], inside, at, D, WIDTH, ROWS)


@triton.jit
def _raise_top(top, total, s):
    """Take further scores into the sum of 2^(score - top).

    Returns:
        The new top and sum; the terms of the scores; and what all that was summed before, with the
        old top, is to be multiplied by.
    """
    higher = tl.maximum(top, tl.max(s, axis=1))
    e = tl.exp2(s - higher[:, None])
    shrink = tl.exp2(top - higher)
    return higher, total * shrink + tl.sum(e, axis=1), e, shrink
