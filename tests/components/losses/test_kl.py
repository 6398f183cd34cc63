"""The KL loss; the maths is tested with its kernel."""

import math

import attrs
import pytest
import torch

from graphkd.component import help_of, kind_of, name_of
from graphkd.components.losses import KL
from graphkd.kernels import terms


def test_by_hand():
    # T = 2 softens 2 ln 3 to (3/4, 1/4); the student is (1/2, 1/2); T^2 = 4
    loss = KL(temperature=2.0)
    got = loss(torch.zeros(1, 2), torch.tensor([[2 * math.log(3.0), 0.0]]))
    torch.testing.assert_close(got, torch.tensor(3 * math.log(1.5) - math.log(2.0)))


def test_direction_is_handed_on():
    # KL((1/2, 1/2) || (3/4, 1/4)) = 1/2 ln(4/3)
    loss = KL(temperature=1.0, direction="reverse")
    got = loss(torch.zeros(1, 2), torch.tensor([[math.log(3.0), 0.0]]))
    torch.testing.assert_close(got, torch.tensor(0.5 * math.log(4 / 3)))


def test_default_is_forward_at_temperature_4():
    assert attrs.asdict(KL()) == {"temperature": 4.0, "direction": "forward"}


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan])
def test_temperature_must_be_above_zero(temperature):
    with pytest.raises(ValueError):
        KL(temperature=temperature)


def test_it_is_known_as_kl():
    assert (kind_of(KL), name_of(KL)) == ("loss", "kl")
    assert help_of(KL).keys() == {"temperature", "direction"}


def test_learner_comes_first():
    assert [(port.name, port.shape) for port in KL.ports] == [
        ("student", "b c"),
        ("teacher", "b c"),
    ]


def test_its_term_has_all_its_settings():
    assert KL(2.0, "reverse").term(1) == terms.KL(1, 2.0, "reverse")
    assert KL().term(0) == terms.KL()
