"""The angle between vectors."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graphkd.component import Socket, kind_of, name_of
from graphkd.components.losses import Cosine
from graphkd.graph.ports import match


def test_by_hand():
    # cosines 24/25 of (3, 4) and (4, 3), and -1: 1 - (0.96 - 1) / 2
    student, teacher = (
        torch.tensor([[3.0, 4.0], [1.0, 0.0]]),
        torch.tensor([[8.0, 6.0], [-5.0, 0.0]]),
    )
    torch.testing.assert_close(Cosine()(student, teacher), torch.tensor(1.02))


def test_each_token_has_its_vector():
    student, teacher = torch.randn(3, 5, 4), torch.randn(3, 5, 4)
    torch.testing.assert_close(
        Cosine()(student, teacher), Cosine()(student.flatten(0, 1), teacher.flatten(0, 1))
    )


def test_zero_vector_has_no_direction():
    student = torch.zeros(1, 3, requires_grad=True)
    got = Cosine()(student, torch.ones(1, 3))
    (gradient,) = torch.autograd.grad(got, student)
    assert torch.equal(got, torch.tensor(1.0))
    assert gradient.isfinite().all()


lengths = st.lists(st.floats(0.1, 10), min_size=4, max_size=4)


@settings(max_examples=20, deadline=None)
@given(lengths, lengths)
def test_lengths_do_not_matter(of_student, of_teacher):
    generator = torch.Generator().manual_seed(0)
    student, teacher = torch.randn(2, 4, 3, generator=generator, dtype=torch.float64)
    got = Cosine()(
        student * torch.tensor(of_student, dtype=torch.float64)[:, None],
        teacher * torch.tensor(of_teacher, dtype=torch.float64)[:, None],
    )
    torch.testing.assert_close(got, Cosine()(student, teacher))


@pytest.mark.parametrize(
    ("socket", "fits"),
    [
        (Socket("b d", (2, 8)), True),
        (Socket("b n d", (2, 5, 8)), True),
        (Socket("b c h w", (2, 8, 4, 4)), False),
    ],
)
def test_grids_are_refused(socket, fits):
    assert (match(Cosine.ports[0].shape, socket, {}) is not None) == fits


def test_it_is_known_as_cosine():
    assert (kind_of(Cosine), name_of(Cosine)) == ("loss", "cosine")
    assert [port.name for port in Cosine.ports] == ["student", "teacher"]
