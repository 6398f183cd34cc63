"""The cross-entropy loss; the maths is tested with its kernel."""

import math

import pytest
import torch
import torch.nn.functional as F

from graphkd.component import Port, help_of, kind_of, name_of
from graphkd.components.losses import CrossEntropy
from graphkd.kernels import terms

# softmax(ln 3, 0) = (3/4, 1/4)
STUDENT = torch.tensor([[math.log(3.0), 0.0], [5.0, 5.0]])


def test_by_hand():
    # the second row has no label: -ln(3/4)
    got = CrossEntropy()(STUDENT, torch.tensor([0, -1]))
    torch.testing.assert_close(got, torch.tensor(math.log(4 / 3)))


def test_smoothing_by_hand():
    # 0.9 ln(4/3) + 0.1 ln 4
    got = CrossEntropy(label_smoothing=0.2)(STUDENT, torch.tensor([0, -1]))
    torch.testing.assert_close(got, torch.tensor(0.9 * math.log(4 / 3) + 0.1 * math.log(4)))


def test_probabilities_by_hand():
    # rows: 1/2 ln(4/3) + 1/2 ln 4, and ln 2
    got = CrossEntropy()(STUDENT, torch.tensor([[0.5, 0.5], [1.0, 0.0]]))
    want = (0.5 * math.log(4 / 3) + 0.5 * math.log(4) + math.log(2)) / 2
    torch.testing.assert_close(got, torch.tensor(want))


def test_it_is_bitwise_the_function_of_pytorch():
    label = torch.tensor([1, 0])
    assert torch.equal(CrossEntropy()(STUDENT, label), F.cross_entropy(STUDENT, label))


@pytest.mark.parametrize("smoothing", [-0.1, 1.0, math.nan])
def test_smoothing_is_from_0_to_below_1(smoothing):
    with pytest.raises(ValueError):
        CrossEntropy(label_smoothing=smoothing)


def test_it_is_known_as_cross_entropy():
    assert (kind_of(CrossEntropy), name_of(CrossEntropy)) == ("loss", "cross_entropy")
    assert help_of(CrossEntropy).keys() == {"label_smoothing"}


def test_label_counts_the_classes_of_the_logits():
    assert CrossEntropy.ports == (Port("student", "b c"), Port("label", "b | b c", index="c"))


def test_its_term_has_all_its_settings():
    assert CrossEntropy(0.1).term(3) == terms.CrossEntropy(0.1)
    assert CrossEntropy().term(0) == terms.CrossEntropy()
