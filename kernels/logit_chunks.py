"""Chunks of long rows: where they lie, read and written by wide accesses wherever a row starts."""

# mypy: ignore-errors
# pyright: basic
# the compiler takes no conditional expression on tensors here
# ruff: noqa: SIM108

import triton
import triton.language as tl

from graphkd.kernels.logit_terms import BLOCK, CLASSES, SHIFTED, STRIDE, column

# values of a lane that are brought to a new maximum together, as many as one access loads
NEAR = tl.constexpr(8)


@triton.jit
def _origin(row, STRIDE: tl.constexpr, SPEC: tl.constexpr):
    """Give where chunks of a row are counted from, a place that a wide access may start at."""
    origin = row * STRIDE
    if SPEC[SHIFTED]:
        origin = origin // NEAR * NEAR
    return origin


@triton.jit
def chunk_columns(row, start, SPEC: tl.constexpr):
    """Give the columns of the chunk that starts at a place, and whether the row has them."""
    columns = start + tl.arange(0, SPEC[BLOCK])[None, :]
    if SPEC[SHIFTED]:
        columns -= column((row * SPEC[STRIDE] % NEAR).to(tl.int32))
    return columns, (columns >= 0) & (columns < SPEC[CLASSES])


@triton.jit
def _is_whole(start, SPEC: tl.constexpr):
    """Say whether a chunk lies within the row wherever that starts."""
    return (start >= NEAR) & (start + SPEC[BLOCK] <= SPEC[CLASSES])


@triton.jit
def load_chunk(
    base,
    row,
    STRIDE: tl.constexpr,
    start,
    inside,
    other: tl.constexpr,
    SPEC: tl.constexpr,
    ACC: tl.constexpr,
):
    """Load a chunk of each row."""
    places = column(base + _origin(row, STRIDE, SPEC)) + start + tl.arange(0, SPEC[BLOCK])[None, :]
    if SPEC[SHIFTED]:
        # a mask that is another for each column would split the access
        if _is_whole(start, SPEC):
            x = tl.load(places)
        else:
            x = tl.load(places, mask=inside, other=other)
    else:
        x = tl.load(places, mask=inside, other=other)
    return x.to(ACC)


@triton.jit
def store_chunk(base, row, STRIDE: tl.constexpr, start, inside, x, SPEC: tl.constexpr):
    """Store a chunk of each row."""
    places = column(base + _origin(row, STRIDE, SPEC)) + start + tl.arange(0, SPEC[BLOCK])[None, :]
    if SPEC[SHIFTED]:
        if _is_whole(start, SPEC):
            tl.store(places, x)
        else:
            tl.store(places, x, mask=inside)
    else:
        tl.store(places, x, mask=inside)
