"""Value, gradient and hard cases of the cross-entropy with labels."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from graphkd.kernels.cross_entropy import cross_entropy, cross_entropy_reference

SIZES = [(1, 1), (1, 10), (7, 10), (64, 10), (5, 1000), (3, 2)]


def problem(batch, classes, *, dtype=torch.float32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    student = 3 * torch.randn(batch, classes, generator=generator, dtype=torch.float64)
    label = torch.randint(classes, (batch,), generator=generator)
    return student.to(dtype), label


def value_and_gradient(student, label, **settings):
    student = student.detach().requires_grad_()
    value = cross_entropy(student, label, **settings)
    (gradient,) = torch.autograd.grad(value, student)
    return value.detach(), gradient


def expected(student, label, smoothing=0.0):
    """Sum in float64, row by row and class by class."""
    total, count = 0.0, 0
    for row, number in zip(student.double().tolist(), label.tolist(), strict=True):
        if number == -1:
            continue
        top = max(row)
        norm = top + math.log(sum(math.exp(z - top) for z in row))
        for c, z in enumerate(row):
            share = (1 - smoothing) * (c == number) + smoothing / len(row)
            total += share * (norm - z)
        count += 1
    return torch.tensor(total / max(count, 1), dtype=torch.float64)


# softmax(ln 3, 0) = (3/4, 1/4)
STUDENT = torch.tensor([[math.log(3.0), 0.0]])


def test_reference_by_hand():
    # -ln(3/4)
    got = cross_entropy_reference(STUDENT, torch.tensor([0]))
    torch.testing.assert_close(got, torch.tensor(math.log(4 / 3)))


def test_smoothing_by_hand():
    # label (0.9, 0.1) instead of (1, 0): 0.9 ln(4/3) + 0.1 ln 4
    got = cross_entropy_reference(STUDENT, torch.tensor([0]), label_smoothing=0.2)
    torch.testing.assert_close(got, torch.tensor(0.9 * math.log(4 / 3) + 0.1 * math.log(4)))


def test_probabilities_by_hand():
    # 1/4 ln(4/3) + 3/4 ln 4
    got = cross_entropy_reference(STUDENT, torch.tensor([[0.25, 0.75]]))
    torch.testing.assert_close(got, torch.tensor(0.25 * math.log(4 / 3) + 0.75 * math.log(4)))


def test_gradient_by_hand():
    # softmax - label, and nothing for the row without label
    value, gradient = value_and_gradient(STUDENT.repeat(2, 1), torch.tensor([0, -1]))
    torch.testing.assert_close(value, torch.tensor(math.log(4 / 3)))
    torch.testing.assert_close(gradient, torch.tensor([[-0.25, 0.25], [0.0, 0.0]]))


@pytest.mark.parametrize("sizes", SIZES)
def test_all_labelled_is_bitwise_the_function_of_pytorch(sizes):
    student, label = problem(*sizes)
    plain_student = student.clone().requires_grad_()
    plain = F.cross_entropy(plain_student, label)
    (plain_gradient,) = torch.autograd.grad(plain, plain_student)
    value, gradient = value_and_gradient(student, label)
    assert torch.equal(value, plain)
    assert torch.equal(gradient, plain_gradient)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.9])
@pytest.mark.parametrize("sizes", SIZES)
def test_float64_agrees_with_sums_over_classes(sizes, smoothing):
    student, label = problem(*sizes, dtype=torch.float64)
    label[::3] = -1
    torch.testing.assert_close(
        cross_entropy(student, label, label_smoothing=smoothing),
        expected(student, label, smoothing),
    )


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_rows_without_label_count_for_nothing(smoothing):
    student, label = problem(9, 10, dtype=torch.float64)
    label[[0, 4, 8]] = -1
    kept = label != -1
    value, gradient = value_and_gradient(student, label, label_smoothing=smoothing)
    few = value_and_gradient(student[kept], label[kept], label_smoothing=smoothing)
    torch.testing.assert_close(value, few[0])
    torch.testing.assert_close(gradient[kept], few[1])
    assert torch.equal(gradient[~kept], torch.zeros(3, 10, dtype=torch.float64))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("batch", [1, 5])
def test_nothing_labelled_gives_zero_and_zero_gradient(batch, smoothing):
    student, label = problem(batch, 10)
    value, gradient = value_and_gradient(
        student, torch.full_like(label, -1), label_smoothing=smoothing
    )
    assert torch.equal(value, torch.tensor(0.0))
    assert torch.equal(gradient, torch.zeros(batch, 10))


@pytest.mark.parametrize("label", [torch.empty(0, dtype=torch.int64), torch.empty(0, 10)])
def test_empty_batch_gives_zero_and_an_empty_gradient(label):
    value, gradient = value_and_gradient(torch.empty(0, 10), label)
    assert torch.equal(value, torch.tensor(0.0))
    assert gradient.shape == (0, 10)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_one_hot_probabilities_are_class_numbers(smoothing):
    student, label = problem(7, 10, dtype=torch.float64)
    one_hot = F.one_hot(label, 10).double()
    torch.testing.assert_close(
        cross_entropy(student, one_hot, label_smoothing=smoothing),
        cross_entropy(student, label, label_smoothing=smoothing),
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype):
    student, label = problem(5, 1000, dtype=dtype)
    value, gradient = value_and_gradient(student, label)
    in_float32 = value_and_gradient(student.float(), label)
    assert value.dtype == torch.float32
    assert torch.equal(value, in_float32[0])
    assert torch.equal(gradient, in_float32[1].to(dtype))


@pytest.mark.parametrize("label_dtype", [torch.float16, torch.float32, torch.float64])
def test_probabilities_may_have_another_precision(label_dtype):
    student, label = problem(5, 10)
    soft = F.one_hot(label, 10).to(label_dtype)
    value, gradient = value_and_gradient(student, soft)
    assert value.dtype == gradient.dtype == torch.float32
    torch.testing.assert_close(value, F.cross_entropy(student, label))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_gradcheck(smoothing):
    student, label = problem(4, 5, dtype=torch.float64)
    student.requires_grad_()
    label[1] = -1
    soft = torch.softmax(problem(4, 5, dtype=torch.float64, seed=1)[0], dim=1)
    for target in (label, soft):
        assert torch.autograd.gradcheck(
            lambda z, y=target: cross_entropy(z, y, label_smoothing=smoothing), student
        )


def test_probabilities_get_no_gradient():
    student, _ = problem(4, 5)
    soft = torch.softmax(problem(4, 5, seed=1)[0], dim=1).requires_grad_()
    cross_entropy(student.requires_grad_(), soft).backward()
    assert soft.grad is None


def test_second_backward_gives_the_same_gradient():
    student, label = problem(4, 5)
    student.requires_grad_()
    value = cross_entropy(student, label)
    (first,) = torch.autograd.grad(value, student, retain_graph=True)
    (second,) = torch.autograd.grad(value, student)
    assert torch.equal(second, first)


def test_logits_far_apart_stay_finite():
    # the label's probability is exp(-400)
    student = torch.tensor([[200.0, -200.0], [-200.0, 200.0]])
    value, gradient = value_and_gradient(student, torch.tensor([1, 0]))
    torch.testing.assert_close(value, torch.tensor(400.0))
    torch.testing.assert_close(gradient, torch.tensor([[0.5, -0.5], [-0.5, 0.5]]))


def test_class_number_out_of_range_is_an_error():
    with pytest.raises(IndexError):
        cross_entropy(torch.zeros(1, 3), torch.tensor([3]))


def test_nothing_is_read_on_the_host():
    # a tensor on the meta device has no values that could be read
    student = torch.empty(4, 10, device="meta", requires_grad=True)
    label = torch.empty(4, dtype=torch.int64, device="meta")
    for smoothing in (0.0, 0.1):
        value = cross_entropy(student, label, label_smoothing=smoothing)
        value.backward()
        assert value.shape == ()


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.floats(-20, 20), min_size=2, max_size=6),
    st.floats(-50, 50),
    st.sampled_from([0.0, 0.3]),
)
def test_a_constant_added_to_a_row_changes_nothing(row, constant, smoothing):
    student = torch.tensor([row], dtype=torch.float64)
    label = torch.tensor([1])
    before = cross_entropy(student, label, label_smoothing=smoothing)
    after = cross_entropy(student + constant, label, label_smoothing=smoothing)
    torch.testing.assert_close(after, before, rtol=1e-9, atol=1e-9)
