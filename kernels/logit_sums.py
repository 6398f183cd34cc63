"""From sums of many programs to the values of a loss, in a fixed order, without another launch."""

# mypy: ignore-errors
# pyright: basic

import triton
import triton.language as tl

from graphkd.kernels.logit_terms import FIRST, LABELLED, TERMS

# What a launch is for:
FIRST_TIME = tl.constexpr(0)  # losses, and the gradient as if every row had a label
AGAIN = tl.constexpr(1)  # the gradient, where the first one was not what is asked for


@triton.jit
def begin(
    scale,
    expected,
    num_rows,
    results,
    SPECS: tl.constexpr,
    NUM_TERMS: tl.constexpr,
    ACC: tl.constexpr,
    MODE: tl.constexpr,
):
    """Load the factor of the gradient, and say whether there is anything to do."""
    factor = tl.load(scale).to(ACC)
    needed = True
    if MODE == AGAIN:
        needed = factor != tl.load(expected).to(ACC)
        for g in tl.static_range(len(SPECS)):
            labelled = False
            for i in tl.static_range(len(SPECS[g][TERMS])):
                if SPECS[g][TERMS][i][LABELLED]:
                    labelled = True
            if labelled:
                count = tl.load(results + 1 + NUM_TERMS + g)
                needed = needed | (count != num_rows[g])
    return factor, needed


@triton.jit
def inverses(num_rows, count, ACC: tl.constexpr, MODE: tl.constexpr):
    """Give 1 / rows, and 1 / labelled rows as far as they are known."""
    per_row = 1.0 / (tl.full((), 0.0, ACC) + num_rows)
    per_labelled = per_row
    if MODE != FIRST_TIME:
        per_labelled = 1.0 / tl.maximum(tl.load(count).to(ACC), 1.0)
    return per_row, per_labelled


@triton.jit
def finish(
    weights,
    num_rows,
    partials,
    num_programs,
    results,
    SPECS: tl.constexpr,
    NUM_TERMS: tl.constexpr,
    WIDTH: tl.constexpr,
    ACC: tl.constexpr,
    MANY: tl.constexpr,
):
    """Add up the sums of all programs, MANY at a time, and write what they come to."""
    slots = tl.arange(0, WIDTH)
    total = tl.zeros((WIDTH,), ACC)
    for start in range(0, num_programs, MANY):
        programs = start + tl.arange(0, MANY)[:, None]
        # not from a cache that another program's stores do not reach
        found = tl.load(
            partials + programs * WIDTH + slots[None, :],
            mask=programs < num_programs,
            other=0.0,
            cache_modifier=".cg",
        )
        total += tl.sum(found, axis=0)
    _write(total, weights, num_rows, results, SPECS, NUM_TERMS, WIDTH, ACC)


@triton.jit
def _write(
    total,
    weights,
    num_rows,
    results,
    SPECS: tl.constexpr,
    NUM_TERMS: tl.constexpr,
    WIDTH: tl.constexpr,
    ACC: tl.constexpr,
):
    """Turn sums over rows into means, and write them and their weighted sum."""
    slots = tl.arange(0, WIDTH)
    divisor = tl.full((WIDTH,), 1.0, ACC)
    for g in tl.static_range(len(SPECS)):
        count = tl.sum(tl.where(slots == NUM_TERMS + g, total, 0.0), axis=0)
        for i in tl.static_range(len(SPECS[g][TERMS])):
            rows = tl.full((), 0.0, ACC) + num_rows[g]
            if SPECS[g][TERMS][i][LABELLED]:
                rows = tl.maximum(count, 1.0)
            divisor = tl.where(slots == SPECS[g][FIRST] + i, rows, divisor)
    value = total / divisor
    is_term = slots < NUM_TERMS
    weight = tl.load(weights + slots, mask=is_term, other=0.0).to(ACC)
    tl.store(results, tl.sum(tl.where(is_term, weight * value, 0.0), axis=0))
    tl.store(results + 1 + slots, value, mask=slots < NUM_TERMS + len(SPECS))
