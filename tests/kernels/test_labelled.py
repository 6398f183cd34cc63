"""Value, gradient and hard cases that DKD, NKD and OFA have in common."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from graphkd.kernels.launch import interpreted
from tests.kernels.labelled import LOSSES, SIZES, agree, problem, rows
from tests.kernels.labelled_rows import NEVER

EACH = pytest.mark.parametrize("loss", LOSSES, ids=str)
EACH_SETTING = pytest.mark.parametrize(
    ("loss", "chosen"),
    [pytest.param(loss, each, id=f"{loss}-{each}") for loss in LOSSES for each in loss.settings],
)


@EACH_SETTING
@pytest.mark.parametrize("sizes", SIZES)
def test_float64_agrees_with_sums_over_classes(sizes, loss, chosen):
    tensors = problem(*sizes)
    agree(loss.solve(*tensors, **chosen), loss.expected(*tensors, **chosen))


@EACH_SETTING
def test_logits_far_apart(loss, chosen):
    tensors = problem(16, 10, spread=200.0)
    agree(loss.solve(*tensors, **chosen), loss.expected(*tensors, **chosen))
    narrow = [*(each.float() for each in tensors[:2]), tensors[2]]
    want = loss.expected(*narrow, **chosen)
    # the last bit of a logit of 800 is 6e-5, and gradients here are up to T in size
    agree(loss.solve(*narrow, **chosen), want, rtol=1e-4, atol=5e-4)


@EACH_SETTING
def test_teacher_may_rule_classes_out(loss, chosen):
    student, teacher, _ = problem(4, 5)
    teacher[:, 1::2] = NEVER
    # in the last row nothing but the label is possible, in the row before everything but it
    teacher[3] = NEVER
    teacher[3, 2] = 1.0
    teacher[2] = 1.0
    teacher[2, 1] = NEVER
    tensors = student, teacher, torch.tensor([0, 1, 1, 2])
    agree(loss.solve(*tensors, **chosen), loss.expected(*tensors, **chosen))


@EACH_SETTING
def test_rows_without_label_count_for_nothing(loss, chosen):
    tensors = problem(9, 10, unlabelled=(0, 4, 8))
    got = loss.solve(*tensors, **chosen)
    agree(got, loss.expected(*tensors, **chosen))
    assert torch.equal(got[1][[0, 4, 8]], torch.zeros(3, 10, dtype=torch.float64))


@EACH
@pytest.mark.parametrize("sizes", [(1, 10), (5, 10), (5, 1)])
def test_nothing_labelled_gives_zero_and_zero_gradient(sizes, loss):
    student, teacher, label = problem(*sizes, dtype=torch.float32)
    value, gradient = loss.solve(student, teacher, torch.full_like(label, -1))
    assert torch.equal(value, torch.tensor(0.0))
    assert torch.equal(gradient, torch.zeros(sizes))


@EACH
@pytest.mark.parametrize("label", [torch.empty(0, dtype=torch.int64), torch.empty(0, 10)])
def test_empty_batch_gives_zero_and_an_empty_gradient(label, loss):
    value, gradient = loss.solve(torch.empty(0, 10), torch.empty(0, 10), label)
    assert torch.equal(value, torch.tensor(0.0))
    assert gradient.shape == (0, 10)


@EACH
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_of_probabilities_the_largest_counts(dtype, loss):
    student, teacher, label = problem(7, 10)
    soft = 0.4 * F.one_hot(label, 10).to(dtype) + 0.06
    got = loss.solve(student, teacher, soft)
    want = loss.solve(student, teacher, label)
    assert torch.equal(got[0], want[0])
    assert torch.equal(got[1], want[1])


@EACH
def test_among_equal_probabilities_the_first_counts(loss):
    student, teacher, _ = problem(2, 4)
    soft = torch.tensor([[0.0, 0.5, 0.5, 0.0], [0.25, 0.25, 0.25, 0.25]])
    want = loss.call(student, teacher, torch.tensor([1, 0]))
    assert torch.equal(loss.call(student, teacher, soft), want)


@EACH_SETTING
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype, loss, chosen):
    student, teacher, label = problem(5, 1000, dtype=dtype)
    value, gradient = loss.solve(student, teacher, label, **chosen)
    in_float32 = loss.solve(student.float(), teacher.float(), label, **chosen)
    assert value.dtype == torch.float32
    assert torch.equal(value, in_float32[0])
    # rounded once, at the end
    assert torch.equal(gradient, in_float32[1].to(dtype))


@EACH
def test_student_and_teacher_may_differ_in_precision(loss):
    student, teacher, label = problem(4, 10, dtype=torch.float32)
    teacher = teacher.half()
    want = loss.call(student, teacher.float(), label)
    assert torch.equal(loss.call(student, teacher, label), want)
    assert loss.call(student, teacher.double(), label).dtype == torch.float32


@EACH_SETTING
def test_gradient_and_its_gradient_by_differences(loss, chosen):
    student, teacher, label = problem(4, 5, unlabelled=(1,))
    teacher[0, 1] = NEVER

    def value(z):
        return loss.call(z, teacher, label, **chosen)

    assert torch.autograd.gradcheck(value, student.requires_grad_())
    assert torch.autograd.gradgradcheck(value, student)


@EACH
@pytest.mark.parametrize("name", ["call", "reference"])
def test_teacher_gets_no_gradient(name, loss):
    student, teacher, label = problem(3, 5)
    function = getattr(loss, name)
    value = function(student.requires_grad_(), teacher.requires_grad_(), label, **loss.settings[0])
    value.backward()
    assert teacher.grad is None
    assert student.grad is not None


@EACH
def test_kernel_gives_what_the_reference_gives(loss):
    student, teacher, label = problem(5, 10, dtype=torch.float32, unlabelled=(2,))
    teacher.requires_grad_()
    chosen = loss.settings[0]
    with interpreted():
        got = loss.solve(student, teacher, label, **chosen)
    agree(got, loss.expected(student, teacher, label, **chosen), rtol=1e-5, atol=1e-6)
    assert teacher.grad is None


@EACH
def test_nothing_is_read_on_the_host(loss):
    # a tensor on the meta device has no values that could be read
    student = torch.empty(4, 10, device="meta", requires_grad=True)
    label = torch.empty(4, dtype=torch.int64, device="meta")
    value = loss.call(student, torch.empty(4, 10, device="meta"), label)
    value.backward()
    assert value.shape == ()


@EACH
@settings(max_examples=40)
@given(row=rows, constant=st.floats(-50, 50), data=st.data())
def test_a_constant_added_to_a_row_changes_nothing(loss, row, constant, data):
    chosen = data.draw(st.sampled_from(loss.settings))
    student, teacher, label = row
    before = loss.call(student, teacher, label, **chosen)
    after = loss.call(student + constant, teacher - constant, label, **chosen)
    torch.testing.assert_close(after, before, rtol=1e-9, atol=1e-9)
