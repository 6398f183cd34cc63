"""Value, gradient and hard cases of one-for-all distillation."""

import math
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from graphkd.kernels.launch import interpreted
from graphkd.kernels.ofa import ofa, ofa_reference

SIZES = [(1, 1), (1, 10), (7, 10), (2, 1000), (3, 2)]
SETTINGS = [
    {"temperature": 1.0, "gamma": 1.0, "nontarget_power": True},
    {"temperature": 2.0, "gamma": 1.5, "nontarget_power": True},
    {"temperature": 4.0, "gamma": 1.5, "nontarget_power": False},
    {"temperature": 0.5, "gamma": 0.7, "nontarget_power": True},
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
    value = ofa(student, teacher, label, **settings)
    (gradient,) = torch.autograd.grad(value, student)
    return value.detach(), gradient


def log_softmax(row):
    """Compute the logarithms of probabilities, class by class; of no class none."""
    top = max(row, default=0.0)
    if top == NEVER:
        return [NEVER] * len(row)
    norm = top + math.log(sum(math.exp(each - top) for each in row)) if row else 0.0
    return [each - norm for each in row]


def expected_row(s, t, y, *, temperature, gamma, nontarget_power):
    log_q = log_softmax([each / temperature for each in s])
    p = [math.exp(each) for each in log_softmax([each / temperature for each in t])]
    weights = [
        (1 + each) ** gamma - 1 if c == y else each**gamma if nontarget_power else each
        for c, each in enumerate(p)
    ]
    value = -sum(weight * log for weight, log in zip(weights, log_q, strict=True))
    # d log q_c / dz_k = ((c = k) - q_k) / T
    slopes = [
        -sum(weight * ((c == k) - math.exp(log_q[k])) for c, weight in enumerate(weights))
        for k in range(len(s))
    ]
    return value, [slope / temperature for slope in slopes]


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


# teacher p = (1/2, 3/8, 1/8), student q = (1/2, 1/4, 1/4), label 0
TEACHER = torch.tensor([[math.log(4.0), math.log(3.0), 0.0]])
LEARNER = torch.tensor([[math.log(2.0), 0.0, 0.0]])
# weight of the target at gamma 2: (3/2)^2 - 1
OWN = 1.25 * math.log(2.0)
BY_HAND = {
    # 9/64 and 1/64 of the others' ln 4
    True: OWN + 10 / 64 * math.log(4.0),
    # 3/8 and 1/8
    False: OWN + 0.5 * math.log(4.0),
}


@pytest.mark.parametrize("power", [True, False])
def test_reference_by_hand(power):
    got = ofa_reference(
        LEARNER, TEACHER, torch.tensor([0]), temperature=1.0, gamma=2.0, nontarget_power=power
    )
    torch.testing.assert_close(got, torch.tensor(BY_HAND[power]))


@pytest.mark.parametrize("power", [True, False])
def test_temperature_and_mean_by_hand(power):
    # twice the logits at T = 2 are the same probabilities, and nothing is multiplied with T^2; the
    # row without label does not count
    got = ofa_reference(
        2 * LEARNER.repeat(2, 1),
        2 * TEACHER.repeat(2, 1),
        torch.tensor([0, -1]),
        temperature=2.0,
        gamma=2.0,
        nontarget_power=power,
    )
    torch.testing.assert_close(got, torch.tensor(BY_HAND[power]))


def test_gradient_by_hand():
    # (q sum w - w) / T with w = (5/4, 9/64, 1/64), whose sum is 90/64
    _, gradient = value_and_gradient(
        2 * LEARNER, 2 * TEACHER, torch.tensor([0]), temperature=2.0, gamma=2.0
    )
    want = torch.tensor([[45 - 80, 22.5 - 9, 22.5 - 1]]) / 64 / 2
    torch.testing.assert_close(gradient, want)


def test_defaults_are_plain():
    tensors = problem(4, 10)
    chosen = {"temperature": 1.0, "gamma": 1.0, "nontarget_power": True}
    assert torch.equal(ofa(*tensors), ofa(*tensors, **chosen))
    # of a power other than 1 the others have their share
    chosen["gamma"] = 1.5
    assert torch.equal(ofa(*tensors, gamma=1.5), ofa(*tensors, **chosen))


@pytest.mark.parametrize("temperature", [1.0, 4.0])
@pytest.mark.parametrize("power", [True, False])
@pytest.mark.parametrize("sizes", SIZES)
def test_gamma_1_is_the_cross_entropy_with_the_teacher(sizes, power, temperature):
    student, teacher, label = problem(*sizes)
    chosen = {"temperature": temperature, "gamma": 1.0, "nontarget_power": power}
    value, _ = value_and_gradient(student, teacher, label, **chosen)
    p = F.softmax(teacher / temperature, dim=1)
    want = F.cross_entropy(student / temperature, p)
    torch.testing.assert_close(value, want, rtol=1e-12, atol=1e-12)
    _, gradient = value_and_gradient(teacher, teacher, label, **chosen)
    torch.testing.assert_close(gradient, torch.zeros_like(gradient), rtol=0, atol=1e-15)


def target_weights(p, gamma):
    """Read the target's weight off the loss of two classes, the second as good as free."""
    # -log q = (50, exp(-50))
    student = torch.tensor([[-50.0, 0.0]], dtype=torch.float64)
    found = []
    for each in p:
        teacher = torch.tensor([[each, 1.0 - each]], dtype=torch.float64).log()
        found.append(ofa(student, teacher, torch.tensor([0]), gamma=gamma).item() / 50)
    return found


@pytest.mark.parametrize("gamma", [0.7, 1.0, 1.5, 3.0])
def test_target_weight_grows_from_0_to_its_most(gamma):
    found = target_weights([0.0, 0.01, 0.2, 0.5, 0.8, 0.99, 1.0], gamma)
    assert found[0] == pytest.approx(0.0, abs=1e-15)
    assert found[-1] == pytest.approx(2**gamma - 1)
    assert all(before < after for before, after in pairwise(found))


@pytest.mark.parametrize("gamma", [1.5, 4.0])
def test_the_power_weakens_only_the_other_classes(gamma):
    student, teacher, label = problem(6, 10)
    with_power = ofa(student, teacher, label, gamma=gamma)
    assert with_power < ofa(student, teacher, label, gamma=gamma, nontarget_power=False)


def test_one_class_gives_zero():
    value, gradient = value_and_gradient(*problem(4, 1), gamma=2.0)
    assert value == 0.0
    assert torch.equal(gradient, torch.zeros(4, 1, dtype=torch.float64))


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
    assert torch.equal(ofa(student, teacher, soft), ofa(student, teacher, torch.tensor([1, 0])))


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
    assert torch.equal(ofa(student, teacher, label), ofa(student, teacher.float(), label))
    assert ofa(student, teacher.double(), label).dtype == torch.float32


@pytest.mark.parametrize("chosen", SETTINGS, ids=str)
def test_gradient_and_its_gradient_by_differences(chosen):
    student, teacher, label = problem(4, 5, unlabelled=(1,))
    teacher[0, 1] = NEVER

    def loss(z):
        return ofa(z, teacher, label, **chosen)

    assert torch.autograd.gradcheck(loss, student.requires_grad_())
    assert torch.autograd.gradgradcheck(loss, student)


@pytest.mark.parametrize("function", [ofa, ofa_reference])
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
    value = ofa(student, torch.empty(4, 10, device="meta"), label)
    value.backward()
    assert value.shape == ()


@pytest.mark.parametrize("number", [-2, -100, 3])
def test_number_that_is_no_class_is_an_error(number):
    with pytest.raises(RuntimeError, match=f"index {number} is out of bounds"):
        ofa(torch.zeros(1, 3), torch.zeros(1, 3), torch.tensor([number]))


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
    before = ofa(student, teacher, label, **chosen)
    after = ofa(student + constant, teacher - constant, label, **chosen)
    torch.testing.assert_close(after, before, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("gamma", [1.0, 2.0])
def test_saturated_targets(gamma):
    # the teacher is sure of the label, to which the student gives exp(-200) / 2
    far = torch.tensor([[200.0, 0.0, 0.0]])
    most = 2**gamma - 1
    value, gradient = value_and_gradient(-far, far, torch.tensor([0]), gamma=gamma)
    torch.testing.assert_close(value, torch.tensor(most * (200.0 + math.log(2.0))))
    torch.testing.assert_close(gradient, most * torch.tensor([[-1.0, 0.5, 0.5]]))
    # both are
    value, gradient = value_and_gradient(far, far, torch.tensor([0]), gamma=gamma)
    assert torch.equal(value, torch.tensor(0.0))
    assert torch.equal(gradient, torch.zeros(1, 3))


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
    "gamma is 0.0, not above 0; try 1.0": {"gamma": 0.0},
    "gamma is nan, not above 0; try 1.0": {"gamma": math.nan},
}


@pytest.mark.parametrize("kernel", [False, True])
@pytest.mark.parametrize("message", REFUSED)
def test_refused(message, kernel):
    chosen = {"student": STUDENT, "teacher": STUDENT, "label": LABEL, **REFUSED[message]}
    with pytest.raises(ValueError) as caught:
        if kernel:
            with interpreted():
                ofa(**chosen)
        else:
            ofa(**chosen)
    # the kernel takes lists, of which it names the place
    assert str(caught.value).removeprefix("teachers[0]: ").removeprefix("terms[0]: ") == message
