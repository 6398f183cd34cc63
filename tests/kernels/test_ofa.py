"""What one-for-all distillation is: by hand, and beside the cross-entropy."""

import math
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F

from graphkd.kernels.ofa import ofa, ofa_reference
from tests.kernels.labelled import OFA, SIZES, problem

# teacher p = (1/2, 3/8, 1/8), student q = (1/2, 1/4, 1/4), label 0
TEACHER = torch.tensor([[math.log(4.0), math.log(3.0), 0.0]])
LEARNER = torch.tensor([[math.log(2.0), 0.0, 0.0]])
# weight of the target at gamma 2: (3/2)^2 - 1
OWN = 1.25 * math.log(2.0)
BY_HAND = {
    # 9/64 and 1/64 of the others' ln 4
    True: OWN + 10 / 64 * math.log(4.0),
    # 3/8 and 1/8
    False: OWN + 0.5 * math.log(4.0),
}


@pytest.mark.parametrize("power", [True, False])
def test_reference_by_hand(power):
    got = ofa_reference(
        LEARNER, TEACHER, torch.tensor([0]), temperature=1.0, gamma=2.0, nontarget_power=power
    )
    torch.testing.assert_close(got, torch.tensor(BY_HAND[power]))


@pytest.mark.parametrize("power", [True, False])
def test_temperature_and_mean_by_hand(power):
    # twice the logits at T = 2 are the same probabilities, and nothing is multiplied with T^2; the
    # row without label does not count
    got = ofa_reference(
        2 * LEARNER.repeat(2, 1),
        2 * TEACHER.repeat(2, 1),
        torch.tensor([0, -1]),
        temperature=2.0,
        gamma=2.0,
        nontarget_power=power,
    )
    torch.testing.assert_close(got, torch.tensor(BY_HAND[power]))


def test_gradient_by_hand():
    # (q sum w - w) / T with w = (5/4, 9/64, 1/64), whose sum is 90/64
    _, gradient = OFA.solve(2 * LEARNER, 2 * TEACHER, torch.tensor([0]), temperature=2.0, gamma=2.0)
    want = torch.tensor([[45 - 80, 22.5 - 9, 22.5 - 1]]) / 64 / 2
    torch.testing.assert_close(gradient, want)


def test_defaults_are_plain():
    tensors = problem(4, 10)
    chosen = {"temperature": 1.0, "gamma": 1.0, "nontarget_power": True}
    assert torch.equal(ofa(*tensors), ofa(*tensors, **chosen))
    # of a power other than 1 the others have their share
    chosen["gamma"] = 1.5
    assert torch.equal(ofa(*tensors, gamma=1.5), ofa(*tensors, **chosen))


@pytest.mark.parametrize("temperature", [1.0, 4.0])
@pytest.mark.parametrize("power", [True, False])
@pytest.mark.parametrize("sizes", SIZES)
def test_gamma_1_is_the_cross_entropy_with_the_teacher(sizes, power, temperature):
    student, teacher, label = problem(*sizes)
    chosen = {"temperature": temperature, "gamma": 1.0, "nontarget_power": power}
    value, _ = OFA.solve(student, teacher, label, **chosen)
    p = F.softmax(teacher / temperature, dim=1)
    want = F.cross_entropy(student / temperature, p)
    torch.testing.assert_close(value, want, rtol=1e-12, atol=1e-12)
    _, gradient = OFA.solve(teacher, teacher, label, **chosen)
    torch.testing.assert_close(gradient, torch.zeros_like(gradient), rtol=0, atol=1e-15)


def target_weights(p, gamma):
    """Read the target's weight off the loss of two classes, the second as good as free."""
    # -log q = (50, exp(-50))
    student = torch.tensor([[-50.0, 0.0]], dtype=torch.float64)
    found = []
    for each in p:
        teacher = torch.tensor([[each, 1.0 - each]], dtype=torch.float64).log()
        found.append(ofa(student, teacher, torch.tensor([0]), gamma=gamma).item() / 50)
    return found


@pytest.mark.parametrize("gamma", [0.7, 1.0, 1.5, 3.0])
def test_target_weight_grows_from_0_to_its_most(gamma):
    found = target_weights([0.0, 0.01, 0.2, 0.5, 0.8, 0.99, 1.0], gamma)
    assert found[0] == pytest.approx(0.0, abs=1e-15)
    assert found[-1] == pytest.approx(2**gamma - 1)
    assert all(before < after for before, after in pairwise(found))


@pytest.mark.parametrize("gamma", [1.5, 4.0])
def test_the_power_weakens_only_the_other_classes(gamma):
    student, teacher, label = problem(6, 10)
    with_power = ofa(student, teacher, label, gamma=gamma)
    assert with_power < ofa(student, teacher, label, gamma=gamma, nontarget_power=False)


def test_one_class_gives_zero():
    value, gradient = OFA.solve(*problem(4, 1), gamma=2.0)
    assert value == 0.0
    assert torch.equal(gradient, torch.zeros(4, 1, dtype=torch.float64))


@pytest.mark.parametrize("gamma", [1.0, 2.0])
def test_saturated_targets(gamma):
    # the teacher is sure of the label, to which the student gives exp(-200) / 2
    far = torch.tensor([[200.0, 0.0, 0.0]])
    most = 2**gamma - 1
    value, gradient = OFA.solve(-far, far, torch.tensor([0]), gamma=gamma)
    torch.testing.assert_close(value, torch.tensor(most * (200.0 + math.log(2.0))))
    torch.testing.assert_close(gradient, most * torch.tensor([[-1.0, 0.5, 0.5]]))
    # both are
    value, gradient = OFA.solve(far, far, torch.tensor([0]), gamma=gamma)
    assert torch.equal(value, torch.tensor(0.0))
    assert torch.equal(gradient, torch.zeros(1, 3))
