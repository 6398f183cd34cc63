"""How far the student's probabilities are from the teacher's."""

import math

import torch

from graphkd.component import kind_of, name_of
from graphkd.components.probes import PredictiveKL


def test_by_hand():
    # teacher (3/4, 1/4), student (1/2, 1/2): 3/4 ln(3/2) + 1/4 ln(1/2), nats
    student = torch.zeros(1, 2, requires_grad=True)
    got = PredictiveKL()(student, torch.tensor([[math.log(3.0), 0.0]]))
    torch.testing.assert_close(got, torch.tensor(0.75 * math.log(1.5) - 0.25 * math.log(2.0)))
    assert not got.requires_grad


def test_equal_predictions_give_zero():
    logits = torch.randn(8, 10)
    # 8 x 10 rounded terms of size 1, averaged
    torch.testing.assert_close(
        PredictiveKL()(logits, logits + 3), torch.tensor(0.0), rtol=0, atol=1e-6
    )


def test_empty_batch_gives_zero():
    assert PredictiveKL()(torch.empty(0, 10), torch.empty(0, 10)) == 0


def test_it_is_known_as_predictive_kl():
    assert (kind_of(PredictiveKL), name_of(PredictiveKL)) == ("probe", "predictive_kl")
    assert [(port.name, port.shape) for port in PredictiveKL.ports] == [
        ("student", "b c"),
        ("teacher", "b c"),
    ]
