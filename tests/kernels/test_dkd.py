"""What decoupled knowledge distillation is: by hand, and beside KL."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from graphkd.kernels.dkd import dkd, dkd_reference
from graphkd.kernels.kl import kl
from tests.kernels.labelled import DKD, SIZES, problem, rows

# teacher p = (1/2, 3/8, 1/8), student q = (1/3, 1/3, 1/3), label 0
TEACHER = torch.tensor([[math.log(4.0), math.log(3.0), 0.0]])
# 1/2 ln(3/2) + 1/2 ln((1/2) / (2/3))
TARGET = 0.5 * math.log(9 / 8)
# (3/4, 1/4) against (1/2, 1/2): 3/4 ln(3/2) + 1/4 ln(1/2)
OTHERS = 0.75 * math.log(1.5) - 0.25 * math.log(2.0)


def test_reference_by_hand():
    label = torch.tensor([0])
    got = dkd_reference(torch.zeros(1, 3), TEACHER, label, temperature=1.0, alpha=2.0, beta=3.0)
    torch.testing.assert_close(got, torch.tensor(2 * TARGET + 3 * OTHERS))


def test_temperature_and_mean_by_hand():
    # twice the logits at T = 2 are the same probabilities; the second row is equal on both sides,
    # so that the mean halves, the third has no label; T^2 = 4
    same = torch.tensor([[5.0, 1.0, 2.0]])
    student = torch.cat([torch.zeros(1, 3), same, same])
    teacher = torch.cat([2 * TEACHER, same, -same])
    label = torch.tensor([0, 1, -1])
    got = dkd_reference(student, teacher, label, temperature=2.0, alpha=2.0, beta=3.0)
    torch.testing.assert_close(got, torch.tensor(4 * (2 * TARGET + 3 * OTHERS) / 2))


def test_gradient_by_hand():
    # at the label alpha (q_y - p_y) = 2 (1/3 - 1/2), elsewhere
    # alpha qh (p_y - q_y) + beta (qh - ph) = 2/2 (1/2 - 1/3) + 3 (1/2 - 3/4), and with 1/4
    _, gradient = DKD.solve(
        torch.zeros(1, 3), TEACHER, torch.tensor([0]), temperature=1.0, alpha=2.0, beta=3.0
    )
    torch.testing.assert_close(gradient, torch.tensor([[-1 / 3, -7 / 12, 11 / 12]]))


def test_defaults_are_those_of_the_paper():
    tensors = problem(4, 10)
    assert torch.equal(dkd(*tensors), dkd(*tensors, temperature=4.0, alpha=1.0, beta=8.0))


@pytest.mark.parametrize("temperature", [1.0, 4.0])
@pytest.mark.parametrize("sizes", SIZES)
def test_kl_is_both_parts_with_the_weight_that_couples_them(sizes, temperature):
    # KL(p || q) = TCKD + (1 - p_y) NCKD, a row at a time since p_y differs
    student, teacher, label = problem(*sizes)
    for row in range(len(student)):
        one = slice(row, row + 1)
        p = F.softmax(teacher[row] / temperature, dim=0)
        got = dkd(
            student[one],
            teacher[one],
            label[one],
            temperature=temperature,
            alpha=1.0,
            beta=1.0 - p[label[row]].item(),
        )
        want = kl(student[one], teacher[one], temperature=temperature)
        # with one class there is 1 - 1
        torch.testing.assert_close(got, want, rtol=1e-9, atol=1e-13)


def test_two_classes_have_nothing_but_a_target():
    student, teacher, label = problem(6, 2)
    for beta in (0.0, 100.0):
        got = dkd(student, teacher, label, temperature=2.0, alpha=1.0, beta=beta)
        torch.testing.assert_close(got, kl(student, teacher, temperature=2.0))


@settings(max_examples=40)
@given(rows, st.sampled_from(DKD.settings))
def test_it_is_zero_between_equals_and_never_below(row, chosen):
    student, teacher, label = row
    # sums of terms of size 40 T, each rounded
    assert dkd(student, teacher, label, **chosen) >= -1e-11
    value, gradient = DKD.solve(student, student, label, **chosen)
    torch.testing.assert_close(value, torch.zeros_like(value), rtol=0, atol=1e-11)
    torch.testing.assert_close(gradient, torch.zeros_like(gradient), rtol=0, atol=1e-13)


def test_saturated_targets():
    # the teacher is sure of the label, to which the student gives exp(-200) / 2, and the other way
    # round: 1/3 ln(1/3) + 2/3 ln((2/3) / (2 exp(-200)))
    far, even = torch.tensor([[200.0, 0.0, 0.0]]), torch.zeros(1, 3)
    label = torch.tensor([0])
    value, gradient = DKD.solve(-far, far, label, temperature=1.0)
    torch.testing.assert_close(value, torch.tensor(200.0 + math.log(2.0)))
    torch.testing.assert_close(gradient, torch.tensor([[-1.0, 0.5, 0.5]]))
    value, gradient = DKD.solve(far, even, label, temperature=1.0)
    torch.testing.assert_close(value, torch.tensor(400 / 3 - math.log(3.0)))
    torch.testing.assert_close(gradient, torch.tensor([[2 / 3, -1 / 3, -1 / 3]]))
