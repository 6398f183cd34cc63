"""What DKD, NKD and OFA refuse, in words, computed either way."""

import math

import pytest
import torch

from graphkd.kernels.launch import interpreted
from tests.kernels.labelled import LOSSES, OFA

STUDENT, LABEL = torch.zeros(4, 10), torch.zeros(4, dtype=torch.int64)
REFUSED = {
    'student must be floating point "b c"; it is (10,) float32': {"student": STUDENT[0]},
    'student must be floating point "b c"; it is (4, 10) int64': {"student": STUDENT.long()},
    'student is (4, 10) but teacher is (1, 10); both must be the same "b c"': {
        "teacher": STUDENT[:1]
    },
    'teacher must be floating point "b c"; it is (4, 10) int64': {"teacher": STUDENT.long()},
    "teacher is on meta but student is on cpu": {"teacher": STUDENT.to("meta")},
    "label must be (4,) int64, a class number a row, or (4, 10) probabilities; it is (3,) int64": {
        "label": LABEL[:3]
    },
    "label must be (4,) int64, a class number a row, or (4, 10) probabilities; it is (4,) bool": {
        "label": LABEL.bool()
    },
    "label must be (4, 10), probabilities as the student's logits; it is (4,) float32": {
        "label": LABEL.float()
    },
    "label is on meta but student is on cpu": {"label": LABEL.to("meta")},
    "temperature is 0.0, not above 0; try 4.0": {"temperature": 0.0},
    "temperature is nan, not above 0; try 4.0": {"temperature": math.nan},
}
OF_OFA = {
    "gamma is 0.0, not above 0; try 1.0": {"gamma": 0.0},
    "gamma is nan, not above 0; try 1.0": {"gamma": math.nan},
}
CASES = [
    *((loss, message, given) for loss in LOSSES for message, given in REFUSED.items()),
    *((OFA, message, given) for message, given in OF_OFA.items()),
]


@pytest.mark.parametrize("kernel", [False, True])
@pytest.mark.parametrize(
    ("loss", "message", "given"), [pytest.param(*each, id=f"{each[0]}-{each[1]}") for each in CASES]
)
def test_refused(loss, message, given, kernel):
    chosen = {"student": STUDENT, "teacher": STUDENT, "label": LABEL, **given}
    with pytest.raises(ValueError) as caught:
        if kernel:
            with interpreted():
                loss.call(**chosen)
        else:
            loss.call(**chosen)
    # the kernel takes lists, of which it names the place
    assert str(caught.value).removeprefix("teachers[0]: ").removeprefix("terms[0]: ") == message


@pytest.mark.parametrize("loss", LOSSES, ids=str)
@pytest.mark.parametrize("number", [-2, -100, 3])
def test_number_that_is_no_class_is_an_error(number, loss):
    with pytest.raises(RuntimeError, match=f"index {number} is out of bounds"):
        loss.call(torch.zeros(1, 3), torch.zeros(1, 3), torch.tensor([number]))
