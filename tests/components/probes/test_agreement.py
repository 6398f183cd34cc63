"""How often student and teacher answer alike."""

import torch

from graphkd.component import kind_of, name_of
from graphkd.components.probes import Agreement


def test_by_hand():
    # classes 0 and 1 against 0 and 0
    student = torch.tensor([[2.0, 1.0], [0.0, 3.0]], requires_grad=True)
    got = Agreement()(student, torch.tensor([[9.0, 8.0], [1.0, 0.0]]))
    assert torch.equal(got, torch.tensor(0.5))
    assert not got.requires_grad


def test_it_is_known_as_agreement():
    assert (kind_of(Agreement), name_of(Agreement)) == ("probe", "agreement")
    assert [(port.name, port.shape) for port in Agreement.ports] == [
        ("student", "b c"),
        ("teacher", "b c"),
    ]
