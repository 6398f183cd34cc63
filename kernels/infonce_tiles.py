"""What the InfoNCE kernels share: which job a program has, where its numbers lie, and its tiles."""

# mypy: ignore-errors
# pyright: basic

import triton
import triton.language as tl

# a score that is none; finite, so that differences of two stay defined
LOWEST = tl.constexpr(-1e30)
# slopes are at most 1 and vectors have length 1: keeps both in float16's range
UNIT_FACTOR = tl.constexpr(4096.0)
LOG2_E = tl.constexpr(1.4426950408889634)
LOG_2 = tl.constexpr(0.6931471805599453)


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
def places(problem, side, pad):
    """Tell where the numbers of a side's rows begin, "problems 2 pad", and those of its columns."""
    mine = (problem * 2 + side).to(tl.int64) * pad
    theirs = (problem * 2 + 1 - side).to(tl.int64) * pad
    return mine, theirs
