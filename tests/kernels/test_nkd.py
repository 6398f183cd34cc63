"""What normalized knowledge distillation is: by hand, and where it is least."""

import math

import pytest
import torch
import torch.nn.functional as F

from graphkd.kernels.nkd import nkd, nkd_reference
from tests.kernels.labelled import NKD, logits, problem
from tests.kernels.labelled_rows import log_softmax

# teacher p = (1/2, 1/4, 1/4), of the others (1/2, 1/2) at any T; label 0
TEACHER = torch.tensor([[math.log(2.0), 0.0, 0.0]])


def test_reference_by_hand():
    # q = (1/2, 3/8, 1/8), of the others (3/4, 1/4): 1/2 ln 2 - gamma (1/2 ln(3/4) + 1/2 ln(1/4))
    student = torch.tensor([[math.log(4.0), math.log(3.0), 0.0]])
    got = nkd_reference(student, TEACHER, torch.tensor([0]), temperature=1.0, gamma=3.0)
    torch.testing.assert_close(got, torch.tensor(0.5 * math.log(2.0) + 1.5 * math.log(16 / 3)))


def test_temperature_and_mean_by_hand():
    # q_y = 4 / (4 + 9 + 1) is taken at T = 1; at T = 2 the others are 3 to 1; T^2 = 4. The row
    # without label does not count
    student = torch.tensor([[math.log(4.0), 2 * math.log(3.0), 0.0]])
    got = nkd_reference(
        student.repeat(2, 1),
        TEACHER.repeat(2, 1),
        torch.tensor([0, -1]),
        temperature=2.0,
        gamma=3.0,
    )
    want = 0.5 * math.log(3.5) + 3 * 4 * 0.5 * math.log(16 / 3)
    torch.testing.assert_close(got, torch.tensor(want))


def test_gradient_by_hand():
    # p_y (q - 1_y) = 1/2 (4/14 - 1, 9/14, 1/14), and gamma T (qh - ph) = 6 (3/4 - 1/2, 1/4 - 1/2)
    student = torch.tensor([[math.log(4.0), 2 * math.log(3.0), 0.0]])
    _, gradient = NKD.solve(student, TEACHER, torch.tensor([0]), temperature=2.0, gamma=3.0)
    torch.testing.assert_close(gradient, torch.tensor([[-10 / 28, 9 / 28 + 1.5, 1 / 28 - 1.5]]))


def test_defaults_are_those_of_the_paper():
    tensors = problem(4, 10)
    assert torch.equal(nkd(*tensors), nkd(*tensors, temperature=1.0, gamma=1.5))


def entropy_of_others(teacher, label, temperature):
    """Compute -sum ph log ph of one row."""
    others = [each for c, each in enumerate(teacher.tolist()) if c != label]
    return -sum(math.exp(p) * p for p in log_softmax([each / temperature for each in others]))


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_the_others_part_is_least_where_the_student_follows(temperature):
    # what is left is gamma T^2 times the entropy, not 0
    _, teacher, label = problem(1, 10)
    student = teacher.clone()
    # the label's own logit so high that its part is nothing
    student[0, label] = 500.0
    chosen = {"temperature": temperature, "gamma": 2.0}
    value, gradient = NKD.solve(student, teacher, label, **chosen)
    least = 2 * temperature**2 * entropy_of_others(teacher[0], label.item(), temperature)
    assert least > 1.0
    torch.testing.assert_close(value.item(), least)
    torch.testing.assert_close(gradient, torch.zeros_like(gradient), rtol=0, atol=1e-14)
    for seed in range(5):
        other = student + logits(1, 10, seed=seed, spread=0.1)
        assert nkd(other, teacher, label, **chosen) > value


def test_two_classes_have_nothing_but_a_target():
    student, teacher, label = problem(6, 2)
    rows = torch.arange(6)
    p = F.softmax(teacher, dim=1)[rows, label]
    want = -(p * F.log_softmax(student, dim=1)[rows, label]).mean()
    for gamma in (0.0, 100.0):
        torch.testing.assert_close(nkd(student, teacher, label, gamma=gamma), want)


def test_one_class_gives_zero():
    value, gradient = NKD.solve(*problem(4, 1))
    assert value == 0.0
    assert torch.equal(gradient, torch.zeros(4, 1, dtype=torch.float64))


def test_saturated_targets():
    # the teacher is sure of the label, to which the student gives exp(-200) / 2; the others are
    # even on both sides, which costs gamma ln 2
    far = torch.tensor([[200.0, 0.0, 0.0]])
    value, gradient = NKD.solve(-far, far, torch.tensor([0]), gamma=2.0)
    torch.testing.assert_close(value, torch.tensor(200.0 + 3 * math.log(2.0)))
    torch.testing.assert_close(gradient, torch.tensor([[-1.0, 0.5, 0.5]]))
    # both are sure
    value, gradient = NKD.solve(far, far, torch.tensor([0]), gamma=2.0)
    torch.testing.assert_close(value, torch.tensor(2 * math.log(2.0)))
    torch.testing.assert_close(gradient, torch.zeros(1, 3))
