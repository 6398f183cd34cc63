"""The InfoNCE kernel that goes first: lengths, cosines of what belongs together, settings."""

# mypy: ignore-errors
# pyright: basic

import triton
import triton.language as tl

from graphkd.kernels.infonce_tiles import job_of, pick, tile


@triton.jit
def prepare_kernel(
    students,  # of each problem, "b d", in
    knowledges,  # of each problem, "b d", in
    banks,  # of each problem, "m d", in
    scales,  # of each problem, "1" or a number, in
    weights,  # "all problems", or of each problem a number, in
    units,  # "problems 2 pad d", float16, out
    bank_units,  # "problems bank_pad d", float16, out
    inverses,  # "problems 2 pad", out
    bank_inverses,  # "problems bank_pad", out
    settings,  # "problems 2", scale and weight, out
    measures,  # "3 problems 2 pad": the second plane is the cosine of one's own; out
    starts,  # of each problem, its first program
    sizes,  # of each problem, b
    bank_sizes,  # of each problem, m
    pad,
    bank_pad,
    plane,  # elements of a plane of `measures`
    JOBS: tl.constexpr,
    D: tl.constexpr,
    BLOCK_D: tl.constexpr,
    ROWS: tl.constexpr,
    ACC: tl.constexpr,
    SCALE_TENSORS: tl.constexpr,
    PLACES: tl.constexpr,
    WEIGHT_TENSOR: tl.constexpr,
    BANK: tl.constexpr,
    UNITS: tl.constexpr,
):
    """Compute the vectors' inverse lengths and the cosines of what belongs together."""
    problem, first = job_of(starts, JOBS, ROWS)
    if tl.program_id(0) == 0:
        for i in tl.static_range(JOBS):
            if SCALE_TENSORS[i]:
                tl.store(settings + 2 * i, tl.load(scales[i]).to(ACC))
            else:
                tl.store(settings + 2 * i, tl.full((), scales[i], ACC))
            if WEIGHT_TENSOR:
                tl.store(settings + 2 * i + 1, tl.load(weights + PLACES[i]).to(ACC))
            else:
                tl.store(settings + 2 * i + 1, tl.full((), weights[i], ACC))
    size = pick(sizes, problem, JOBS)
    rows = first + tl.arange(0, ROWS)
    mine = (problem * 2).to(tl.int64) * pad
    x = tile(pick(students, problem, JOBS), first, size, 0, D, BLOCK_D, ROWS).to(ACC)
    y = tile(pick(knowledges, problem, JOBS), first, size, 0, D, BLOCK_D, ROWS).to(ACC)
    inverse_x = tl.rsqrt(tl.sum(x * x, axis=1) + 1e-12)
    inverse_y = tl.rsqrt(tl.sum(y * y, axis=1) + 1e-12)
    cosine = tl.sum(x * y, axis=1) * inverse_x * inverse_y
    inside = rows < size
    tl.store(inverses + mine + rows, inverse_x, mask=inside)
    tl.store(inverses + mine + pad + rows, inverse_y, mask=inside)
    for side in tl.static_range(2):
        tl.store(measures + plane + mine + side * pad + rows, cosine, mask=inside)
        tl.store(measures + 2 * plane + mine + side * pad + rows, 1.0, mask=inside)
    features = tl.arange(0, BLOCK_D)
    offsets = tl.arange(0, ROWS)[:, None] * D + features[None, :]
    if UNITS:
        place = units + (mine + first) * D + offsets
        kept = inside[:, None] & (features < D)[None, :]
        tl.store(place, (x * inverse_x[:, None]).to(tl.float16), mask=kept)
        tl.store(place + pad * D, (y * inverse_y[:, None]).to(tl.float16), mask=kept)
    if BANK:
        bank_size = pick(bank_sizes, problem, JOBS)
        bank = pick(banks, problem, JOBS)
        place = problem.to(tl.int64) * bank_pad
        inside = rows < bank_size
        z = tile(bank, first, bank_size, 0, D, BLOCK_D, ROWS).to(ACC)
        inverse_z = tl.rsqrt(tl.sum(z * z, axis=1) + 1e-12)
        tl.store(bank_inverses + place + rows, inverse_z, mask=inside)
        if UNITS:
            unit = (z * inverse_z[:, None]).to(tl.float16)
            kept = inside[:, None] & (features < D)[None, :]
            tl.store(bank_units + (place + first) * D + offsets, unit, mask=kept)
