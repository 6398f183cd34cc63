"""The InfoNCE kernels, interpreted, against sums over pairs in float64."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graphkd.kernels.infonce import infonce, infonce_reference
from graphkd.kernels.launch import interpreted

pytest.importorskip("triton")
pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="kernels are not interpreted")


@pytest.fixture(autouse=True)
def kernels():
    with interpreted():
        yield


def vectors(*sizes, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*sizes, generator=generator, dtype=torch.float64).to(dtype)


def problem(size, width, *, dtype=torch.float32, scale=1 / 0.07, **asked):
    """Make the arguments; what is asked for with True gets values."""
    made = {"student": vectors(size, width, dtype=dtype), "scale": scale}
    made["knowledge"] = vectors(size, width, seed=1, dtype=dtype)
    values = {
        "bank": vectors(21, width, seed=2, dtype=dtype),
        "index": torch.arange(size) // 2,
        "bank_index": torch.arange(21),
        "label": torch.arange(size) % 4 - 1,
        "bank_label": torch.arange(21) % 5 - 1,
    }
    return made | {name: values.get(name, value) for name, value in asked.items()}


def expected(student, knowledge, scale, **given):
    """Go row by row over lists of pairs."""
    batch, bank = len(student), given.get("bank")
    keys = knowledge if bank is None else torch.cat([knowledge, bank])

    def numbers(name):
        if given.get(name) is None:
            return [object() for _ in keys], [object() for _ in keys]
        mine, further = given[name].tolist(), given.get(f"bank_{name}")
        return mine, [*mine, *([None] * len(keys) if further is None else further.tolist())]

    index, all_index = numbers("index")
    label, all_label = numbers("label")
    pairs = [(n, m) for n in range(batch) for m in range(len(keys))]
    out = {(n, m) for n, m in pairs if n != m and index[n] == all_index[m]}
    positive = {(n, n) for n in range(batch)}
    positive |= {(n, m) for n, m in pairs if label[n] != -1 and label[n] == all_label[m]}
    student = student / (student.square().sum(dim=1, keepdim=True) + 1e-12).sqrt()
    keys = keys / (keys.square().sum(dim=1, keepdim=True) + 1e-12).sqrt()
    scores = scale * (student @ keys.T)

    def find(wanted):
        kept = [pair for pair in wanted if pair not in out]
        total = torch.stack([scores[pair] for pair in kept]).logsumexp(dim=0)
        found = [scores[pair] for pair in kept if pair in positive]
        return total - sum(found) / len(found)

    of_rows = [find([(n, m) for m in range(len(keys))]) for n in range(batch)]
    of_columns = [find([(n, m) for n in range(batch)]) for m in range(batch)]
    of_rows, of_columns = sum(of_rows) / batch, sum(of_columns) / batch
    if given.get("symmetric"):
        return (of_rows + of_columns) / 2
    return of_columns if given.get("anchor") == "knowledge" else of_rows


def value_and_gradients(function, made, names):
    made = {name: _leaf(value, name in names) for name, value in made.items()}
    value = function(**made)
    return [value.detach(), *torch.autograd.grad(value, [made[name] for name in names])]


def _leaf(value, wanted):
    return value.detach().clone().requires_grad_() if wanted else value


def distance(got, want):
    """Tell the error by the norm, so that small elements count."""
    want = want.double()
    return float((got.double() - want).norm() / want.norm().clamp(min=1e-6))


def assert_like_the_sums(made, tolerance):
    names = ["student"]
    names += ["knowledge"] if made.get("knowledge_gradient") else []
    names += ["scale"] if isinstance(made["scale"], torch.Tensor) else []
    got = value_and_gradients(infonce, made, names)
    in_double = {
        name: value.double() if torch.is_tensor(value) and value.is_floating_point() else value
        for name, value in made.items()
    }
    want = value_and_gradients(expected, in_double, names)
    assert got[0].dtype == (
        torch.float64 if made["student"].dtype == torch.float64 else torch.float32
    )
    errors = [distance(*pair) for pair in zip(got, want, strict=True)]
    assert max(errors) < tolerance, errors
    for name, gradient in zip(names, got[1:], strict=True):
        assert gradient.dtype == made[name].dtype


KINDS = {
    "one-sided": {},
    "knowledge looks": {"anchor": "knowledge"},
    "symmetric": {"symmetric": True},
    "bank": {"bank": True},
    "bank and symmetric": {"bank": True, "symmetric": True},
    "index": {"index": True},
    "index and bank": {"index": True, "bank": True, "bank_index": True},
    "index, bank without": {"index": True, "bank": True, "symmetric": True},
    "label": {"label": True},
    "label and bank": {"label": True, "bank": True, "bank_label": True},
    "label, bank without": {"label": True, "bank": True, "symmetric": True},
    "label, knowledge looks": {"label": True, "anchor": "knowledge", "index": True},
    "knowledge learns": {"knowledge_gradient": True},
    "knowledge looks and learns": {"knowledge_gradient": True, "anchor": "knowledge"},
    "all": {
        "knowledge_gradient": True,
        "symmetric": True,
        "bank": True,
        "index": True,
        "bank_index": True,
        "label": True,
        "bank_label": True,
    },
}


@pytest.mark.parametrize("learnt", [False, True], ids=["number", "learnt"])
@pytest.mark.parametrize("kind", KINDS)
def test_each_kind(kind, learnt):
    # two blocks of rows, and two of columns
    scale = torch.tensor([1 / 0.07]) if learnt else 1 / 0.07
    assert_like_the_sums(problem(33, 20, scale=scale, **KINDS[kind]), 2e-6)


@pytest.mark.parametrize("kind", ["one-sided", "symmetric", "all"])
@pytest.mark.parametrize("sizes", [(5, 3), (70, 64), (33, 100)])
def test_ragged_sizes(sizes, kind):
    assert_like_the_sums(problem(*sizes, **KINDS[kind]), 2e-6)


@pytest.mark.parametrize("kind", ["bank", "all"])
def test_one_row(kind):
    assert_like_the_sums(problem(1, 3, **KINDS[kind]), 2e-6)


@pytest.mark.parametrize("kind", ["one-sided", "symmetric", "knowledge looks"])
def test_one_row_without_a_bank_gives_zero(kind):
    got = value_and_gradients(infonce, problem(1, 3, **KINDS[kind]), ["student"])
    torch.testing.assert_close(got, [torch.tensor(0.0), torch.zeros(1, 3)])


@pytest.mark.parametrize("kind", ["bank", "symmetric", "all"])
@pytest.mark.parametrize("scale", [1.0, 100.0, torch.tensor(100.0), 300.0])
def test_scales(scale, kind):
    # float32 scores of 100 (300) are off by 4e-6 (1.5e-5), which the exponential makes relative
    assert_like_the_sums(problem(20, 40, scale=scale, **KINDS[kind]), 1e-5)


@pytest.mark.parametrize("kind", ["one-sided", "symmetric", "bank", "all"])
def test_float16(kind):
    # rounding each element of the gradient to 11 bits: up to 4.9e-4, 2.9e-4 by the norm
    assert_like_the_sums(problem(33, 64, dtype=torch.float16, **KINDS[kind]), 4e-4)


@pytest.mark.parametrize("length", [1e-3, 1e3])
def test_float16_of_any_length(length):
    made = problem(20, 16, dtype=torch.float16, knowledge_gradient=True)
    for name, by in (("student", 1 / length), ("knowledge", length)):
        made[name] = (made[name].float() * by).half()
    # elements below 6e-5 have fewer bits in the gradient
    assert_like_the_sums(made, 2e-3)


@pytest.mark.parametrize("kind", ["one-sided", "all"])
def test_float64(kind):
    assert_like_the_sums(problem(20, 16, dtype=torch.float64, **KINDS[kind]), 1e-13)


@pytest.mark.parametrize("kind", ["one-sided", "knowledge looks", "label", "all"])
def test_gradcheck(kind):
    made = problem(5, 6, dtype=torch.float64, **KINDS[kind])
    made["scale"] = torch.tensor([5.0], dtype=torch.float64)
    names = ["student", "scale", *(["knowledge"] if "knowledge_gradient" in made else [])]
    leaves = [made[name].requires_grad_() for name in names]
    assert torch.autograd.gradcheck(
        lambda *given: infonce(**made | dict(zip(names, given, strict=True))),
        leaves,
        fast_mode=True,
    )


def test_without_gradient():
    for kind in ("one-sided", "symmetric", "all"):
        made = problem(70, 20, **KINDS[kind])
        made.pop("knowledge_gradient", None)
        got = infonce(**made)
        assert not got.requires_grad
        torch.testing.assert_close(got, infonce_reference(**made))


def test_a_confident_row_keeps_its_small_gradient():
    # the slope on one's own score, 0.95 - 1, is not what is left of two rounded numbers
    made = problem(8, 64, scale=5.0, dtype=torch.float16)
    made["knowledge"] = (made["student"].double() + 0.05 * made["knowledge"].double()).half()
    assert_like_the_sums(made, 4e-4)
    assert_like_the_sums(made | {"symmetric": True}, 4e-4)


def test_zero_vectors():
    for dtype in (torch.float32, torch.float16):
        made = problem(6, 8, dtype=dtype, symmetric=True, knowledge_gradient=True)
        made["knowledge"][2] = 0.0
        names = ["student", "knowledge"]
        got = value_and_gradients(infonce, made, names)
        want = value_and_gradients(infonce_reference, made, names)
        # the zero row's gradient is 1e6 times the others
        torch.testing.assert_close(got[:2], want[:2], rtol=4e-3, atol=1e-4)
        if dtype == torch.float32:
            torch.testing.assert_close(got[2], want[2])


def test_rows_that_are_not_contiguous_or_not_aligned():
    made = problem(20, 12, knowledge_gradient=True, bank=True)
    want = value_and_gradients(infonce, made, ["student", "knowledge"])
    apart = {
        "student": made["student"].T.contiguous().T,
        "knowledge": torch.nn.functional.pad(made["knowledge"], (3, 2))[:, 3:-2],
        "bank": torch.cat([torch.zeros(1), made["bank"].flatten()])[1:].view(21, 12),
    }
    student, knowledge = (apart[name].requires_grad_() for name in ("student", "knowledge"))
    value = infonce(**made | apart)
    gradients = torch.autograd.grad(value, [student, knowledge])
    assert all(map(torch.equal, [value.detach(), *gradients], want))


@pytest.mark.parametrize("kind", ["one-sided", "bank", "all"])
def test_nothing_beside_the_rows_is_read(kind):
    made = problem(5, 20, **KINDS[kind])

    def guarded(rows):
        zone = torch.full((64, 20), math.nan)
        return torch.cat([zone, rows, zone])[64 : 64 + len(rows)]

    names = ["student"]
    want = value_and_gradients(infonce, made, names)
    inside = {
        name: guarded(made[name]) for name in ("student", "knowledge", "bank") if name in made
    }
    student = inside["student"].requires_grad_()
    value = infonce(**made | inside)
    assert torch.equal(value.detach(), want[0])
    assert torch.equal(torch.autograd.grad(value, student)[0], want[1])


def test_memory_that_was_not_written_is_not_read():
    # torch.empty gives NaN then
    torch.use_deterministic_algorithms(True)
    try:
        for kind in ("one-sided", "bank", "knowledge learns", "all"):
            assert_like_the_sums(problem(33, 20, **KINDS[kind]), 2e-6)
    finally:
        torch.use_deterministic_algorithms(False)


def test_nothing_is_written_to_the_inputs():
    made = problem(5, 6, **KINDS["all"])
    before = {name: value.clone() for name, value in made.items() if torch.is_tensor(value)}
    value_and_gradients(infonce, made, ["student", "knowledge"])
    assert all(torch.equal(made[name], value) for name, value in before.items())


def test_an_empty_bank_is_none():
    made = problem(5, 6)
    value = infonce(**made, bank=torch.zeros(0, 6))
    assert torch.equal(value, infonce(**made))


def test_an_empty_batch_gives_zero_and_an_empty_gradient():
    student = torch.empty(0, 4, requires_grad=True)
    value = infonce(student, torch.empty(0, 4), scale=5.0, bank=torch.ones(3, 4))
    (gradient,) = torch.autograd.grad(value, student)
    assert torch.equal(value, torch.tensor(0.0))
    assert gradient.shape == (0, 4)


def test_same_bits_every_time():
    made = problem(40, 20, **KINDS["all"])
    first, second = (value_and_gradients(infonce, made, ["student"]) for _ in range(2))
    assert all(map(torch.equal, first, second))


def test_a_second_backward_gives_the_same():
    made = problem(5, 6, knowledge_gradient=True)
    inputs = [made[name].requires_grad_() for name in ("student", "knowledge")]
    value = infonce(**made)
    first = torch.autograd.grad(value, inputs, torch.tensor(3.0), retain_graph=True)
    kept = [each.clone() for each in first]
    second = torch.autograd.grad(value, inputs, torch.tensor(3.0))
    assert all(map(torch.equal, second, kept))
    assert all(map(torch.equal, first, kept))


def test_a_loss_that_is_used_twice():
    made = problem(5, 6)
    student = made["student"].requires_grad_()
    (once,) = torch.autograd.grad(infonce(**made), student)
    value = infonce(**made)
    (twice,) = torch.autograd.grad(2.0 * value + value.square(), student)
    torch.testing.assert_close(twice, once * (2.0 + 2.0 * value.detach()))


def test_gradient_of_the_gradient():
    made = problem(4, 3, dtype=torch.float64, knowledge_gradient=True)
    made["scale"] = torch.tensor([5.0], dtype=torch.float64)
    names = ["student", "knowledge", "scale"]
    leaves = [made[name].requires_grad_() for name in names]
    assert torch.autograd.gradgradcheck(
        lambda *given: infonce(**made | dict(zip(names, given, strict=True))),
        leaves,
        fast_mode=True,
    )


def test_loss_scale_of_float16():
    # without the scale most of these gradients are 0 in float16
    made = problem(64, 16, dtype=torch.float16, scale=0.01)
    for by in (1.0, 4096.0):
        student = made["student"].detach().requires_grad_()
        value = infonce(**made | {"student": student}) * by
        (got,) = torch.autograd.grad(value, student)
        wide = student.detach().double().requires_grad_()
        value = by * infonce_reference(wide, made["knowledge"].double(), scale=0.01)
        (want,) = torch.autograd.grad(value, wide)
        error = distance(got, want.half())
        assert error < (1e-2 if by == 1.0 else 1e-3)


def test_it_stays_out_of_the_graph_where_nothing_requires_a_gradient():
    assert not infonce(**problem(4, 3)).requires_grad


shapes = st.tuples(st.integers(1, 40), st.integers(1, 40))


@settings(max_examples=8, deadline=None)
@given(shapes, st.sampled_from(sorted(KINDS)), st.floats(0.5, 60.0), st.booleans())
def test_kernels_and_reference_agree(sizes, kind, scale, learnt):
    made = problem(*sizes, scale=torch.tensor(scale) if learnt else scale, **KINDS[kind])
    names = ["student", *(["scale"] if learnt else [])]
    got = value_and_gradients(infonce, made, names)
    want = value_and_gradients(infonce_reference, made, names)
    # scores of 60 in float32
    torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-5)
