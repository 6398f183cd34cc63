"""Value and gradient of one row of DKD, NKD and OFA, class by class, in plain numbers."""

import math

NEVER = -math.inf


def log_softmax(row):
    """Compute the logarithms of probabilities, class by class; of no class none."""
    top = max(row, default=0.0)
    if top == NEVER:
        return [NEVER] * len(row)
    norm = top + math.log(sum(math.exp(each - top) for each in row)) if row else 0.0
    return [each - norm for each in row]


def divergence(log_p, log_q):
    """Compute sum p log(p / q) over what is possible."""
    pairs = zip(log_p, log_q, strict=True)
    return sum(math.exp(a) * (a - b) for a, b in pairs if a > NEVER)


def parts(row, y):
    """Give log (p_y, 1 - p_y), and the logarithms of the softmax over the other classes."""
    others = row[:y] + row[y + 1 :]
    log_p = log_softmax(row)
    # the sum over the others, not 1 - p_y, of which nothing is left where p_y is near 1
    rest = [log_p[c] for c in range(len(row)) if c != y]
    top = max(rest, default=NEVER)
    log_rest = top if top == NEVER else top + math.log(sum(math.exp(r - top) for r in rest))
    return [log_p[y], log_rest], log_softmax(others)


def dkd_row(s, t, y, *, temperature, alpha, beta):
    q, q_others = parts([each / temperature for each in s], y)
    p, p_others = parts([each / temperature for each in t], y)
    value = alpha * divergence(p, q) + beta * divergence(p_others, q_others)
    log_q = log_softmax([each / temperature for each in s])
    possible = sum(math.exp(each) for each in p_others)
    slopes, place = [], 0
    for k in range(len(s)):
        # d log q_y / dz_k = ((k = y) - q_k) / T, and of log(1 - q_y) -q_y / T at y and
        # q_k q_y / (1 - q_y) / T elsewhere
        slope = alpha * math.exp(p[0]) * (math.exp(log_q[k]) - (k == y))
        if k == y:
            slope += alpha * math.exp(p[1] + q[0])
        else:
            slope -= alpha * math.exp(p[1] + log_q[k] + q[0] - q[1])
            slope += beta * (possible * math.exp(q_others[place]) - math.exp(p_others[place]))
            place += 1
        # T^2 times 1 / T
        slopes.append(temperature * slope)
    return temperature**2 * value, slopes


def nkd_row(s, t, y, *, temperature, gamma):
    log_q = log_softmax(s)
    p_y = math.exp(log_softmax(t)[y])
    others = [c for c in range(len(s)) if c != y]
    q_others = log_softmax([s[c] / temperature for c in others])
    p_others = [math.exp(each) for each in log_softmax([t[c] / temperature for c in others])]
    value = -p_y * log_q[y]
    # d log q_y / dz_k = (k = y) - q_k
    slopes = [-p_y * ((k == y) - math.exp(log_q[k])) for k in range(len(s))]
    possible = sum(p_others)
    for k, p, q in zip(others, p_others, q_others, strict=True):
        value -= gamma * temperature**2 * p * q
        # T^2 times 1 / T from z / T
        slopes[k] -= gamma * temperature * (p - possible * math.exp(q))
    return value, slopes


def ofa_row(s, t, y, *, temperature, gamma, nontarget_power):
    log_q = log_softmax([each / temperature for each in s])
    p = [math.exp(each) for each in log_softmax([each / temperature for each in t])]
    weights = [
        (1 + each) ** gamma - 1 if c == y else each**gamma if nontarget_power else each
        for c, each in enumerate(p)
    ]
    value = -sum(weight * log for weight, log in zip(weights, log_q, strict=True))
    # d log q_c / dz_k = ((c = k) - q_k) / T
    every = sum(weights)
    slopes = [every * math.exp(log) - each for log, each in zip(log_q, weights, strict=True)]
    return value, [slope / temperature for slope in slopes]
