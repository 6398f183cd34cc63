"""The OFA loss; the maths is tested with its kernel."""

import math

import attrs
import pytest
import torch

from graphkd.component import Port, help_of, kind_of, name_of
from graphkd.components.losses import OFA
from graphkd.kernels import terms

# T = 2 softens to (1/4, 3/4); the student is (1/2, 1/2)
STUDENT = torch.zeros(1, 2)
TEACHER = torch.tensor([[0.0, 2 * math.log(3.0)]])
LABEL = torch.tensor([1])


def test_by_hand():
    # ((7/4)^2 - 1 + (1/4)^2) ln 2
    got = OFA(temperature=2.0, gamma=2.0)(STUDENT, TEACHER, LABEL)
    torch.testing.assert_close(got, torch.tensor((33 / 16 + 1 / 16) * math.log(2.0)))


def test_without_the_power_on_the_other_classes():
    # ((7/4)^2 - 1 + 1/4) ln 2
    got = OFA(temperature=2.0, gamma=2.0, nontarget_power=False)(STUDENT, TEACHER, LABEL)
    torch.testing.assert_close(got, torch.tensor((33 / 16 + 1 / 4) * math.log(2.0)))


def test_samples_without_label_are_left_out():
    got = OFA(temperature=2.0)(STUDENT.expand(2, 2), TEACHER.expand(2, 2), torch.tensor([1, -1]))
    torch.testing.assert_close(got, torch.tensor(math.log(2.0)))


def test_defaults_are_those_of_the_authors():
    assert attrs.asdict(OFA()) == {"temperature": 1.0, "gamma": 1.0, "nontarget_power": True}


@pytest.mark.parametrize(
    "settings", [{"temperature": 0.0}, {"temperature": math.nan}, {"gamma": 0.0}, {"gamma": -1.0}]
)
def test_wrong_settings_are_refused(settings):
    with pytest.raises(ValueError):
        OFA(**settings)


def test_it_is_known_as_ofa():
    assert (kind_of(OFA), name_of(OFA)) == ("loss", "ofa")
    assert help_of(OFA).keys() == {"temperature", "gamma", "nontarget_power"}


def test_learner_comes_first():
    assert OFA.ports == (
        Port("student", "b c"),
        Port("teacher", "b c"),
        Port("label", "b | b c", index="c"),
    )


def test_its_term_has_all_its_settings():
    assert OFA(2.0, 3.0, nontarget_power=False).term(1) == terms.OFA(1, 2.0, 3.0, False)
    assert OFA().term(0) == terms.OFA()
