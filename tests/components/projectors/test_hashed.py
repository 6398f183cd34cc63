"""Logits of code bits; the numbered invariants are those of a tailored coordinate system."""

import copy

import pytest
import torch

from graphkd.component import Site, Socket, find
from graphkd.components.losses import MSE, BinaryCrossEntropy
from graphkd.components.projectors import Hashed
from graphkd.components.transforms import HashCode, Recall
from graphkd.errors import ComponentError


def place(width, **modules):
    return Site(inputs={"input": (Socket("b d", (2, width)),)}, modules=modules)


def vectors(count=40, width=6):
    return torch.randn(count, width, generator=torch.Generator().manual_seed(1)) + 2


def table(component, values):
    made = component.build(place(values.shape[1]))
    made.begin()
    for value, index in zip(values.split(7), torch.arange(len(values)).split(7), strict=True):
        made.update(value, index)
    made.finish()
    return made


@pytest.fixture
def code():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return table(HashCode(bits=64), vectors())


def test_registered():
    assert find("projector", "hashed") is Hashed


def test_is_planes_times_input_plus_offset(code):
    value = vectors(3)
    expected = value.double() @ code.planes.double().T + code.offset.double()
    got = Hashed(by="code").build(place(6, by=code))(value)
    torch.testing.assert_close(got.double(), expected, atol=1e-5, rtol=0)


def test_planes_stay_the_other_nodes(code):
    made = Hashed(by="code").build(place(6, by=code))
    assert not made.state_dict()
    assert not list(made.parameters())
    twin = copy.deepcopy(made)
    code.planes.zero_()
    code.offset.fill_(3.0)
    # both borrow; neither has a copy
    assert (made(vectors(2)) == 3).all()
    assert (twin(vectors(2)) == 3).all()


def test_invariant_8_the_teachers_own_embedding_has_every_bit_right(code):
    values, index = vectors(), torch.arange(40)
    logits = Hashed(by="code").build(place(6, by=code))(values)
    assert torch.equal((logits > 0).float(), code(index))
    assert MSE()(values, table(Recall(), values)(index)) == 0


def test_invariant_4_training_leaves_planes_and_codes_and_brings_the_bits_closer(code):
    before = copy.deepcopy(code.state_dict())
    index = torch.arange(40)
    learner = torch.nn.Linear(6, 6)
    made = Hashed(by="code").build(place(6, by=code))
    optimizer = torch.optim.AdamW([*learner.parameters(), *made.parameters()], lr=0.1)
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = BinaryCrossEntropy()(made(learner(vectors())), code(index))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    after = code.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_node_that_is_no_hash_code():
    with pytest.raises(ComponentError) as error:
        Hashed(by="memory").build(place(6, by=table(Recall(), vectors())))
    assert str(error.value) == "'memory' is no hash_code; write one's name"
    assert error.value.field == "by"


def test_width_of_the_planes(code):
    with pytest.raises(ComponentError) as error:
        Hashed(by="code").build(place(5, by=code))
    assert str(error.value) == (
        "the planes of 'code' have width 6, but the input has 5; project it to that width before"
    )
    assert error.value.field == "by"
