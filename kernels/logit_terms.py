"""The terms of a loss over logits inside a Triton kernel: elements of a tile, given row values."""

# mypy: ignore-errors
# pyright: basic
# the compiler takes no conditional expression on constants here
# ruff: noqa: SIM108

import triton
import triton.language as tl

# A term is a tuple of numbers, since Triton 3.6 takes no text in a tuple of constants:
KIND = tl.constexpr(0)
TEACHER = tl.constexpr(1)  # number of its pointer
TEACHER_STRIDE = tl.constexpr(2)
TEMPERATURE = tl.constexpr(3)
A = tl.constexpr(4)  # label smoothing, alpha, or gamma
B = tl.constexpr(5)  # beta
POWER = tl.constexpr(6)  # whether gamma acts on the other classes too
LOSS_FACTOR = tl.constexpr(7)  # from the loss in base 2 to nats
GRADIENT_FACTOR = tl.constexpr(8)  # from the gradient by student / T to that by the student
MOMENT = tl.constexpr(9)  # whether a row sum stands in the gradient
LABELLED = tl.constexpr(10)  # whether only rows with a class count
OF_STUDENT = tl.constexpr(11)  # numbers of its log2 sums among those of a streamed row
OF_TEACHER = tl.constexpr(12)
OF_WHOLE_STUDENT = tl.constexpr(13)
OF_WHOLE_TEACHER = tl.constexpr(14)

# its kinds
CROSS_ENTROPY = tl.constexpr(0)
KL_FORWARD = tl.constexpr(1)
KL_REVERSE = tl.constexpr(2)
JENSEN_SHANNON = tl.constexpr(3)
DKD = tl.constexpr(4)
OFA = tl.constexpr(5)
NKD = tl.constexpr(6)

LOG2_E = tl.constexpr(1.4426950408889634)
LN_2 = tl.constexpr(0.6931471805599453)
# finite, so that the difference of two maxima of nothing is a number
LOWEST = tl.constexpr(-1.0e30)


# A problem, one student with its terms, is a tuple of numbers too:
CLASSES = tl.constexpr(0)
STRIDE = tl.constexpr(1)
GRADIENT_STRIDE = tl.constexpr(2)  # -1: no gradient is written
HAS_CLASS = tl.constexpr(3)  # whether there are class numbers
HAS_SOFT = tl.constexpr(4)  # whether there are class probabilities
SOFT_STRIDE = tl.constexpr(5)
FIRST = tl.constexpr(6)  # number of its first term among all
BLOCK = tl.constexpr(7)
ROWS = tl.constexpr(8)
TERMS = tl.constexpr(9)
SUMS = tl.constexpr(10)  # the log2 sums that a streamed row needs
SHIFTED = tl.constexpr(
    11
)  # whether a streamed row starts at the wide access before its first class


@triton.jit
def column(x):
    """Give row values "r" the shape "r 1"."""
    return x[:, None]


@triton.jit
def softmax(x):
    """Compute log2 of the sum of 2^x along a row, "r", and the probabilities, "r c"."""
    top = tl.maximum(tl.max(x, axis=1), LOWEST)
    exponential = tl.exp2(x - column(top))
    total = tl.sum(exponential, axis=1)
    # a row of nothing has no probabilities instead of 0 / 0
    inverse = tl.where(total > 0.0, 1.0 / total, 0.0)
    return top + tl.log2(total), exponential * column(inverse)


@triton.jit
def probabilities(x, of_row):
    """Compute the same probabilities from the log2 sum."""
    return tl.where(x == float("-inf"), 0.0, tl.exp2(x - column(of_row)))


@triton.jit
def add_logs(a, b):
    """Compute log2(2^a + 2^b)."""
    high = tl.maximum(a, b, propagate_nan=tl.PropagateNan.ALL)
    return high + tl.log2(1.0 + tl.exp2(tl.minimum(a, b) - tl.maximum(high, LOWEST)))


@triton.jit
def weighted(probability, difference):
    """Compute probability * difference, 0 where the probability is: there may stand inf - inf."""
    return probability * tl.where(probability == 0.0, 0.0, difference)


@triton.jit
def log_mixture(log_q, log_p):
    """Compute log2 of (p + q) / 2."""
    return add_logs(log_q, log_p) - 1.0


@triton.jit
def smoothed(soft, inside, C: tl.constexpr, SMOOTHING: tl.constexpr):
    """Mix class probabilities with the uniform ones."""
    return tl.where(inside, soft * (1.0 - SMOOTHING) + SMOOTHING / C, 0.0)


@triton.jit
def ofa_factors(log_p, p, own, log_p_own, TERM: tl.constexpr):
    """Compute what -log q of each class is multiplied with."""
    others = p
    if TERM[POWER] and TERM[A] != 1.0:
        others = tl.exp2(TERM[A] * log_p)
    target = tl.exp2(TERM[A] * tl.log2(1.0 + tl.exp2(log_p_own))) - 1.0
    return tl.where(own, column(target), others)


@triton.jit
def moments(log_q, q, log_p, p, own, log_p_own, soft, inside, C: tl.constexpr, TERM: tl.constexpr):
    """Compute the elements of the row sum that stands in a term's gradient."""
    if TERM[KIND] == CROSS_ENTROPY:
        part = smoothed(soft, inside, C, TERM[A])
    elif TERM[KIND] == OFA:
        part = tl.where(inside, ofa_factors(log_p, p, own, log_p_own, TERM), 0.0)
    elif TERM[KIND] == KL_REVERSE:
        part = weighted(q, log_q - log_p)
    else:
        part = weighted(q, log_q - log_mixture(log_q, log_p))
    return part


@triton.jit
def elements(
    log_q,
    q,
    log_p,
    p,
    own,
    log_p_own,
    soft,
    inside,
    moment,
    C: tl.constexpr,
    TERM: tl.constexpr,
):
    """Compute a term's loss in base 2 and its gradient by student / T, both by element, "r c".

    Args: base-2 logarithms and probabilities of student (q) and teacher (p) at the term's
    temperature; `own` marks the class of the label, `inside` the columns there are; `moment` is the
    row sum of `moments`, column by column the same. DKD and NKD compare other classes, see below.
    """
    if TERM[KIND] == CROSS_ENTROPY:
        if TERM[MOMENT]:
            target = smoothed(soft, inside, C, TERM[A])
            gradient = moment * q - target
        else:
            target = tl.where(own, 1.0 - TERM[A], 0.0) + TERM[A] / C
            gradient = q - target
        loss = tl.where(inside & (target != 0.0), -target * log_q, 0.0)
    elif TERM[KIND] == OFA:
        factor = ofa_factors(log_p, p, own, log_p_own, TERM)
        loss = tl.where(inside & (factor != 0.0), -factor * log_q, 0.0)
        if TERM[MOMENT]:
            gradient = moment * q - factor
        else:
            gradient = q - factor
    elif TERM[KIND] == KL_FORWARD:
        loss = weighted(p, log_p - log_q)
        gradient = q - p
    elif TERM[KIND] == KL_REVERSE:
        loss = weighted(q, log_q - log_p)
        gradient = LN_2 * (loss - q * moment)
    else:
        mixture = log_mixture(log_q, log_p)
        part = weighted(q, log_q - mixture)
        loss = 0.5 * (weighted(p, log_p - mixture) + part)
        gradient = (0.5 * LN_2) * (part - q * moment)
    return loss, gradient


@triton.jit
def dkd_rows(log_rest_s, log_own_s, log_rest_t, log_own_t, TERM: tl.constexpr):
    """Compute the target class's part in base 2, and the probabilities that it compares.

    Args: log2 sums over the other classes, and base-2 logits of the own class.

    Returns: alpha times the divergence, the two probabilities of the own class and of the rest.
    """
    log_s = add_logs(log_rest_s, log_own_s)
    log_t = add_logs(log_rest_t, log_own_t)
    log_q, log_p = log_own_s - log_s, log_own_t - log_t
    log_rest_q, log_rest_p = log_rest_s - log_s, log_rest_t - log_t
    p, rest_p = tl.exp2(log_p), tl.exp2(log_rest_p)
    loss = weighted(p, log_p - log_q) + weighted(rest_p, log_rest_p - log_rest_q)
    return TERM[A] * loss, tl.exp2(log_q), p, tl.exp2(log_rest_q), rest_p


@triton.jit
def other_elements(log_q, q, log_p, p, moment, TERM: tl.constexpr):
    """Compute the other classes' part of DKD or NKD, as `elements` does.

    Args: as for `elements`, of the softmax over the other classes, 0 at the own class; `moment` is
    the row sum of p: 1, or 0 where the teacher finds no other class possible.
    """
    if TERM[KIND] == DKD:
        loss = TERM[B] * weighted(p, log_p - log_q)
        gradient = TERM[B] * (moment * q - p)
    else:
        loss = (TERM[A] * TERM[TEMPERATURE] * TERM[TEMPERATURE]) * weighted(p, -log_q)
        gradient = (TERM[A] * TERM[TEMPERATURE]) * (moment * q - p)
    return loss, gradient


@triton.jit
def own_value(rows, number, labelled):
    """Load the logit of each row's class, 0 where it has none."""
    return tl.load(rows + tl.where(labelled, number, 0), mask=labelled, other=0.0)


@triton.jit
def class_numbers(label, row, exists, C: tl.constexpr, ACC: tl.constexpr):
    """Load class numbers.

    Returns: the number or -1, whether it is a class, and what the row's loss is multiplied with:
    1 with a class, 0 without a label, NaN for a number that is no class.
    """
    number = tl.load(label + row, mask=exists, other=-1)
    labelled = (number >= 0) & (number < C)
    factor = tl.where(labelled, 1.0, tl.where(number == -1, 0.0, float("nan")))
    return tl.where(labelled, number, -1).to(tl.int32), labelled, factor.to(ACC)


@triton.jit
def take(rows, factor):
    """Multiply row values with their factor; where that is 0, whatever stands there."""
    return tl.where(factor == 0.0, 0.0, rows * factor)
