import math
from collections.abc import Sequence
from typing import Literal

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphkd.component import Site, Socket, find
from graphkd.components.transforms import Ensemble
from graphkd.errors import ComponentError

LOGIT = st.floats(-50, 50, width=32)
WEIGHT = st.floats(0.01, 100)
HUGE = 1e4


def average(
    inputs: list[torch.Tensor],
    weights: Sequence[float] = (),
    of: Literal["probabilities", "logits"] = "probabilities",
) -> torch.Tensor:
    socket = Socket("b c", (2, inputs[0].shape[1]))
    site = Site(inputs={"input": (socket,) * len(inputs)})
    averaged: torch.Tensor = Ensemble(of, tuple(weights)).build(site)(*inputs)
    return averaged


@st.composite
def rows(draw, count):
    """As many rows of logits, with the same number of classes."""
    classes = draw(st.integers(1, 5))
    row = st.lists(LOGIT, min_size=classes, max_size=classes)
    return [torch.tensor([draw(row)]) for _ in range(count)]


def test_registered():
    assert find("transform", "ensemble") is Ensemble


def test_probabilities_by_hand():
    # (3/4, 1/4) and (1/2, 1/2) have the mean (5/8, 3/8)
    one, two = torch.tensor([[math.log(3.0), 0.0]]), torch.zeros(1, 2)
    expected = torch.tensor([[5 / 8, 3 / 8]])
    torch.testing.assert_close(average([one, two]).exp(), expected)


def test_weighted_probabilities_by_hand():
    # 3 to 1 in favour of the first: (3 * 3/4 + 1/2) / 4 = 11/16
    one, two = torch.tensor([[math.log(3.0), 0.0]]), torch.zeros(1, 2)
    expected = torch.tensor([[11 / 16, 5 / 16]])
    torch.testing.assert_close(average([one, two], [3.0, 1.0]).exp(), expected)


def test_logits_by_hand():
    one, two = torch.tensor([[1.0, 5.0]]), torch.tensor([[3.0, -3.0]])
    torch.testing.assert_close(average([one, two], of="logits"), torch.tensor([[2.0, 1.0]]))
    # 1 to 3: (1 + 9) / 4, (5 - 9) / 4
    got = average([one, two], [1.0, 3.0], of="logits")
    torch.testing.assert_close(got, torch.tensor([[2.5, -1.0]]))


def test_one_input_gives_its_log_softmax():
    logits = torch.tensor([[2.0, -1.0, 0.5]])
    torch.testing.assert_close(average([logits]), logits.log_softmax(dim=-1))


@given(logits=rows(3), weights=st.lists(WEIGHT, min_size=3, max_size=3))
def test_probabilities_are_the_weighted_mean(logits, weights):
    shares = torch.tensor(weights, dtype=torch.float64) / sum(weights)
    softmax = torch.cat(logits).double().softmax(dim=-1)
    expected = (shares[:, None] * softmax).sum(dim=0, keepdim=True)
    got = average(logits, weights).double().exp()
    # float32 keeps a log-probability of -50 to 4e-6
    torch.testing.assert_close(got, expected, rtol=2e-5, atol=1e-7)
    torch.testing.assert_close(got.sum(), torch.tensor(1.0, dtype=torch.float64))


@given(logits=rows(1), weights=st.lists(WEIGHT, min_size=1, max_size=4))
def test_equal_inputs_give_their_own_distribution(logits, weights):
    same = logits * len(weights)
    own = logits[0].log_softmax(dim=-1)
    # sums of four float32 near 100: a few units in the last place, 8e-6 each
    torch.testing.assert_close(average(same, weights), own, rtol=0, atol=3e-5)
    got = average(same, weights, of="logits").log_softmax(dim=-1)
    torch.testing.assert_close(got, own, rtol=0, atol=3e-5)


@given(
    logits=rows(3),
    weights=st.lists(WEIGHT, min_size=3, max_size=3),
    order=st.permutations(range(3)),
    of=st.sampled_from(["probabilities", "logits"]),
)
def test_order_does_not_matter(logits, weights, order, of):
    got = average([logits[i] for i in order], [weights[i] for i in order], of=of)
    torch.testing.assert_close(got, average(logits, weights, of=of), rtol=0, atol=3e-5)


@given(logits=rows(2), weights=st.lists(WEIGHT, min_size=2, max_size=2), unit=WEIGHT)
def test_only_ratios_of_weights_matter(logits, weights, unit):
    got = average(logits, [unit * each for each in weights])
    torch.testing.assert_close(got, average(logits, weights), rtol=0, atol=3e-5)


def test_huge_logits_stay_finite():
    one, two = torch.tensor([[HUGE, -HUGE, 0.0]]), torch.tensor([[-HUGE, HUGE, 0.0]])
    got = average([one, two])
    # halves for the first two; the third is 1e4 below the winner in both
    expected = torch.tensor([[-math.log(2), -math.log(2), -HUGE]])
    torch.testing.assert_close(got, expected)


def test_input_without_weight_is_not_read():
    one, broken = torch.tensor([[1.0, 2.0]]), torch.full((1, 2), math.nan)
    got = average([one, broken], [1.0, 0.0])
    torch.testing.assert_close(got, one.log_softmax(dim=-1))
    assert torch.equal(average([one, broken], [1.0, 0.0], of="logits"), one)


def test_half_precision_is_averaged_in_float32():
    one = torch.tensor([[3.0, 1.0]], dtype=torch.bfloat16)
    assert average([one, one]).dtype is torch.float32
    assert average([one, one], of="logits").dtype is torch.float32


def test_gradient_is_that_of_the_formula():
    one = torch.tensor([[0.3, -0.2, 1.0]], requires_grad=True)
    two = torch.tensor([[1.3, 0.4, -1.0]], requires_grad=True)
    plain = 0.25 * one.softmax(dim=-1) + 0.75 * two.softmax(dim=-1)
    expected = torch.autograd.grad(plain[0, 1].log(), (one, two))
    got = torch.autograd.grad(average([one, two], [1.0, 3.0])[0, 1], (one, two))
    torch.testing.assert_close(got, expected)


def test_number_of_weights(site):
    with pytest.raises(ComponentError) as error:
        Ensemble(weights=(1.0, 2.0)).build(site((2, 4), (2, 4), (2, 4)))
    assert str(error.value) == "2 weights for 3 inputs; write 3, or none for equal ones"
    assert error.value.field == "weights"


@pytest.mark.parametrize(
    ("weights", "shown"),
    [
        ((1.0, -0.5), "1, -0.5"),
        ((0.0, 0.0), "0, 0"),
        ((1.0, math.nan), "1, nan"),
        ((1.0, math.inf), "1, inf"),
        ((1e308, 1e308), "1e+308, 1e+308"),
    ],
)
def test_weights_that_cannot_average(weights, shown):
    with pytest.raises(ValueError) as error:
        Ensemble(weights=weights)
    assert str(error.value) == f"({shown}) must all be 0 or more, with a finite sum above 0"


@pytest.mark.parametrize("of", ["probabilities", "logits"])
def test_meta_device_knows_the_shape(site, of):
    with torch.device("meta"):
        out = Ensemble(of).build(site((2, 4), (2, 4)))(torch.empty(2, 4), torch.empty(2, 4))
    assert out.is_meta
    assert out.shape == (2, 4)


@pytest.mark.parametrize("of", ["probabilities", "logits"])
def test_compiles_whole_and_exports_for_any_batch_size(site, of):
    module = Ensemble(of, (1.0, 3.0)).build(site((2, 4), (2, 4)))
    tensors = torch.arange(20.0).reshape(5, 4), torch.arange(20.0, 0.0, -1.0).reshape(5, 4)
    torch.compiler.reset()
    compiled = torch.compile(module, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(*tensors), module(*tensors))
    batch = torch.export.Dim("b")
    first = tuple(each[:2] for each in tensors)
    exported = torch.export.export(module, first, dynamic_shapes=(({0: batch}, {0: batch}),))
    torch.testing.assert_close(exported.module()(*tensors), module(*tensors))
