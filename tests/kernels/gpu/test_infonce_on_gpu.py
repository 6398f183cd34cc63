"""InfoNCE on a GPU: what the interpreter cannot tell."""

import pytest
import torch

from graphkd.kernels.infonce import ContrastProblem, infonce, infonce_grouped, infonce_reference

pytestmark = pytest.mark.gpu

# without a kernel these would compare the reference with itself
pytest.importorskip("triton")

DTYPES = (torch.float32, torch.float16, torch.bfloat16)
SIZES = [(1, 8), (33, 17), (128, 64), (257, 128), (512, 256), (1000, 512)]


def drawn(num_rows, width, dtype=torch.float32, *, bank=0, seed=0):
    """Draw a student, its knowledge and, for `bank` rows above 0, a bank."""
    generator = torch.Generator("cuda").manual_seed(seed)
    student, noise = torch.randn(2, num_rows, width, generator=generator, device="cuda")
    made = [student, student + 4 * noise]
    if bank:
        made.append(torch.randn(bank, width, generator=generator, device="cuda"))
    return [each.to(dtype) for each in made]


def losses(*, scale=1 / 0.07, **settings):
    """Make the kernel's and the reference's loss."""

    def form(function):
        def loss(student, knowledge, bank=None):
            return function(student, knowledge, scale=scale, bank=bank, **settings)

        return loss

    return form(infonce), form(infonce_reference)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("symmetric", [False, True])
def test_it_agrees_with_float64(symmetric, sizes, dtype, agree):
    agree(*losses(symmetric=symmetric), drawn(*sizes, dtype))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("scale", [1.0, 1 / 0.07, 100.0])
def test_scales(scale, dtype, agree):
    agree(*losses(scale=scale, symmetric=True), drawn(257, 128, dtype))


@pytest.mark.parametrize("bank", [1, 100, 4096])
def test_a_bank(bank, agree):
    agree(*losses(), drawn(257, 128, torch.bfloat16, bank=bank))


@pytest.mark.parametrize("symmetric", [False, True])
def test_equal_samples_are_no_negatives(symmetric, agree):
    index = torch.arange(257, device="cuda") // 2
    agree(*losses(symmetric=symmetric, index=index), drawn(257, 128, torch.bfloat16))


@pytest.mark.parametrize("symmetric", [False, True])
def test_equal_labels_are_positives(symmetric, agree):
    label = torch.arange(257, device="cuda") % 50
    agree(*losses(symmetric=symmetric, label=label), drawn(257, 128, torch.bfloat16))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("anchor", ["student", "knowledge"])
@pytest.mark.parametrize("symmetric", [False, True])
def test_the_knowledge_may_learn_too(symmetric, anchor, dtype, agree):
    settings = {"symmetric": symmetric, "knowledge_gradient": True}
    if not symmetric:
        settings["anchor"] = anchor
    kernel, reference = losses(**settings)

    def other_way_round(loss):
        # the gradient that is compared is that of the first
        return lambda knowledge, student: loss(student, knowledge.requires_grad_())

    student, knowledge = drawn(257, 128, dtype)
    agree(other_way_round(kernel), other_way_round(reference), [knowledge, student])
    agree(kernel, reference, [student, knowledge])


def test_several_at_once_are_the_sum(solve):
    pairs = [drawn(num_rows, 128, torch.bfloat16, seed=num_rows) for num_rows in (64, 257)]
    weights = [0.5, 2.0]

    def together(student, *_):
        first = ContrastProblem(student, pairs[0][1], 14.0)
        second = ContrastProblem(pairs[1][0], pairs[1][1], 14.0, symmetric=True)
        return infonce_grouped([first, second], weights=weights).total

    def apart(student, *_):
        first = infonce(student, pairs[0][1], scale=14.0)
        second = infonce(pairs[1][0], pairs[1][1], scale=14.0, symmetric=True)
        return weights[0] * first + weights[1] * second

    torch.testing.assert_close(solve(together, pairs[0]), solve(apart, pairs[0]))


def test_another_incoming_gradient_is_followed(agree):
    agree(*losses(symmetric=True), drawn(257, 128), factor=1024.0)


def test_a_scale_that_learns_gets_its_gradient():
    student, knowledge = drawn(257, 128)
    found = []
    for function, dtype in ((infonce, torch.float32), (infonce_reference, torch.float64)):
        scale = torch.tensor([10.0], device="cuda", dtype=dtype, requires_grad=True)
        value = function(student.to(dtype), knowledge.to(dtype), scale=scale, symmetric=True)
        found.append(torch.autograd.grad(value, scale)[0].double())
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("symmetric", [False, True])
def test_twice_gives_the_same_bits(symmetric, solve):
    inputs = drawn(1000, 512, torch.bfloat16)
    loss, _ = losses(symmetric=symmetric)
    first = solve(loss, inputs)
    for _ in range(5):
        again = solve(loss, inputs)
        assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


@pytest.mark.parametrize("symmetric", [False, True])
def test_a_cuda_graph_holds_it(symmetric, solve, captured):
    loss, _ = losses(symmetric=symmetric)
    others = drawn(512, 256, torch.bfloat16, seed=1)
    got = captured(loss, drawn(512, 256, torch.bfloat16), others)
    expected = solve(loss, others)
    assert all(torch.equal(a, b) for a, b in zip(got, expected, strict=True))


@pytest.mark.parametrize("symmetric", [False, True])
def test_the_host_never_waits(symmetric, solve, unsynchronized):
    inputs = drawn(512, 256, torch.bfloat16)
    loss, _ = losses(symmetric=symmetric)
    solve(loss, inputs)
    with unsynchronized():
        solve(loss, inputs)


def test_the_pairs_are_never_all_in_memory(solve):
    inputs = drawn(8192, 256, torch.bfloat16)
    loss, _ = losses()
    solve(loss, inputs)
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    solve(loss, inputs)
    # 8192 x 8192 scores in bfloat16 would be 134 MB
    assert torch.cuda.max_memory_allocated() - before < 64e6
