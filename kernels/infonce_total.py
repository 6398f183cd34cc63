"""The InfoNCE kernel that goes last: it sums the losses."""

# mypy: ignore-errors
# pyright: basic

import triton
import triton.language as tl


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
