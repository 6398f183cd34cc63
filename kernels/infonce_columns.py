"""Steps of the InfoNCE kernels that multiply: rows stay, tiles of columns come one after the other.

All scores are in base 2: 2^score = exp(scale * cosine). A job is one problem seen from one side;
side 0 has the students as rows and the knowledge, then the bank, as columns, side 1 has the
knowledge as rows and the students as columns. Column n of the side opposite is row n's own. The
scores are made tile by tile and never stored.
"""

# mypy: ignore-errors
# pyright: basic

import triton
import triton.language as tl

from graphkd.kernels.infonce_tiles import LOWEST, UNIT_FACTOR, pick, tile


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
def column_tile(
    part,
    other,
    bank,
    inverses,
    theirs,
    bank_inverses,
    bank_place,
    D: tl.constexpr,
    STEP: tl.constexpr,
    COLUMNS: tl.constexpr,
    BANK: tl.constexpr,
):
    """Load the first STEP features of a tile of columns; `part` is of `column_numbers`.

    Returns:
        Where its columns are read from; their numbers there; their features, "c step"; and their
        inverse lengths, 0 where there is no column.
    """
    in_bank, first, limit, _, _ = part
    base, place = other, inverses + theirs
    if BANK:
        base = tl.where(in_bank, bank, other)
        place = tl.where(in_bank, bank_inverses + bank_place, inverses + theirs)
    columns = first + tl.arange(0, COLUMNS)
    k = tile(base, first, limit, 0, D, STEP, COLUMNS)
    inverse = tl.load(place + columns, mask=columns < limit, other=0.0)
    return base, columns, k, inverse


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
    ACC: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """Multiply rows by columns, "r c", STEP features at a time; the first are there."""
    s = tl.dot(x, tl.trans(k), input_precision=PRECISION, out_dtype=ACC)
    if STEP < D:
        for at in range(STEP, D, STEP):
            a = tile(vectors, first_row, size, at, D, STEP, x.shape[0])
            b = tile(others, first, limit, at, D, STEP, k.shape[0])
            s = tl.dot(a, tl.trans(b), s, input_precision=PRECISION, out_dtype=ACC)
    return s


@triton.jit
def row_numbers(numbers, job, rows, inside, JOBS: tl.constexpr, GIVEN: tl.constexpr):
    """Load the index or the label of each row, if there is one."""
    found = rows
    if GIVEN:
        found = tl.load(pick(numbers, job, JOBS) + rows, mask=inside, other=-1)
    return found


@triton.jit
def equal_pairs(
    row_numbers,
    own,
    columns,
    part,
    numbers,
    bank_numbers,
    job,
    JOBS: tl.constexpr,
    BANK_NUMBERS: tl.constexpr,
):
    """Say which pairs off the diagonal have equal numbers, "r c"; `part` is of `column_numbers`."""
    in_bank, _, limit, own_limit, _ = part
    numbers, bank_numbers = pick(numbers, job, JOBS), pick(bank_numbers, job, JOBS)
    known, place = columns < own_limit, numbers
    if BANK_NUMBERS:
        known, place = columns < limit, tl.where(in_bank, bank_numbers, numbers)
    column_numbers = tl.load(place + columns, mask=known, other=-1)
    equal = (row_numbers[:, None] == column_numbers[None, :]) & known[None, :]
    return equal & (own == 0)


@triton.jit
def log_of_sum(top, total):
    """Compute the log of `total` * 2^top; LOWEST where nothing was summed."""
    some = total > 0.0
    return tl.where(some, top + tl.log2(tl.where(some, total, 1.0)), LOWEST)


@triton.jit
def direction_source(
    base,
    in_bank,
    units,
    theirs,
    bank_units,
    bank_place,
    D: tl.constexpr,
    BANK: tl.constexpr,
    UNITS: tl.constexpr,
):
    """Choose where a tile's directions are read from: its columns, with UNITS those of length 1."""
    source = base
    if UNITS:
        source = units + theirs * D
        if BANK:
            source = tl.where(in_bank, bank_units + bank_place * D, source)
    return source


@triton.jit
def add_directions(
    total,
    weights,
    k,
    inverse,
    source,
    first,
    limit,
    at,
    D: tl.constexpr,
    WIDTH: tl.constexpr,
    STEP: tl.constexpr,
    PRECISION: tl.constexpr,
    UNITS: tl.constexpr,
):
    """Add the columns' directions by their weights, "r w"; `k` is used again where it has them."""
    if UNITS:
        k = tile(source, first, limit, at, D, WIDTH, k.shape[0])
        weights = weights * UNIT_FACTOR
    else:
        weights = weights * inverse[None, :]
        if STEP < D or WIDTH != STEP:
            k = tile(source, first, limit, at, D, WIDTH, k.shape[0])
    return tl.dot(weights.to(k.dtype), k, total, input_precision=PRECISION, out_dtype=total.dtype)


@triton.jit
def store_directions(
    sums, place, directions, inside, at, D: tl.constexpr, WIDTH: tl.constexpr, ROWS: tl.constexpr
):
    """Store the features from `at` on of a block of rows, "r w"."""
    features = at + tl.arange(0, WIDTH)
    offsets = tl.arange(0, ROWS)[:, None] * D + features[None, :]
    tl.store(sums + place * D + offsets, directions, mask=inside[:, None] & (features < D)[None, :])
