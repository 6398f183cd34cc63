"""Numbers of the plan against numbers worked out by hand."""

import json

import pytest

from graphkd.blueprint import load
from graphkd.compile import compile_blueprint
from graphkd.inspect import explain, plan_data
from graphkd.inspect.amount import counted, short


def rows(plan):
    return {(row["instruction"], row["of"]): row for row in plan["instructions"]}


def test_costs_by_hand(small):
    first, second = plan_data(compile_blueprint(small))
    assert (first["phase"], first["trained"]) == ("teach", ["teacher"])
    assert (second["phase"], second["trained"]) == ("distil", ["student"])
    student = rows(second)["Forward", "student"]
    # 64 -> 4 -> 3: weights and biases
    assert student["parameters"] == 64 * 4 + 4 + 4 * 3 + 3 == 275
    # a multiplication and an addition for each weight
    assert student["FLOPs"] == 2 * 64 * 4 + 2 * 4 * 3 == 536
    # 4 + 3 results of 4 bytes
    assert student["bytes"] == 28
    teacher = rows(second)["Forward", "teacher (no gradient)"]
    # 64 -> 8 -> 3
    assert (teacher["parameters"], teacher["FLOPs"], teacher["bytes"]) == (547, 1072, 44)
    # the image of 8 by 8 is converted once, for both
    convert = rows(second)["Convert", "teacher_input"]
    assert convert["bytes"] == 4 * 64
    assert second["parameters"] == 275 + 547
    assert second["FLOPs"] == 536 + 1072
    assert second["bytes"] == 28 + 44 + 256


def test_a_call_borrows_its_parameters(large):
    plan = plan_data(compile_blueprint(large, without=("share",)))[0]
    found = rows(plan)
    assert found["Forward", "student"]["parameters"] == 275
    assert found["Forward", "again (with student's weights)"]["parameters"] == 0


def test_parameters_of_a_model_that_runs_by_calls_alone_are_counted_once():
    look, survey, _ = plan_data(compile_blueprint(load("tcs")))
    own = rows(survey)["Forward", "teacher (no gradient, stops early)"]["parameters"]
    assert rows(look)["Forward", "one (with teacher's weights)"]["parameters"] == own > 0
    assert rows(look)["Forward", "two (with teacher's weights)"]["parameters"] == 0
    assert look["parameters"] == own


def test_plan_is_plain_data(large):
    plan = plan_data(compile_blueprint(large))
    assert json.loads(json.dumps(plan)) == plan


def test_totals_of_a_step(small):
    text = explain(compile_blueprint(small))
    # 1608 and 328 a sample, 10 samples
    assert text.endswith(
        "total: 822 parameters, 1.61 kFLOP and 328 B a sample; x 10: 16.1 kFLOP, 3.28 kB a forward"
    )


def test_passes_that_were_left_out_are_named(small):
    text = explain(compile_blueprint(small, without=("prune", "share")))
    assert "; without prune, share\n" in text


def test_lines_are_not_too_long(large):
    assert max(map(len, explain(compile_blueprint(large)).splitlines())) <= 140


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (5, "5"),
        (999, "999"),
        (1000, "1 k"),
        (1234, "1.23 k"),
        (999_499, "999 k"),
        (999_500, "1 M"),
        (12_345_678, "12.3 M"),
        (5 * 10**9, "5 G"),
        (7_300 * 10**12, "7.3 P"),
    ],
)
def test_short_numbers(number, text):
    assert short(number) == text


def test_units():
    assert short(5, "FLOP") == "5 FLOP"
    assert short(8_050_000, "FLOP") == "8.05 MFLOP"
    assert counted(1, "step") == "1 step"
    assert counted(0, "step") == "0 steps"
    assert counted(2000, "parameter") == "2 k parameters"


def test_it_says_what_is_fused_and_why_something_is_not(large):
    lines = explain(compile_blueprint(large)).splitlines()
    assert [line for line in lines if line.startswith(("fused:", "not fused:", "phase"))] == [
        "phase 'early': 10 epochs in batches of 128, adamw lr 0.001, cosine",
        "fused: logits: 1 flow of assistant, 1 of peer, 1 of again in one launch",
        "not fused: flow2: it runs in every 2nd step only",
        "not fused: flow5, flow6, flow7: mse has no fused form",
        "phase 'late': 10 epochs in batches of 128, adamw lr 0.001, cosine",
        # a flow that changes one node alone has a backward of its own
        "fused: logits: 1 flow of student in one launch",
        "fused: logits: 1 flow of assistant, 1 of peer, 1 of again in one launch",
        "not fused: flow2: it runs in every 2nd step only",
        "not fused: flow5, flow6, flow7: mse has no fused form",
    ]
    early, late = plan_data(compile_blueprint(large))
    assert early["unfused"] == {
        "flow2": "it runs in every 2nd step only",
        **dict.fromkeys(("flow5", "flow6", "flow7"), "mse has no fused form"),
    }
    assert [key for key in rows(late) if key[0] == "Fused"] == [
        ("Fused", "logits: flow4"),
        ("Fused", "logits: flow1 + flow3 + flow8"),
    ]


def test_flows_of_one_learner_are_counted(small):
    assert "\nfused: logits: 2 flows of student in one launch\n" in explain(
        compile_blueprint(small)
    )


def test_without_fuse_nothing_is_said_of_it(large):
    schedule = compile_blueprint(large, without=("fuse",))
    assert "fused" not in explain(schedule)
    assert plan_data(schedule)[0]["unfused"] == {}
