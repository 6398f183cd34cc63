"""The logit kernel, interpreted, against float64: values, gradients, hard cases, autograd."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from graphkd.kernels import (
    DKD,
    KL,
    NKD,
    OFA,
    CrossEntropy,
    LogitProblem,
    kd_logits,
    kd_logits_grouped,
)
from graphkd.kernels.launch import interpreted

CLASSES = (1, 2, 10, 100, 1000, 1001, 5003)
NEVER = float("-inf")


def terms_at(temperature):
    return [
        CrossEntropy(),
        CrossEntropy(label_smoothing=0.1),
        KL(0, temperature),
        KL(1, temperature, "reverse"),
        KL(0, temperature, "jensen_shannon"),
        DKD(0, temperature, 1.0, 2.0),
        OFA(1, temperature),
        OFA(0, temperature, 1.5),
        OFA(0, temperature, 0.7, False),
        NKD(0, temperature, 1.5),
    ]


def logits(rows, classes, *, seed=0, spread=3.0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    return (spread * torch.randn(rows, classes, generator=generator, dtype=torch.float64)).to(dtype)


def labels(rows, classes, *, seed=0):
    return torch.randint(classes, (rows,), generator=torch.Generator().manual_seed(seed))


def truth(student, term, teachers, label):
    """Compute one term in float64, row by row, from logarithms of probabilities."""
    rows = []
    for number, row in enumerate(student):
        y = label[number] if label is not None else None
        if label is not None and not label.is_floating_point():
            y = int(y)
            if y == -1 and not isinstance(term, KL):
                continue
        teacher = None if isinstance(term, CrossEntropy) else teachers[term.teacher][number]
        rows.append(_true_row(row, term, teacher, y))
    if not rows:
        return student.sum() * 0.0
    return torch.stack(rows).mean()


def _true_row(s, term, t, y):
    if isinstance(term, CrossEntropy):
        q = F.log_softmax(s, dim=0)
        if isinstance(y, int):
            y = F.one_hot(torch.tensor(y), len(s)).double()
        target = (1 - term.label_smoothing) * y + term.label_smoothing / len(s)
        return -(target * q).sum()
    temperature = term.temperature
    q, p = F.log_softmax(s / temperature, dim=0), F.log_softmax(t / temperature, dim=0)
    if isinstance(term, KL):
        return temperature**2 * _divergence(term.direction, q, p)
    if not isinstance(y, int):
        y = int(y.argmax())
    others = [c for c in range(len(s)) if c != y]
    if isinstance(term, OFA):
        first = (1 + p[y].exp()) ** term.gamma - 1
        power = term.gamma if term.nontarget_power else 1.0
        return -first * q[y] - (p[others].exp() ** power * q[others]).sum()
    q_rest, p_rest = (F.log_softmax(each[others] / temperature, dim=0) for each in (s, t))
    if isinstance(term, NKD):
        target = F.softmax(t, dim=0)[y] * F.log_softmax(s, dim=0)[y]
        return -target - term.gamma * temperature**2 * _sum(p_rest, q_rest)
    target = _kl(p[y], q[y]) + _kl(p[others].logsumexp(0), q[others].logsumexp(0))
    return temperature**2 * (term.alpha * target + term.beta * _kl(p_rest, q_rest))


def _divergence(direction, q, p):
    if direction == "forward":
        return _kl(p, q)
    if direction == "reverse":
        return _kl(q, p)
    mixture = torch.logaddexp(p, q) - math.log(2)
    return (_kl(p, mixture) + _kl(q, mixture)) / 2


def _kl(log_p, log_q):
    possible = log_p > NEVER
    return (log_p[possible].exp() * (log_p[possible] - log_q[possible])).sum()


def _sum(log_p, log_q):
    possible = log_p > NEVER
    return (log_p[possible].exp() * log_q[possible]).sum()


def compare(student, terms, teachers, label, *, relative, scale=1.0, absolute=1e-7):
    """Compare each term of a grouped launch, a problem each, with the truth."""
    # a view must stay the view that it is
    own = [student.detach().requires_grad_() for _ in terms]
    problems = [
        LogitProblem(each, [term], teachers, label) for each, term in zip(own, terms, strict=True)
    ]
    with interpreted():
        made = kd_logits_grouped(problems, gradient_scale=scale)
        found = torch.autograd.grad(scale * made.total, own)
    total = 0.0
    for index, term in enumerate(terms):
        exact = student.detach().double().requires_grad_()
        soft = label if label is None or not label.is_floating_point() else label.double()
        value = truth(exact, term, [each.double() for each in teachers], soft)
        (gradient,) = torch.autograd.grad(scale * value, exact, allow_unused=True)
        gradient = torch.zeros_like(exact) if gradient is None else gradient
        total += value.item()
        assert made.values[index].item() == pytest.approx(value.item(), rel=1e-5, abs=1e-5), term
        assert found[index].dtype == student.dtype
        error = (found[index].double() - gradient).norm()
        # one class has no gradient at all; what is left is a rounding of 1
        assert error <= relative * gradient.norm() + absolute * scale, (
            term,
            error,
            gradient.norm(),
        )
    assert made.total.item() == pytest.approx(total, rel=1e-5, abs=1e-4)


# the gradient is rounded once, to its own precision: 2^-11 for float16
RELATIVE = {torch.float32: 3e-6, torch.float16: 4e-4}


@pytest.mark.parametrize("temperature", (0.5, 1.0, 4.0))
@pytest.mark.parametrize("dtype", (torch.float32, torch.float16), ids=str)
@pytest.mark.parametrize("classes", CLASSES)
def test_values_and_gradients(classes, dtype, temperature):
    # a streamed row is one program after another here
    rows = 2 if classes > 2048 else 3
    student = logits(rows, classes, seed=1, dtype=dtype)
    teachers = [logits(rows, classes, seed=2, dtype=dtype), logits(rows, classes, seed=3)]
    label = labels(rows, classes)
    label[1] = -1
    # as a loss scaler has it, lest most of a float16 gradient be less than its least number
    scale = 1.0 if dtype == torch.float32 else 4.0 * 2 ** math.ceil(math.log2(classes))
    terms = terms_at(temperature)
    compare(student, terms, teachers, label, relative=RELATIVE[dtype], scale=scale)


@pytest.mark.parametrize("classes", (10, 5003))
def test_class_probabilities_as_label(classes):
    student, teacher = logits(3, classes, seed=1), logits(3, classes, seed=2)
    label = F.softmax(logits(3, classes, seed=4), dim=1)
    compare(student, terms_at(2.0), [teacher, teacher], label, relative=3e-6)


def test_many_rows_are_spread_over_programs():
    student, teacher = logits(2100, 7, seed=1), logits(2100, 7, seed=2)
    compare(student, [CrossEntropy(), KL()], [teacher], labels(2100, 7), relative=3e-6)


def test_teachers_of_other_precisions():
    student = logits(4, 20, seed=1)
    halves = torch.float16
    teachers = [logits(4, 20, seed=2, dtype=halves), logits(4, 20, seed=3, dtype=torch.float64)]
    compare(student, terms_at(2.0), teachers, labels(4, 20), relative=3e-6)


@pytest.mark.parametrize("classes", (10, 1000, 5003))
def test_rows_that_lie_anyhow(classes):
    # rows apart, and a first element that no wide access may start at
    wide = logits(6, classes + 9, seed=1)
    student = wide[::2, 3 : classes + 3]
    teacher = logits(classes, 3, seed=2).T
    compare(student, terms_at(2.0), [teacher, teacher], labels(3, classes), relative=3e-6)


@pytest.mark.parametrize("classes", (10, 2500))
@pytest.mark.parametrize("temperature", (0.5, 4.0))
def test_logits_far_apart(classes, temperature):
    rows = 2 if classes > 2048 else 4
    student = logits(rows, classes, seed=1, spread=200.0)
    teacher = logits(rows, classes, seed=2, spread=200.0)
    # the last bit of a logit of 800 / T is 6e-5 / T, and gradients here are up to T in size
    terms, label = terms_at(temperature), labels(rows, classes)
    compare(student, terms, [teacher, teacher], label, relative=1e-4, absolute=1e-3)


@pytest.mark.parametrize("classes", (5, 2500))
def test_teacher_that_finds_classes_impossible(classes):
    student, teacher = logits(4, classes, seed=1), logits(4, classes, seed=2)
    teacher[:, 1::2] = NEVER
    # one row in which nothing but the label is possible
    teacher[3] = NEVER
    teacher[3, 0] = 1.0
    terms = [each for each in terms_at(2.0) if getattr(each, "direction", "") != "reverse"]
    label = torch.tensor([0, 1, 2, 0])
    compare(student, terms, [teacher, teacher], label, relative=3e-6)


def test_no_row_has_a_label():
    student, teacher = logits(4, 10, seed=1), logits(4, 10, seed=2)
    compare(student, terms_at(2.0), [teacher, teacher], torch.full((4,), -1), relative=3e-6)


@pytest.mark.parametrize("classes", (5, 2500))
@pytest.mark.parametrize("term", terms_at(2.0), ids=str)
@pytest.mark.parametrize("side", ("student", "teacher"))
def test_no_number_is_seen(side, term, classes):
    student, teacher = logits(2, classes, seed=1), logits(2, classes, seed=2)
    {"student": student, "teacher": teacher}[side][1, 3] = math.nan
    student.requires_grad_()
    with interpreted():
        made = kd_logits(student, [term], teachers=[teacher] * 2, label=torch.tensor([0, 2]))
        (gradient,) = torch.autograd.grad(made.total, student)
    concerned = side == "student" or not isinstance(term, CrossEntropy)
    assert made.total.isnan() == concerned
    assert gradient[1].isnan().any() == concerned
    assert gradient[0].isfinite().all()


def test_teacher_far_below_0_leaves_rows_without_label_alone():
    student, teacher = logits(2, 10, seed=1), logits(2, 10, seed=2) - 200.0
    terms = [NKD(), DKD(), OFA()]
    compare(student, terms, [teacher], torch.tensor([-1, 2]), relative=3e-6, absolute=1e-5)


def test_teacher_that_finds_only_the_label_possible_at_two_temperatures():
    student, teacher = logits(2, 2100, seed=1), torch.full((2, 2100), NEVER)
    teacher[0, 3], teacher[1, 5] = 1.0, -2.0
    student.requires_grad_()
    given = {"teachers": [teacher], "label": torch.tensor([3, 5])}
    terms = [DKD(0, 4.0), DKD(0, 2.0)]
    with interpreted():
        made = kd_logits(student, terms, **given)
        (found,) = torch.autograd.grad(made.total, student)
    want = kd_logits(student, terms, **given)
    torch.testing.assert_close(made.values, want.values)
    torch.testing.assert_close(found, torch.autograd.grad(want.total, student)[0])


@pytest.mark.parametrize("classes", (4, 2500))
def test_number_that_is_no_class_is_seen(classes):
    student = logits(3, classes, seed=1).requires_grad_()
    label = torch.tensor([0, classes, 1])
    with interpreted():
        made = kd_logits(student, [CrossEntropy(), KL()], teachers=[student.detach()], label=label)
        made.total.backward()
    assert made.values[0].isnan()
    assert made.values[1] == pytest.approx(0.0, abs=1e-6)
    assert student.grad[1].isnan().all()
    assert student.grad[::2].isfinite().all()


@pytest.mark.parametrize("classes", (1, 100, 5003))
def test_nothing_is_read_or_written_beyond_the_rows(classes):
    rows, guard = 3, 64
    buffers = [torch.full((rows * classes + 2 * guard,), math.nan) for _ in range(2)]
    views = [each[guard:-guard].view(rows, classes) for each in buffers]
    for seed, view in enumerate(views):
        view.copy_(logits(rows, classes, seed=seed))
    student = views[0].requires_grad_()
    with interpreted():
        made = kd_logits(
            student, terms_at(2.0), teachers=[views[1]] * 2, label=labels(rows, classes)
        )
        (gradient,) = torch.autograd.grad(made.total, student)
    assert made.values.isfinite().all()
    assert gradient.isfinite().all()
    for each in buffers:
        assert each[:guard].isnan().all()
        assert each[-guard:].isnan().all()


@pytest.mark.parametrize("shape", ((0, 10), (0, 0)))
def test_empty_batch(shape):
    student = torch.zeros(shape, requires_grad=True)
    label = torch.zeros(0, dtype=torch.int64)
    for forced in (False, True):
        if forced:
            with interpreted():
                made = kd_logits(
                    student, [CrossEntropy(), KL()], teachers=[student.detach()], label=label
                )
        else:
            made = kd_logits(
                student, [CrossEntropy(), KL()], teachers=[student.detach()], label=label
            )
        (gradient,) = torch.autograd.grad(made.total, student)
        assert made.total.item() == 0.0
        assert made.values.tolist() == [0.0, 0.0]
        assert gradient.shape == student.shape


def test_problems_of_all_shapes_in_one_launch():
    shapes = [(3, 10), (0, 10), (5, 1000), (2, 2500), (1, 1)]
    students = [logits(*each, seed=1).requires_grad_() for each in shapes]
    teachers = [logits(*each, seed=2) for each in shapes]
    problems = [
        LogitProblem(student, [CrossEntropy(), KL()], [teacher], labels(*student.shape))
        for student, teacher in zip(students, teachers, strict=True)
    ]
    weights = torch.arange(1.0, 11.0)
    want = kd_logits_grouped(problems, weights=weights)
    gradients = torch.autograd.grad(want.total, students)
    with interpreted():
        got = kd_logits_grouped(problems, weights=weights)
        found = torch.autograd.grad(got.total, students)
    torch.testing.assert_close(got.total, want.total)
    torch.testing.assert_close(got.values, want.values)
    torch.testing.assert_close(found, gradients)


def test_learner_in_two_problems_gets_both_gradients():
    student = logits(4, 10, seed=1).requires_grad_()
    one = LogitProblem(student, [KL()], [logits(4, 10, seed=2)])
    two = LogitProblem(student, [CrossEntropy()], label=labels(4, 10))
    with interpreted():
        (got,) = torch.autograd.grad(kd_logits_grouped([one, two]).total, student)
    (want,) = torch.autograd.grad(kd_logits_grouped([one, two]).total, student)
    torch.testing.assert_close(got, want)


def test_frozen_learner_beside_one_that_learns():
    learns, frozen = logits(4, 10, seed=1).requires_grad_(), logits(4, 10, seed=3)
    teacher = logits(4, 10, seed=2)
    with interpreted():
        made = kd_logits_grouped(
            [LogitProblem(frozen, [KL()], [teacher]), LogitProblem(learns, [KL()], [teacher])]
        )
        made.total.backward()
    assert frozen.grad is None
    assert learns.grad.abs().sum() > 0


class TestAutograd:
    """Every way in which a loss is used twice."""

    def setup_method(self):
        self.student = logits(4, 10, seed=1).requires_grad_()
        self.label = torch.tensor([1, -1, 3, 9])
        self.teacher = logits(4, 10, seed=2)
        made = self.loss()
        (self.gradient,) = torch.autograd.grad(made, self.student)

    def loss(self, **settings):
        return kd_logits(
            self.student,
            [CrossEntropy(0.1), KL(), DKD()],
            teachers=[self.teacher],
            label=self.label,
            **settings,
        ).total

    def gradient_of(self, loss, **settings):
        (found,) = torch.autograd.grad(loss, self.student, **settings)
        return found

    def test_backward_twice(self):
        with interpreted():
            loss = self.loss()
            first = self.gradient_of(loss, retain_graph=True)
            first.add_(1.0)
            second = self.gradient_of(2.0 * loss, retain_graph=True)
            third = self.gradient_of(loss)
        torch.testing.assert_close(second, 2.0 * self.gradient)
        torch.testing.assert_close(third, self.gradient)

    def test_loss_used_twice_in_one_graph(self):
        with interpreted():
            loss = self.loss()
            found = self.gradient_of(3.0 * loss + loss.square())
        want = (3.0 + 2.0 * self.loss().item()) * self.gradient
        # the factor is rounded before it is multiplied with
        torch.testing.assert_close(found, want, rtol=1e-5, atol=1e-4)

    @pytest.mark.parametrize("scale", (8.0, torch.tensor(8.0), torch.tensor([8.0])), ids=str)
    def test_scale_that_was_promised_or_not(self, scale):
        with interpreted():
            kept = self.gradient_of(8.0 * self.loss(gradient_scale=scale))
            broken = self.gradient_of(self.loss(gradient_scale=scale))
        torch.testing.assert_close(kept, 8.0 * self.gradient)
        torch.testing.assert_close(broken, self.gradient)

    def test_scaled_float16_gradient_does_not_vanish(self):
        # without the scale in the launch 1 / rows * 1 / classes would round to 0
        student = logits(64, 2000, seed=1, spread=0.0).half().requires_grad_()
        teacher = logits(64, 2000, seed=2)
        with interpreted():
            loss = kd_logits(
                student, [KL(0, 1.0)], teachers=[teacher], gradient_scale=65536.0
            ).total
            (found,) = torch.autograd.grad(65536.0 * loss, student)
        exact = student.detach().double().requires_grad_()
        true = kd_logits(exact, [KL(0, 1.0)], teachers=[teacher]).total
        (want,) = torch.autograd.grad(65536.0 * true, exact)
        assert (found.double() - want).norm() < 4e-4 * want.norm()

    def test_gradient_of_the_gradient(self):
        with interpreted():
            first = self.gradient_of(self.loss(), create_graph=True)
            found = self.gradient_of(first.square().sum())
        first = self.gradient_of(self.loss(), create_graph=True)
        torch.testing.assert_close(found, self.gradient_of(first.square().sum()))

    def test_gradient_of_the_gradient_where_one_student_comes_from_another(self):
        def second():
            other = self.student.square()
            one = LogitProblem(self.student, [KL()], [self.teacher])
            two = LogitProblem(other, [KL()], [self.teacher])
            first = self.gradient_of(kd_logits_grouped([one, two]).total, create_graph=True)
            return first, self.gradient_of(first.square().sum())

        with interpreted():
            found = second()
        torch.testing.assert_close(found, second())

    def test_what_was_changed_in_between_is_noticed(self):
        with interpreted():
            loss = self.loss()
            self.teacher.zero_()
            with pytest.raises(RuntimeError) as caught:
                loss.backward()
        assert str(caught.value) == (
            "a teacher, label or weight was changed in place after the loss was computed"
        )

    def test_values_carry_no_gradient(self):
        with interpreted():
            made = kd_logits(self.student, [KL()], teachers=[self.teacher])
        assert not made.values.requires_grad
        assert made.total.requires_grad

    def test_without_gradient_only_values(self):
        with interpreted(), torch.no_grad():
            loss = self.loss()
        assert not loss.requires_grad
        torch.testing.assert_close(loss, self.loss().detach())

    def test_same_numbers_every_time(self):
        with interpreted():
            results = [self.loss() for _ in range(3)]
            gradients = [self.gradient_of(each) for each in results]
        assert len({each.item() for each in results}) == 1
        assert all(torch.equal(each, gradients[0]) for each in gradients)


@pytest.mark.parametrize("classes", (3, 2100))
def test_gradcheck_in_float64(classes):
    student = logits(2, classes, seed=1, dtype=torch.float64).requires_grad_()
    teachers = [logits(2, classes, seed=each, dtype=torch.float64) for each in (2, 3)]
    label = torch.tensor([2, 0])

    def loss(student):
        return kd_logits(student, terms_at(2.0), teachers=teachers, label=label).total

    with interpreted():
        assert torch.autograd.gradcheck(loss, (student,), fast_mode=True)


@settings(max_examples=25, deadline=None)
@given(
    rows=st.integers(1, 40),
    classes=st.integers(1, 70),
    kinds=st.lists(st.sampled_from(range(10)), min_size=1, max_size=4),
    temperature=st.sampled_from((0.7, 1.0, 3.0)),
    seed=st.integers(0, 1000),
    hidden=st.floats(0.0, 1.0),
)
def test_any_sum_of_terms(rows, classes, kinds, temperature, seed, hidden):
    student = logits(rows, classes, seed=seed).requires_grad_()
    teachers = [logits(rows, classes, seed=seed + each) for each in (1, 2)]
    label = labels(rows, classes, seed=seed)
    label[torch.rand(rows, generator=torch.Generator().manual_seed(seed)) < hidden] = -1
    terms = [terms_at(temperature)[each] for each in kinds]
    weights = [0.3 + 0.1 * each for each in range(len(terms))]
    with interpreted():
        got = kd_logits(student, terms, teachers=teachers, label=label, weights=weights)
        (found,) = torch.autograd.grad(got.total, student)
    exact = student.detach().double().requires_grad_()
    values = [truth(exact, each, [one.double() for one in teachers], label) for each in terms]
    want = sum(weight * value for weight, value in zip(weights, values, strict=True))
    (gradient,) = torch.autograd.grad(want, exact, allow_unused=True)
    gradient = torch.zeros_like(exact) if gradient is None else gradient
    assert got.total.item() == pytest.approx(want.item(), rel=1e-5, abs=1e-5)
    assert (found.double() - gradient).norm() <= 5e-6 * gradient.norm() + 1e-6


def test_constant_added_to_a_row_changes_nothing():
    student, teacher = logits(4, 10, seed=1), logits(4, 10, seed=2)
    shift = torch.tensor([[100.0], [-100.0], [0.0], [7.0]])
    label = labels(4, 10)
    with interpreted():
        before = kd_logits(student, terms_at(2.0), teachers=[teacher] * 2, label=label).values
        shifted = [teacher - shift] * 2
        after = kd_logits(student + shift, terms_at(2.0), teachers=shifted, label=label).values
    # 100 + x keeps 17 of the 24 bits of x
    torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-4)


def test_single_losses_take_the_kernel():
    from graphkd.kernels import cross_entropy, dkd, kl, nkd, ofa

    student, teacher, label = logits(4, 10, seed=1), logits(4, 10, seed=2), labels(4, 10)
    calls = [
        lambda: cross_entropy(student, label, label_smoothing=0.1),
        lambda: kl(student, teacher, temperature=2.0, direction="reverse"),
        lambda: dkd(student, teacher, label),
        lambda: ofa(student, teacher, label, gamma=1.5),
        lambda: nkd(student, teacher, label),
    ]
    for call in calls:
        want = call()
        with interpreted():
            torch.testing.assert_close(call(), want)
