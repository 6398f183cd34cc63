"""What holds for every measure of fidelity: the numbered invariants of the study's method."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graphkd.components.losses import KL
from graphkd.run.metrics import agreement, calibration_error, predictive_kl, quality


def logits(count, classes=7, *, seed=0, spread=3.0):
    generator = torch.Generator().manual_seed(seed)
    return spread * torch.randn(count, classes, generator=generator)


def labels(count, classes=7, *, seed=9):
    return torch.randint(classes, (count,), generator=torch.Generator().manual_seed(seed))


def test_invariant_2_a_student_that_is_the_teacher():
    teacher, truth = logits(200), labels(200)
    student = teacher.clone()
    assert agreement(student, teacher) == 1.0
    assert predictive_kl(student, teacher) <= 1e-7
    assert quality(student, truth)["ece"] == quality(teacher, truth)["ece"]


def gradient(loss, student):
    student = student.clone().requires_grad_()
    return torch.autograd.grad(loss(student), student)[0]


def soft_cross_entropy(student, teacher, temperature):
    """-mean_n sum_c T^2 p_T(t) log p_T(s), written out."""
    soft = (teacher / temperature).softmax(-1)
    terms = soft * (student / temperature).log_softmax(-1)
    return -(temperature**2) * terms.sum(-1).mean()


def test_invariant_3_soft_cross_entropy_and_kl_have_the_same_gradient():
    student, teacher = logits(16).double(), logits(16, seed=1).double()
    for temperature in (1.0, 4.0):
        plain = gradient(lambda z, t=temperature: soft_cross_entropy(z, teacher, t), student)
        ours = gradient(lambda z, t=temperature: KL(t)(z, teacher), student)
        torch.testing.assert_close(ours, plain, rtol=1e-5, atol=1e-7)


def test_invariant_3_the_gradient_keeps_its_size_over_temperatures():
    student, teacher = logits(64), logits(64, seed=1)
    sizes = [
        float(gradient(lambda z, t=t: KL(t)(z, teacher), student).norm()) for t in (1.0, 4, 16)
    ]
    assert max(sizes) / min(sizes) < 10
    # without the factor T^2 they would shrink by it
    assert max(sizes) / (min(sizes) / 16**2) > 100


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 1000), shift=st.floats(-20, 20))
def test_invariant_4_neither_order_nor_constants_matter(seed, shift):
    student, teacher, truth = logits(50, seed=seed), logits(50, seed=seed + 1), labels(50)
    order = torch.randperm(50, generator=torch.Generator().manual_seed(seed))
    constants = shift + torch.arange(50.0)[:, None] / 8
    changed = (student + constants)[order], (teacher - constants)[order]
    assert agreement(*changed) == agreement(student, teacher)
    expected = predictive_kl(student, teacher)
    # constants of 20 round float32 logits by a millionth
    assert predictive_kl(*changed) == pytest.approx(expected, rel=1e-4, abs=1e-6)
    one, other = quality(changed[0], truth[order]), quality(student, truth)
    assert one == pytest.approx(other, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("size", [1, 7, 64])
def test_invariant_4_measures_are_sums_over_samples_not_means_over_batches(size):
    student, teacher = logits(100), logits(100, seed=1)
    parts = list(zip(student.split(size), teacher.split(size), strict=True))
    total = sum(predictive_kl(*part) * len(part[0]) for part in parts) / 100
    assert predictive_kl(student, teacher) == pytest.approx(total, rel=1e-9)
    total = sum(agreement(*part) * len(part[0]) for part in parts) / 100
    assert agreement(student, teacher) == pytest.approx(total)


def test_invariant_5_a_calibrated_predictor_has_no_error_in_the_end():
    found = []
    for count in (1_000, 100_000):
        predicted = logits(count, spread=1.5)
        generator = torch.Generator().manual_seed(4)
        truth = torch.multinomial(predicted.softmax(-1), 1, generator=generator)[:, 0]
        found.append(calibration_error(predicted, truth))
    assert found[1] < 0.005 < found[0]


def test_invariant_5_always_sure_and_always_wrong_is_off_by_the_confidence():
    predicted = torch.tensor([[0.0, math.log(0.1 / 0.9)]]).expand(40, 2)
    assert calibration_error(predicted, torch.ones(40).long()) == pytest.approx(0.9)
