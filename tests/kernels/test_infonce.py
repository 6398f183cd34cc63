"""Value, gradient and hard cases of InfoNCE."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from graphkd.kernels.infonce import infonce, infonce_reference

LOG_3 = math.log(3.0)
X = [1.0, 0.0]
Y = [0.0, 1.0]


def vectors(*sizes, seed=0, dtype=torch.float32, grad=False):
    generator = torch.Generator().manual_seed(seed)
    made = torch.randn(*sizes, generator=generator, dtype=torch.float64)
    return made.to(dtype).requires_grad_(grad)


def cosine(a, b):
    norms = math.sqrt(sum(x * x for x in a)) * math.sqrt(sum(y * y for y in b))
    return sum(x * y for x, y in zip(a, b, strict=True)) / norms


def expected(student, knowledge, scale, *, bank=(), symmetric=False, same=lambda n, m: False):
    """Sum in float64, pair by pair; `same(n, m)` says which pairs are left out."""
    student, keys = student.tolist(), [*knowledge.tolist(), *bank]

    def term(anchor, others, keep):
        scores = [math.exp(scale * cosine(anchor, other)) for other in others]
        total = sum(score for m, score in enumerate(scores) if keep(m))
        return scores, total

    batch, rows, columns = len(student), 0.0, 0.0
    for n in range(batch):
        scores, total = term(student[n], keys, lambda m, n=n: m == n or not same(n, m))
        rows -= math.log(scores[n] / total)
        scores, total = term(keys[n], student, lambda m, n=n: m == n or not same(n, m))
        columns -= math.log(scores[n] / total)
    value = (rows + columns) / 2 / batch if symmetric else rows / batch
    return torch.tensor(value, dtype=torch.float64)


def test_reference_by_hand():
    # exp of the scores is [[3, 1], [1, 3]]: each row finds its own with 3/4
    both = torch.tensor([X, Y])
    got = infonce_reference(both, 5 * both, scale=LOG_3)
    torch.testing.assert_close(got, torch.tensor(math.log(4 / 3)))


def test_bank_by_hand():
    # one more column (3, 1): 3/7 and 3/5
    both = torch.tensor([X, Y])
    got = infonce_reference(both, both, scale=LOG_3, bank=torch.tensor([X]))
    torch.testing.assert_close(got, torch.tensor((math.log(7 / 3) + math.log(5 / 3)) / 2))


def test_directions_by_hand():
    # exp of the scores is [[3, 1], [3, 1]]: rows 3/4 and 1/4, columns 1/2 and 1/2
    student, knowledge = torch.tensor([X, X]), torch.tensor([X, Y])
    rows = (math.log(4 / 3) + math.log(4)) / 2
    one = infonce_reference(student, knowledge, scale=LOG_3)
    two = infonce_reference(student, knowledge, scale=LOG_3, symmetric=True)
    torch.testing.assert_close(one, torch.tensor(rows))
    torch.testing.assert_close(two, torch.tensor((rows + math.log(2)) / 2))


def test_equal_samples_by_hand():
    # samples 0 and 2 are the same; exp of the scores is [[3, 1, 3], [1, 3, 1], [3, 1, 3]]
    # rows: 3 / (3 + 1), 3 / (1 + 3 + 1), 3 / (1 + 3)
    all_three = torch.tensor([X, Y, X])
    got = infonce_reference(all_three, all_three, scale=LOG_3, index=torch.tensor([7, 8, 7]))
    torch.testing.assert_close(got, torch.tensor((2 * math.log(4 / 3) + math.log(5 / 3)) / 3))


def test_equal_samples_in_the_bank_by_hand():
    # row 0 loses the first of the bank (3 / (3 + 1 + 1)), row 1 the second (3 / (1 + 3 + 1))
    both, bank = torch.tensor([X, Y]), torch.tensor([X, Y])
    got = infonce_reference(
        both,
        both,
        scale=LOG_3,
        bank=bank,
        index=torch.tensor([7, 8]),
        bank_index=torch.tensor([7, 8]),
    )
    torch.testing.assert_close(got, torch.tensor(math.log(5 / 3)))
    # without the bank's numbers all of the bank stays: 3 / (3 + 1 + 3 + 1)
    got = infonce_reference(both, both, scale=LOG_3, bank=bank, index=torch.tensor([7, 8]))
    torch.testing.assert_close(got, torch.tensor(math.log(8 / 3)))


def test_several_positives_by_hand():
    # exp of the scores is [[3, 1, 3], [1, 3, 1], [3, 1, 3]]; rows 0 and 2 are positives of each
    # other: log 7 - log 3 each; row 1 has only itself: log 5 - log 3
    all_three = torch.tensor([X, Y, X])
    got = infonce_reference(all_three, all_three, scale=LOG_3, label=torch.tensor([4, 5, 4]))
    torch.testing.assert_close(got, torch.tensor((2 * math.log(7 / 3) + math.log(5 / 3)) / 3))
    # rows 0 and 1 instead: log 7 - log(3) / 2 and log 5 - log(3) / 2; row 2 has no label
    got = infonce_reference(all_three, all_three, scale=LOG_3, label=torch.tensor([4, 4, -1]))
    want = (math.log(7) + math.log(5) - math.log(3) + math.log(7 / 3)) / 3
    torch.testing.assert_close(got, torch.tensor(want))


def test_positives_in_the_bank_by_hand():
    # exp of the scores is [[3, 1, 3, 1], [1, 3, 1, 3]]; both of the bank are positives of row 0
    both, bank = torch.tensor([X, Y]), torch.tensor([X, Y])
    got = infonce_reference(
        both,
        both,
        scale=LOG_3,
        bank=bank,
        label=torch.tensor([7, -1]),
        bank_label=torch.tensor([7, 7]),
    )
    # log 8 - (log 3 + log 3 + log 1) / 3 and log 8 - log 3
    want = (2 * math.log(8) - 5 / 3 * math.log(3)) / 2
    torch.testing.assert_close(got, torch.tensor(want))


def test_each_row_of_the_knowledge_looks_by_hand():
    # exp of the scores is [[3, 1], [3, 1]]: columns find their own with 1/2
    student, knowledge = torch.tensor([X, X]), torch.tensor([X, Y])
    got = infonce_reference(student, knowledge, scale=LOG_3, anchor="knowledge")
    torch.testing.assert_close(got, torch.tensor(math.log(2)))


def test_gradient_of_the_knowledge():
    student, knowledge = vectors(4, 3), vectors(4, 3, seed=1, grad=True)
    value = infonce(student, knowledge, scale=5.0, knowledge_gradient=True)
    (got,) = torch.autograd.grad(value, knowledge)
    # the same with the sides changed
    value = infonce(knowledge, student, scale=5.0, anchor="knowledge")
    torch.testing.assert_close(got, torch.autograd.grad(value, knowledge)[0])


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("scale", [1.0, 1 / 0.07, 100.0])
@pytest.mark.parametrize("sizes", [(1, 1), (2, 3), (7, 10), (33, 17)])
def test_float64_agrees_with_sums_over_pairs(sizes, scale, symmetric):
    student = vectors(*sizes, dtype=torch.float64)
    knowledge = vectors(*sizes, seed=1, dtype=torch.float64)
    bank = vectors(5, sizes[1], seed=2, dtype=torch.float64)
    index = torch.arange(sizes[0]) // 2
    bank_index = torch.arange(5)
    both = [*index.tolist(), *bank_index.tolist()]
    torch.testing.assert_close(
        infonce(student, knowledge, scale=scale, symmetric=symmetric),
        expected(student, knowledge, scale, symmetric=symmetric),
    )
    torch.testing.assert_close(
        infonce(
            student,
            knowledge,
            scale=scale,
            symmetric=symmetric,
            bank=bank,
            index=index,
            bank_index=bank_index,
        ),
        expected(
            student,
            knowledge,
            scale,
            symmetric=symmetric,
            bank=bank.tolist(),
            same=lambda n, m: both[n] == both[m],
        ),
    )


def test_it_is_the_usual_form_of_pytorch_code():
    student, knowledge = vectors(64, 32), vectors(64, 32, seed=1)
    scores = F.normalize(student) @ F.normalize(knowledge).T / 0.07
    own = torch.arange(64)
    one = F.cross_entropy(scores, own)
    two = (one + F.cross_entropy(scores.T, own)) / 2
    torch.testing.assert_close(infonce(student, knowledge, scale=1 / 0.07), one)
    torch.testing.assert_close(infonce(student, knowledge, scale=1 / 0.07, symmetric=True), two)


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("numbered", [False, True])
def test_gradcheck(symmetric, numbered):
    student = vectors(4, 3, dtype=torch.float64, grad=True)
    knowledge = vectors(4, 3, seed=1, dtype=torch.float64)
    bank = vectors(2, 3, seed=2, dtype=torch.float64)
    index = torch.tensor([0, 1, 0, 2]) if numbered else None
    scale = torch.tensor([5.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda s, k: infonce(s, knowledge, scale=k, bank=bank, symmetric=symmetric, index=index),
        (student, scale),
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype):
    student = vectors(6, 8, dtype=dtype, grad=True)
    knowledge = vectors(6, 8, seed=1, dtype=dtype)
    wide_student = student.detach().float().requires_grad_()
    value = infonce(student, knowledge, scale=20.0)
    wide_value = infonce(wide_student, knowledge.float(), scale=20.0)
    (gradient,) = torch.autograd.grad(value, student)
    (wide_gradient,) = torch.autograd.grad(wide_value, wide_student)
    assert torch.equal(value, wide_value)
    assert value.dtype == torch.float32
    assert torch.equal(gradient, wide_gradient.to(dtype))


def test_autocast_changes_nothing():
    student, knowledge = vectors(6, 8), vectors(6, 8, seed=1)
    plain = infonce(student, knowledge, scale=20.0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = infonce(student, knowledge, scale=20.0)
    assert torch.equal(got, plain)


@pytest.mark.parametrize("scale", [5.0, torch.tensor(5.0), torch.tensor([5.0])])
def test_scale_may_be_a_number_or_a_tensor(scale):
    student, knowledge = vectors(6, 8), vectors(6, 8, seed=1)
    got = infonce(student, knowledge, scale=scale)
    assert got.shape == ()
    assert torch.equal(got, infonce(student, knowledge, scale=5.0))


def test_teacher_gets_no_gradient():
    student, knowledge = vectors(4, 3, grad=True), vectors(4, 3, seed=1, grad=True)
    bank = vectors(2, 3, seed=2, grad=True)
    infonce_reference(student, knowledge, scale=5.0, bank=bank, symmetric=True).backward()
    assert knowledge.grad is None
    assert bank.grad is None
    assert student.grad is not None


def test_second_backward_gives_the_same_gradient():
    student, knowledge = vectors(4, 3, grad=True), vectors(4, 3, seed=1)
    value = infonce(student, knowledge, scale=5.0, symmetric=True)
    (first,) = torch.autograd.grad(value, student, retain_graph=True)
    (second,) = torch.autograd.grad(value, student)
    assert torch.equal(second, first)


@pytest.mark.parametrize("symmetric", [False, True])
def test_one_row_without_a_bank_gives_zero(symmetric):
    student = vectors(1, 3, grad=True)
    value = infonce(student, vectors(1, 3, seed=1), scale=100.0, symmetric=symmetric)
    (gradient,) = torch.autograd.grad(value, student)
    assert torch.equal(value, torch.tensor(0.0))
    assert torch.equal(gradient, torch.zeros(1, 3))


def test_one_row_with_a_bank_does_not():
    assert infonce(vectors(1, 3), vectors(1, 3, seed=1), scale=1.0, bank=vectors(4, 3, seed=2)) > 0


@pytest.mark.parametrize("bank", [None, torch.ones(3, 4)])
@pytest.mark.parametrize("symmetric", [False, True])
def test_empty_batch_gives_zero_and_an_empty_gradient(symmetric, bank):
    student = torch.empty(0, 4, requires_grad=True)
    value = infonce(student, torch.empty(0, 4), scale=5.0, symmetric=symmetric, bank=bank)
    (gradient,) = torch.autograd.grad(value, student)
    assert torch.equal(value, torch.tensor(0.0))
    assert gradient.shape == (0, 4)


def test_equal_vectors_are_chance():
    # each of 8 columns is as likely as the others
    student = torch.ones(8, 3)
    torch.testing.assert_close(infonce(student, student, scale=14.0), torch.tensor(math.log(8)))


def test_zero_vectors_stay_finite():
    student = torch.zeros(3, 4, requires_grad=True)
    value = infonce(student, torch.zeros(3, 4), scale=5.0, symmetric=True)
    (gradient,) = torch.autograd.grad(value, student)
    torch.testing.assert_close(value, torch.tensor(math.log(3)))
    assert gradient.isfinite().all()


def test_unequal_shapes_are_refused():
    with pytest.raises(ValueError) as caught:
        infonce(torch.zeros(4, 3), torch.zeros(5, 3), scale=1.0)
    assert str(caught.value) == (
        'student is (4, 3) but knowledge is (5, 3); both must be the same "b d"'
    )


def test_nothing_is_read_on_the_host():
    # a tensor on the meta device has no values that could be read
    student = torch.empty(4, 3, device="meta", requires_grad=True)
    knowledge = torch.empty(4, 3, device="meta")
    index = torch.empty(4, dtype=torch.int64, device="meta")
    value = infonce(student, knowledge, scale=5.0, symmetric=True, bank=knowledge, index=index)
    value.backward()
    assert value.shape == ()


numbers = st.lists(st.floats(0.1, 10), min_size=5, max_size=5)


@settings(max_examples=30, deadline=None)
@given(numbers, numbers, st.permutations(range(5)), st.booleans())
def test_lengths_and_order_do_not_matter(lengths, others, order, symmetric):
    student = vectors(5, 4, dtype=torch.float64)
    knowledge = vectors(5, 4, seed=1, dtype=torch.float64)
    before = infonce(student, knowledge, scale=10.0, symmetric=symmetric)
    student = student * torch.tensor(lengths, dtype=torch.float64)[:, None]
    knowledge = knowledge * torch.tensor(others, dtype=torch.float64)[:, None]
    after = infonce(student[order], knowledge[order], scale=10.0, symmetric=symmetric)
    # the 1e-12 under the root: 1e-10 of the length of a vector a tenth as long
    torch.testing.assert_close(after, before, rtol=1e-8, atol=1e-8)
