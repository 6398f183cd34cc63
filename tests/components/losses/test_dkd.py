"""The DKD loss; the maths is tested with its kernel."""

import math

import attrs
import pytest
import torch

from graphkd.component import Port, help_of, kind_of, name_of
from graphkd.components.losses import DKD
from graphkd.kernels import terms

# T = 2 softens 2 ln 2 and 2 ln 5 to (1/8, 2/8, 5/8); the student is (1/3, 1/3, 1/3)
STUDENT = torch.zeros(1, 3)
TEACHER = torch.tensor([[0.0, 2 * math.log(2.0), 2 * math.log(5.0)]])
LABEL = torch.tensor([2])
# 5/8 against 1/3, and (1/3, 2/3) against (1/2, 1/2)
TARGET = 5 / 8 * math.log(15 / 8) + 3 / 8 * math.log(9 / 16)
OTHERS = math.log(2 / 3) / 3 + 2 / 3 * math.log(4 / 3)


def test_by_hand():
    got = DKD(temperature=2.0, alpha=3.0, beta=0.5)(STUDENT, TEACHER, LABEL)
    # T^2 = 4
    torch.testing.assert_close(got, torch.tensor(4 * (3 * TARGET + 0.5 * OTHERS)))


def test_samples_without_label_are_left_out():
    got = DKD(temperature=2.0)(STUDENT.expand(2, 3), TEACHER.expand(2, 3), torch.tensor([2, -1]))
    torch.testing.assert_close(got, torch.tensor(4 * (TARGET + 8 * OTHERS)))


def test_defaults_are_those_of_the_paper():
    assert attrs.asdict(DKD()) == {"temperature": 4.0, "alpha": 1.0, "beta": 8.0}


@pytest.mark.parametrize(
    "settings", [{"temperature": 0.0}, {"temperature": math.nan}, {"alpha": -1.0}, {"beta": -1.0}]
)
def test_wrong_settings_are_refused(settings):
    with pytest.raises(ValueError):
        DKD(**settings)


def test_it_is_known_as_dkd():
    assert (kind_of(DKD), name_of(DKD)) == ("loss", "dkd")
    assert help_of(DKD).keys() == {"temperature", "alpha", "beta"}


def test_learner_comes_first():
    assert DKD.ports == (
        Port("student", "b c"),
        Port("teacher", "b c"),
        Port("label", "b | b c", index="c"),
    )


def test_its_term_has_all_its_settings():
    assert DKD(2.0, 3.0, 0.5).term(1) == terms.DKD(1, 2.0, 3.0, 0.5)
    assert DKD().term(0) == terms.DKD()
