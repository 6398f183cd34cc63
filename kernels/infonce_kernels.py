"""The InfoNCE kernels that multiply: similarities are made tile by tile and never stored.

All scores are in base 2: 2^score = exp(scale * cosine). A job is one problem seen from one side;
side 0 has the students as rows and the knowledge, then the bank, as columns, side 1 has the
knowledge as rows and the students as columns. Column n of the side opposite is row n's own.
"""

# mypy: ignore-errors
# pyright: basic

import triton
import triton.language as tl

from graphkd.kernels.infonce_tiles import (
    LOWEST,
    UNIT_FACTOR,
    column_bounds,
    column_numbers,
    equal_pairs,
    job_of,
    pick,
    products,
    tile,
)


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
    mine = (problem * 2 + side).to(tl.int64) * pad
    theirs = (problem * 2 + 1 - side).to(tl.int64) * pad
    bank_place = problem.to(tl.int64) * bank_pad
    at = tl.program_id(2) * WIDTH
    rows = first_row + tl.arange(0, ROWS)
    vector = pick(vectors, job, JOBS)
    x = tile(vector, first_row, size, 0, D, STEP, ROWS)
    scale = tl.load(settings + problem * 2).to(ACC) * 1.4426950408889634
    row_scale = tl.load(inverses + mine + rows, mask=rows < size, other=0.0) * scale
    row_index = rows
    if INDEX:
        row_index = tl.load(pick(indexes, job, JOBS) + rows, mask=rows < size, other=-1)
    top = tl.full((ROWS,), LOWEST, ACC)
    total = tl.zeros((ROWS,), ACC)
    average = tl.zeros((ROWS, WIDTH), ACC)
    own_tiles, begin, end = column_bounds(size, bank_size, COLUMNS, BANK)
    for t in range(begin, end):
        in_bank, first, limit, own_limit, shift = column_numbers(
            t, own_tiles, size, bank_size, COLUMNS, BANK
        )
        base, place = other, inverses + theirs
        if BANK:
            base = tl.where(in_bank, bank, other)
            place = tl.where(in_bank, bank_inverses + bank_place, inverses + theirs)
        columns = first + tl.arange(0, COLUMNS)
        k = tile(base, first, limit, 0, D, STEP, COLUMNS)
        inverse = tl.load(place + columns, mask=columns < limit, other=0.0)
        s = products(
            x,
            k,
            vector,
            first_row,
            size,
            base,
            first,
            limit,
            D,
            STEP,
            ROWS,
            COLUMNS,
            ACC,
            PRECISION,
        )
        s *= row_scale[:, None] * inverse[None, :]
        own = rows[:, None] == (shift + columns)[None, :]
        out = (columns >= limit)[None, :]
        if INDEX:
            out |= equal_pairs(
                row_index,
                own,
                columns,
                limit,
                own_limit,
                in_bank,
                pick(indexes, job, JOBS),
                pick(bank_indexes, job, JOBS),
                BANK_INDEX,
            )
        s = tl.where(out, 3 * LOWEST, s)
        higher = tl.maximum(top, tl.max(s, axis=1))
        e = tl.exp2(s - higher[:, None])
        shrink = tl.exp2(top - higher)
        total = total * shrink + tl.sum(e, axis=1)
        e = tl.where(own, 0.0, e)
        average *= shrink[:, None]
        if UNITS:
            unit_base = units + theirs * D
            if BANK:
                unit_base = tl.where(in_bank, bank_units + bank_place * D, unit_base)
            k = tile(unit_base, first, limit, at, D, WIDTH, COLUMNS)
            e = e * UNIT_FACTOR
        else:
            e = e * inverse[None, :]
            if STEP < D or WIDTH != STEP:
                k = tile(base, first, limit, at, D, WIDTH, COLUMNS)
        average = tl.dot(e.to(k.dtype), k, average, input_precision=PRECISION, out_dtype=ACC)
        top = higher
    some = total > 0.0
    share = tl.where(some, 1.0 / tl.where(some, total, 1.0), 0.0)
    if UNITS:
        share = share / UNIT_FACTOR
    log = tl.where(some, top + tl.log2(tl.where(some, total, 1.0)), LOWEST)
    place = (tl.program_id(1) * JOBS + job).to(tl.int64) * pad + first_row
    inside = rows < size
    if at == 0:
        tl.store(logs + place + tl.arange(0, ROWS), log, mask=inside)
    features = at + tl.arange(0, WIDTH)
    offsets = tl.arange(0, ROWS)[:, None] * D + features[None, :]
    tl.store(
        sums + place * D + offsets,
        average * share[:, None],
        mask=inside[:, None] & (features < D)[None, :],
    )


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
    mine = (problem * 2 + side).to(tl.int64) * pad
    theirs = (problem * 2 + 1 - side).to(tl.int64) * pad
    bank_place = problem.to(tl.int64) * bank_pad
    rows = first_row + tl.arange(0, ROWS)
    inside = rows < size
    vector = pick(vectors, job, JOBS)
    x = tile(vector, first_row, size, 0, D, STEP, ROWS)
    scale = tl.load(settings + problem * 2).to(ACC) * 1.4426950408889634
    row_scale = tl.load(inverses + mine + rows, mask=inside, other=0.0) * scale
    row_index, row_label = rows, rows
    if INDEX:
        row_index = tl.load(pick(indexes, job, JOBS) + rows, mask=inside, other=-1)
    if LABEL:
        row_label = tl.load(pick(labels, job, JOBS) + rows, mask=inside, other=-1)
    top = tl.full((ROWS,), LOWEST, ACC)
    total = tl.zeros((ROWS,), ACC)
    positive = tl.zeros((ROWS,), ACC)
    number = tl.zeros((ROWS,), ACC)
    own_tiles, begin, end = column_bounds(size, bank_size, COLUMNS, BANK)
    column_place = (first_row // ROWS * PLANES * JOBS + job).to(tl.int64) * pad
    for t in range(begin, end):
        in_bank, first, limit, own_limit, shift = column_numbers(
            t, own_tiles, size, bank_size, COLUMNS, BANK
        )
        base, place = other, inverses + theirs
        if BANK:
            base = tl.where(in_bank, bank, other)
            place = tl.where(in_bank, bank_inverses + bank_place, inverses + theirs)
        columns = first + tl.arange(0, COLUMNS)
        k = tile(base, first, limit, 0, D, STEP, COLUMNS)
        inverse = tl.load(place + columns, mask=columns < limit, other=0.0)
        s = products(
            x,
            k,
            vector,
            first_row,
            size,
            base,
            first,
            limit,
            D,
            STEP,
            ROWS,
            COLUMNS,
            ACC,
            PRECISION,
        )
        s *= row_scale[:, None] * inverse[None, :]
        own = rows[:, None] == (shift + columns)[None, :]
        out = (columns >= limit)[None, :] | (rows >= size)[:, None]
        if INDEX:
            out |= equal_pairs(
                row_index,
                own,
                columns,
                limit,
                own_limit,
                in_bank,
                pick(indexes, job, JOBS),
                pick(bank_indexes, job, JOBS),
                BANK_INDEX,
            )
        if LABEL:
            matching = equal_pairs(
                row_label,
                own,
                columns,
                limit,
                own_limit,
                in_bank,
                pick(labels, job, JOBS),
                pick(bank_labels, job, JOBS),
                BANK_LABEL,
            )
            matching = own | (matching & (row_label >= 0)[:, None])
            matching = tl.where(out, 0.0, tl.where(matching, 1.0, 0.0).to(ACC))
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
            if SHARED:
                # one exponential serves rows and columns: its root stays inside float32
                root = tl.where(out, 0.0, tl.exp2(0.5 * s))
                e = root * tl.exp2(tl.where(higher > LOWEST, -0.5 * higher, 0.0))[:, None]
                of_columns = (
                    root * tl.exp2(tl.where(highest > LOWEST, -0.5 * highest, 0.0))[None, :]
                )
                e, of_columns = e * e, of_columns * of_columns
            else:
                e = tl.exp2(s - higher[:, None])
                of_columns = tl.exp2(s - highest[None, :])
            weight = tl.sum(of_columns, axis=0)
            some = weight > 0.0
            log = tl.where(some, highest + tl.log2(tl.where(some, weight, 1.0)), LOWEST)
            stays = columns < own_limit
            tl.store(column_parts + column_place + columns, log, mask=stays)
        else:
            e = tl.exp2(s - higher[:, None])
        total = total * tl.exp2(top - higher) + tl.sum(e, axis=1)
        top = higher
    some = total > 0.0
    log = tl.where(some, top + tl.log2(tl.where(some, total, 1.0)), LOWEST)
    place = row_parts + (tl.program_id(1) * PLANES * JOBS + job).to(tl.int64) * pad + rows
    tl.store(place, log, mask=inside)
    if LABEL:
        tl.store(place + JOBS * pad, positive, mask=inside)
        tl.store(place + 2 * JOBS * pad, number, mask=inside)


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
    mine = (problem * 2 + side).to(tl.int64) * pad
    theirs = (problem * 2 + 1 - side).to(tl.int64) * pad
    bank_place = problem.to(tl.int64) * bank_pad
    at = tl.program_id(2) * WIDTH
    rows = first_row + tl.arange(0, ROWS)
    inside = rows < size
    vector = pick(vectors, job, JOBS)
    x = tile(vector, first_row, size, 0, D, STEP, ROWS)
    scale = tl.load(settings + problem * 2).to(ACC) * 1.4426950408889634
    row_scale = tl.load(inverses + mine + rows, mask=inside, other=0.0) * scale
    row_log = tl.load(measures + mine + rows, mask=inside, other=-LOWEST)
    row_index, row_label, row_number = rows, rows, row_log
    if INDEX:
        row_index = tl.load(pick(indexes, job, JOBS) + rows, mask=inside, other=-1)
    if LABEL:
        row_label = tl.load(pick(labels, job, JOBS) + rows, mask=inside, other=-1)
        row_number = tl.load(measures + 2 * plane + mine + rows, mask=inside, other=1.0)
    total = tl.zeros((ROWS, WIDTH), ACC)
    own_tiles, begin, end = column_bounds(size, bank_size, COLUMNS, BANK)
    for t in range(begin, end):
        in_bank, first, limit, own_limit, shift = column_numbers(
            t, own_tiles, size, bank_size, COLUMNS, BANK
        )
        base, place = other, inverses + theirs
        if BANK:
            base = tl.where(in_bank, bank, other)
            place = tl.where(in_bank, bank_inverses + bank_place, inverses + theirs)
        columns = first + tl.arange(0, COLUMNS)
        k = tile(base, first, limit, 0, D, STEP, COLUMNS)
        inverse = tl.load(place + columns, mask=columns < limit, other=0.0)
        s = products(
            x,
            k,
            vector,
            first_row,
            size,
            base,
            first,
            limit,
            D,
            STEP,
            ROWS,
            COLUMNS,
            ACC,
            PRECISION,
        )
        s *= row_scale[:, None] * inverse[None, :]
        own = rows[:, None] == (shift + columns)[None, :]
        out = own | (columns >= limit)[None, :]
        if INDEX:
            out |= equal_pairs(
                row_index,
                own,
                columns,
                limit,
                own_limit,
                in_bank,
                pick(indexes, job, JOBS),
                pick(bank_indexes, job, JOBS),
                BANK_INDEX,
            )
        counted = columns < own_limit
        w = tl.zeros((ROWS, COLUMNS), ACC)
        column_log = inverse
        if COLUMN_SHARE > 0.0:
            column_log = tl.load(measures + theirs + columns, mask=counted, other=-LOWEST)
        if SHARED:
            root = tl.exp2(0.5 * s)
            of_rows = root * tl.exp2(-0.5 * row_log)[:, None]
            of_columns = root * tl.exp2(-0.5 * column_log)[None, :]
            w = ROW_SHARE * of_rows * of_rows + COLUMN_SHARE * of_columns * of_columns
        else:
            if ROW_SHARE > 0.0:
                w += ROW_SHARE * tl.exp2(s - row_log[:, None])
            if COLUMN_SHARE > 0.0:
                w += COLUMN_SHARE * tl.exp2(s - column_log[None, :])
        if LABEL:
            matching = equal_pairs(
                row_label,
                own,
                columns,
                limit,
                own_limit,
                in_bank,
                pick(labels, job, JOBS),
                pick(bank_labels, job, JOBS),
                BANK_LABEL,
            )
            matching = matching & (row_label >= 0)[:, None]
            share = ROW_SHARE / row_number[:, None]
            if COLUMN_SHARE > 0.0:
                column_number = tl.load(
                    measures + 2 * plane + theirs + columns, mask=counted, other=-LOWEST
                )
                share += COLUMN_SHARE / column_number[None, :]
            w -= tl.where(matching, share, 0.0)
        w = tl.where(out, 0.0, w)
        if UNITS:
            unit_base = units + theirs * D
            if BANK:
                unit_base = tl.where(in_bank, bank_units + bank_place * D, unit_base)
            k = tile(unit_base, first, limit, at, D, WIDTH, COLUMNS)
            w = w * UNIT_FACTOR
        else:
            w = w * inverse[None, :]
            if STEP < D or WIDTH != STEP:
                k = tile(base, first, limit, at, D, WIDTH, COLUMNS)
        total = tl.dot(w.to(k.dtype), k, total, input_precision=PRECISION, out_dtype=ACC)
    if UNITS:
        total = total / UNIT_FACTOR
    place = (tl.program_id(1) * JOBS + job).to(tl.int64) * pad + first_row
    features = at + tl.arange(0, WIDTH)
    offsets = tl.arange(0, ROWS)[:, None] * D + features[None, :]
    tl.store(sums + place * D + offsets, total, mask=inside[:, None] & (features < D)[None, :])
