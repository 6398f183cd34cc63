"""Many InfoNCE problems at once."""

import pytest
import torch

from graphkd.kernels.infonce import ContrastProblem, infonce_grouped, infonce_reference
from graphkd.kernels.infonce_group import groups_of
from graphkd.kernels.launch import Launch, interpreted

pytest.importorskip("triton")
pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="kernels are not interpreted")


def vectors(*sizes, seed=0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    made = torch.randn(*sizes, generator=generator, dtype=torch.float64)
    return made.to(dtype).requires_grad_()


def problem(size, width, *, seed=0, dtype=torch.float32, scale=10.0, **given):
    return ContrastProblem(
        vectors(size, width, seed=seed, dtype=dtype),
        vectors(size, width, seed=seed + 1, dtype=dtype).detach(),
        scale,
        **given,
    )


def sizes_differ():
    return [
        problem(5, 20),
        problem(40, 20, seed=3, scale=torch.tensor(3.0)),
        problem(1, 20, seed=5),
    ]


def forms_differ():
    learnt = torch.tensor([7.0], requires_grad=True)
    learns = problem(6, 12, seed=4, scale=learnt)
    return [
        problem(6, 20, bank=vectors(9, 20, seed=8).detach()),
        problem(9, 12, seed=2, symmetric=True, scale=learnt),
        learns._replace(knowledge=vectors(6, 12, seed=9), knowledge_gradient=True),
        problem(4, 20, seed=6, bank=vectors(50, 20, seed=7).detach()),
        problem(4, 12, seed=6, dtype=torch.float16),
        problem(7, 12, seed=8, anchor="knowledge", index=torch.arange(7) // 2),
        problem(0, 12),
        problem(5, 12, seed=1, label=torch.arange(5) // 2, symmetric=True),
    ]


def one_by_one(problems, weights):
    values = [infonce_reference(**each._asdict()) for each in problems]
    total = sum(weight * value for weight, value in zip(weights, values, strict=True))
    return total, torch.stack(values).detach()


def leaves(problems):
    given = [value for each in problems for value in each[:3]]
    found = {id(x): x for x in given if isinstance(x, torch.Tensor) and x.requires_grad}
    return list(found.values())


@pytest.mark.parametrize("by_kernels", [False, True], ids=["reference", "kernels"])
@pytest.mark.parametrize("make", [sizes_differ, forms_differ])
@pytest.mark.parametrize("weighted", ["not", "numbers", "tensor"])
def test_it_is_the_weighted_sum(make, weighted, by_kernels):
    problems = make()
    numbers = (
        [1.0] * len(problems) if weighted == "not" else [0.5 + n for n in range(len(problems))]
    )
    weights = {"not": None, "numbers": numbers, "tensor": torch.tensor(numbers)}[weighted]
    inputs = leaves(problems)
    if by_kernels:
        with interpreted():
            got = infonce_grouped(problems, weights=weights)
            gradients = torch.autograd.grad(got.total, inputs)
    else:
        got = infonce_grouped(problems, weights=weights)
        gradients = torch.autograd.grad(got.total, inputs)
    total, values = one_by_one(problems, numbers)
    want = torch.autograd.grad(total, inputs)
    assert (got.total.shape, got.values.shape) == ((), (len(problems),))
    assert got.values.dtype == torch.float32
    assert not got.values.requires_grad
    torch.testing.assert_close(got.total, total)
    torch.testing.assert_close(got.values, values)
    # float32 scores of 10; PyTorch's tolerance for float16
    for mine, theirs in zip(gradients, want, strict=True):
        half = theirs.dtype == torch.float16
        torch.testing.assert_close(mine, theirs, rtol=1e-3 if half else 1e-4, atol=1e-4)


def test_gradient_of_the_weights():
    problems, weights = sizes_differ(), torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    with interpreted():
        got = infonce_grouped(problems, weights=weights)
        (gradient,) = torch.autograd.grad(2 * got.total, weights)
    assert torch.equal(gradient, 2 * got.values)


def test_one_tensor_in_two_problems():
    student = vectors(5, 8)
    problems = [
        problem(5, 8)._replace(student=student),
        problem(5, 8, seed=4)._replace(student=student),
    ]
    with interpreted():
        (got,) = torch.autograd.grad(infonce_grouped(problems).total, student)
    (want,) = torch.autograd.grad(one_by_one(problems, [1.0, 1.0])[0], student)
    torch.testing.assert_close(got, want)


def test_problems_of_one_form_share_their_launches(monkeypatch):
    started = []
    run = Launch.run

    def note(launch):
        started.append(launch.kernel.__name__)
        run(launch)

    monkeypatch.setattr(Launch, "run", note)
    with interpreted():
        infonce_grouped([problem(4 + n, 16, seed=n) for n in range(8)])
    assert started == ["prepare_kernel", "attend_kernel", "finish_kernel", "total_kernel"]


def test_groups_are_few_and_not_too_large():
    problems = [problem(3, width) for width in (8, 16, 8, 16, 8)]
    assert groups_of(problems) == [(0, 2, 4), (1, 3)]
    assert [len(each) for each in groups_of([problem(3, 8)] * 35)] == [16, 16, 3]


def test_more_problems_than_a_launch_takes():
    problems = [problem(3, 4, seed=n) for n in range(18)]
    with interpreted():
        got = infonce_grouped(problems)
    total, values = one_by_one(problems, [1.0] * 18)
    torch.testing.assert_close(got.total, total.detach(), check_stride=False)
    torch.testing.assert_close(got.values, values)
