import math

import pytest
import torch

from graphkd.run.metrics import (
    accuracy,
    agreement,
    calibration_error,
    negative_log_likelihood,
    predictive_kl,
    quality,
)

INF = math.inf


def logits_of(*rows):
    """Logits whose softmax is the given probabilities."""
    return torch.tensor(rows, dtype=torch.float64).log()


def test_accuracy_by_hand():
    logits = torch.tensor([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0], [1.0, 2.0, 3.0], [0.0, 5.0, 1.0]])
    labels = torch.tensor([0, 1, 0, 2])
    assert accuracy(logits, labels) == 0.25
    assert accuracy(logits, labels, top=2) == 0.75
    assert accuracy(logits, labels, top=3) == 1.0
    # fewer classes than asked for
    assert accuracy(logits, labels, top=5) == 1.0


def test_negative_log_likelihood_by_hand():
    logits = logits_of([0.5, 0.25, 0.25], [0.2, 0.7, 0.1])
    # -(ln 1/4 + ln 7/10) / 2
    expected = (math.log(4.0) - math.log(0.7)) / 2
    assert negative_log_likelihood(logits, torch.tensor([1, 1])) == pytest.approx(expected)


def test_calibration_by_hand():
    # two samples in (0.9, 1], one in (0.6, 0.7], one in (0.4, 0.5]
    logits = logits_of([0.95, 0.03, 0.02], [0.01, 0.98, 0.01], [0.65, 0.25, 0.1], [0.45, 0.35, 0.2])
    labels = torch.tensor([0, 0, 1, 0])
    # 2/4 |1/2 - 0.965| + 1/4 |0 - 0.65| + 1/4 |1 - 0.45|
    expected = 0.5 * 0.465 + 0.25 * 0.65 + 0.25 * 0.55
    assert calibration_error(logits, labels) == pytest.approx(expected)


def test_a_confidence_on_a_border_belongs_to_the_bin_below():
    # exactly 1/2, and 0.45: one bin, where right and wrong cancel; 0.55 is alone
    logits = torch.tensor([[0.0, 0.0, -INF, -INF]]).double()
    logits = torch.cat([logits, logits_of([0.45, 0.4, 0.1, 0.05], [0.55, 0.4, 0.04, 0.01])])
    labels = torch.tensor([0, 1, 0])
    expected = 2 / 3 * abs(0.5 - 0.475) + 1 / 3 * (1 - 0.55)
    assert calibration_error(logits, labels) == pytest.approx(expected)
    # a confidence of 1 is in the last bin
    sure = torch.tensor([[0.0, -INF], [-INF, 0.0]])
    assert calibration_error(sure, torch.tensor([0, 0])) == pytest.approx(0.5)


def test_agreement_by_hand():
    student = torch.tensor([[2.0, 1.0], [2.0, 1.0], [0.0, 1.0]])
    teacher = torch.tensor([[9.0, 1.0], [0.0, 1.0], [4.0, 5.0]])
    assert agreement(student, teacher) == pytest.approx(2 / 3)


def test_predictive_kl_by_hand():
    teacher = logits_of([0.75, 0.25], [0.5, 0.5])
    student = logits_of([0.5, 0.5], [0.5, 0.5])
    # teacher first: (3/4 ln(3/2) - 1/4 ln 2 + 0) / 2
    expected = (0.75 * math.log(1.5) - 0.25 * math.log(2.0)) / 2
    assert predictive_kl(student, teacher) == pytest.approx(expected)
    assert predictive_kl(student, student) == 0.0


def test_what_is_reported_of_a_model():
    logits = logits_of([0.6, 0.4], [0.3, 0.7])
    assert quality(logits, torch.tensor([0, 0])) == pytest.approx(
        {
            "top1": 0.5,
            "top5": 1.0,
            "nll": -(math.log(0.6) + math.log(0.3)) / 2,
            "ece": 0.5 * 0.4 + 0.5 * 0.7,
        }
    )
