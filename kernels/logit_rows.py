"""The logit kernel for rows that fit on the chip: read once, loss and gradient written."""

# mypy: ignore-errors
# pyright: basic

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
    MOMENT,
    NKD,
    ROWS,
    SOFT_STRIDE,
    STRIDE,
    TEACHER,
    TEACHER_STRIDE,
    TERMS,
    class_numbers,
    column,
    own_value,
    softmax,
    take,
)
from graphkd.kernels.logit_tiles import (
    LOSS_OF_ROW,
    compared,
    moment_elements,
    row_values,
    term_elements,
)


@triton.jit
def _values(s, t, own, own_s, own_t, soft, inside, C: tl.constexpr, TERM: tl.constexpr):
    """Compute the values of a term's rows, and the probabilities of student and teacher."""
    sum_s, q = softmax(compared(s, own, TERM))
    sum_t, p = sum_s, q
    if TERM[KIND] != CROSS_ENTROPY:
        sum_t, p = softmax(compared(t, own, TERM))
    whole_s, whole_t = sum_s, sum_t
    if TERM[KIND] == NKD:
        whole_s, _ = softmax(s * LOG2_E)
        whole_t, _ = softmax(t * LOG2_E)
    values = row_values(sum_s, sum_t, whole_s, whole_t, own_s, own_t, TERM)
    if TERM[MOMENT]:
        moment = tl.sum(moment_elements(s, t, own, soft, inside, values, C, TERM), axis=1)
        values = (sum_s, sum_t, moment, values[3], values[4], values[5])
    return values, q, p


@triton.jit
def _teacher(
    teachers, row, columns, inside, number, labelled, ACC: tl.constexpr, TERM: tl.constexpr
):
    """Load a term's teacher: its logits, "r c", and those of the own class, "r"."""
    rows = teachers[TERM[TEACHER]] + row * TERM[TEACHER_STRIDE]
    t = tl.load(column(rows) + columns, mask=inside, other=float("-inf")).to(ACC)
    return t, own_value(rows, number, labelled).to(ACC)


@triton.jit
def rows_problem(
    student,
    gradient,
    teachers,
    label,
    soft_label,
    weights,
    scale,
    num_rows,
    last_row,
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
    columns = tl.arange(0, SPEC[BLOCK])[None, :]
    slots = tl.arange(0, sums.shape[0])
    step = tl.num_programs(0) * SPEC[ROWS]
    for start in range(tl.program_id(0) * SPEC[ROWS], last_row, step):
        row = (start + tl.arange(0, SPEC[ROWS])).to(tl.int64)
        exists = row < num_rows
        inside = column(exists) & (columns < C)
        rows = student + row * SPEC[STRIDE]
        s = tl.load(column(rows) + columns, mask=inside, other=float("-inf")).to(ACC)
        number, labelled = tl.full((SPEC[ROWS],), -1, tl.int32), row < 0
        factor = tl.full((SPEC[ROWS],), 1.0, ACC)
        if SPEC[HAS_CLASS]:
            number, labelled, factor = class_numbers(label, row, exists, C, ACC)
            sums += tl.where(slots == COUNT, tl.sum((number >= 0).to(ACC), axis=0), 0.0)
        own = column(number) == columns
        own_s = own_value(rows, number, labelled).to(ACC)
        soft = s
        if SPEC[HAS_SOFT]:
            soft_rows = soft_label + row * SPEC[SOFT_STRIDE]
            soft = tl.load(column(soft_rows) + columns, mask=inside, other=0.0).to(ACC)
        total = tl.zeros((SPEC[ROWS], SPEC[BLOCK]), ACC)
        for i in tl.static_range(len(TERM)):
            t, own_t = s, own_s
            if TERM[i][KIND] != CROSS_ENTROPY:
                t, own_t = _teacher(teachers, row, columns, inside, number, labelled, ACC, TERM[i])
            values, q, p = _values(s, t, own, own_s, own_t, soft, inside, C, TERM[i])
            loss, by_s = term_elements(s, t, q, p, own, soft, inside, values, C, TERM[i])
            loss = tl.sum(loss, axis=1) + values[LOSS_OF_ROW]
            share = tl.load(weights + SPEC[FIRST] + i).to(ACC) * scale * TERM[i][GRADIENT_FACTOR]
            if TERM[i][LABELLED]:
                loss = take(loss, factor)
                total += by_s * column(share * per_labelled * factor)
            else:
                total += by_s * (share * per_row)
            loss = tl.sum(tl.where(exists, loss, 0.0), axis=0) * TERM[i][LOSS_FACTOR]
            sums += tl.where(slots == SPEC[FIRST] + i, loss, 0.0)
        if SPEC[GRADIENT_STRIDE] >= 0:
            made = gradient + row * SPEC[GRADIENT_STRIDE]
            tl.store(column(made) + columns, total, mask=inside)
    return sums
