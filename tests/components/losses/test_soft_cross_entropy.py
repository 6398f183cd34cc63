import math

import attrs
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphkd.component import help_of, kind_of, name_of
from graphkd.components.losses import KL, SoftCrossEntropy

LOGIT = st.floats(-20, 20, width=32)


@st.composite
def pairs(draw):
    """Logits of student and teacher, 1 to 3 samples of 1 to 5 classes."""
    classes = draw(st.integers(1, 5))
    row = st.lists(LOGIT, min_size=classes, max_size=classes)
    count = draw(st.integers(1, 3))
    return [torch.tensor([draw(row) for _ in range(count)]) for _ in range(2)]


def probabilities(row, temperature):
    largest = max(row)
    powers = [math.exp((each - largest) / temperature) for each in row]
    return [each / sum(powers) for each in powers]


def test_it_is_known_as_soft_cross_entropy():
    assert (kind_of(SoftCrossEntropy), name_of(SoftCrossEntropy)) == ("loss", "soft_cross_entropy")
    assert help_of(SoftCrossEntropy).keys() == {"temperature", "smoothing", "direction"}
    assert attrs.asdict(SoftCrossEntropy()) == {
        "temperature": 1.0,
        "smoothing": 0.0,
        "direction": "forward",
    }


def test_by_hand():
    # T = 2 softens 2 ln 3 to (3/4, 1/4); the teacher is (1/2, 1/2); T^2 = 4
    student, teacher = torch.tensor([[2 * math.log(3.0), 0.0]]), torch.zeros(1, 2)
    got = SoftCrossEntropy(temperature=2.0)(student, teacher)
    torch.testing.assert_close(got, torch.tensor(-4 * 0.5 * (math.log(3 / 4) + math.log(1 / 4))))
    # the other way round everything is ln 2
    got = SoftCrossEntropy(temperature=2.0, direction="reverse")(student, teacher)
    torch.testing.assert_close(got, torch.tensor(4 * math.log(2)))


def test_smoothing_by_hand():
    # 0.8 (3/4, 1/4) + 0.1 = (0.7, 0.3)
    student, teacher = torch.zeros(1, 2), torch.tensor([[math.log(3.0), 0.0]])
    got = SoftCrossEntropy(smoothing=0.2, direction="reverse")(student, teacher)
    torch.testing.assert_close(got, torch.tensor(-0.5 * (math.log(0.7) + math.log(0.3))))


@given(
    pair=pairs(),
    temperature=st.floats(0.5, 8),
    smoothing=st.sampled_from([0.0, 0.1, 0.5]),
    direction=st.sampled_from(["forward", "reverse"]),
)
def test_is_the_formula_in_float64(pair, temperature, smoothing, direction):
    total = 0.0
    for student, teacher in zip(*(each.tolist() for each in pair), strict=True):
        p = probabilities(student, temperature)
        q = [
            (1 - smoothing) * each + smoothing / len(student)
            for each in probabilities(teacher, temperature)
        ]
        given, compared = (q, p) if direction == "forward" else (p, q)
        total -= sum(a * math.log(b) for a, b in zip(given, compared, strict=True))
    expected = temperature**2 * total / len(pair[0])
    got = SoftCrossEntropy(temperature, smoothing, direction)(*pair).item()
    # logits of 20 at temperature 1/2 keep 4e-6 in float32
    assert got == pytest.approx(expected, rel=2e-5, abs=2e-4)


@given(pair=pairs(), temperature=st.floats(0.5, 8))
def test_forward_has_the_gradient_of_kl(pair, temperature):
    def gradient(loss):
        student = pair[0].clone().requires_grad_()
        return torch.autograd.grad(loss(student, pair[1]), student)[0]

    expected = gradient(KL(temperature=temperature))
    torch.testing.assert_close(
        gradient(SoftCrossEntropy(temperature=temperature)), expected, atol=1e-5, rtol=1e-4
    )


@pytest.mark.parametrize("direction", ["forward", "reverse"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_teacher_gets_no_gradient_and_huge_logits_stay_finite(direction, smoothing):
    student = torch.tensor([[1e4, -1e4, 0.0]], requires_grad=True)
    teacher = torch.tensor([[-1e4, 1e4, 0.0]], requires_grad=True)
    loss = SoftCrossEntropy(1.0, smoothing, direction)(student, teacher)
    loss.backward()
    assert loss.isfinite()
    assert student.grad.isfinite().all()
    assert teacher.grad is None


@pytest.mark.parametrize(
    "settings", [{"temperature": 0.0}, {"smoothing": -0.1}, {"smoothing": 1.0}]
)
def test_settings_out_of_range(settings):
    with pytest.raises(ValueError):
        SoftCrossEntropy(**settings)
