"""The ND loss: numbers by hand, and the invariants of its method, by their numbers."""

import math

import pytest
import torch

from graphkd.component import find
from graphkd.components.losses import ND


def vectors(*sizes, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*sizes, generator=generator, dtype=torch.float64)


def by_definition(student, teacher, centre):
    """Compute it sample by sample, in Python's numbers."""
    found = []
    for s, t, c in zip(student.tolist(), teacher.tolist(), centre.tolist(), strict=True):
        length = math.hypot(*c)
        inner = sum(a * b / length for a, b in zip(s, c, strict=True))
        found.append(1 - inner / max(math.hypot(*s), math.hypot(*t)))
    return sum(found) / len(found)


def test_registered():
    assert find("loss", "nd") is ND


def test_by_hand():
    student = torch.tensor([[3.0, 4.0], [3.0, 4.0]])
    teacher = torch.tensor([[0.0, 10.0], [1.0, 0.0]])
    centre = torch.tensor([[2.0, 0.0], [2.0, 0.0]])
    # 1 - 3 / 10 as the teacher's is longer, 1 - 3 / 5 as the student's is; their mean is 0.55
    torch.testing.assert_close(ND()(student, teacher, centre), torch.tensor(0.55))


def test_1_it_is_the_mean_of_its_samples_in_any_order():
    student, teacher, centre = (vectors(9, 5, seed=each) for each in range(3))
    value = ND()(student, teacher, centre)
    assert value.item() == pytest.approx(by_definition(student, teacher, centre), abs=1e-12)
    order = torch.randperm(9, generator=torch.Generator().manual_seed(4))
    torch.testing.assert_close(ND()(student[order], teacher[order], centre[order]), value)


@pytest.mark.parametrize(("length", "value"), [(3.0, 0.0), (2.0, 0.0), (0.5, 0.75), (-2.0, 2.0)])
def test_2_along_the_class_mean(length, value):
    centre = torch.tensor([[0.6, 0.8]])
    # the teacher's vector is 2 long
    teacher = torch.tensor([[2.0, 0.0]])
    torch.testing.assert_close(ND()(length * centre, teacher, 5 * centre), torch.tensor(value))


def test_3_gradient_of_a_short_vector_is_the_class_direction():
    student = (0.1 * vectors(4, 5)).requires_grad_()
    teacher = vectors(4, 5, seed=1).requires_grad_()
    centre = vectors(4, 5, seed=2).requires_grad_()
    ND()(student, teacher, centre).backward()
    direction = centre.detach() / centre.detach().norm(dim=1, keepdim=True)
    expected = -direction / teacher.detach().norm(dim=1, keepdim=True) / 4
    torch.testing.assert_close(student.grad, expected)
    assert teacher.grad is None
    assert centre.grad is None


def test_3_gradient_of_a_long_vector_turns_it_only():
    student = (10 * vectors(4, 5)).requires_grad_()
    ND()(student, vectors(4, 5, seed=1), vectors(4, 5, seed=2)).backward()
    radial = (student.grad * student.detach()).sum(dim=1)
    torch.testing.assert_close(radial, torch.zeros_like(radial), atol=1e-12, rtol=0)
    assert student.grad.norm() > 0


def test_3_gradient_agrees_with_differences():
    # some shorter than the teacher's, some longer
    student = (vectors(6, 3) * torch.tensor([[0.2], [4.0]] * 3)).requires_grad_()
    teacher, centre = vectors(6, 3, seed=1), vectors(6, 3, seed=2)
    assert torch.autograd.gradcheck(lambda x: ND()(x, teacher, centre), (student,))


def test_4_lengths_that_do_not_count():
    student, teacher, centre = 10 * vectors(4, 5), vectors(4, 5, seed=1), vectors(4, 5, seed=2)
    value = ND()(student, teacher, centre)
    torch.testing.assert_close(ND()(3 * student, teacher, centre), value)
    torch.testing.assert_close(ND()(student, teacher, 7 * centre), value)


def test_sample_without_class_counts_for_nothing():
    student, teacher, centre = (vectors(3, 5, seed=each) for each in range(3))
    student.requires_grad_()
    kept = ND()(student[:2], teacher[:2], centre[:2])
    centre[2] = 0.0
    value = ND()(student, teacher, centre)
    torch.testing.assert_close(value, kept)
    value.backward()
    assert student.grad[2].tolist() == [0.0] * 5
    assert ND()(student, teacher, torch.zeros_like(centre)).item() == 0.0


def test_zero_vectors_have_a_gradient():
    student = torch.zeros(1, 2, requires_grad=True)
    teacher = torch.tensor([[0.0, 2.0]])
    value = ND()(student, teacher, torch.tensor([[1.0, 0.0]]))
    value.backward()
    # -e / |t|
    torch.testing.assert_close(student.grad, torch.tensor([[-0.5, 0.0]]))
    student.grad = None
    ND()(student, 0 * teacher, torch.tensor([[1.0, 0.0]])).backward()
    assert student.grad.isfinite().all()


def test_half_precision_is_computed_wide():
    student, teacher, centre = (vectors(4, 64, seed=each).half() for each in range(3))
    wide = ND()(student.float(), teacher.float(), centre.float())
    torch.testing.assert_close(ND()(student, teacher, centre), wide)


def test_other_sizes_are_refused():
    with pytest.raises(ValueError) as caught:
        ND()(torch.zeros(2, 3), torch.zeros(2, 4), torch.zeros(2, 3))
    assert str(caught.value) == (
        "student is (2, 3) but teacher is (2, 4); both must have the same sizes"
    )
