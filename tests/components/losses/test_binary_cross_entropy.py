import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphkd.component import kind_of, name_of
from graphkd.components.losses import BinaryCrossEntropy

LOGIT = st.floats(-30, 30, width=32)


def test_it_is_known_as_binary_cross_entropy():
    assert (kind_of(BinaryCrossEntropy), name_of(BinaryCrossEntropy)) == (
        "loss",
        "binary_cross_entropy",
    )


def test_by_hand():
    # chances 3/4 and 1/2; bits 1 and 0; then 1/2 of each at 3/4
    student = torch.tensor([[math.log(3.0), 0.0], [math.log(3.0), 0.0]])
    teacher = torch.tensor([[1.0, 0.0], [0.5, 1.0]])
    terms = [math.log(4 / 3), math.log(2), (math.log(4 / 3) + math.log(4)) / 2, math.log(2)]
    torch.testing.assert_close(BinaryCrossEntropy()(student, teacher), torch.tensor(sum(terms) / 4))


@given(
    rows=st.lists(st.tuples(LOGIT, st.floats(0, 1), LOGIT, st.floats(0, 1)), min_size=1, max_size=5)
)
def test_is_the_formula_in_float64(rows):
    expected = 0.0
    for row in rows:
        for logit, bit in (row[:2], row[2:]):
            # log(1 + exp(-x)) without overflow, by symmetry
            small = math.log1p(math.exp(-abs(logit)))
            expected += bit * (small + max(-logit, 0)) + (1 - bit) * (small + max(logit, 0))
    student = torch.tensor([[row[0], row[2]] for row in rows])
    teacher = torch.tensor([[row[1], row[3]] for row in rows], dtype=torch.float32)
    got = BinaryCrossEntropy()(student, teacher).item()
    assert got == pytest.approx(expected / (2 * len(rows)), rel=1e-5, abs=1e-6)


def test_teacher_gets_no_gradient_and_the_student_the_difference():
    student = torch.tensor([[math.log(3.0), 0.0]], requires_grad=True)
    teacher = torch.tensor([[1.0, 0.0]], requires_grad=True)
    BinaryCrossEntropy()(student, teacher).backward()
    # (p - q) / 2
    torch.testing.assert_close(student.grad, torch.tensor([[-0.125, 0.25]]))
    assert teacher.grad is None


def test_half_precision_is_compared_in_float32():
    student = torch.full((1, 1), 12.0, dtype=torch.float16)
    got = BinaryCrossEntropy()(student, torch.zeros(1, 1, dtype=torch.float16))
    assert got.dtype is torch.float32
    torch.testing.assert_close(got, torch.tensor(12 + math.log1p(math.exp(-12))))
