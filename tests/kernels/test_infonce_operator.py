"""InfoNCE as an operator of compiled and exported graphs."""

import pytest
import torch
from torch import nn

from graphkd.kernels import infonce_autograd
from graphkd.kernels.infonce import ContrastProblem, infonce, infonce_reference
from graphkd.kernels.infonce_op import infonce_operator
from graphkd.kernels.launch import interpreted

pytest.importorskip("triton")
pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="kernels are not interpreted")


def vectors(*sizes, seed=0):
    return torch.randn(*sizes, generator=torch.Generator().manual_seed(seed))


def packed(*, knowledge_gradient=True):
    problems = [
        ContrastProblem(
            vectors(5, 12).requires_grad_(),
            vectors(5, 12, seed=1).requires_grad_(knowledge_gradient),
            torch.tensor([5.0], requires_grad=True),
            bank=vectors(4, 12, seed=2),
            knowledge_gradient=knowledge_gradient,
        ),
        ContrastProblem(
            vectors(3, 8).requires_grad_(),
            vectors(3, 8, seed=1),
            4.0,
            symmetric=True,
            index=torch.arange(3) // 2,
        ),
    ]
    return infonce_autograd._pack(problems, (1.0, 2.0))


def test_the_operator_keeps_the_rules():
    with interpreted():
        torch.library.opcheck(infonce_operator, tuple(packed()))


def test_a_graph_for_a_gpu_is_refused_elsewhere():
    with pytest.raises(ValueError) as caught:
        infonce_operator(*packed())
    assert str(caught.value) == ("infonce was compiled for a GPU but runs on cpu; compile it there")


def test_operator_and_function_agree():
    given = packed()
    operator = infonce_operator
    wanted = [each for each in given.inputs if each.requires_grad]
    results = []
    for compute in (
        lambda: operator(*given),
        lambda: infonce_autograd._Grouped.apply(given[1:], *given.inputs),
    ):
        with interpreted():
            total, values, *_ = compute()
            results.append([total, values, *torch.autograd.grad(3.0 * total, wanted)])
    assert all(map(torch.equal, *results))


def test_gradient_of_the_gradient():
    second = []
    for compute in (lambda x: infonce_operator(*x)[0], of_reference):
        given = packed()
        wanted = given.inputs[:2]
        with interpreted():
            first = torch.autograd.grad(compute(given), wanted, create_graph=True)
            second.append(torch.autograd.grad(sum(x.square().sum() for x in first), wanted))
    torch.testing.assert_close(*second)


def of_reference(given):
    problems, _ = infonce_autograd.unpack(given.inputs, *given[1:4])
    one, two = (infonce_reference(**problem._asdict()) for problem in problems)
    return one + 2.0 * two


def compiled_loss(student, knowledge, scale):
    return infonce(student, knowledge, scale=scale, symmetric=True)


@pytest.mark.parametrize("dynamic", [False, True])
def test_kernels_in_a_compiled_graph(dynamic):
    compiled = torch.compile(compiled_loss, backend="aot_eager", fullgraph=True, dynamic=dynamic)
    for size in (5, 7):
        student, scale = vectors(size, 12).requires_grad_(), torch.tensor([5.0], requires_grad=True)
        knowledge = vectors(size, 12, seed=1)
        with interpreted():
            value = compiled(student, knowledge, scale)
            got = [value, *torch.autograd.grad(value, (student, scale))]
        value = infonce_reference(student, knowledge, scale=scale, symmetric=True)
        want = [value, *torch.autograd.grad(value, (student, scale))]
        torch.testing.assert_close(got, want)


def test_reference_in_a_compiled_graph():
    compiled = torch.compile(compiled_loss, backend="aot_eager", fullgraph=True)
    student, knowledge = vectors(5, 12).requires_grad_(), vectors(5, 12, seed=1)
    value, want = compiled(student, knowledge, 5.0), compiled_loss(student, knowledge, 5.0)
    torch.testing.assert_close(value, want)
    gradients = [torch.autograd.grad(each, student) for each in (value, want)]
    torch.testing.assert_close(*gradients)


class Loss(nn.Module):
    def forward(self, student, knowledge):
        return infonce(student, knowledge, scale=5.0)


def test_kernels_in_an_exported_graph():
    student, knowledge = vectors(5, 12), vectors(5, 12, seed=1)
    with interpreted():
        exported = torch.export.export(Loss(), (student, knowledge))
        names = {str(node.target) for node in exported.graph.nodes}
        value = exported.module()(student, knowledge)
    assert "graphkd.infonce.default" in names
    torch.testing.assert_close(value, infonce_reference(student, knowledge, scale=5.0))
