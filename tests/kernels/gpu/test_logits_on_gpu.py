"""The logit kernel on a GPU: what the interpreter cannot tell."""

import pytest
import torch

from graphkd.kernels.linear import Head, linear_kd, linear_kd_reference
from graphkd.kernels.logits import kd_logits, kd_logits_grouped
from graphkd.kernels.problem import LogitProblem
from graphkd.kernels.terms import DKD, KL, NKD, OFA, CrossEntropy, reference

pytestmark = pytest.mark.gpu

# without a kernel these would compare the reference with itself
pytest.importorskip("triton")

TERMS = {
    "ce": [CrossEntropy()],
    "smooth": [CrossEntropy(0.1)],
    "kl": [KL(0, 4.0)],
    "reverse": [KL(0, 2.0, "reverse")],
    "jsd": [KL(0, 1.0, "jensen_shannon")],
    "dkd": [DKD(0, 4.0, 1.0, 8.0)],
    "ofa": [OFA(0, 1.0, 1.5)],
    "nkd": [NKD(0, 1.0, 1.5)],
    "kl and ce": [KL(0, 4.0), CrossEntropy()],
}
DTYPES = (torch.float32, torch.float16, torch.bfloat16)
SIZES = [(1, 10), (7, 100), (257, 1000), (33, 8192), (9, 21841), (5, 32000), (3, 128256)]


def drawn(num_rows, num_classes, dtype=torch.float32, seed=0):
    generator = torch.Generator("cuda").manual_seed(seed)
    sizes = (2, num_rows, num_classes)
    student, teacher = 3 * torch.randn(*sizes, generator=generator, device="cuda")
    label = torch.randint(num_classes, (num_rows,), generator=generator, device="cuda")
    return [student.to(dtype), teacher.to(dtype), label]


def kernel(terms):
    def loss(student, teacher, label):
        return kd_logits(student, terms, teachers=[teacher], label=label).total

    return loss


def plain(terms):
    def loss(student, teacher, label):
        return sum(reference(term, student, [teacher], label) for term in terms)

    return loss


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("name", TERMS)
def test_it_agrees_with_float64(name, sizes, dtype, agree):
    agree(kernel(TERMS[name]), plain(TERMS[name]), drawn(*sizes, dtype))


@pytest.mark.parametrize("factor", [0.5, 65536.0])
def test_another_incoming_gradient_is_followed(factor, agree):
    terms = TERMS["kl and ce"]
    agree(kernel(terms), plain(terms), drawn(257, 1000), factor=factor)


@pytest.mark.parametrize("num_classes", [1000, 21841])
def test_rows_without_a_label_are_left_out(num_classes, agree):
    student, teacher, label = drawn(257, num_classes)
    label[::3] = -1
    terms = TERMS["kl and ce"]
    agree(kernel(terms), plain(terms), [student, teacher, label])


def test_a_storage_that_is_not_aligned(agree):
    student, teacher, label = drawn(64, 1001, torch.bfloat16)
    terms = TERMS["kl and ce"]
    agree(kernel(terms), plain(terms), [student[:, 1:], teacher[:, :-1], label.clamp(max=999)])


def test_a_teacher_that_holds_classes_impossible(agree):
    student, teacher, label = drawn(64, 1000)
    teacher[:, 500:] = float("-inf")
    agree(kernel(TERMS["kl"]), plain(TERMS["kl"]), [student, teacher, label])


def test_several_students_at_once_are_the_sum(solve):
    inputs = [
        drawn(64, num_classes, torch.bfloat16, seed=num_classes) for num_classes in (100, 1000)
    ]
    terms = TERMS["kl and ce"]
    (_, *first), second = inputs

    def together(student, *_):
        problems = [
            LogitProblem(student, terms, first[:1], first[1]),
            LogitProblem(second[0], terms, second[1:2], second[2]),
        ]
        return kd_logits_grouped(problems).total

    def apart(student, *_):
        return kernel(terms)(student, *first) + kernel(terms)(*second)

    torch.testing.assert_close(solve(together, inputs[0]), solve(apart, inputs[0]))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("learner", [0, 1])
def test_a_linear_layer_before_it(learner, dtype, agree):
    generator = torch.Generator("cuda").manual_seed(0)
    sizes = [(100, 64), (1000, 64), (100, 128), (1000, 128)]
    drawn = [torch.randn(*size, generator=generator, device="cuda") for size in sizes]
    label = torch.randint(1000, (100,), generator=generator, device="cuda")
    given = [(each / 4).to(dtype) for each in drawn]

    def form(function, **settings):
        def loss(learning, *others):
            hidden, weight = (learning, others[0]) if learner == 0 else (others[0], learning)
            teachers = [Head(*others[1:3])]
            terms = TERMS["kl and ce"]
            student = Head(hidden, weight)
            return function(student, terms, teachers=teachers, label=label, **settings).total

        return loss

    first = given[:2] if learner == 0 else given[1::-1]
    # three chunks, the last one not full
    kernel, reference = form(linear_kd, chunk=48), form(linear_kd_reference)
    agree(kernel, reference, [*first, *given[2:]])


@pytest.mark.parametrize("num_classes", [1000, 128256])
@pytest.mark.parametrize("name", TERMS)
def test_twice_gives_the_same_bits(name, num_classes, solve):
    inputs = drawn(257 if num_classes == 1000 else 65, num_classes, torch.bfloat16)
    first = solve(kernel(TERMS[name]), inputs)
    for _ in range(5):
        again = solve(kernel(TERMS[name]), inputs)
        assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


@pytest.mark.parametrize("num_classes", [1000, 32000])
def test_a_cuda_graph_holds_it(num_classes, solve, captured):
    loss = kernel(TERMS["kl and ce"])
    others = drawn(64, num_classes, torch.bfloat16, seed=1)
    got = captured(loss, drawn(64, num_classes, torch.bfloat16), others)
    expected = solve(loss, others)
    assert all(torch.equal(a, b) for a, b in zip(got, expected, strict=True))


@pytest.mark.parametrize("num_classes", [1000, 32000])
@pytest.mark.parametrize("name", TERMS)
def test_the_host_never_waits(name, num_classes, solve, unsynchronized):
    inputs = drawn(64, num_classes, torch.bfloat16)
    solve(kernel(TERMS[name]), inputs)
    with unsynchronized():
        solve(kernel(TERMS[name]), inputs)


def test_two_streams_do_not_disturb_each_other(solve):
    inputs = [drawn(257, 1000, torch.bfloat16, seed=seed) for seed in range(2)]
    loss = kernel(TERMS["kl and ce"])
    expected = [solve(loss, each) for each in inputs]
    streams = [torch.cuda.Stream() for _ in inputs]
    torch.cuda.synchronize()
    got = [[], []]
    for _ in range(20):
        for number, stream in enumerate(streams):
            with torch.cuda.stream(stream):
                got[number].append(solve(loss, inputs[number]))
    torch.cuda.synchronize()
    for truth, found in zip(expected, got, strict=True):
        assert all(torch.equal(a, b) for each in found for a, b in zip(each, truth, strict=True))


def test_compiled_it_gives_the_same(solve):
    inputs = drawn(64, 1000, torch.bfloat16)
    loss = kernel(TERMS["kl and ce"])
    value, gradient = solve(torch.compile(loss, fullgraph=True), inputs)
    true_value, true_gradient = solve(loss, inputs)
    torch.testing.assert_close(value, true_value)
    # the factor 1 may be applied elsewhere: one more rounding
    torch.testing.assert_close(gradient, true_gradient, rtol=8e-3, atol=1e-7)


def test_the_logits_are_read_once_and_nothing_of_their_size_is_kept(solve):
    inputs = drawn(8192, 1000, torch.bfloat16)
    loss = kernel(TERMS["kl and ce"])
    solve(loss, inputs)
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    solve(loss, inputs)
    size = inputs[0].numel() * inputs[0].element_size()
    # the gradient, and small sums
    assert torch.cuda.max_memory_allocated() - before < 1.1 * size
