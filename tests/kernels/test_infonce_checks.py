"""What InfoNCE refuses, and how it says so."""

import math

import pytest
import torch

from graphkd.kernels.infonce import ContrastProblem, infonce, infonce_grouped

ROWS = torch.zeros(4, 3)
NUMBERS = torch.arange(4)
META = torch.device("meta")

REFUSED = {
    'student must be floating point "b d"; it is (4,) int64': {"student": NUMBERS},
    'student must be floating point "b d"; it is (3,) float32': {"student": ROWS[0]},
    'student is (4, 3) but knowledge is (5, 3); both must be the same "b d"': {
        "knowledge": torch.zeros(5, 3)
    },
    "knowledge is float16 but student is float32; both must be the same": {
        "knowledge": ROWS.half()
    },
    "knowledge is on meta but student is on cpu": {"knowledge": ROWS.to(META)},
    "knowledge requires a gradient, but none flows into it; "
    "detach it or set knowledge_gradient=True": {"knowledge": ROWS.clone().requires_grad_()},
    "scale is 0.0, not finite and above 0; try 14.3": {"scale": 0.0},
    "scale is -1, not finite and above 0; try 14.3": {"scale": -1},
    "scale is nan, not finite and above 0; try 14.3": {"scale": math.nan},
    "scale is inf, not finite and above 0; try 14.3": {"scale": math.inf},
    'scale must be floating point "" or "1"; it is (2,) float32': {"scale": torch.ones(2)},
    'scale must be floating point "" or "1"; it is () int64': {"scale": torch.tensor(1)},
    "scale is on meta but student is on cpu": {"scale": torch.ones(1, device=META)},
    "anchor is 'teacher', not one of student, knowledge; try student": {"anchor": "teacher"},
    "anchor is 'knowledge', but symmetric takes both; leave one of them out": {
        "anchor": "knowledge",
        "symmetric": True,
    },
    "bank has no part where anchor is 'knowledge'; leave one of them out": {
        "anchor": "knowledge",
        "bank": ROWS,
    },
    'bank must be "m d" with d 3; it is (4, 2) float32': {"bank": torch.zeros(4, 2)},
    "bank is float64 but student is float32; both must be the same": {"bank": ROWS.double()},
    "bank is on meta but student is on cpu": {"bank": ROWS.to(META)},
    "bank requires a gradient, but none flows into it; detach it": {
        "bank": ROWS.clone().requires_grad_()
    },
    "index must be (4,) int64; it is (3,) int64": {"index": NUMBERS[:3]},
    "index must be (4,) int64; it is (4,) float32": {"index": NUMBERS.float()},
    "index is on meta but student is on cpu": {"index": NUMBERS.to(META)},
    "label must be (4,) int64; it is (4,) int32": {"label": NUMBERS.int()},
    "bank_index is given without index; give both or neither": {
        "bank": ROWS,
        "bank_index": NUMBERS,
    },
    "bank_label is given without bank; give both or neither": {
        "label": NUMBERS,
        "bank_label": NUMBERS,
    },
    "bank_label must be (4,) int64; it is (3,) int64": {
        "bank": ROWS,
        "label": NUMBERS,
        "bank_label": NUMBERS[:3],
    },
}


def problem(**settings):
    return ContrastProblem(**{"student": ROWS, "knowledge": ROWS, "scale": 5.0, **settings})


@pytest.mark.parametrize("message", REFUSED)
def test_bad_input_is_refused(message):
    with pytest.raises(ValueError) as caught:
        infonce(**problem(**REFUSED[message])._asdict())
    assert str(caught.value) == message
    with pytest.raises(ValueError) as caught:
        infonce_grouped([problem(), problem(**REFUSED[message])])
    assert str(caught.value) == f"problem 1: {message}"


GROUPS = {
    "problems is empty; it must be at least one": ([], None),
    "weights must be one number for each of the 2 problems; there are 3": (
        [problem()] * 2,
        [1.0, 2.0, 3.0],
    ),
    "weights must be (2,) float32; it is (3,) float32": ([problem()] * 2, torch.ones(3)),
    "weights must be (2,) float32; it is (2,) int64": ([problem()] * 2, torch.tensor([1, 2])),
    "weights is on meta but student is on cpu": ([problem()] * 2, torch.ones(2, device=META)),
    "problem 1: student is on meta but that of problem 0 is on cpu": (
        [problem(), problem(student=ROWS.to(META), knowledge=ROWS.to(META))],
        None,
    ),
}


@pytest.mark.parametrize("message", GROUPS)
def test_bad_groups_are_refused(message):
    problems, weights = GROUPS[message]
    with pytest.raises(ValueError) as caught:
        infonce_grouped(problems, weights=weights)
    assert str(caught.value) == message


def test_what_needs_no_gradient_may_require_one_where_none_is_computed():
    knowledge = ROWS.clone().requires_grad_()
    with torch.no_grad():
        value = infonce(ROWS, knowledge, scale=5.0, bank=knowledge)
    assert value == infonce(ROWS, knowledge.detach(), scale=5.0, bank=ROWS)
