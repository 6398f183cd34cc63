"""The logit kernel for longer rows: sums first, then loss and gradient, in chunks of a row."""

# mypy: ignore-errors
# pyright: basic
# the compiler takes no starred tuple
# ruff: noqa: RUF005

import triton
import triton.language as tl

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
    SUM_S,
    SUM_T,
    compared,
    moment_elements,
    row_values,
    term_elements,
)


@triton.jit
def _load(rows, columns, inside, other, ACC: tl.constexpr):
    return tl.load(column(rows) + columns, mask=inside, other=other).to(ACC)


@triton.jit
def _add(top, total, x):
    """Add 2^x to a running sum of each lane; no lane waits for another."""
    higher = tl.maximum(top, x)
    return higher, total * tl.exp2(top - higher) + tl.exp2(x - higher)


@triton.jit
def _log_sums(rows, teachers, row, number, num_classes, SPEC: tl.constexpr, ACC: tl.constexpr):
    """Read the row once and compute the log2 sums that the terms need, each "1"."""
    SUM: tl.constexpr = SPEC[SUMS]
    lanes = tl.arange(0, SPEC[BLOCK])[None, :]
    state = ()
    for _ in tl.static_range(len(SUM)):
        state = state + (
            tl.full((1, SPEC[BLOCK]), LOWEST, ACC),
            tl.zeros((1, SPEC[BLOCK]), ACC),
        )
    for start in range(0, num_classes, SPEC[BLOCK]):
        columns = start + lanes
        inside = columns < SPEC[CLASSES]
        own = column(number) == columns
        s = _load(rows, columns, inside, float("-inf"), ACC)
        added = ()
        for i in tl.static_range(len(SUM)):
            x = s
            if SUM[i][0] >= 0:
                x = _load(
                    teachers[SUM[i][0]] + row * SUM[i][1], columns, inside, float("-inf"), ACC
                )
            x = x * (LOG2_E / SUM[i][2])
            if SUM[i][3]:
                x = tl.where(own, float("-inf"), x)
            added = added + _add(state[2 * i], state[2 * i + 1], x)
        state = added
    sums = ()
    for i in tl.static_range(len(SUM)):
        top = tl.max(state[2 * i], axis=1)
        total = tl.sum(state[2 * i + 1] * tl.exp2(state[2 * i] - column(top)), axis=1)
        sums = sums + (top + tl.log2(total),)
    return sums


@triton.jit
def _teacher_chunk(teachers, row, columns, inside, s, ACC: tl.constexpr, TERM: tl.constexpr):
    t = s
    if TERM[KIND] != CROSS_ENTROPY:
        rows = teachers[TERM[TEACHER]] + row * TERM[TEACHER_STRIDE]
        t = _load(rows, columns, inside, float("-inf"), ACC)
    return t


@triton.jit
def _soft_chunk(soft_label, row, columns, inside, s, SPEC: tl.constexpr, ACC: tl.constexpr):
    soft = s
    if SPEC[HAS_SOFT]:
        soft = _load(soft_label + row * SPEC[SOFT_STRIDE], columns, inside, 0.0, ACC)
    return soft


@triton.jit
def _moment(
    rows,
    teachers,
    soft_label,
    row,
    number,
    num_classes,
    values,
    SPEC: tl.constexpr,
    ACC: tl.constexpr,
    TERM: tl.constexpr,
):
    """Read the row again for the moment of a term that has one, "1"."""
    lanes = tl.arange(0, SPEC[BLOCK])[None, :]
    total = tl.zeros((1, SPEC[BLOCK]), ACC)
    for start in range(0, num_classes, SPEC[BLOCK]):
        columns = start + lanes
        inside = columns < SPEC[CLASSES]
        s = _load(rows, columns, inside, float("-inf"), ACC)
        t = _teacher_chunk(teachers, row, columns, inside, s, ACC, TERM)
        soft = _soft_chunk(soft_label, row, columns, inside, s, SPEC, ACC)
        own = column(number) == columns
        total += moment_elements(s, t, own, soft, inside, values, SPEC[CLASSES], TERM)
    return tl.sum(total, axis=1)


@triton.jit
def _row_values(
    rows,
    teachers,
    soft_label,
    row,
    number,
    labelled,
    num_classes,
    SPEC: tl.constexpr,
    ACC: tl.constexpr,
):
    """Compute the values of this row for each term."""
    TERM: tl.constexpr = SPEC[TERMS]
    sums = _log_sums(rows, teachers, row, number, num_classes, SPEC, ACC)
    own_s = own_value(rows, number, labelled).to(ACC)
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
                rows, teachers, soft_label, row, number, num_classes, values, SPEC, ACC, TERM[i]
            )
            values = (values[0], values[1], moment, values[3], values[4], values[5])
        known = known + (values,)
    return known


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
    num_chunks = tl.cdiv(num_classes, SPEC[BLOCK])
    lanes = tl.arange(0, SPEC[BLOCK])[None, :]
    slots = tl.arange(0, sums.shape[0])
    for start in range(tl.program_id(0), last_row, tl.num_programs(0)):
        row = (start + tl.arange(0, 1)).to(tl.int64)
        rows = student + row * SPEC[STRIDE]
        number, labelled = tl.full((1,), -1, tl.int32), row < 0
        factor = tl.full((1,), 1.0, ACC)
        if SPEC[HAS_CLASS]:
            number, labelled, factor = class_numbers(label, row, row < num_rows, C, ACC)
            sums += tl.where(slots == COUNT, tl.sum((number >= 0).to(ACC), axis=0), 0.0)
        known = _row_values(
            rows, teachers, soft_label, row, number, labelled, num_classes, SPEC, ACC
        )
        losses = ()
        for _ in tl.static_range(len(TERM)):
            losses = losses + (tl.zeros((1, SPEC[BLOCK]), ACC),)
        # backwards: what was read last is still near
        for back in range(0, num_chunks):
            columns = (num_chunks - 1 - back) * SPEC[BLOCK] + lanes
            inside = columns < C
            own = column(number) == columns
            s = _load(rows, columns, inside, float("-inf"), ACC)
            soft = _soft_chunk(soft_label, row, columns, inside, s, SPEC, ACC)
            total = tl.zeros((1, SPEC[BLOCK]), ACC)
            added = ()
            for i in tl.static_range(len(TERM)):
                t = _teacher_chunk(teachers, row, columns, inside, s, ACC, TERM[i])
                q = probabilities(compared(s, own, TERM[i]), known[i][SUM_S])
                p = probabilities(compared(t, own, TERM[i]), known[i][SUM_T])
                loss, by_s = term_elements(s, t, q, p, own, soft, inside, known[i], C, TERM[i])
                added = added + (losses[i] + loss,)
                share = tl.load(weights + SPEC[FIRST] + i).to(ACC) * scale
                share *= TERM[i][GRADIENT_FACTOR]
                if TERM[i][LABELLED]:
                    total += by_s * column(share * per_labelled * factor)
                else:
                    total += by_s * (share * per_row)
            losses = added
            if SPEC[GRADIENT_STRIDE] >= 0:
                made = gradient + row * SPEC[GRADIENT_STRIDE]
                tl.store(column(made) + columns, total, mask=inside)
        for i in tl.static_range(len(TERM)):
            loss = tl.sum(losses[i], axis=1) + known[i][LOSS_OF_ROW]
            if TERM[i][LABELLED]:
                loss = take(loss, factor)
            loss = tl.sum(loss, axis=0) * TERM[i][LOSS_FACTOR]
            sums += tl.where(slots == SPEC[FIRST] + i, loss, 0.0)
    return sums
