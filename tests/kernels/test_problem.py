"""What cannot be compared is refused, in words."""

import pytest
import torch

from graphkd.kernels import (
    DKD,
    KL,
    NKD,
    OFA,
    CrossEntropy,
    LogitProblem,
    kd_logits,
    kd_logits_grouped,
    kl,
)

STUDENT, TEACHER = torch.zeros(4, 10), torch.zeros(4, 10)
LABEL = torch.zeros(4, dtype=torch.int64)
LEARNS = torch.zeros(4, 10, requires_grad=True)

REFUSED = {
    "terms is empty; give at least one, as [CrossEntropy()]": {"terms": []},
    'student must be floating point "b c"; it is (4,) int64': {"student": LABEL},
    'student must be floating point "b c"; it is (1, 4, 10) float32': {"student": STUDENT[None]},
    'teachers[0]: student is (4, 10) but teacher is (4, 9); both must be the same "b c"': {
        "teachers": [TEACHER[:, :9]]
    },
    'teachers[1]: teacher must be floating point "b c"; it is (4, 10) int64': {
        "teachers": [TEACHER, TEACHER.long()]
    },
    "teachers[0]: teacher is on meta but student is on cpu": {"teachers": [TEACHER.to("meta")]},
    "teachers[0] requires a gradient, which is never computed; give teachers[0].detach()": {
        "teachers": [LEARNS]
    },
    "label must be (4,) int64, a class number a row, or (4, 10) probabilities; it is (3,) int64": {
        "label": LABEL[:3]
    },
    "label must be (4,) int64, a class number a row, or (4, 10) probabilities; it is (4,) int16": {
        "label": LABEL.short()
    },
    "label must be (4, 10), probabilities as the student's logits; it is (4, 9) float32": {
        "label": TEACHER[:, :9]
    },
    "label is on meta but student is on cpu": {"label": LABEL.to("meta")},
    "terms[0]: CrossEntropy compares with the label; give label": {"label": None},
    "terms[0]: label_smoothing is 1.0, not from 0 to below 1; try 0.1": {
        "terms": [CrossEntropy(1.0)]
    },
    "terms[1]: temperature is 0.0, not above 0; try 4.0": {"terms": [KL(), KL(0, 0.0)]},
    "terms[0]: temperature is -1.0, not above 0; try 4.0": {"terms": [DKD(0, -1.0)]},
    "terms[0]: temperature is nan, not above 0; try 4.0": {"terms": [NKD(0, float("nan"))]},
    "terms[0]: gamma is 0.0, not above 0; try 1.0": {"terms": [OFA(gamma=0.0)]},
    "terms[0]: teacher is 1, but there are 1 teachers, counted from 0": {"terms": [KL(1)]},
    "terms[0]: direction is 'back', not one of forward, reverse, jensen_shannon; try forward": {
        "terms": [KL(direction="back")]  # type: ignore[arg-type]
    },
    "weights must be 2 numbers, one a term; there are 1": {"weights": [1.0]},
    "weights must be (2,) float32, one a term; it is (3,) float32": {"weights": torch.ones(3)},
    "weights must be (2,) float32, one a term; it is (2,) float64": {
        "weights": torch.ones(2, dtype=torch.float64)
    },
    "gradient_scale is on meta but student is on cpu": {
        "gradient_scale": torch.ones(1, device="meta")
    },
    "gradient_scale must be a number; it is (2,) float32": {"gradient_scale": torch.ones(2)},
    "gradient_scale is 0, by which no gradient can be told; try 1.0": {"gradient_scale": 0.0},
    "weights is on meta but student is on cpu": {"weights": torch.ones(2, device="meta")},
}


@pytest.mark.parametrize("message", REFUSED)
def test_refused(message):
    given = {
        "student": STUDENT,
        "terms": [CrossEntropy(), KL()],
        "teachers": [TEACHER],
        "label": LABEL,
        **REFUSED[message],
    }
    with pytest.raises(ValueError) as caught:
        kd_logits(given.pop("student"), given.pop("terms"), **given)
    assert str(caught.value) == message


def test_no_problem_at_all():
    with pytest.raises(ValueError) as caught:
        kd_logits_grouped([])
    assert str(caught.value) == "problems is empty; give at least one"


def test_float64_beside_others():
    problems = [LogitProblem(STUDENT, [KL()], [TEACHER])]
    problems.append(LogitProblem(STUDENT.double(), [KL()], [TEACHER]))
    with pytest.raises(ValueError) as caught:
        kd_logits_grouped(problems)
    assert str(caught.value) == (
        "problems[1].student is (4, 10) float64 but that of problems[0] is (4, 10) float32; "
        "float64 goes together with float64 only"
    )


def test_single_loss_refuses_too():
    with pytest.raises(ValueError) as caught:
        kl(STUDENT, TEACHER, temperature=0.0)
    assert str(caught.value) == "temperature is 0.0, not above 0; try 4.0"
