"""What is handed to a checkpoint is the state of that moment, however memory is used again."""

import copy
from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graphkd.run import checkpoint
from graphkd.run.copies import Copier, copied, replaced
from graphkd.run.writer import Writer

DTYPES = (torch.float32, torch.bfloat16, torch.int64, torch.bool, torch.complex64)


def bytes_of(tensor):
    return tensor.contiguous().view(-1).view(torch.uint8).tolist() if tensor.numel() else []


def tensors_of(state):
    found = {}
    replaced(state, lambda tensor, path: found.setdefault(path, tensor))
    return found


def sharing(tensors):
    """Pairs of names whose tensors lie in the same memory."""
    places = {n: each.untyped_storage().data_ptr() for n, each in tensors.items() if each.numel()}
    return {pair for pair in combinations(places, 2) if places[pair[0]] == places[pair[1]]}


@st.composite
def states(draw):
    """A nested state in which some tensors are parts of others."""
    wholes = [
        torch.randint(0, 2, (draw(st.integers(0, 4)), draw(st.integers(1, 3)))).to(dtype)
        for dtype in draw(st.lists(st.sampled_from(DTYPES), min_size=1, max_size=5))
    ]
    some = st.sampled_from(wholes)
    part = some.map(lambda each: each[1:].t())
    single = some.map(lambda each: each.reshape(-1)[0] if each.numel() else each)
    return draw(
        st.dictionaries(
            st.sampled_from("abcd"),
            st.recursive(
                some | part | single | st.none() | st.integers() | st.text(max_size=3),
                lambda inner: (
                    st.lists(inner, max_size=3)
                    | st.dictionaries(st.sampled_from("xyz"), inner, max_size=3)
                    | st.tuples(inner, inner)
                ),
                max_leaves=8,
            ),
            min_size=1,
        )
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(states(), min_size=1, max_size=4))
def test_a_copy_into_memory_of_another_state_is_the_state_byte_for_byte(rounds):
    copier = Copier()
    for state in rounds:
        with copier.anew():
            made = replaced(state, copier.copy)
        wanted = copy.deepcopy(state)
        for each in tensors_of(state).values():
            each.zero_()
        ours, theirs = tensors_of(made), tensors_of(wanted)
        assert {n: (t.shape, t.dtype, t.stride()) for n, t in ours.items()} == {
            n: (t.shape, t.dtype, t.stride()) for n, t in theirs.items()
        }
        assert {n: bytes_of(t) for n, t in ours.items()} == {
            n: bytes_of(t) for n, t in theirs.items()
        }
        assert sharing(ours) == sharing(theirs)
        plain = [replaced(each, lambda tensor, path: None) for each in (made, wanted)]
        assert plain[0] == plain[1]


def test_what_torch_computes_when_it_is_read_is_read_alike(tmp_path):
    one, other = (torch.randn(3, dtype=torch.complex64) for _ in range(2))
    state = {"conjugate": one.conj(), "negative": other.conj().imag}
    checkpoint.save(tmp_path, 1, copied(state), keep=1)
    found = checkpoint.load_latest(tmp_path)
    assert all(torch.equal(found[key], state[key]) for key in state)


def test_memory_of_numpy_that_begins_at_one_place_is_copied_to_its_end():
    numbers = np.arange(1000.0)
    state = {"begin": torch.from_numpy(numbers[:3]), "all": torch.from_numpy(numbers)}
    made = copied(state)
    assert all(torch.equal(made[key], state[key]) for key in state)


@pytest.fixture
def places(monkeypatch):
    """Where the tensors of each checkpoint lay, by name."""
    seen, real = [], checkpoint.save

    def save(folder, step, state, **kwargs):
        seen.append({n: each.data_ptr() for n, each in tensors_of(state).items()})
        return real(folder, step, state, **kwargs)

    monkeypatch.setattr(checkpoint, "save", save)
    return seen


def test_each_checkpoint_lies_where_the_last_one_did_and_holds_its_own_moment(tmp_path, places):
    writer = Writer(tmp_path, keep=5)
    state = {"model": {"weight": torch.zeros(1000)}, "moments": [torch.zeros(1000)] * 2}
    for step in range(1, 4):
        for each in tensors_of(state).values():
            each.fill_(step)
        writer.save(step, state)
    writer.close()
    assert len(places) == 3
    assert set(places[0].values()) == set(places[1].values()) == set(places[2].values())
    for path in checkpoint.listed(tmp_path):
        found = torch.load(path / checkpoint.STATE)
        values = {each.unique().item() for each in tensors_of(found).values()}
        assert values == {int(path.name.removeprefix("step-"))}


def test_a_state_that_was_refused_leaves_the_next_one_right(tmp_path):
    writer = Writer(tmp_path, keep=5)
    weight = torch.ones(1000)
    writer.save(1, {"weight": weight})
    with pytest.raises(TypeError, match=r"^model\.x is a set; "):
        writer.save(2, {"weight": weight * 2, "model": {"x": {1}}})
    writer.save(3, {"weight": weight * 3, "half": weight[:500]})
    writer.close()
    assert [path.name[-1] for path in checkpoint.listed(tmp_path)] == ["1", "3"]
    found = checkpoint.load_latest(tmp_path)
    assert found["weight"].unique().tolist() == [3]
    assert found["half"].unique().tolist() == [1]
