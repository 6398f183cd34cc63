"""Gradients in closed form against autograd of the references."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from graphkd.kernels import DKD, KL, NKD, OFA, CrossEntropy, LogitProblem
from graphkd.kernels.launch import interpreted
from graphkd.kernels.logit_gradient import loss_and_gradient, weighted_gradients
from graphkd.kernels.logit_reference import weighted_sum
from graphkd.kernels.terms import reference

TERMS = [
    CrossEntropy(),
    CrossEntropy(0.3),
    KL(0, 2.0),
    KL(1, 0.5, "reverse"),
    KL(0, 3.0, "jensen_shannon"),
    DKD(0, 4.0),
    DKD(1, 0.5, 2.0, 0.3),
    OFA(0),
    OFA(1, 2.0, 1.5),
    OFA(0, 0.5, 0.7, False),
    NKD(0),
    NKD(1, 3.0, 0.5),
]
NEVER = -math.inf


def problem(terms, rows, classes, *, kind="some", seed=0, spread=3.0, dtype=torch.float64):
    """Draw a problem with two teachers; its labels are "all", "some", "none" or "soft"."""
    generator = torch.Generator().manual_seed(seed)
    made = spread * torch.randn(3, rows, classes, generator=generator, dtype=torch.float64)
    student, *teachers = made.to(dtype)
    label = torch.randint(classes, (rows,), generator=generator)
    if kind == "some":
        label[torch.rand(rows, generator=generator) < 0.4] = -1
    if kind == "none":
        label.fill_(-1)
    if kind == "soft":
        # sums that are not 1 are to be taken as they are
        label = torch.rand(rows, classes, generator=generator, dtype=torch.float64)
    return LogitProblem(student, terms, teachers, label)


def agree(problems, weights, scale=1.0):
    """Compare the closed form with what autograd finds."""
    students = [each.student.detach().requires_grad_() for each in problems]
    learning = [each._replace(student=s) for each, s in zip(problems, students, strict=True)]
    total, values = weighted_sum(learning, weights)
    want = torch.autograd.grad(scale * total, students)
    got = weighted_gradients(problems, weights, torch.tensor(scale, dtype=torch.float64))
    for one, other in zip(got, want, strict=True):
        # differences of probabilities of size 1, times T and powers
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-13 * max(scale, 1.0))
    return total.detach(), values, want


@pytest.mark.parametrize("kind", ["all", "some", "none", "soft"])
@pytest.mark.parametrize("sizes", [(1, 1), (4, 1), (5, 2), (7, 10), (3, 1000)])
@pytest.mark.parametrize("term", TERMS, ids=str)
def test_each_term(term, sizes, kind):
    agree([problem([term], *sizes, kind=kind)], torch.ones(1, dtype=torch.float64))


@pytest.mark.parametrize("term", TERMS, ids=str)
def test_logits_far_apart(term):
    agree([problem([term], 20, 6, spread=200.0)], torch.ones(1, dtype=torch.float64))


FINITE = [each for each in TERMS if getattr(each, "direction", "") != "reverse"]


@pytest.mark.parametrize("term", FINITE, ids=str)
def test_teacher_that_finds_classes_impossible(term):
    made = problem([term], 4, 5)
    for teacher in made.teachers:
        teacher[:, 1::2] = NEVER
        # one row in which nothing but the label is possible, one in which the label is not
        teacher[3] = NEVER
        teacher[3, 2] = 1.0
    label = torch.tensor([0, 1, 4, 2])
    _, _, (found,) = agree([made._replace(label=label)], torch.ones(1, dtype=torch.float64))
    assert found.isfinite().all()


def test_gradient_by_hand():
    # softmax (3/4, 1/4) - (1, 0) of the cross-entropy, 2 (3/4 - 1/2) of KL at T = 2 over two rows
    student = torch.tensor([[math.log(3.0), 0.0], [0.0, 0.0]])
    even = torch.zeros(2, 2)
    label = torch.tensor([0, -1])
    got = weighted_gradients(
        [LogitProblem(student, [CrossEntropy()], [], label)], torch.tensor([2.0]), torch.ones(1)
    )
    torch.testing.assert_close(got[0], torch.tensor([[-0.5, 0.5], [0.0, 0.0]]))
    # of twice the logits at T = 2
    got = weighted_gradients(
        [LogitProblem(2 * student, [KL(0, 2.0)], [even])], torch.ones(1), torch.tensor(10.0)
    )
    torch.testing.assert_close(got[0], torch.tensor([[2.5, -2.5], [0.0, 0.0]]))


@st.composite
def groups(draw):
    """Draw one to three problems of any sizes, with one to four terms each."""
    made = []
    for _ in range(draw(st.integers(1, 3))):
        terms = draw(st.lists(st.sampled_from(TERMS), min_size=1, max_size=4))
        kind = draw(st.sampled_from(["all", "some", "none", "soft"]))
        sizes = draw(st.integers(0, 6)), draw(st.integers(1, 9))
        spread = draw(st.sampled_from([0.0, 1.0, 30.0]))
        seed = draw(st.integers(0, 99))
        made.append(problem(terms, *sizes, kind=kind, seed=seed, spread=spread))
    return made


@settings(max_examples=60, deadline=None)
@given(groups(), st.integers(0, 99), st.sampled_from([1.0, 1024.0, -0.5]))
def test_several_problems_terms_and_teachers(problems, seed, scale):
    generator = torch.Generator().manual_seed(seed)
    count = sum(len(each.terms) for each in problems)
    agree(problems, torch.randn(count, generator=generator, dtype=torch.float64), scale)


positive = st.floats(0.25, 8.0)
drawn_terms = st.one_of(
    st.builds(CrossEntropy, st.floats(0.0, 0.99)),
    st.builds(KL, st.just(1), positive, st.sampled_from(["forward", "reverse", "jensen_shannon"])),
    st.builds(DKD, st.just(1), positive, st.floats(-2, 9), st.floats(-2, 9)),
    st.builds(OFA, st.just(1), positive, positive, st.booleans()),
    st.builds(NKD, st.just(1), positive, st.floats(-2, 9)),
)


@settings(max_examples=60, deadline=None)
@given(drawn_terms, st.integers(1, 5), st.integers(1, 9), st.sampled_from(["some", "soft"]))
def test_any_settings(term, rows, classes, kind):
    agree([problem([term], rows, classes, kind=kind)], torch.ones(1, dtype=torch.float64))


@pytest.mark.parametrize("kernel", [False, True])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32], ids=str)
def test_loss_and_gradient_at_once(dtype, kernel):
    terms = [CrossEntropy(0.1), KL(0, 2.0), DKD(1)]
    problems = [problem(terms, 5, 10, dtype=dtype), problem([OFA(1)], 3, 7, dtype=dtype, seed=1)]
    weights, scale = torch.tensor([0.5, 1.0, 2.0, 3.0]), 64.0
    exact = [
        each._replace(student=each.student.double(), teachers=[t.double() for t in each.teachers])
        for each in problems
    ]
    want = agree(exact, weights.double(), scale)
    given = (problems, weights, torch.tensor(scale))
    for chosen in (None, torch.float32):
        if kernel:
            with interpreted():
                total, values, *gradients = loss_and_gradient(*given, dtype=chosen)
        else:
            total, values, *gradients = loss_and_gradient(*given, dtype=chosen)
        torch.testing.assert_close(total.double(), want[0], rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(values.double(), want[1], rtol=1e-5, atol=1e-5)
        assert [each.dtype for each in gradients] == [chosen or dtype] * 2
        # what is rounded once, to 2^-11 in float16
        relative = 4e-4 if gradients[0].dtype == torch.float16 else 3e-6
        for got, true in zip(gradients, want[2], strict=True):
            assert (got.double() - true).norm() <= relative * true.norm()


@pytest.mark.parametrize("kernel", [False, True])
def test_nothing_is_recorded(kernel):
    made = problem([CrossEntropy(), KL()], 4, 5, dtype=torch.float32)
    student = made.student.requires_grad_()
    given = ([made._replace(student=student.detach())], torch.ones(2), torch.ones(1))
    if kernel:
        with interpreted():
            results = loss_and_gradient(*given)
    else:
        results = loss_and_gradient(*given)
    assert not any(each.requires_grad for each in results)
    # an operator may not hand out its inputs, nor the same memory twice
    places = {each.untyped_storage().data_ptr() for each in (*results, student)}
    assert len(places) == len(results) + 1


@pytest.mark.parametrize("term", TERMS, ids=str)
def test_one_hot_probabilities_are_class_numbers(term):
    made = problem([term], 6, 5, kind="all")
    soft = made._replace(label=F.one_hot(made.label, 5).double())
    both = [weighted_gradients([each], torch.ones(1), torch.ones(1))[0] for each in (made, soft)]
    torch.testing.assert_close(*both)
    values = [reference(term, made.student, made.teachers, each.label) for each in (made, soft)]
    torch.testing.assert_close(*values)
