"""How much more often the teacher is right."""

import torch

from graphkd.component import Port, kind_of, name_of
from graphkd.components.probes import Gap


def test_by_hand():
    # of the two labelled rows the teacher has both right, the student the first
    student = torch.tensor([[2.0, 1.0], [3.0, 0.0], [1.0, 0.0]], requires_grad=True)
    teacher = torch.tensor([[9.0, 8.0], [0.0, 1.0], [0.0, 1.0]])
    got = Gap()(student, teacher, torch.tensor([0, 1, -1]))
    assert torch.equal(got, torch.tensor(0.5))
    assert not got.requires_grad


def test_it_is_known_as_gap():
    assert (kind_of(Gap), name_of(Gap)) == ("probe", "gap")
    assert Gap.ports == (
        Port("student", "b c"),
        Port("teacher", "b c"),
        Port("label", "b", index="c"),
    )
