"""Linear layer and loss in chunks: value, gradients, memory, autograd, compiler."""

import contextlib
import math

import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from graphkd.kernels import DKD, KL, NKD, OFA, CrossEntropy, Head, linear_kd
from graphkd.kernels.launch import interpreted
from graphkd.kernels.linear import linear_kd_reference
from graphkd.kernels.linear_op import linear_kd_operator
from graphkd.kernels.terms import to_numbers

ROWS, CLASSES, WIDTH = 7, 10, 6
# one, some, with a rest; all; more than there are
CHUNKS = (1, 3, ROWS, 100)
TERMS = [CrossEntropy(0.1), KL(0, 2.0), KL(1, 3.0, "reverse"), DKD(1, 2.0, 1.0, 3.0)]
# numbers that float32 holds
WEIGHTS = [0.5, 2.0, 0.25, 1.5]
RUN = {"reference": contextlib.nullcontext, "kernel": interpreted}


def drawn(*sizes, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*sizes, generator=generator, dtype=torch.float64).to(dtype)


def head(seed, width=WIDTH, *, bias=True, rows=ROWS, dtype=torch.float64, learns=False):
    parts = [
        drawn(rows, width, seed=seed, dtype=dtype),
        drawn(CLASSES, width, seed=seed + 1, dtype=dtype),
        drawn(CLASSES, seed=seed + 2, dtype=dtype) if bias else None,
    ]
    return Head(*(None if each is None else each.requires_grad_(learns) for each in parts))


def labels(kind="some"):
    """Give class numbers: in chunks of 3 the second chunk is without any; or probabilities."""
    if kind == "soft":
        return F.softmax(drawn(ROWS, CLASSES, seed=20), dim=1)
    label = torch.tensor([4, 0, 9, -1, -1, -1, 3])
    return label.fill_(-1) if kind == "none" else label


def problem(*, kind="some", bias=True, dtype=torch.float64, learns=True):
    """Draw a student, and all else by name; the teachers' widths are their own."""
    teachers = [head(5, 4, dtype=dtype), head(9, 9, bias=not bias, dtype=dtype)]
    given = {"terms": TERMS, "teachers": teachers, "label": labels(kind), "weights": WEIGHTS}
    return head(0, bias=bias, dtype=dtype, learns=learns), given


def parts_of(student):
    return [each for each in student if each is not None]


def solve(function, student, given, *, factor=1.0, **settings):
    """Compute total, values, and the gradients of what the student is made of."""
    made = function(student, **given, **settings)
    learning = [each for each in parts_of(student) if each.requires_grad]
    gradients = torch.autograd.grad(factor * made.total, learning)
    return made.total.detach(), made.values, *gradients


def widened(student, given):
    """Give the same numbers in float64."""

    def wide(each):
        return Head(*(None if part is None else part.detach().double() for part in each))

    exact = Head(*(None if each is None else each.requires_grad_() for each in wide(student)))
    return exact, {**given, "teachers": [wide(each) for each in given["teachers"]]}


def truth(student, terms, *, teachers, label, weights):
    """Compute `TERMS` in float64 from probabilities, in one piece, and their gradients."""
    assert terms == TERMS
    s, t, u = (
        each.hidden @ each.weight.T + (0.0 if each.bias is None else each.bias)
        for each in (student, *teachers)
    )
    if label.is_floating_point():
        rows, y, target = torch.arange(len(s)), label.argmax(dim=1), label
    else:
        rows, y = (label >= 0).nonzero()[:, 0], label.clamp(min=0)
        target = F.one_hot(y, CLASSES).double()
    count = max(len(rows), 1)
    cross_entropy = -((0.9 * target + 0.1 / CLASSES) * s.softmax(1).log()).sum(dim=1)
    p, q = (t / 2).softmax(1), (s / 2).softmax(1)
    forward = 4 * (p * (p / q).log()).sum(dim=1)
    p, q = (u / 3).softmax(1), (s / 3).softmax(1)
    reverse = 9 * (q * (q / p).log()).sum(dim=1)
    p, q = (u / 2).softmax(1), (s / 2).softmax(1)
    every = torch.arange(len(s))
    p_y, q_y = p[every, y], q[every, y]
    own = p_y * (p_y / q_y).log() + (1 - p_y) * ((1 - p_y) / (1 - q_y)).log()
    # KL = TCKD + (1 - p_y) NCKD
    others = ((p * (p / q).log()).sum(dim=1) - own) / (1 - p_y)
    values = [
        cross_entropy[rows].sum() / count,
        forward.mean(),
        reverse.mean(),
        4 * (own + 3 * others)[rows].sum() / count,
    ]
    total = sum(weight * value for weight, value in zip(weights, values, strict=True))
    gradients = torch.autograd.grad(total, parts_of(student))
    return total.detach(), torch.stack(values).detach(), *gradients


def agree(got, want, *, relative):
    """Compare in relative norm; what is 0 must be 0."""
    for one, other in zip(got, want, strict=True):
        assert (one.double() - other).norm() <= relative * other.norm()


@pytest.mark.parametrize("bias", (True, False))
@pytest.mark.parametrize("kind", ("some", "none", "soft"))
@pytest.mark.parametrize("chunk", CHUNKS)
def test_float64_agrees_with_all_logits_at_once(chunk, kind, bias):
    student, given = problem(kind=kind, bias=bias)
    got = solve(linear_kd, student, given, chunk=chunk)
    assert all(each.dtype == torch.float64 for each in got)
    agree(got, truth(student, **given), relative=1e-11)
    agree(got, solve(linear_kd_reference, student, given), relative=1e-12)


def test_by_hand():
    # hidden (ln 3, 1) through ((1, 0), (0, 0)) is (ln 3, 0), of which softmax is (3/4, 1/4); the
    # other row has no label. The loss is ln(4/3), its gradient by the logits (-1/4, 1/4)
    hidden = torch.tensor([[math.log(3.0), 1.0], [5.0, 5.0]], requires_grad=True)
    weight = torch.tensor([[1.0, 0.0], [0.0, 0.0]], requires_grad=True)
    bias = torch.zeros(2, requires_grad=True)
    label = torch.tensor([0, -1])
    made = linear_kd(Head(hidden, weight, bias), [CrossEntropy()], label=label, chunk=1)
    made.total.backward()
    torch.testing.assert_close(made.total.detach(), torch.tensor(math.log(4 / 3)))
    torch.testing.assert_close(hidden.grad, torch.tensor([[-0.25, 0.0], [0.0, 0.0]]))
    by_row = torch.tensor([math.log(3.0), 1.0]) / 4
    torch.testing.assert_close(weight.grad, torch.stack([-by_row, by_row]))
    torch.testing.assert_close(bias.grad, torch.tensor([-0.25, 0.25]))


@pytest.mark.parametrize("chunk", (3, 100))
@pytest.mark.parametrize("run", RUN)
def test_every_term(run, chunk):
    student, given = problem(dtype=torch.float32)
    terms = [
        KL(0, 2.0, "jensen_shannon"),
        OFA(1, 2.0, 1.5),
        OFA(0, 1.0, 1.5, False),
        NKD(0, 3.0, 0.5),
    ]
    given["terms"] = terms
    want = solve(linear_kd_reference, *widened(student, given))
    with RUN[run]():
        got = solve(linear_kd, student, given, chunk=chunk)
    agree(got, want, relative=1e-5)


@pytest.mark.parametrize(("kind", "bias"), (("some", True), ("none", True), ("soft", False)))
@pytest.mark.parametrize("chunk", (1, 3, 100))
def test_kernel_agrees_with_float64(chunk, kind, bias):
    student, given = problem(kind=kind, bias=bias, dtype=torch.float32)
    with interpreted():
        got = solve(linear_kd, student, given, chunk=chunk)
    exact, exactly = widened(student, given)
    agree(got, truth(exact, **exactly), relative=1e-5)


# hidden's gradient is a product of rounded numbers, rounded itself; 2^-9 and 2^-12 each time
ROUNDED = {torch.bfloat16: 1e-2, torch.float16: 1e-3}


@pytest.mark.parametrize("scale", (1.0, 1024.0))
@pytest.mark.parametrize("dtype", ROUNDED, ids=str)
def test_half_precision(dtype, scale):
    student, given = problem(dtype=dtype)
    exact, exactly = widened(student, given)
    want = truth(exact, **exactly)
    got = solve(linear_kd, student, given, factor=scale, gradient_scale=scale, chunk=3)
    assert [each.dtype for each in got] == [torch.float32, torch.float32, dtype, dtype, dtype]
    # of logits that are not rounded
    agree(got[:2], want[:2], relative=1e-5)
    agree([each.double() / scale for each in got[2:]], want[2:], relative=ROUNDED[dtype])


@pytest.mark.parametrize("dtype", ROUNDED, ids=str)
def test_wide_weight_of_half_precision_hidden(dtype):
    student, given = problem(dtype=torch.float32)
    student = student._replace(hidden=student.hidden.detach().to(dtype).requires_grad_())
    got = solve(linear_kd, student, given, chunk=3)
    rounded = student._replace(weight=student.weight.detach().to(dtype))
    exact, exactly = widened(rounded, given)
    agree(got, truth(exact, **exactly), relative=ROUNDED[dtype])
    # what learns keeps its type, and the bits that half precision has not
    assert [each.dtype for each in got[2:]] == [dtype, torch.float32, torch.float32]
    assert not torch.equal(got[3], got[3].to(dtype).float())


@pytest.mark.parametrize("frozen", (0, 1, 2))
def test_what_is_frozen_gets_no_gradient(frozen):
    student, given = problem()
    parts = [each.detach().requires_grad_(index != frozen) for index, each in enumerate(student)]
    student = Head(*parts)
    want = solve(linear_kd_reference, student, given)
    torch.testing.assert_close(solve(linear_kd, student, given, chunk=3), want)
    linear_kd(student, **given).total.backward()
    assert parts[frozen].grad is None


def test_half_precision_by_the_kernel():
    # interpreted bfloat16 is not rounded but cut off
    student, given = problem(dtype=torch.float16)
    exact, exactly = widened(student, given)
    with interpreted():
        got = solve(linear_kd, student, given, chunk=3)
    agree(got, truth(exact, **exactly), relative=ROUNDED[torch.float16])


def test_small_gradients_of_float16_survive_by_their_scale():
    # all of them less than the half of 2^-24, the least number of float16
    student, given = problem(dtype=torch.float16)
    given["weights"] = torch.tensor(WEIGHTS) * 2.0**-28
    exact, exactly = widened(student, given)
    want = truth(exact, **{**exactly, "weights": given["weights"].tolist()})
    factor = 2.0**28
    lost = solve(linear_kd, student, given)
    assert torch.equal(lost[2], torch.zeros_like(lost[2]))
    got = solve(linear_kd, student, given, factor=factor, gradient_scale=factor)
    for one, other in zip(got[2:], want[2:], strict=True):
        assert (one.double() - factor * other).norm() <= 1e-3 * factor * other.norm()


@pytest.mark.parametrize("weights", (None, torch.tensor(WEIGHTS)))
def test_weights(weights):
    student, given = problem()
    given["weights"] = weights
    want = truth(student, **{**given, "weights": [1.0] * 4 if weights is None else WEIGHTS})
    agree(solve(linear_kd, student, given, chunk=3), want, relative=1e-12)


def test_autocast_rounds_nothing():
    student, given = problem(dtype=torch.float32)
    want = solve(linear_kd, student, given, chunk=3)
    with torch.autocast("cpu", torch.bfloat16):
        got = solve(linear_kd, student, given, chunk=3)
    for one, other in zip(got, want, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("dtype", (torch.int64, torch.int32))
def test_labels_may_be_absent_where_no_term_reads_them(dtype):
    student, given = problem()
    only = {**given, "terms": [KL(0, 2.0)], "weights": None}
    without = solve(linear_kd, student, {**only, "label": None}, chunk=3)
    with_label = solve(linear_kd, student, {**only, "label": given["label"].to(dtype)}, chunk=3)
    for one, other in zip(without, with_label, strict=True):
        assert torch.equal(one, other)


# what the backward is handed, and what it was said to be
INCOMING = [
    (1.0, 1.0),
    (0.0, 1.0),
    (-0.5, 1.0),
    (8.0, 8.0),
    (1.0, 8.0),
    (8.0, torch.tensor(8.0)),
    (2.0, torch.tensor([8.0])),
]


@pytest.mark.parametrize("run", RUN)
@pytest.mark.parametrize(("factor", "scale"), INCOMING)
def test_any_incoming_gradient(factor, scale, run):
    student, given = problem(dtype=torch.float32)
    want = solve(linear_kd_reference, student, given)
    with RUN[run]():
        got = solve(linear_kd, student, given, factor=factor, gradient_scale=scale, chunk=4)
    agree(got[:2], want[:2], relative=1e-5)
    for one, other in zip(got[2:], want[2:], strict=True):
        torch.testing.assert_close(one, factor * other, rtol=1e-4, atol=1e-5)


def test_second_backward_gives_the_same_gradient():
    student, given = problem()
    total = linear_kd(student, **given, chunk=3).total
    first = torch.autograd.grad(total, student, retain_graph=True)
    again = torch.autograd.grad(3.0 * total, student, retain_graph=True)
    third = torch.autograd.grad(total, student)
    for one, tripled, same in zip(first, again, third, strict=True):
        torch.testing.assert_close(tripled, 3.0 * one)
        assert torch.equal(same, one)


def test_used_twice_and_added_to_what_is_there():
    student, given = problem()
    want = solve(linear_kd, student, given, chunk=3)[2:]
    total = linear_kd(student, **given, chunk=3).total
    (total + 2.0 * total).backward()
    linear_kd(student, **given, chunk=4).total.backward()
    for each, gradient in zip(student, want, strict=True):
        torch.testing.assert_close(each.grad, 4.0 * gradient)


def test_gradients_are_freed_by_the_backward():
    student, given = problem()
    total = linear_kd(student, **given, chunk=3).total
    total.backward()
    # what the total still holds would be as large as the layer
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        total.backward()
    held = tree_leaves(list(vars(total.grad_fn).values()))
    sizes = [each.shape for each in held if isinstance(each, torch.Tensor)]
    # of the teachers, which are there anyway
    assert given["teachers"][0].weight.shape in sizes
    assert student.weight.shape not in sizes


def test_values_are_detached_and_sum_to_the_total():
    student, given = problem()
    made = linear_kd(student, **given, chunk=3)
    assert made.total.requires_grad
    assert not made.values.requires_grad
    torch.testing.assert_close((made.values * torch.tensor(WEIGHTS)).sum(), made.total.detach())


def test_gradcheck():
    student, given = problem()

    def loss(*parts):
        return linear_kd(Head(*parts), **given, chunk=3).total

    assert torch.autograd.gradcheck(loss, tuple(student))


def second_order(function, student, given, **settings):
    """Compute the gradient of the sum of squares of all first gradients."""
    total = function(student, **given, **settings).total
    first = torch.autograd.grad(2.0 * total, parts_of(student), create_graph=True)
    squares = sum((each**2).sum() for each in first)
    return *first, *torch.autograd.grad(squares, parts_of(student))


@pytest.mark.parametrize("bias", (True, False))
@pytest.mark.parametrize("kind", ("some", "soft"))
def test_gradient_of_the_gradient(kind, bias):
    student, given = problem(kind=kind, bias=bias)
    got = second_order(linear_kd, student, given, chunk=3)
    agree(got, second_order(linear_kd_reference, student, given), relative=1e-12)


@pytest.mark.parametrize("create_graph", (False, True))
def test_hidden_may_come_from_the_weight(create_graph):
    # tied embeddings: the way through hidden must not be counted twice
    weight = drawn(CLASSES, WIDTH, seed=1).requires_grad_()
    found = []
    for function in (linear_kd, linear_kd_reference):
        hidden = torch.tanh(weight[:ROWS])
        total = function(Head(hidden, weight), [CrossEntropy()], label=labels()).total
        (first,) = torch.autograd.grad(total, weight, create_graph=create_graph)
        found.append([first])
        if create_graph:
            found[-1] += torch.autograd.grad((first**2).sum(), weight)
    agree(*found, relative=1e-12)


@pytest.mark.parametrize("create_graph", (False, True))
@pytest.mark.parametrize("frozen", ({0}, {1}, {2}, {0, 1}, {1, 2}))
def test_frozen_parts(frozen, create_graph):
    student, given = problem()
    want = solve(linear_kd, student, given, chunk=3)[2:]
    for number in frozen:
        student[number].requires_grad_(False)
    learning = [number for number in range(3) if number not in frozen]
    total = linear_kd(student, **given, chunk=3).total
    inputs = [student[number] for number in learning]
    found = torch.autograd.grad(total, inputs, create_graph=create_graph, retain_graph=True)
    for number, gradient in zip(learning, found, strict=True):
        torch.testing.assert_close(gradient.detach(), want[number])
    total.backward()
    assert all((student[number].grad is None) == (number in frozen) for number in range(3))


def test_nothing_learns():
    student, given = problem(learns=False)
    made = linear_kd(student, **given, chunk=3)
    assert not made.total.requires_grad
    torch.testing.assert_close(made.total, linear_kd_reference(student, **given).total)


def test_without_gradients():
    student, given = problem()
    with torch.no_grad():
        made = linear_kd(student, **given, chunk=3)
    assert not made.total.requires_grad
    torch.testing.assert_close(made.total, linear_kd_reference(student, **given).total)


@pytest.mark.parametrize("run", RUN)
@pytest.mark.parametrize("label", (torch.empty(0, dtype=torch.int64), torch.empty(0, CLASSES)))
def test_empty_batch(label, run):
    student = head(0, rows=0, dtype=torch.float32, learns=True)
    given = {"terms": TERMS, "teachers": [head(5, rows=0, dtype=torch.float32)] * 2, "label": label}
    with RUN[run]():
        total, values, *gradients = solve(linear_kd, student, given)
    assert torch.equal(total, torch.tensor(0.0))
    assert torch.equal(values, torch.zeros(4))
    for each, gradient in zip(student, gradients, strict=True):
        assert torch.equal(gradient, torch.zeros_like(each))


def test_what_was_given_is_unchanged():
    student, given = problem()
    before = [each.detach().clone() for each in (*student, *given["teachers"][0], given["label"])]
    linear_kd(student, **given, chunk=3).total.backward()
    after = (*student, *given["teachers"][0], given["label"])
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))


def test_any_layout_of_hidden_and_weight():
    student, given = problem()
    want = solve(linear_kd, student, given, chunk=3)
    hidden = drawn(2 * ROWS, WIDTH)
    hidden[::2] = student.hidden.detach()
    weight = student.weight.detach().T.contiguous().T
    other = Head(hidden[::2].requires_grad_(), weight.requires_grad_(), student.bias)
    agree(solve(linear_kd, other, given, chunk=3), want, relative=1e-12)


class Largest(TorchDispatchMode):
    """Records how many bytes the largest memory that any operation gave out has."""

    def __init__(self):
        super().__init__()
        self.most = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        for each in made if isinstance(made, tuple | list) else (made,):
            if isinstance(each, torch.Tensor):
                # a view of one number may have any sizes
                self.most = max(self.most, each.untyped_storage().nbytes())
        return made


@pytest.mark.parametrize("dtype", (torch.float32, torch.bfloat16), ids=str)
@pytest.mark.parametrize("run", RUN)
def test_logits_are_never_all_there(run, dtype):
    rows, classes, width, chunk = 96, 50, 8, 4
    # of float32, as what is summed
    allowed = 4 * max(rows * width, classes * width, chunk * classes)
    logits = 4 * rows * classes
    assert allowed < logits / 4
    parts = [drawn(rows, width), drawn(classes, width, seed=1), drawn(classes, seed=2)]
    student = Head(*(each.to(dtype).requires_grad_() for each in parts))
    teachers = [Head(*(each.detach().flip(0) for each in student))]
    label = torch.arange(rows) % classes
    given = {"terms": [CrossEntropy(), KL()], "teachers": teachers, "label": label}

    def largest(function, **settings):
        with RUN[run](), Largest() as forward:
            total = function(student, **given, **settings).total
        with Largest() as backward:
            (2.0 * total).backward()
        return forward.most, backward.most

    assert max(largest(linear_kd, chunk=chunk)) <= allowed
    # so that this test sees what it looks for
    assert min(largest(linear_kd_reference)) >= logits


def operator_arguments(kind, bias):
    student, given = problem(kind=kind, bias=bias, dtype=torch.float32)
    parts = [part for each in given["teachers"] for part in each if part is not None]
    with_bias = [int(each.bias is not None) for each in given["teachers"]]
    numbers = [number for term in TERMS for number in to_numbers(term)]
    factors = (torch.tensor(WEIGHTS), torch.ones(1))
    return *student, parts, given["label"], *factors, with_bias, numbers, 3


@pytest.mark.parametrize(("kind", "bias"), (("some", True), ("soft", False)))
@pytest.mark.parametrize("run", RUN)
def test_operator_is_sound(run, kind, bias):
    with RUN[run]():
        torch.library.opcheck(linear_kd_operator, operator_arguments(kind, bias))


@pytest.mark.parametrize(("dtype", "bias"), ((torch.float32, True), (torch.float16, False)))
@pytest.mark.parametrize("run", RUN)
def test_compiled_as_a_whole(run, bias, dtype):
    student, given = problem(bias=bias, dtype=dtype)

    def loss(parts, teachers, label):
        return linear_kd(
            Head(*parts), TERMS, teachers=teachers, label=label, weights=WEIGHTS, chunk=3
        )

    with RUN[run]():
        torch.compiler.reset()
        compiled = torch.compile(loss, backend="aot_eager", fullgraph=True)
        made = compiled(tuple(student), given["teachers"], given["label"])
        gradients = torch.autograd.grad(2.0 * made.total, parts_of(student))
        want = solve(linear_kd, student, given, factor=2.0, chunk=3)
    assert [each.dtype for each in gradients] == [dtype] * len(gradients)
    agree((made.total.detach(), made.values, *gradients), want, relative=1e-6)


def test_compiled_for_batches_of_any_size():
    made = []

    def counted(graph, inputs):
        made.append(graph)
        return graph

    def loss(hidden, weight, label):
        return linear_kd(Head(hidden, weight), [CrossEntropy()], label=label, chunk=4).total

    torch.compiler.reset()
    compiled = torch.compile(loss, backend=counted, fullgraph=True, dynamic=True)
    for rows in (5, 8, 11):
        given = (drawn(rows, WIDTH), drawn(CLASSES, WIDTH), torch.arange(rows) % CLASSES)
        torch.testing.assert_close(compiled(*given), loss(*given))
    assert len(made) == 1


class Loss(torch.nn.Module):
    def forward(self, hidden, weight, bias, knowledge, label):
        terms = [CrossEntropy(), KL()]
        teachers = [Head(knowledge, weight)]
        return linear_kd(Head(hidden, weight, bias), terms, teachers=teachers, label=label, chunk=3)


def test_exported():
    student = head(0, dtype=torch.float32)
    arguments = (*student, drawn(ROWS, WIDTH, seed=8, dtype=torch.float32), labels())
    program = torch.export.export(Loss(), arguments)
    assert "graphkd.linear_kd.default" in {str(node.target) for node in program.graph.nodes}
    torch.testing.assert_close(tuple(program.module()(*arguments)), tuple(Loss()(*arguments)))


HIDDEN, WEIGHT, BIAS = torch.zeros(4, 6), torch.zeros(10, 6), torch.zeros(10)
STUDENT = Head(HIDDEN, WEIGHT, BIAS)
LABEL = torch.zeros(4, dtype=torch.int64)
FORM = 'must be hidden "b d", weight "c d" and, if any, bias "c"; it is'
REFUSED = {
    "chunk is 0, not at least 1; try 2048": {"chunk": 0},
    f"student {FORM} (4, 6) float32, (10, 5) float32, (10,) float32": {
        "student": Head(HIDDEN, WEIGHT[:, :5], BIAS)
    },
    f"student {FORM} (2, 2, 6) float32, (10, 6) float32, None": {
        "student": Head(HIDDEN.view(2, 2, 6), WEIGHT)
    },
    f"student {FORM} (4, 6) float32, (6,) float32, None": {"student": Head(HIDDEN, WEIGHT[0])},
    f"student {FORM} (4, 6) float32, (10, 6) float32, (9,) float32": {
        "student": Head(HIDDEN, WEIGHT, BIAS[:9])
    },
    f"teachers[1] {FORM} (4, 6) float32, (10, 7) float32, None": {
        "teachers": [STUDENT, Head(HIDDEN, torch.zeros(10, 7))]
    },
    "teachers[0] requires a gradient, which is never computed; detach it": {
        "teachers": [Head(HIDDEN, torch.zeros(10, 6, requires_grad=True))]
    },
    "student: weight is on meta but hidden is on cpu": {"student": Head(HIDDEN, WEIGHT.to("meta"))},
    "teachers[0]: bias is on meta but hidden is on cpu": {
        "teachers": [Head(HIDDEN, WEIGHT, BIAS.to("meta"))]
    },
    "student: weight is (10, 6) bfloat16 but hidden is (4, 6) float32; "
    "give both the same type, as with weight.to(hidden.dtype)": {
        "student": Head(HIDDEN, WEIGHT.bfloat16())
    },
    'student must be floating point "b c"; it is (4, 10) int64': {
        "student": Head(HIDDEN.long(), WEIGHT.long())
    },
    'teachers[0]: student is (4, 10) but teacher is (3, 10); both must be the same "b c"': {
        "teachers": [Head(HIDDEN[:3], WEIGHT)]
    },
    'teachers[0]: student is (4, 10) but teacher is (4, 9); both must be the same "b c"': {
        "teachers": [Head(HIDDEN, WEIGHT[:9])]
    },
    "teachers[0]: teacher is on meta but student is on cpu": {
        "teachers": [Head(HIDDEN.to("meta"), WEIGHT.to("meta"))]
    },
    "terms is empty; give at least one, as [CrossEntropy()]": {"terms": []},
    "terms[0]: CrossEntropy compares with the label; give label": {"label": None},
    "terms[0]: teacher is 2, but there are 1 teachers, counted from 0": {"terms": [KL(2)]},
    "terms[0]: temperature is 0.0, not above 0; try 4.0": {"terms": [DKD(0, 0.0)]},
    "label must be (4,) int64, a class number a row, or (4, 10) probabilities; it is (3,) int64": {
        "label": LABEL[:3]
    },
    "weights must be 2 numbers, one a term; there are 1": {"weights": [1.0]},
    "weights must be (2,) float32, one a term; it is (2,) float64": {
        "weights": torch.ones(2, dtype=torch.float64)
    },
}


@pytest.mark.parametrize("message", REFUSED)
def test_refused(message):
    given = {
        "student": STUDENT,
        "terms": [CrossEntropy(), KL()],
        "teachers": [STUDENT],
        "label": LABEL,
        **REFUSED[message],
    }
    with pytest.raises(ValueError) as caught:
        linear_kd(**given)
    assert str(caught.value) == message


def test_number_that_is_no_class_is_an_error():
    with pytest.raises(IndexError, match="Target 10 is out of bounds"):
        linear_kd(STUDENT, [CrossEntropy()], label=torch.tensor([0, 1, 10, 2]))
