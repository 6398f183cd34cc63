"""The logit kernel for longer rows: sums first, then loss and gradient, in chunks of a row."""

# mypy: ignore-errors
# pyright: basic
# the compiler takes no starred tuple and no conditional expression on constants
# ruff: noqa: RUF005, SIM108

import triton
import triton.language as tl

from graphkd.kernels.logit_chunks import NEAR, chunk_columns, load_chunk, store_chunk
from graphkd.kernels.logit_terms import (
    BLOCK,
    CLASSES,
    CROSS_ENTROPY,
    FIRST,
    GRADIENT_FACTOR,
    GRADIENT_STRIDE,
    HAS_CLASS,
    HAS_SOFT,
    KIND,
    LABELLED,
    LOG2_E,
    LOSS_FACTOR,
    LOWEST,
    MOMENT,
    OF_STUDENT,
    OF_TEACHER,
    OF_WHOLE_STUDENT,
    OF_WHOLE_TEACHER,
    SHIFTED,
    SOFT_STRIDE,
    STRIDE,
    SUMS,
    TEACHER,
    TEACHER_STRIDE,
    TERMS,
    class_numbers,
    column,
    own_value,
    probabilities,
    take,
)
from graphkd.kernels.logit_tiles import (
    LOSS_OF_ROW,
    moment_elements,
    row_values,
    term_elements,
)

# of a sum: the number of one at a multiple of its temperature, or -1, and that multiple
BASE = tl.constexpr(4)
EXPONENT = tl.constexpr(5)


@triton.jit
def _power(x, EXPONENT: tl.constexpr):
    """Compute x^2, x^4 or x^8: products cost less than another exponential."""
    x = x * x
    if EXPONENT > 2:
        x = x * x
    if EXPONENT > 4:
        x = x * x
    return x


@triton.jit
def _log_sums(student, teachers, row, number, num_places, SPEC: tl.constexpr, ACC: tl.constexpr):
    """Read the row once and compute the log2 sums that the terms need, each "1".

    Each lane keeps a maximum and a sum of its own, and brings the sum to a new maximum once for
    NEAR values; no lane waits for another before the end of the row.
    """
    SUM: tl.constexpr = SPEC[SUMS]
    LANES: tl.constexpr = SPEC[BLOCK] // NEAR
    tops, totals = (), ()
    for _ in tl.static_range(len(SUM)):
        tops = tops + (tl.full((LANES,), LOWEST, ACC),)
        totals = totals + (tl.zeros((LANES,), ACC),)
    for start in range(0, num_places, SPEC[BLOCK]):
        columns, inside = chunk_columns(row, start, SPEC)
        own = column(number) == columns
        s = load_chunk(student, row, SPEC[STRIDE], start, inside, float("-inf"), SPEC, ACC)
        higher, added, shrunk, exponentials = (), (), (), ()
        for i in tl.static_range(len(SUM)):
            if SUM[i][BASE] >= 0:
                top = tops[i]
                shrink = _power(shrunk[SUM[i][BASE]], SUM[i][EXPONENT])
                exponential = _power(exponentials[SUM[i][BASE]], SUM[i][EXPONENT])
            else:
                x = _summed(s, teachers, row, start, inside, own, SPEC, ACC, SUM[i])
                x = tl.reshape(x, (LANES, NEAR))
                top = tl.maximum(tops[i], tl.max(x, axis=1))
                shrink = tl.exp2(tops[i] - top)
                exponential = tl.exp2(x - column(top))
            higher = higher + (top,)
            shrunk = shrunk + (shrink,)
            exponentials = exponentials + (exponential,)
            added = added + (totals[i] * shrink + tl.sum(exponential, axis=1),)
        tops, totals = higher, added
    sums = ()
    for i in tl.static_range(len(SUM)):
        if SUM[i][BASE] >= 0:
            lane_tops = tops[SUM[i][BASE]] * SUM[i][EXPONENT]
        else:
            lane_tops = tops[i]
        top = tl.max(lane_tops, axis=0)
        total = tl.sum(totals[i] * tl.exp2(lane_tops - top), axis=0)
        sums = sums + (tl.zeros((1,), ACC) + (top + tl.log2(total)),)
    return sums


@triton.jit
def _summed(
    s, teachers, row, start, inside, own, SPEC: tl.constexpr, ACC: tl.constexpr, SUM: tl.constexpr
):
    """Give base-2 logits of a chunk, as one of the sums reads them."""
    x = s
    if SUM[0] >= 0:
        x = load_chunk(teachers[SUM[0]], row, SUM[1], start, inside, float("-inf"), SPEC, ACC)
    x = x * (LOG2_E / SUM[2])
    if SUM[3]:
        x = tl.where(own, float("-inf"), x)
    return x


@triton.jit
def _chunk_probabilities(
    sums, s, teachers, row, start, inside, own, SPEC: tl.constexpr, ACC: tl.constexpr
):
    """Compute the probabilities of a chunk that belong to each of the sums."""
    SUM: tl.constexpr = SPEC[SUMS]
    found = ()
    for i in tl.static_range(len(SUM)):
        if SUM[i][BASE] >= 0:
            # the factor brings the root to the sum at this temperature, between 1 / c and c
            root = tl.maximum(sums[i] / SUM[i][EXPONENT], LOWEST)
            factor = tl.exp2(tl.maximum(sums[SUM[i][BASE]], LOWEST) - root)
            p = _power(found[SUM[i][BASE]] * column(factor), SUM[i][EXPONENT])
        else:
            x = _summed(s, teachers, row, start, inside, own, SPEC, ACC, SUM[i])
            p = probabilities(x, sums[i])
        found = found + (p,)
    return found


@triton.jit
def _teacher_chunk(
    teachers, row, start, inside, s, SPEC: tl.constexpr, ACC: tl.constexpr, TERM: tl.constexpr
):
    t = s
    if TERM[KIND] != CROSS_ENTROPY:
        stride: tl.constexpr = TERM[TEACHER_STRIDE]
        t = load_chunk(
            teachers[TERM[TEACHER]], row, stride, start, inside, float("-inf"), SPEC, ACC
        )
    return t


@triton.jit
def _soft_chunk(soft_label, row, start, inside, s, SPEC: tl.constexpr, ACC: tl.constexpr):
    soft = s
    if SPEC[HAS_SOFT]:
        soft = load_chunk(soft_label, row, SPEC[SOFT_STRIDE], start, inside, 0.0, SPEC, ACC)
    return soft


@triton.jit
def _moment(
    student,
    teachers,
    soft_label,
    row,
    number,
    num_places,
    values,
    SPEC: tl.constexpr,
    ACC: tl.constexpr,
    TERM: tl.constexpr,
):
    """Read the row again for the moment of a term that has one, "1"."""
    total = tl.zeros((SPEC[BLOCK] // NEAR,), ACC)
    for start in range(0, num_places, SPEC[BLOCK]):
        columns, inside = chunk_columns(row, start, SPEC)
        s = load_chunk(student, row, SPEC[STRIDE], start, inside, float("-inf"), SPEC, ACC)
        t = _teacher_chunk(teachers, row, start, inside, s, SPEC, ACC, TERM)
        soft = _soft_chunk(soft_label, row, start, inside, s, SPEC, ACC)
        own = column(number) == columns
        part = moment_elements(s, t, own, soft, inside, values, SPEC[CLASSES], TERM)
        total += tl.sum(tl.reshape(part, (SPEC[BLOCK] // NEAR, NEAR)), axis=1)
    return tl.zeros((1,), ACC) + tl.sum(total, axis=0)


@triton.jit
def _row_values(
    student,
    teachers,
    soft_label,
    row,
    number,
    labelled,
    num_places,
    SPEC: tl.constexpr,
    ACC: tl.constexpr,
):
    """Compute the log2 sums of this row, and its values for each term."""
    TERM: tl.constexpr = SPEC[TERMS]
    sums = _log_sums(student, teachers, row, number, num_places, SPEC, ACC)
    own_s = own_value(student + row * SPEC[STRIDE], number, labelled).to(ACC)
    known = ()
    for i in tl.static_range(len(TERM)):
        own_t = own_s
        if TERM[i][KIND] != CROSS_ENTROPY:
            teacher_rows = teachers[TERM[i][TEACHER]] + row * TERM[i][TEACHER_STRIDE]
            own_t = own_value(teacher_rows, number, labelled).to(ACC)
        values = row_values(
            sums[TERM[i][OF_STUDENT]],
            sums[TERM[i][OF_TEACHER]],
            sums[TERM[i][OF_WHOLE_STUDENT]],
            sums[TERM[i][OF_WHOLE_TEACHER]],
            own_s,
            own_t,
            TERM[i],
        )
        if TERM[i][MOMENT]:
            moment = _moment(
                student, teachers, soft_label, row, number, num_places, values, SPEC, ACC, TERM[i]
            )
            values = (values[0], values[1], moment, values[3], values[4], values[5])
        known = known + (values,)
    return sums, known


@triton.jit
def stream_problem(
    student,
    gradient,
    teachers,
    label,
    soft_label,
    weights,
    scale,
    num_rows,
    last_row,
    num_classes,
    per_row,
    per_labelled,
    sums,
    SPEC: tl.constexpr,
    ACC: tl.constexpr,
    COUNT: tl.constexpr,
):
    """Add one problem's rows to the sums of this program, and write their gradient."""
    C: tl.constexpr = SPEC[CLASSES]
    TERM: tl.constexpr = SPEC[TERMS]
    num_places = num_classes
    if SPEC[SHIFTED]:
        num_places += NEAR - 1
    num_chunks = tl.cdiv(num_places, SPEC[BLOCK])
    slots = tl.arange(0, sums.shape[0])
    for number_of_row in range(tl.program_id(0), last_row, tl.num_programs(0)):
        row = (number_of_row + tl.arange(0, 1)).to(tl.int64)
        number, labelled = tl.full((1,), -1, tl.int32), row < 0
        factor = tl.full((1,), 1.0, ACC)
        if SPEC[HAS_CLASS]:
            number, labelled, factor = class_numbers(label, row, row < num_rows, C, ACC)
            sums += tl.where(slots == COUNT, tl.sum((number >= 0).to(ACC), axis=0), 0.0)
        sums_of_row, known = _row_values(
            student, teachers, soft_label, row, number, labelled, num_places, SPEC, ACC
        )
        losses = ()
        for _ in tl.static_range(len(TERM)):
            losses = losses + (tl.zeros((SPEC[BLOCK] // NEAR,), ACC),)
        # backwards: what was read last is still near
        for back in range(0, num_chunks):
            start = (num_chunks - 1 - back) * SPEC[BLOCK]
            columns, inside = chunk_columns(row, start, SPEC)
            own = column(number) == columns
            s = load_chunk(student, row, SPEC[STRIDE], start, inside, float("-inf"), SPEC, ACC)
            soft = _soft_chunk(soft_label, row, start, inside, s, SPEC, ACC)
            likely = _chunk_probabilities(
                sums_of_row, s, teachers, row, start, inside, own, SPEC, ACC
            )
            total = tl.zeros((1, SPEC[BLOCK]), ACC)
            added = ()
            for i in tl.static_range(len(TERM)):
                t = _teacher_chunk(teachers, row, start, inside, s, SPEC, ACC, TERM[i])
                q, p = likely[TERM[i][OF_STUDENT]], likely[TERM[i][OF_TEACHER]]
                loss, by_s = term_elements(s, t, q, p, own, soft, inside, known[i], C, TERM[i])
                loss = tl.sum(tl.reshape(loss, (SPEC[BLOCK] // NEAR, NEAR)), axis=1)
                added = added + (losses[i] + loss,)
                share = tl.load(weights + SPEC[FIRST] + i).to(ACC) * scale
                share *= TERM[i][GRADIENT_FACTOR]
                if TERM[i][LABELLED]:
                    total += by_s * column(share * per_labelled * factor)
                else:
                    total += by_s * (share * per_row)
            losses = added
            if SPEC[GRADIENT_STRIDE] >= 0:
                store_chunk(gradient, row, SPEC[GRADIENT_STRIDE], start, inside, total, SPEC)
        for i in tl.static_range(len(TERM)):
            loss = tl.sum(losses[i], axis=0) + known[i][LOSS_OF_ROW]
            if TERM[i][LABELLED]:
                loss = take(loss, factor)
            loss = tl.sum(loss, axis=0) * TERM[i][LOSS_FACTOR]
            sums += tl.where(slots == SPEC[FIRST] + i, loss, 0.0)
    return sums
