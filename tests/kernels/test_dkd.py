"""Value, gradient and hard cases of decoupled knowledge distillation."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from graphkd.kernels.dkd import dkd, dkd_reference
from graphkd.kernels.kl import kl
from graphkd.kernels.launch import interpreted

SIZES = [(1, 1), (1, 10), (7, 10), (2, 1000), (3, 2)]
SETTINGS = [
    {"temperature": 1.0, "alpha": 1.0, "beta": 8.0},
    {"temperature": 4.0, "alpha": 0.5, "beta": 2.0},
    {"temperature": 0.5, "alpha": 2.0, "beta": 0.0},
]
NEVER = -math.inf


def logits(*sizes, seed=0, spread=3.0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return (spread * torch.randn(*sizes, generator=generator, dtype=torch.float64)).to(dtype)


def problem(batch, classes, *, dtype=torch.float64, spread=3.0, unlabelled=()):
    """Draw a student, a teacher and class numbers, -1 at the rows `unlabelled`."""
    generator = torch.Generator().manual_seed(2)
    label = torch.randint(classes, (batch,), generator=generator)
    label[list(unlabelled)] = -1
    drawn = (logits(batch, classes, seed=seed, spread=spread, dtype=dtype) for seed in (0, 1))
    return *drawn, label


def value_and_gradient(student, teacher, label, **settings):
    student = student.detach().requires_grad_()
    value = dkd(student, teacher, label, **settings)
    (gradient,) = torch.autograd.grad(value, student)
    return value.detach(), gradient


def log_softmax(row):
    """Compute the logarithms of probabilities, class by class; of no class none."""
    top = max(row, default=0.0)
    if top == NEVER:
        return [NEVER] * len(row)
    norm = top + math.log(sum(math.exp(each - top) for each in row)) if row else 0.0
    return [each - norm for each in row]


def divergence(log_p, log_q):
    """Compute sum p log(p / q) over what is possible."""
    pairs = zip(log_p, log_q, strict=True)
    return sum(math.exp(a) * (a - b) for a, b in pairs if a > NEVER)


def parts(row, y):
    """Give log (p_y, 1 - p_y), and the logarithms of the softmax over the other classes."""
    others = row[:y] + row[y + 1 :]
    log_p = log_softmax(row)
    # the sum over the others, not 1 - p_y, of which nothing is left where p_y is near 1
    rest = [log_p[c] for c in range(len(row)) if c != y]
    top = max(rest, default=NEVER)
    log_rest = top if top == NEVER else top + math.log(sum(math.exp(r - top) for r in rest))
    return [log_p[y], log_rest], log_softmax(others)


def expected_row(s, t, y, *, temperature, alpha, beta):
    q, q_others = parts([each / temperature for each in s], y)
    p, p_others = parts([each / temperature for each in t], y)
    value = alpha * divergence(p, q) + beta * divergence(p_others, q_others)
    log_q = log_softmax([each / temperature for each in s])
    slopes, place = [], 0
    for k in range(len(s)):
        # d log q_y / dz_k = ((k = y) - q_k) / T, and of log(1 - q_y) -q_y / T at y and
        # q_k q_y / (1 - q_y) / T elsewhere
        slope = alpha * math.exp(p[0]) * (math.exp(log_q[k]) - (k == y))
        if k == y:
            slope += alpha * math.exp(p[1] + q[0])
        else:
            slope -= alpha * math.exp(p[1] + log_q[k] + q[0] - q[1])
            possible = sum(math.exp(each) for each in p_others)
            slope += beta * (possible * math.exp(q_others[place]) - math.exp(p_others[place]))
            place += 1
        # T^2 times 1 / T
        slopes.append(temperature * slope)
    return temperature**2 * value, slopes


def expected(student, teacher, label, **settings):
    """Compute value and gradient in float64, row by row and class by class."""
    rows = zip(student.double().tolist(), teacher.double().tolist(), label.tolist(), strict=True)
    found = [None if y == -1 else expected_row(s, t, y, **settings) for s, t, y in rows]
    count = max(sum(each is not None for each in found), 1)
    value = sum(each[0] for each in found if each is not None) / count
    empty = [0.0] * student.shape[1]
    slopes = [empty if each is None else [slope / count for slope in each[1]] for each in found]
    made = torch.tensor(slopes, dtype=torch.float64).view(student.shape)
    return torch.tensor(value, dtype=torch.float64), made


def agree(got, want, **tolerance):
    torch.testing.assert_close(got[0].double(), want[0], **tolerance)
    torch.testing.assert_close(got[1].double(), want[1], **tolerance)


# teacher p = (1/2, 3/8, 1/8), student q = (1/3, 1/3, 1/3), label 0
TEACHER = torch.tensor([[math.log(4.0), math.log(3.0), 0.0]])
# 1/2 ln(3/2) + 1/2 ln((1/2) / (2/3))
TARGET = 0.5 * math.log(9 / 8)
# (3/4, 1/4) against (1/2, 1/2): 3/4 ln(3/2) + 1/4 ln(1/2)
OTHERS = 0.75 * math.log(1.5) - 0.25 * math.log(2.0)


def test_reference_by_hand():
    label = torch.tensor([0])
    got = dkd_reference(torch.zeros(1, 3), TEACHER, label, temperature=1.0, alpha=2.0, beta=3.0)
    torch.testing.assert_close(got, torch.tensor(2 * TARGET + 3 * OTHERS))


def test_temperature_and_mean_by_hand():
    # twice the logits at T = 2 are the same probabilities; the second row is equal on both sides,
    # so that the mean halves, the third has no label; T^2 = 4
    same = torch.tensor([[5.0, 1.0, 2.0]])
    student = torch.cat([torch.zeros(1, 3), same, same])
    teacher = torch.cat([2 * TEACHER, same, -same])
    label = torch.tensor([0, 1, -1])
    got = dkd_reference(student, teacher, label, temperature=2.0, alpha=2.0, beta=3.0)
    torch.testing.assert_close(got, torch.tensor(4 * (2 * TARGET + 3 * OTHERS) / 2))


def test_gradient_by_hand():
    # at the label alpha (q_y - p_y) = 2 (1/3 - 1/2), elsewhere
    # alpha qh (p_y - q_y) + beta (qh - ph) = 2/2 (1/2 - 1/3) + 3 (1/2 - 3/4), and with 1/4
    _, gradient = value_and_gradient(
        torch.zeros(1, 3), TEACHER, torch.tensor([0]), temperature=1.0, alpha=2.0, beta=3.0
    )
    torch.testing.assert_close(gradient, torch.tensor([[-1 / 3, -7 / 12, 11 / 12]]))


def test_defaults_are_those_of_the_paper():
    tensors = problem(4, 10)
    assert torch.equal(dkd(*tensors), dkd(*tensors, temperature=4.0, alpha=1.0, beta=8.0))


@pytest.mark.parametrize("temperature", [1.0, 4.0])
@pytest.mark.parametrize("sizes", SIZES)
def test_kl_is_both_parts_with_the_weight_that_couples_them(sizes, temperature):
    # KL(p || q) = TCKD + (1 - p_y) NCKD, a row at a time since p_y differs
    student, teacher, label = problem(*sizes)
    for row in range(len(student)):
        one = slice(row, row + 1)
        p = F.softmax(teacher[row] / temperature, dim=0)
        got = dkd(
            student[one],
            teacher[one],
            label[one],
            temperature=temperature,
            alpha=1.0,
            beta=1.0 - p[label[row]].item(),
        )
        want = kl(student[one], teacher[one], temperature=temperature)
        # with one class there is 1 - 1
        torch.testing.assert_close(got, want, rtol=1e-9, atol=1e-13)


def test_two_classes_have_nothing_but_a_target():
    student, teacher, label = problem(6, 2)
    for beta in (0.0, 100.0):
        got = dkd(student, teacher, label, temperature=2.0, alpha=1.0, beta=beta)
        torch.testing.assert_close(got, kl(student, teacher, temperature=2.0))


@pytest.mark.parametrize("chosen", SETTINGS, ids=str)
@pytest.mark.parametrize("sizes", SIZES)
def test_float64_agrees_with_sums_over_classes(sizes, chosen):
    tensors = problem(*sizes)
    agree(value_and_gradient(*tensors, **chosen), expected(*tensors, **chosen))


@pytest.mark.parametrize("chosen", SETTINGS, ids=str)
def test_logits_far_apart(chosen):
    tensors = problem(16, 10, spread=200.0)
    agree(value_and_gradient(*tensors, **chosen), expected(*tensors, **chosen))
    narrow = [each.float() for each in tensors[:2]]
    want = expected(*narrow, tensors[2], **chosen)
    # the last bit of a logit of 800 is 6e-5, and gradients here are up to T in size
    agree(value_and_gradient(*narrow, tensors[2], **chosen), want, rtol=1e-4, atol=5e-4)


@pytest.mark.parametrize("chosen", SETTINGS, ids=str)
def test_teacher_may_rule_classes_out(chosen):
    student, teacher, _ = problem(4, 5)
    teacher[:, 1::2] = NEVER
    # in the last row nothing but the label is possible, in the row before everything but it
    teacher[3] = NEVER
    teacher[3, 2] = 1.0
    teacher[2] = 1.0
    teacher[2, 1] = NEVER
    label = torch.tensor([0, 1, 1, 2])
    agree(
        value_and_gradient(student, teacher, label, **chosen),
        expected(student, teacher, label, **chosen),
    )


@pytest.mark.parametrize("chosen", SETTINGS, ids=str)
def test_rows_without_label_count_for_nothing(chosen):
    student, teacher, label = problem(9, 10, unlabelled=(0, 4, 8))
    got = value_and_gradient(student, teacher, label, **chosen)
    agree(got, expected(student, teacher, label, **chosen))
    assert torch.equal(got[1][[0, 4, 8]], torch.zeros(3, 10, dtype=torch.float64))


@pytest.mark.parametrize("sizes", [(1, 10), (5, 10), (5, 1)])
def test_nothing_labelled_gives_zero_and_zero_gradient(sizes):
    student, teacher, label = problem(*sizes, dtype=torch.float32)
    value, gradient = value_and_gradient(student, teacher, torch.full_like(label, -1))
    assert torch.equal(value, torch.tensor(0.0))
    assert torch.equal(gradient, torch.zeros(sizes))


@pytest.mark.parametrize("label", [torch.empty(0, dtype=torch.int64), torch.empty(0, 10)])
def test_empty_batch_gives_zero_and_an_empty_gradient(label):
    value, gradient = value_and_gradient(torch.empty(0, 10), torch.empty(0, 10), label)
    assert torch.equal(value, torch.tensor(0.0))
    assert gradient.shape == (0, 10)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_of_probabilities_the_largest_counts(dtype):
    student, teacher, label = problem(7, 10)
    soft = 0.4 * F.one_hot(label, 10).to(dtype) + 0.06
    got = value_and_gradient(student, teacher, soft)
    want = value_and_gradient(student, teacher, label)
    assert torch.equal(got[0], want[0])
    assert torch.equal(got[1], want[1])


def test_among_equal_probabilities_the_first_counts():
    student, teacher, _ = problem(2, 4)
    soft = torch.tensor([[0.0, 0.5, 0.5, 0.0], [0.25, 0.25, 0.25, 0.25]])
    assert torch.equal(dkd(student, teacher, soft), dkd(student, teacher, torch.tensor([1, 0])))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("chosen", SETTINGS, ids=str)
def test_half_precision_is_computed_in_float32(chosen, dtype):
    student, teacher, label = problem(5, 1000, dtype=dtype)
    value, gradient = value_and_gradient(student, teacher, label, **chosen)
    in_float32 = value_and_gradient(student.float(), teacher.float(), label, **chosen)
    assert value.dtype == torch.float32
    assert torch.equal(value, in_float32[0])
    # rounded once, at the end
    assert torch.equal(gradient, in_float32[1].to(dtype))


def test_student_and_teacher_may_differ_in_precision():
    student, teacher, label = problem(4, 10, dtype=torch.float32)
    teacher = teacher.half()
    assert torch.equal(dkd(student, teacher, label), dkd(student, teacher.float(), label))
    assert dkd(student, teacher.double(), label).dtype == torch.float32


@pytest.mark.parametrize("chosen", SETTINGS, ids=str)
def test_gradient_and_its_gradient_by_differences(chosen):
    student, teacher, label = problem(4, 5, unlabelled=(1,))
    teacher[0, 1] = NEVER

    def loss(z):
        return dkd(z, teacher, label, **chosen)

    assert torch.autograd.gradcheck(loss, student.requires_grad_())
    assert torch.autograd.gradgradcheck(loss, student)


@pytest.mark.parametrize("function", [dkd, dkd_reference])
def test_teacher_gets_no_gradient(function):
    student, teacher, label = problem(3, 5)
    function(student.requires_grad_(), teacher.requires_grad_(), label, **SETTINGS[0]).backward()
    assert teacher.grad is None
    assert student.grad is not None


def test_kernel_gives_what_the_reference_gives():
    student, teacher, label = problem(5, 10, dtype=torch.float32, unlabelled=(2,))
    teacher.requires_grad_()
    with interpreted():
        got = value_and_gradient(student, teacher, label, **SETTINGS[0])
    agree(got, expected(student, teacher, label, **SETTINGS[0]), rtol=1e-5, atol=1e-6)
    assert teacher.grad is None


def test_nothing_is_read_on_the_host():
    # a tensor on the meta device has no values that could be read
    student = torch.empty(4, 10, device="meta", requires_grad=True)
    label = torch.empty(4, dtype=torch.int64, device="meta")
    value = dkd(student, torch.empty(4, 10, device="meta"), label)
    value.backward()
    assert value.shape == ()


@pytest.mark.parametrize("number", [-2, -100, 3])
def test_number_that_is_no_class_is_an_error(number):
    with pytest.raises(RuntimeError, match=f"index {number} is out of bounds"):
        dkd(torch.zeros(1, 3), torch.zeros(1, 3), torch.tensor([number]))


def rows(num_classes):
    number = st.floats(-20, 20, width=32)
    return st.lists(number, min_size=num_classes, max_size=num_classes)


pairs = st.integers(1, 6).flatmap(lambda c: st.tuples(rows(c), rows(c), st.integers(0, c - 1)))


@settings(max_examples=40, deadline=None)
@given(pairs, st.floats(-50, 50), st.sampled_from(SETTINGS))
def test_a_constant_added_to_a_row_changes_nothing(pair, constant, chosen):
    *sides, y = pair
    student, teacher = (torch.tensor([side], dtype=torch.float64) for side in sides)
    label = torch.tensor([y])
    before = dkd(student, teacher, label, **chosen)
    after = dkd(student + constant, teacher - constant, label, **chosen)
    torch.testing.assert_close(after, before, rtol=1e-9, atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(pairs, st.sampled_from(SETTINGS))
def test_it_is_zero_between_equals_and_never_below(pair, chosen):
    *sides, y = pair
    student, teacher = (torch.tensor([side], dtype=torch.float64) for side in sides)
    label = torch.tensor([y])
    # sums of terms of size 40 T, each rounded
    assert dkd(student, teacher, label, **chosen) >= -1e-11
    value, gradient = value_and_gradient(student, student, label, **chosen)
    torch.testing.assert_close(value, torch.zeros_like(value), rtol=0, atol=1e-11)
    torch.testing.assert_close(gradient, torch.zeros_like(gradient), rtol=0, atol=1e-13)


def test_saturated_targets():
    # the teacher is sure of the label, to which the student gives exp(-200) / 2, and the other way
    # round: 1/3 ln(1/3) + 2/3 ln((2/3) / (2 exp(-200)))
    far, even = torch.tensor([[200.0, 0.0, 0.0]]), torch.zeros(1, 3)
    label = torch.tensor([0])
    value, gradient = value_and_gradient(-far, far, label, temperature=1.0)
    torch.testing.assert_close(value, torch.tensor(200.0 + math.log(2.0)))
    torch.testing.assert_close(gradient, torch.tensor([[-1.0, 0.5, 0.5]]))
    value, gradient = value_and_gradient(far, even, label, temperature=1.0)
    torch.testing.assert_close(value, torch.tensor(400 / 3 - math.log(3.0)))
    torch.testing.assert_close(gradient, torch.tensor([[2 / 3, -1 / 3, -1 / 3]]))


STUDENT, LABEL = torch.zeros(4, 10), torch.zeros(4, dtype=torch.int64)
REFUSED = {
    'student must be floating point "b c"; it is (10,) float32': {"student": STUDENT[0]},
    'student must be floating point "b c"; it is (4, 10) int64': {"student": STUDENT.long()},
    'student is (4, 10) but teacher is (1, 10); both must be the same "b c"': {
        "teacher": STUDENT[:1]
    },
    'teacher must be floating point "b c"; it is (4, 10) int64': {"teacher": STUDENT.long()},
    "teacher is on meta but student is on cpu": {"teacher": STUDENT.to("meta")},
    "label must be (4,) int64, a class number a row, or (4, 10) probabilities; it is (3,) int64": {
        "label": LABEL[:3]
    },
    "label must be (4,) int64, a class number a row, or (4, 10) probabilities; it is (4,) bool": {
        "label": LABEL.bool()
    },
    "label must be (4, 10), probabilities as the student's logits; it is (4,) float32": {
        "label": LABEL.float()
    },
    "label is on meta but student is on cpu": {"label": LABEL.to("meta")},
    "temperature is 0.0, not above 0; try 4.0": {"temperature": 0.0},
    "temperature is nan, not above 0; try 4.0": {"temperature": math.nan},
}


@pytest.mark.parametrize("kernel", [False, True])
@pytest.mark.parametrize("message", REFUSED)
def test_refused(message, kernel):
    chosen = {"student": STUDENT, "teacher": STUDENT, "label": LABEL, **REFUSED[message]}
    with pytest.raises(ValueError) as caught:
        if kernel:
            with interpreted():
                dkd(**chosen)
        else:
            dkd(**chosen)
    # the kernel takes lists, of which it names the place
    assert str(caught.value).removeprefix("teachers[0]: ").removeprefix("terms[0]: ") == message
