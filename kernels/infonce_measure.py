"""The InfoNCE kernel that computes what the scores of each row and column sum up to."""

# mypy: ignore-errors
# pyright: basic

import triton
import triton.language as tl

from graphkd.kernels.infonce_columns import (
    column_bounds,
    column_numbers,
    column_tile,
    equal_pairs,
    log_of_sum,
    products,
    row_numbers,
)
from graphkd.kernels.infonce_tiles import LOG2_E, LOWEST, job_of, pick, places, tile


@triton.jit
def measure_kernel(
    vectors,  # of each job, "b d", the rows, in
    others,  # of each job, "b d", the columns, in
    banks,  # of each job, "m d", in
    inverses,  # "problems 2 pad", in
    bank_inverses,  # "problems bank_pad", in
    indexes,  # of each job, "b", int64, in
    bank_indexes,  # of each job, "m", int64, in
    labels,  # of each job, "b", int64, in
    bank_labels,  # of each job, "m", int64, in
    settings,  # "problems 2", scale and weight, in
    row_parts,  # "splits planes jobs pad": log of the sum, sum and number of positives; out
    column_parts,  # "blocks planes jobs pad", the same of the columns, out
    starts,  # of each job, its first program
    problems,  # of each job, its problem
    sides,  # of each job, 0 or 1
    sizes,  # of each job, b
    bank_sizes,  # of each job, m
    pad,
    bank_pad,
    JOBS: tl.constexpr,
    D: tl.constexpr,
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
    PLANES: tl.constexpr,
    BOTH: tl.constexpr,
    SHARED: tl.constexpr,
):
    """Compute the log of the sum of each row and, with BOTH, of each column of 2^score."""
    job, first_row = job_of(starts, JOBS, ROWS)
    problem, side = pick(problems, job, JOBS), pick(sides, job, JOBS)
    size, bank_size = pick(sizes, job, JOBS), pick(bank_sizes, job, JOBS)
    other, bank = pick(others, job, JOBS), pick(banks, job, JOBS)
    mine, theirs = places(problem, side, pad)
    bank_place = problem.to(tl.int64) * bank_pad
    rows = first_row + tl.arange(0, ROWS)
    inside = rows < size
    vector = pick(vectors, job, JOBS)
    x = tile(vector, first_row, size, 0, D, STEP, ROWS)
    scale = tl.load(settings + problem * 2).to(ACC) * LOG2_E
    row_scale = tl.load(inverses + mine + rows, mask=inside, other=0.0) * scale
    row_index = row_numbers(indexes, job, rows, inside, JOBS, INDEX)
    row_label = row_numbers(labels, job, rows, inside, JOBS, LABEL)
    top = tl.full((ROWS,), LOWEST, ACC)
    total = tl.zeros((ROWS,), ACC)
    positive = tl.zeros((ROWS,), ACC)
    number = tl.zeros((ROWS,), ACC)
    own_tiles, begin, end = column_bounds(size, bank_size, COLUMNS, BANK)
    column_place = (first_row // ROWS * PLANES * JOBS + job).to(tl.int64) * pad
    for t in range(begin, end):
        part = column_numbers(t, own_tiles, size, bank_size, COLUMNS, BANK)
        _, first, limit, own_limit, shift = part
        base, columns, k, inverse = column_tile(
            part, other, bank, inverses, theirs, bank_inverses, bank_place, D, STEP, COLUMNS, BANK
        )
        s = products(x, k, vector, first_row, size, base, first, limit, D, STEP, ACC, PRECISION)
        s *= row_scale[:, None] * inverse[None, :]
        own = rows[:, None] == (shift + columns)[None, :]
        out = (columns >= limit)[None, :] | (rows >= size)[:, None]
        if INDEX:
            out |= equal_pairs(
                row_index, own, columns, part, indexes, bank_indexes, job, JOBS, BANK_INDEX
            )
        if LABEL:
            equal = equal_pairs(
                row_label, own, columns, part, labels, bank_labels, job, JOBS, BANK_LABEL
            )
            matching = _positives(equal, own, out, row_label, ACC)
            positive += tl.sum(s * matching, axis=1)
            number += tl.sum(matching, axis=1)
            if BOTH:
                stays = columns < own_limit
                place = column_parts + column_place + columns
                tl.store(place + JOBS * pad, tl.sum(s * matching, axis=0), mask=stays)
                tl.store(place + 2 * JOBS * pad, tl.sum(matching, axis=0), mask=stays)
        s = tl.where(out, 3 * LOWEST, s)
        higher = tl.maximum(top, tl.max(s, axis=1))
        if BOTH:
            highest = tl.maximum(tl.max(s, axis=0), LOWEST)
            e, of_columns = _exponentials(s, out, higher, highest, SHARED)
            log = log_of_sum(highest, tl.sum(of_columns, axis=0))
            tl.store(column_parts + column_place + columns, log, mask=columns < own_limit)
        else:
            e = tl.exp2(s - higher[:, None])
        total = total * tl.exp2(top - higher) + tl.sum(e, axis=1)
        top = higher
    log = log_of_sum(top, total)
    place = row_parts + (tl.program_id(1) * PLANES * JOBS + job).to(tl.int64) * pad + rows
    tl.store(place, log, mask=inside)
    if LABEL:
        tl.store(place + JOBS * pad, positive, mask=inside)
        tl.store(place + 2 * JOBS * pad, number, mask=inside)


@triton.jit
def _positives(equal, own, out, row_label, ACC: tl.constexpr):
    """Give 1 for each pair that is to match, 0 for the others, "r c"."""
    matching = own | (equal & (row_label >= 0)[:, None])
    return tl.where(out, 0.0, tl.where(matching, 1.0, 0.0).to(ACC))


@triton.jit
def _exponentials(s, out, higher, highest, SHARED: tl.constexpr):
    """Compute 2^(score - the top of its row) and 2^(score - the top of its column), "r c"."""
    if SHARED:
        # one exponential serves rows and columns: its root stays inside float32
        root = tl.where(out, 0.0, tl.exp2(0.5 * s))
        of_rows = root * tl.exp2(tl.where(higher > LOWEST, -0.5 * higher, 0.0))[:, None]
        of_columns = root * tl.exp2(tl.where(highest > LOWEST, -0.5 * highest, 0.0))[None, :]
        of_rows, of_columns = of_rows * of_rows, of_columns * of_columns
    else:
        of_rows = tl.exp2(s - higher[:, None])
        of_columns = tl.exp2(s - highest[None, :])
    return of_rows, of_columns
