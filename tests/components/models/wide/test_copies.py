from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graphkd.components.models.wide.copies import Torn, broadcast, joined, narrowed, through_view
from graphkd.components.models.wide.shared_tensor import tile

SIZES = st.lists(st.integers(1, 4), min_size=1, max_size=4)


def splits(number):
    """List the shapes with so many elements and at most three axes."""
    shapes = [(number,)]
    for one in (each for each in range(1, number + 1) if number % each == 0):
        rest = number // one
        shapes.append((one, rest))
        shapes += [(one, two, rest // two) for two in range(1, rest + 1) if rest % two == 0]
    return shapes


@settings(max_examples=200, deadline=None)
@given(data=st.data(), shape=SIZES, copies=st.integers(2, 3))
def test_views_are_followed_or_refused(data, shape, copies):
    axis = data.draw(st.integers(0, len(shape) - 1))
    chunks = data.draw(st.sampled_from([n for n in (1, 2, 3, 4) if shape[axis] % n == 0]))
    student = torch.arange(math.prod(shape)).reshape(shape)
    wide = tile(student, ((axis, chunks),), copies)
    after = data.draw(st.sampled_from(splits(wide.numel())))
    viewed = wide.reshape(after)
    try:
        found = through_view({axis: chunks}, wide.shape, after, copies=copies)
    except Torn:
        # no axis of the new shape holds the copies: none of them says where they are
        for new in range(len(after)):
            if after[new] % copies:
                continue
            small = [size // copies if each == new else size for each, size in enumerate(after)]
            for pieces in (n for n in range(1, small[new] + 1) if small[new] % n == 0):
                again = tile(student.reshape(small), ((new, pieces),), copies)
                assert not torch.equal(again, viewed)
        return
    ((new, pieces),) = found.items()
    small = narrowed(after, found, copies=copies)
    assert torch.equal(tile(student.reshape(small), ((new, pieces),), copies), viewed)


def test_two_widened_axes_must_not_merge():
    assert through_view({0: 1, 1: 1}, (4, 6), (2, 2, 6), copies=2) == {0: 1, 2: 1}
    with pytest.raises(Torn):
        through_view({0: 1, 1: 1}, (4, 6), (24,), copies=2)


def test_fused_heads_are_found():
    # "b n (3 c)" with c = 2 heads of 4, twice as wide, to "b n 3 heads d"
    assert through_view({2: 3}, (2, 5, 48), (2, 5, 3, 4, 4), copies=2) == {3: 1}
    with pytest.raises(Torn):
        through_view({2: 1}, (2, 5, 48), (2, 5, 3, 4, 4), copies=2)


def test_elements_meet_where_both_are_widened():
    assert broadcast([(2, 8, 4, 4), (8, 1, 1)], [{1: 1}, {0: 1}]) == {1: 1}
    assert broadcast([(2, 8), (1, 8), ()], [{1: 2}, {1: 2}, {}]) == {1: 2}
    assert broadcast([(2, 8), (2, 1)], [{1: 1}, {}]) == {1: 1}
    for other in ({}, {0: 2}):
        with pytest.raises(Torn):
            broadcast([(2, 8), (8,)], [{1: 1}, other])


def test_joining_needs_equal_chunks():
    assert joined([(2, 8), (2, 8)], [{1: 1}, {1: 1}], 1) == {1: 2}
    assert joined([(1, 8), (3, 8)], [{1: 1}, {1: 1}], 0) == {1: 1}
    for shapes, each in (
        ([(2, 8), (2, 4)], [{1: 1}, {1: 1}]),
        ([(2, 8), (2, 8)], [{1: 1}, {}]),
        ([(2, 8), (2, 8)], [{0: 1}, {1: 1}]),
    ):
        with pytest.raises(Torn):
            joined(shapes, each, 1)
