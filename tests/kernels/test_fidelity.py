"""Shares and differences of right answers."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graphkd.kernels.fidelity import accuracy_gap, agreement


def answers(*classes, num_classes=4):
    """Make logits whose largest stands at these classes."""
    return torch.nn.functional.one_hot(torch.tensor(classes), num_classes).float()


def test_agreement_by_hand():
    # rows 0, 1 and 3 of 4
    got = agreement(answers(0, 1, 2, 3), answers(0, 1, 3, 3))
    assert torch.equal(got, torch.tensor(0.75))


def test_lowest_class_counts_among_equals():
    tie = torch.tensor([[1.0, 5.0, 5.0, 0.0]])
    assert agreement(tie, answers(1)) == 1
    assert agreement(answers(2), tie) == 0


def test_gap_by_hand():
    # labelled are the first 4; the teacher is right in 3 of them, the student in 1
    label = torch.tensor([0, 1, 2, 3, -1])
    got = accuracy_gap(answers(0, 0, 0, 0, 2), answers(0, 1, 2, 0, 2), label)
    assert torch.equal(got, torch.tensor(0.5))


def test_better_student_is_below_zero():
    assert accuracy_gap(answers(1), answers(0), torch.tensor([1])) == -1


@pytest.mark.parametrize("batch", [0, 3])
def test_nothing_to_count_gives_zero(batch):
    logits = torch.rand(batch, 4)
    label = torch.full((batch,), -1)
    assert torch.equal(accuracy_gap(logits, logits + 1, label), torch.tensor(0.0))
    assert torch.equal(agreement(logits[:0], logits[:0]), torch.tensor(0.0))


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_no_gradient_and_float32_for_any_precision(dtype):
    student = torch.rand(3, 4, dtype=dtype, requires_grad=True)
    teacher = torch.rand(3, 4, requires_grad=True)
    label = torch.tensor([0, 1, -1])
    for got in (agreement(student, teacher), accuracy_gap(student, teacher, label)):
        assert got.dtype == torch.float32
        assert got.shape == ()
        assert not got.requires_grad


def test_nothing_is_read_on_the_host():
    # a tensor on the meta device has no values that could be read
    logits = torch.empty(3, 4, device="meta")
    label = torch.empty(3, dtype=torch.int64, device="meta")
    assert agreement(logits, logits).is_meta
    assert accuracy_gap(logits, logits, label).is_meta


classes = st.lists(st.tuples(*[st.integers(0, 3)] * 2, st.integers(-1, 3)), min_size=1, max_size=9)


@settings(max_examples=30, deadline=None)
@given(classes)
def test_they_count(rows):
    student, teacher, label = zip(*rows, strict=True)
    same = sum(s == t for s, t, _ in rows) / len(rows)
    labelled = [row for row in rows if row[2] >= 0]
    ahead = sum((t == y) - (s == y) for s, t, y in labelled) / max(len(labelled), 1)
    s, t = answers(*student), answers(*teacher)
    torch.testing.assert_close(agreement(s, t), torch.tensor(same))
    torch.testing.assert_close(accuracy_gap(s, t, torch.tensor(label)), torch.tensor(ahead))
