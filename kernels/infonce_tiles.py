"""What the InfoNCE kernels share: which job a program has, and its tiles and masks."""

# mypy: ignore-errors
# pyright: basic

import triton
import triton.language as tl

# a score that is none; finite, so that differences of two stay defined
LOWEST = tl.constexpr(-1e30)
# slopes are at most 1 and vectors have length 1: keeps both in float16's range
UNIT_FACTOR = tl.constexpr(4096.0)


@triton.jit
def job_of(starts, JOBS: tl.constexpr, ROWS: tl.constexpr):
    """Find the job of this program and its first row."""
    program = tl.program_id(0)
    job = tl.full((), 0, tl.int32)
    start = tl.full((), 0, tl.int32)
    for i in tl.static_range(1, JOBS):
        job = tl.where(program >= starts[i], i, job)
        start = tl.where(program >= starts[i], starts[i], start)
    return job, (program - start) * ROWS


@triton.jit
def pick(values, job, JOBS: tl.constexpr):
    """Choose a job's entry."""
    chosen = values[0]
    for i in tl.static_range(1, JOBS):
        chosen = tl.where(job == i, values[i], chosen)
    return chosen


@triton.jit
def tile(base, first, limit, at, D: tl.constexpr, WIDTH: tl.constexpr, ROWS: tl.constexpr):
    """Load rows of a matrix, "r w", from feature `at` on; 0 beyond its ends."""
    rows, features = tl.arange(0, ROWS), at + tl.arange(0, WIDTH)
    inside = (first + rows < limit)[:, None]
    if D % WIDTH != 0:
        inside = inside & (features < D)[None, :]
    offsets = rows[:, None] * D + features[None, :]
    return tl.load(base + first.to(tl.int64) * D + offsets, mask=inside, other=0.0)


@triton.jit
def products(
    x,
    k,
    vectors,
    first_row,
    size,
    others,
    first,
    limit,
    D: tl.constexpr,
    STEP: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    ACC: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """Multiply rows by columns, "r c", STEP features at a time; the first are there."""
    s = tl.dot(x, tl.trans(k), input_precision=PRECISION, out_dtype=ACC)
    if STEP < D:
        for at in range(STEP, D, STEP):
            a = tile(vectors, first_row, size, at, D, STEP, ROWS)
            b = tile(others, first, limit, at, D, STEP, COLUMNS)
            s = tl.dot(a, tl.trans(b), s, input_precision=PRECISION, out_dtype=ACC)
    return s


@triton.jit
def column_bounds(size, bank_size, COLUMNS: tl.constexpr, BANK: tl.constexpr):
    """Count the tiles that are not of the bank, and tell this split's first and last tile."""
    own_tiles = tl.cdiv(size, COLUMNS)
    tiles = own_tiles
    if BANK:
        tiles += tl.cdiv(bank_size, COLUMNS)
    each = tl.cdiv(tiles, tl.num_programs(1))
    begin = tl.program_id(1) * each
    return own_tiles, begin, tl.minimum(begin + each, tiles)


@triton.jit
def column_numbers(t, own_tiles, size, bank_size, COLUMNS: tl.constexpr, BANK: tl.constexpr):
    """Tell where a tile's columns are.

    Returns:
        Whether it is of the bank; its first column there; how many columns there are; how many of
        those are not the bank's; and what makes the number of a column among all columns.
    """
    # interpreted, the number is one of Python's
    t = tl.full((), 0, tl.int32) + t
    in_bank = t >= own_tiles
    first, limit, own_limit, shift = t * COLUMNS, size, size, 0
    if BANK:
        first = tl.where(in_bank, t - own_tiles, t) * COLUMNS
        limit = tl.where(in_bank, bank_size, size)
        own_limit = tl.where(in_bank, 0, size)
        shift = tl.where(in_bank, size, 0)
    return in_bank, first, limit, own_limit, shift


@triton.jit
def equal_pairs(
    row_numbers,
    own,
    columns,
    limit,
    own_limit,
    in_bank,
    numbers,
    bank_numbers,
    BANK_NUMBERS: tl.constexpr,
):
    """Say which pairs off the diagonal have equal numbers, "r c"."""
    known, place = columns < own_limit, numbers
    if BANK_NUMBERS:
        known, place = columns < limit, tl.where(in_bank, bank_numbers, numbers)
    column_numbers = tl.load(place + columns, mask=known, other=-1)
    equal = (row_numbers[:, None] == column_numbers[None, :]) & known[None, :]
    return equal & (own == 0)
