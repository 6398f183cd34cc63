"""What the distances have in common, and their hard cases."""

import pytest
import torch

from graphkd.kernels.distance import cosine, l1, mse, smooth_l1

ALL = [mse, l1, smooth_l1, cosine]


def values(*sizes, seed=0, dtype=torch.float32, grad=False):
    generator = torch.Generator().manual_seed(seed)
    made = torch.randn(*sizes, generator=generator, dtype=torch.float64)
    return made.to(dtype).requires_grad_(grad)


@pytest.mark.parametrize("distance", ALL)
def test_gradcheck(distance):
    student = values(3, 4, dtype=torch.float64, grad=True)
    teacher = values(3, 4, seed=1, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda s: distance(s, teacher), student)


@pytest.mark.parametrize("distance", ALL)
def test_teacher_gets_no_gradient(distance):
    student, teacher = values(3, 4, grad=True), values(3, 4, seed=1, grad=True)
    distance(student, teacher).backward()
    assert teacher.grad is None
    assert student.grad is not None


@pytest.mark.parametrize("distance", ALL)
def test_second_backward_gives_the_same_gradient(distance):
    student, teacher = values(3, 4, grad=True), values(3, 4, seed=1)
    value = distance(student, teacher)
    (first,) = torch.autograd.grad(value, student, retain_graph=True)
    (second,) = torch.autograd.grad(value, student)
    assert torch.equal(second, first)


@pytest.mark.parametrize("distance", ALL)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(distance, dtype):
    # 300^2 is beyond float16
    student = (300 * values(3, 4, dtype=torch.float32)).to(dtype).requires_grad_()
    teacher = values(3, 4, seed=1, dtype=dtype)
    value = distance(student, teacher)
    (gradient,) = torch.autograd.grad(value, student)
    assert torch.equal(value, distance(student.detach().float(), teacher.float()))
    assert value.dtype == torch.float32
    assert gradient.dtype == dtype


@pytest.mark.parametrize("distance", ALL)
@pytest.mark.parametrize("student_dtype", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("teacher_dtype", [torch.float16, torch.float32, torch.float64])
def test_sides_may_differ_in_precision(distance, student_dtype, teacher_dtype):
    student = values(3, 4, dtype=student_dtype, grad=True)
    value = distance(student, values(3, 4, seed=1, dtype=teacher_dtype))
    (gradient,) = torch.autograd.grad(value, student)
    assert gradient.dtype == student_dtype
    assert gradient.isfinite().all()


@pytest.mark.parametrize("distance", ALL)
def test_unequal_shapes_are_refused(distance):
    with pytest.raises(ValueError) as caught:
        distance(torch.zeros(4, 3), torch.zeros(1, 3))
    assert str(caught.value) == (
        "student is (4, 3) but teacher is (1, 3); both must have the same sizes"
    )
