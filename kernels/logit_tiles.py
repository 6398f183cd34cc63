"""A term over one tile of logits: what is known of its rows, then loss and gradient by element."""

# mypy: ignore-errors
# pyright: basic

import triton
import triton.language as tl

from graphkd.kernels.logit_terms import (
    CROSS_ENTROPY,
    DKD,
    KIND,
    LOG2_E,
    NKD,
    OFA,
    TEMPERATURE,
    A,
    column,
    dkd_rows,
    elements,
    moments,
    other_elements,
)

# The values of a term's rows:
SUM_S = tl.constexpr(0)  # log2 sum of the student, over the classes compared
SUM_T = tl.constexpr(1)  # that of the teacher
MOMENT_OF_ROW = tl.constexpr(2)
FIRST_VALUE = tl.constexpr(3)
SECOND_VALUE = tl.constexpr(4)
LOSS_OF_ROW = tl.constexpr(5)  # what is no sum over elements, in base 2


@triton.jit
def compared(x, own, TERM: tl.constexpr):
    """Scale logits to base 2 and the term's temperature, and leave out what is not compared.

    DKD and NKD take the label's class apart and compare the others.
    """
    x = x * (LOG2_E / TERM[TEMPERATURE])
    if TERM[KIND] == DKD or TERM[KIND] == NKD:
        x = tl.where(own, float("-inf"), x)
    return x


@triton.jit
def row_values(sum_s, sum_t, whole_s, whole_t, own_s, own_t, TERM: tl.constexpr):
    """Compute the values of a term's rows, the moment of `moments` excepted.

    Args: log2 sums as `compared` leaves them; `whole_s` and `whole_t` over all classes at
    temperature 1, which only NKD reads; `own_s` and `own_t` the logits of the own class.
    """
    SCALE: tl.constexpr = LOG2_E / TERM[TEMPERATURE]
    nothing = tl.zeros_like(sum_s)
    moment, first, second, loss = nothing, nothing, nothing, nothing
    if TERM[KIND] == OFA:
        # log2 of the teacher's probability of the own class
        first = own_t * SCALE - sum_t
    if TERM[KIND] == DKD or TERM[KIND] == NKD:
        # the teacher may find none of the other classes possible
        moment = tl.where(sum_t > float("-inf"), nothing + 1.0, nothing)
    if TERM[KIND] == DKD:
        loss, q_own, p_own, q_rest, p_rest = dkd_rows(
            sum_s, own_s * SCALE, sum_t, own_t * SCALE, TERM
        )
        first, second = TERM[A] * (q_own - p_own), TERM[A] * (q_rest - p_rest)
    if TERM[KIND] == NKD:
        # above 0 only without a label, of which nothing is taken; 0 * inf is not 0
        first, second = whole_s, tl.exp2(tl.minimum(own_t * LOG2_E - whole_t, 0.0))
        loss = second * (whole_s - own_s * LOG2_E)
    return sum_s, sum_t, moment, first, second, loss


@triton.jit
def moment_elements(s, t, own, soft, inside, values, C: tl.constexpr, TERM: tl.constexpr):
    """Compute the elements of the moment, "r c"; the term has one."""
    log_q = compared(s, own, TERM) - column(values[SUM_S])
    log_p = log_q
    if TERM[KIND] != CROSS_ENTROPY:
        log_p = compared(t, own, TERM) - column(values[SUM_T])
    return moments(
        log_q,
        tl.exp2(log_q),
        log_p,
        tl.exp2(log_p),
        own,
        values[FIRST_VALUE],
        soft,
        inside,
        C,
        TERM,
    )


@triton.jit
def term_elements(s, t, q, p, own, soft, inside, values, C: tl.constexpr, TERM: tl.constexpr):
    """Compute a term's loss in base 2 and its gradient by student / T, by element, "r c".

    Args: `q` and `p` the probabilities of student and teacher among the classes compared.
    """
    log_q = compared(s, own, TERM) - column(values[SUM_S])
    log_p = log_q
    if TERM[KIND] != CROSS_ENTROPY:
        log_p = compared(t, own, TERM) - column(values[SUM_T])
    moment = column(values[MOMENT_OF_ROW])
    if TERM[KIND] == DKD or TERM[KIND] == NKD:
        loss, gradient = other_elements(log_q, q, log_p, p, moment, TERM)
        second = column(values[SECOND_VALUE])
        if TERM[KIND] == DKD:
            gradient = tl.where(own, column(values[FIRST_VALUE]), gradient + second * q)
        else:
            whole = tl.exp2(s * LOG2_E - column(values[FIRST_VALUE]))
            gradient += second * (whole - tl.where(own, 1.0, 0.0))
    else:
        loss, gradient = elements(
            log_q, q, log_p, p, own, values[FIRST_VALUE], soft, inside, moment, C, TERM
        )
    return loss, gradient
