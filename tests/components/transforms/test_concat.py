import pytest
import torch

from graphkd.component import find
from graphkd.components.transforms import Concat
from graphkd.errors import ComponentError


def test_registered():
    assert find("transform", "concat") is Concat


def test_by_hand(site):
    join = Concat().build(site((1, 2), (1, 1)))
    assert join(torch.tensor([[1, 2]]), torch.tensor([[3]])).tolist() == [[1, 2, 3]]


@pytest.mark.parametrize(
    ("axis", "shapes", "after"),
    [
        (None, [(2, 3), (2, 4), (2, 5)], (2, 12)),
        (None, [(2, 9, 3), (2, 9, 4)], (2, 9, 7)),
        (None, [(2, 3, 5, 6), (2, 4, 5, 6)], (2, 7, 5, 6)),
        (1, [(2, 1, 3), (2, 9, 3)], (2, 10, 3)),
        (-1, [(2, 3, 5, 6), (2, 3, 5, 4)], (2, 3, 5, 10)),
        (3, [(2, 3, 5, 6), (2, 3, 5, 4)], (2, 3, 5, 10)),
        (None, [(2, 3)], (2, 3)),
    ],
)
def test_shape(site, axis, shapes, after):
    module = Concat(axis).build(site(*shapes))
    assert module(*(torch.zeros(shape) for shape in shapes)).shape == after
    with torch.device("meta"):
        out = Concat(axis).build(site(*shapes))(*(torch.empty(shape) for shape in shapes))
    assert out.is_meta
    assert out.shape == after


def test_gradient_goes_back_to_each_input(site):
    one, two = torch.ones(1, 2, requires_grad=True), torch.ones(1, 1, requires_grad=True)
    joined = Concat().build(site((1, 2), (1, 1)))(one, two)
    weighed = (joined * torch.tensor([[1.0, 2.0, 3.0]])).sum()
    grads = torch.autograd.grad(weighed, (one, two))
    assert [grad.tolist() for grad in grads] == [[[1.0, 2.0]], [[3.0]]]


@pytest.mark.parametrize(
    ("axis", "shapes", "message", "field"),
    [
        (
            0,
            [(2, 3), (2, 4)],
            "axis is 0, not an axis of 'b c=3' behind the batch; try 1",
            "axis",
        ),
        (
            -2,
            [(2, 3), (2, 4)],
            "axis is -2, not an axis of 'b c=3' behind the batch; try 1",
            "axis",
        ),
        (
            4,
            [(2, 3, 5, 6), (2, 4, 5, 6)],
            "axis is 4, not an axis of 'b c=3 h=5 w=6' behind the batch; try 1, 2, 3",
            "axis",
        ),
        (
            None,
            [(2, 3, 5, 6), (2, 4, 5, 6), (2, 3, 5, 7)],
            "input 3 of concat is 'b c=3 h=5 w=7' and input 1 'b c=3 h=5 w=6', "
            "but only axis 1 may differ; put a projector before one of them",
            "",
        ),
        (
            None,
            [(2, 3), (2, 3, 5, 6)],
            "input 2 of concat is 'b c=3 h=5 w=6' and input 1 'b c=3', "
            "but only axis 1 may differ; put a projector before one of them",
            "",
        ),
        (None, [(2,), (2,)], "concat joins axes behind the batch, and 'b' has none", ""),
    ],
)
def test_errors(site, axis, shapes, message, field):
    with pytest.raises(ComponentError) as error:
        Concat(axis).build(site(*shapes))
    assert str(error.value) == message
    assert error.value.field == field


def test_compiles_whole_and_exports_for_any_batch_size(site):
    module = Concat().build(site((2, 3), (2, 4)))
    tensors = torch.ones(5, 3), torch.zeros(5, 4)
    torch.compiler.reset()
    compiled = torch.compile(module, fullgraph=True, backend="eager")
    assert torch.equal(compiled(*tensors), module(*tensors))
    batch = torch.export.Dim("b")
    first = tuple(each[:2] for each in tensors)
    exported = torch.export.export(module, first, dynamic_shapes=(({0: batch}, {0: batch}),))
    assert torch.equal(exported.module()(*tensors), module(*tensors))
