"""The logit kernel: any terms of any problems, loss and gradient in one launch."""

# mypy: ignore-errors
# pyright: basic

import triton
import triton.language as tl

from graphkd.kernels.logit_rows import rows_problem
from graphkd.kernels.logit_stream import stream_problem
from graphkd.kernels.logit_sums import AGAIN, begin, finish, inverses
from graphkd.kernels.logit_terms import BLOCK, CLASSES


@triton.jit
def logit_kernel(
    students,  # of each problem, "b c", in
    gradients,  # of each problem, "b c", the student's dtype, out
    teachers,  # of all terms, each "b c", in
    labels,  # of each problem, "b", int32 or int64, in
    soft_labels,  # of each problem, "b c", in
    weights,  # "k", float32, of all terms, in
    scale,  # "1", float32, what all gradients are multiplied with, in
    expected,  # "1", float32, what they were multiplied with before, in
    num_rows,  # of each problem
    num_classes,  # of each problem, again: no constant, so that loops over a row stay loops
    partials,  # "programs width", in and out
    results,  # total, values "k", labelled rows of each problem; in and out
    counter,  # "1", int32, how many programs are done; in and out
    SPECS: tl.constexpr,
    NUM_TERMS: tl.constexpr,
    WIDTH: tl.constexpr,
    ACC: tl.constexpr,
    MODE: tl.constexpr,
    MANY: tl.constexpr,
    APART: tl.constexpr,
):
    """Compute all terms of all problems, and the students' gradient of the weighted sum."""
    sums = tl.zeros((WIDTH,), ACC)
    factor, needed = begin(scale, expected, num_rows, results, SPECS, NUM_TERMS, ACC, MODE)
    for g in tl.static_range(len(SPECS)):
        per_row, per_labelled = inverses(num_rows[g], results + 1 + NUM_TERMS + g, ACC, MODE)
        last_row = tl.where(needed, num_rows[g], 0)
        if SPECS[g][BLOCK] < SPECS[g][CLASSES]:
            sums = stream_problem(
                students[g],
                gradients[g],
                teachers,
                labels[g],
                soft_labels[g],
                weights,
                factor,
                num_rows[g],
                last_row,
                num_classes[g],
                per_row,
                per_labelled,
                sums,
                SPECS[g],
                ACC,
                NUM_TERMS + g,
            )
        else:
            sums = rows_problem(
                students[g],
                gradients[g],
                teachers,
                labels[g],
                soft_labels[g],
                weights,
                factor,
                num_rows[g],
                last_row,
                per_row,
                per_labelled,
                sums,
                SPECS[g],
                ACC,
                NUM_TERMS + g,
            )
    if MODE != AGAIN:
        tl.store(partials + tl.program_id(0) * WIDTH + tl.arange(0, WIDTH), sums)
        if not APART:
            # every lane stores before one of them says so
            tl.debug_barrier()
            done = tl.atomic_add(counter, 1, sem="acq_rel")
            if done == tl.num_programs(0) - 1:
                finish(
                    weights,
                    num_rows,
                    partials,
                    tl.num_programs(0),
                    results,
                    SPECS,
                    NUM_TERMS,
                    WIDTH,
                    ACC,
                    MANY,
                )
                tl.store(counter, 0)


@triton.jit
def logit_finish_kernel(
    weights,  # "k", float32, of all terms, in
    num_rows,  # of each problem
    partials,  # "programs width", in
    num_programs,  # that left their sums
    results,  # total, values "k", labelled rows of each problem; out
    SPECS: tl.constexpr,
    NUM_TERMS: tl.constexpr,
    WIDTH: tl.constexpr,
    ACC: tl.constexpr,
    MANY: tl.constexpr,
):
    """Add up what programs left, in a launch of its own."""
    finish(
        weights,
        num_rows,
        partials,
        num_programs,
        results,
        SPECS,
        NUM_TERMS,
        WIDTH,
        ACC,
        MANY,
    )
