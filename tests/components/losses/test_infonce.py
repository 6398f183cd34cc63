"""The InfoNCE loss; the maths and the module are tested with their kernels."""

import math

import pytest
import torch

from graphkd import kernels
from graphkd.component import Port, Site, help_of, kind_of, name_of
from graphkd.components.losses import InfoNCE

BOTH = torch.tensor([[1.0, 0.0], [0.0, 1.0]])


def test_by_hand():
    # at 1 / tau = ln 3, exp of the scores is [[3, 1], [1, 3]]: each row finds its own with 3/4
    loss = InfoNCE(temperature=1 / math.log(3.0)).build(Site())
    torch.testing.assert_close(loss(BOTH, BOTH).detach(), torch.tensor(math.log(4 / 3)))


def test_symmetric_by_hand():
    # exp of the scores is [[3, 1], [3, 1]]: rows 3/4 and 1/4, columns 1/2 and 1/2
    loss = InfoNCE(temperature=1 / math.log(3.0), symmetric=True).build(Site())
    got = loss(BOTH[[0, 0]], BOTH)
    want = (math.log(4 / 3) + math.log(4)) / 4 + math.log(2) / 2
    torch.testing.assert_close(got.detach(), torch.tensor(want))


def test_each_teacher_row_may_look_for_its_student():
    # exp of the scores is [[3, 1], [3, 1]]: a teacher row finds its own student with 1/2
    loss = InfoNCE(temperature=1 / math.log(3.0), anchor="teacher").build(Site())
    torch.testing.assert_close(loss(BOTH[[0, 0]], BOTH).detach(), torch.tensor(math.log(2)))


def test_somebody_else_cannot_look():
    with pytest.raises(ValueError):
        InfoNCE(anchor="knowledge")


def test_one_direction_and_both_is_refused():
    with pytest.raises(ValueError) as caught:
        InfoNCE(symmetric=True, anchor="teacher")
    assert str(caught.value) == (
        "anchor is 'teacher', but symmetric takes both; leave one of them out"
    )


def test_the_same_sample_twice_is_no_negative():
    loss = InfoNCE().build(Site())
    assert loss(BOTH, BOTH.flip(0), torch.tensor([3, 3])) == 0


def test_settings_reach_the_module():
    module = InfoNCE(temperature=0.5, learnable=False, symmetric=True, gather=False).build(Site())
    assert repr(module) == (
        "Contrast(temperature=0.5, symmetric=True, gather=False, anchor=student)"
    )
    assert not list(module.parameters())


def test_weight_decay_is_kept_from_the_temperature():
    module = kernels.Contrast(temperature=0.07, learnable=True, symmetric=False, gather=True)
    assert type(InfoNCE().build(Site())) is type(module)
    assert module.no_weight_decay() == {"log_scale"}


def test_two_builds_share_nothing():
    loss = InfoNCE()
    assert loss.build(Site()).log_scale is not loss.build(Site()).log_scale


def test_it_builds_and_runs_on_the_meta_device():
    with torch.device("meta"):
        module = InfoNCE(symmetric=True).build(Site())
    student = torch.empty(4, 3, device="meta")
    assert module(student, student, torch.empty(4, dtype=torch.int64, device="meta")).shape == ()


@pytest.mark.parametrize("temperature", [0.0, 0.009, -1.0, math.nan])
def test_temperature_is_at_least_one_hundredth(temperature):
    with pytest.raises(ValueError):
        InfoNCE(temperature=temperature)


def test_it_is_known_as_infonce():
    assert (kind_of(InfoNCE), name_of(InfoNCE)) == ("loss", "infonce")
    assert help_of(InfoNCE).keys() == {
        "temperature",
        "learnable",
        "symmetric",
        "gather",
        "anchor",
    }


def test_ports():
    assert InfoNCE.ports == (
        Port("student", "b d"),
        Port("teacher", "b d"),
        Port("index", "b", optional=True),
    )
