"""Value, gradient and hard cases of the KL family."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from graphkd.kernels.kl import kl, kl_reference

DIRECTIONS = ("forward", "reverse", "jensen_shannon")
SIZES = [(1, 1), (1, 10), (7, 10), (64, 10), (5, 1000), (3, 2)]
LOG_3 = math.log(3.0)


def logits(*sizes, seed=0, spread=3.0, dtype=torch.float32, grad=False):
    generator = torch.Generator().manual_seed(seed)
    made = spread * torch.randn(*sizes, generator=generator, dtype=torch.float64)
    return made.to(dtype).requires_grad_(grad)


def softmax(x):
    powers = np.exp(x - x.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def plain_kl(p, q):
    total = 0.0
    for row_p, row_q in zip(p, q, strict=True):
        total += sum(a * math.log(a / b) for a, b in zip(row_p, row_q, strict=True) if a > 0)
    return total / len(p)


def expected(student, teacher, temperature, direction):
    """Compute value and gradient in float64, from probabilities, class by class."""
    z = student.detach().double().numpy() / temperature
    q, p = softmax(z), softmax(teacher.double().numpy() / temperature)
    m = (p + q) / 2
    if direction == "forward":
        value, slope = plain_kl(p, q), q - p
    elif direction == "reverse":
        value = plain_kl(q, p)
        ratio = np.log(q / p)
        slope = q * (ratio - (q * ratio).sum(axis=1, keepdims=True))
    else:
        value = plain_kl(p, m) / 2 + plain_kl(q, m) / 2
        ratio = np.log(q / m) / 2
        slope = q * (ratio - (q * ratio).sum(axis=1, keepdims=True))
    # one factor 1 / T from z / T, T^2 in front
    return temperature**2 * value, temperature * slope / len(z)


def value_and_gradient(student, teacher, **settings):
    student = student.detach().requires_grad_()
    value = kl(student, teacher, **settings)
    (gradient,) = torch.autograd.grad(value, student)
    return value.detach(), gradient


# teacher p = (3/4, 1/4), student q = (1/2, 1/2), so that m = (5/8, 3/8)
BY_HAND = {
    # 3/4 ln(3/2) + 1/4 ln(1/2)
    "forward": 0.75 * math.log(1.5) - 0.25 * math.log(2.0),
    # 1/2 ln(2/3) + 1/2 ln 2 = 1/2 ln(4/3)
    "reverse": 0.5 * math.log(4 / 3),
    # half of 3/4 ln(6/5) + 1/4 ln(2/3), half of 1/2 ln(4/5) + 1/2 ln(4/3)
    "jensen_shannon": 0.375 * math.log(1.2)
    + 0.125 * math.log(2 / 3)
    + 0.25 * math.log(0.8)
    + 0.25 * math.log(4 / 3),
}


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_reference_by_hand(direction):
    got = kl_reference(
        torch.zeros(1, 2), torch.tensor([[LOG_3, 0.0]]), temperature=1.0, direction=direction
    )
    torch.testing.assert_close(got, torch.tensor(BY_HAND[direction]))


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_temperature_and_mean_by_hand(direction):
    # at T = 2 the teacher's 2 ln 3 softens to (3/4, 1/4); the second row is equal on both sides, so
    # that the mean halves; T^2 = 4
    student = torch.tensor([[0.0, 0.0], [5.0, 1.0]])
    teacher = torch.tensor([[2 * LOG_3, 0.0], [5.0, 1.0]])
    got = kl_reference(student, teacher, temperature=2.0, direction=direction)
    torch.testing.assert_close(got, torch.tensor(4 * BY_HAND[direction] / 2))


def test_gradient_by_hand():
    # T (q - p) / b at T = 2, b = 1: 2 (1/2 - 3/4), 2 (1/2 - 1/4)
    _, gradient = value_and_gradient(
        torch.zeros(1, 2), torch.tensor([[2 * LOG_3, 0.0]]), temperature=2.0
    )
    torch.testing.assert_close(gradient, torch.tensor([[-0.5, 0.5]]))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0, 4.0])
@pytest.mark.parametrize("sizes", SIZES)
def test_forward_is_bitwise_the_textbook_formula(sizes, temperature):
    student, teacher = logits(*sizes, grad=True), logits(*sizes, seed=1)
    plain = (
        F.kl_div(
            F.log_softmax(student / temperature, 1),
            F.softmax(teacher / temperature, 1),
            reduction="batchmean",
        )
        * temperature**2
    )
    (plain_gradient,) = torch.autograd.grad(plain, student)
    value, gradient = value_and_gradient(student, teacher, temperature=temperature)
    assert torch.equal(value, plain)
    assert torch.equal(gradient, plain_gradient)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_float64_agrees_with_sums_over_classes(direction, sizes, temperature):
    student = logits(*sizes, dtype=torch.float64)
    teacher = logits(*sizes, seed=1, dtype=torch.float64)
    got = value_and_gradient(student, teacher, temperature=temperature, direction=direction)
    want = expected(student, teacher, temperature, direction)
    torch.testing.assert_close(got[0], torch.tensor(want[0], dtype=torch.float64))
    torch.testing.assert_close(got[1], torch.from_numpy(want[1]))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_half_precision_is_computed_in_float32(direction, dtype):
    student, teacher = logits(5, 1000, dtype=dtype), logits(5, 1000, seed=1, dtype=dtype)
    value, gradient = value_and_gradient(student, teacher, temperature=2.0, direction=direction)
    in_float32 = value_and_gradient(
        student.float(), teacher.float(), temperature=2.0, direction=direction
    )
    assert value.dtype == torch.float32
    assert torch.equal(value, in_float32[0])
    # rounded once, at the end
    assert torch.equal(gradient, in_float32[1].to(dtype))


def test_student_and_teacher_may_differ_in_precision():
    student, teacher = logits(4, 10), logits(4, 10, seed=1, dtype=torch.float16)
    assert torch.equal(
        kl(student, teacher, temperature=4.0), kl(student, teacher.float(), temperature=4.0)
    )


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_gradcheck(direction):
    student = logits(3, 5, dtype=torch.float64, grad=True)
    teacher = logits(3, 5, seed=1, dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda z: kl(z, teacher, temperature=2.0, direction=direction), student
    )


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_teacher_gets_no_gradient(direction):
    student, teacher = logits(3, 5, grad=True), logits(3, 5, seed=1, grad=True)
    kl(student, teacher, temperature=2.0, direction=direction).backward()
    assert teacher.grad is None
    assert student.grad is not None


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_second_backward_gives_the_same_gradient(direction):
    student, teacher = logits(3, 5, grad=True), logits(3, 5, seed=1)
    value = kl(student, teacher, temperature=2.0, direction=direction)
    (first,) = torch.autograd.grad(value, student, retain_graph=True)
    (second,) = torch.autograd.grad(value, student)
    assert torch.equal(second, first)


@pytest.mark.parametrize("direction", ["forward", "jensen_shannon"])
def test_teacher_may_rule_classes_out(direction):
    # p = (1/2, 1/2, 0), q = (1/3, 1/3, 1/3), m = (5/12, 5/12, 1/6)
    value, gradient = value_and_gradient(
        torch.zeros(1, 3),
        torch.tensor([[0.0, 0.0, -math.inf]]),
        temperature=1.0,
        direction=direction,
    )
    if direction == "forward":
        want = math.log(1.5)
        torch.testing.assert_close(gradient, torch.tensor([[-1 / 6, -1 / 6, 1 / 3]]))
    else:
        # KL(p || m) = ln(6/5), KL(q || m) = 2/3 ln(4/5) + 1/3 ln 2
        want = 0.5 * math.log(1.2) + math.log(0.8) / 3 + math.log(2) / 6
    torch.testing.assert_close(value, torch.tensor(want))
    assert gradient.isfinite().all()


def test_reverse_is_infinite_where_the_teacher_rules_a_class_out():
    teacher = torch.tensor([[0.0, -math.inf]])
    assert kl(torch.zeros(1, 2), teacher, temperature=1.0, direction="reverse") == math.inf


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_logits_far_apart_stay_finite(direction):
    student = torch.tensor([[200.0, -200.0, 0.0], [-200.0, 200.0, 0.0]])
    value, gradient = value_and_gradient(student, -student, temperature=1.0, direction=direction)
    # rows trade places: all weight on one class, the other side gives it exp(-400)
    want = math.log(2.0) if direction == "jensen_shannon" else 400.0
    torch.testing.assert_close(value, torch.tensor(want))
    assert gradient.isfinite().all()


def test_both_sides_may_underflow():
    # the last class has probability exp(-200) and exp(-300), 0 in float32, on both sides
    student, teacher = torch.tensor([[0.0, -200.0]]), torch.tensor([[0.0, -300.0]])
    for direction in DIRECTIONS:
        value, gradient = value_and_gradient(student, teacher, temperature=1.0, direction=direction)
        assert torch.equal(value, torch.tensor(0.0))
        assert torch.equal(gradient, torch.zeros(1, 2))


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_one_class_gives_zero(direction):
    value, gradient = value_and_gradient(
        logits(4, 1), logits(4, 1, seed=1), temperature=4.0, direction=direction
    )
    assert torch.equal(value, torch.tensor(0.0))
    assert torch.equal(gradient, torch.zeros(4, 1))


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_empty_batch_gives_zero_and_an_empty_gradient(direction):
    value, gradient = value_and_gradient(
        torch.empty(0, 10), torch.empty(0, 10), temperature=4.0, direction=direction
    )
    assert torch.equal(value, torch.tensor(0.0))
    assert gradient.shape == (0, 10)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_nothing_is_read_on_the_host(direction):
    # a tensor on the meta device has no values that could be read
    student = torch.empty(4, 10, device="meta", requires_grad=True)
    value = kl(student, torch.empty(4, 10, device="meta"), temperature=4.0, direction=direction)
    value.backward()
    assert value.shape == ()


def test_unequal_shapes_are_refused():
    with pytest.raises(ValueError) as caught:
        kl(torch.zeros(4, 10), torch.zeros(1, 10), temperature=1.0)
    assert str(caught.value) == (
        'student is (4, 10) but teacher is (1, 10); both must be the same "b c"'
    )


def test_unknown_direction_is_refused():
    with pytest.raises(ValueError) as caught:
        kl(torch.zeros(1, 2), torch.zeros(1, 2), temperature=1.0, direction="backward")
    assert str(caught.value) == (
        "direction is 'backward', not one of forward, reverse, jensen_shannon; try forward"
    )


def rows(num_classes):
    number = st.floats(-20, 20, width=32)
    return st.lists(number, min_size=num_classes, max_size=num_classes)


pairs = st.integers(1, 6).flatmap(lambda c: st.tuples(rows(c), rows(c), st.floats(-50, 50)))


@settings(max_examples=30, deadline=None)
@given(pairs, st.sampled_from(DIRECTIONS), st.sampled_from([1.0, 3.0]))
def test_a_constant_added_to_a_row_changes_nothing(pair, direction, temperature):
    student, teacher, constant = pair
    student = torch.tensor([student], dtype=torch.float64)
    teacher = torch.tensor([teacher], dtype=torch.float64)
    before = kl(student, teacher, temperature=temperature, direction=direction)
    after = kl(student + constant, teacher - constant, temperature=temperature, direction=direction)
    torch.testing.assert_close(after, before, rtol=1e-9, atol=1e-9)


@settings(max_examples=30, deadline=None)
@given(pairs, st.sampled_from(DIRECTIONS))
def test_it_is_zero_between_equals_and_never_below(pair, direction):
    student, teacher, _ = pair
    student = torch.tensor([student], dtype=torch.float64)
    teacher = torch.tensor([teacher], dtype=torch.float64)
    # sums of up to 6 terms of size 40, each rounded
    assert kl(student, teacher, temperature=1.0, direction=direction) >= -1e-13
    same = kl(student, student, temperature=1.0, direction=direction)
    torch.testing.assert_close(same, torch.zeros_like(same), rtol=0, atol=1e-13)


@settings(max_examples=30, deadline=None)
@given(pairs)
def test_jensen_shannon_is_symmetric_and_at_most_log_2(pair):
    student, teacher, _ = pair
    student = torch.tensor([student], dtype=torch.float64)
    teacher = torch.tensor([teacher], dtype=torch.float64)
    there = kl(student, teacher, temperature=1.0, direction="jensen_shannon")
    back = kl(teacher, student, temperature=1.0, direction="jensen_shannon")
    torch.testing.assert_close(there, back, rtol=1e-9, atol=1e-13)
    assert there <= math.log(2.0) + 1e-13


def test_reverse_is_forward_with_the_sides_swapped():
    a, b = logits(4, 10, dtype=torch.float64), logits(4, 10, seed=1, dtype=torch.float64)
    torch.testing.assert_close(
        kl(a, b, temperature=2.0, direction="reverse"), kl(b, a, temperature=2.0)
    )
