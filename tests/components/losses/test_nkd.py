"""The NKD loss; the maths is tested with its kernel."""

import math

import attrs
import pytest
import torch

from graphkd.component import Port, help_of, kind_of, name_of
from graphkd.components.losses import NKD
from graphkd.kernels import terms

# the teacher is (1/8, 2/8, 5/8), the student (1/3, 1/3, 1/3)
STUDENT = torch.zeros(1, 3)
TEACHER = torch.tensor([[0.0, math.log(2.0), math.log(5.0)]])
LABEL = torch.tensor([2])


def test_by_hand():
    # 5/8 ln 3, and the other classes of the student are (1/2, 1/2)
    got = NKD(gamma=2.0)(STUDENT, TEACHER, LABEL)
    torch.testing.assert_close(got, torch.tensor(5 / 8 * math.log(3.0) + 2 * math.log(2.0)))


def test_the_temperature_softens_the_other_classes_alone():
    got = NKD(temperature=2.0, gamma=1.0)(STUDENT, TEACHER, LABEL)
    # T^2 = 4
    torch.testing.assert_close(got, torch.tensor(5 / 8 * math.log(3.0) + 4 * math.log(2.0)))


def test_samples_without_label_are_left_out():
    got = NKD(gamma=2.0)(STUDENT.expand(2, 3), TEACHER.expand(2, 3), torch.tensor([2, -1]))
    torch.testing.assert_close(got, torch.tensor(5 / 8 * math.log(3.0) + 2 * math.log(2.0)))


def test_defaults_are_those_of_the_authors():
    assert attrs.asdict(NKD()) == {"temperature": 1.0, "gamma": 1.5}


@pytest.mark.parametrize(
    "settings", [{"temperature": 0.0}, {"temperature": math.nan}, {"gamma": -1.0}]
)
def test_wrong_settings_are_refused(settings):
    with pytest.raises(ValueError):
        NKD(**settings)


def test_it_is_known_as_nkd():
    assert (kind_of(NKD), name_of(NKD)) == ("loss", "nkd")
    assert help_of(NKD).keys() == {"temperature", "gamma"}


def test_learner_comes_first():
    assert NKD.ports == (
        Port("student", "b c"),
        Port("teacher", "b c"),
        Port("label", "b | b c", index="c"),
    )


def test_its_term_has_all_its_settings():
    assert NKD(2.0, 3.0).term(1) == terms.NKD(1, 2.0, 3.0)
    assert NKD().term(0) == terms.NKD()
