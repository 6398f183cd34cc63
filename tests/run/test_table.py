import io
import json
import math
from pathlib import Path

from rich.console import Console

from graphkd.blueprint import loads
from graphkd.compile import compile_blueprint
from graphkd.run.evaluate import Evaluation
from graphkd.run.record import plain
from graphkd.run.table import result_data, result_table
from graphkd.run.train import Result
from tests.run.small import HEAD

TEXT = (
    HEAD
    + """\
nodes:
  teacher: {type: teacher, model: tiny, args: {width: 6}}
  student: {type: student, model: tiny}
  alone: {type: student, model: tiny}
  gap: {type: agreement, input: [student.logits, alone.logits]}
flows:
  - {from: data.label, to: teacher.logits, loss: cross_entropy, phases: [teach]}
  - {from: data.label, to: alone.logits, loss: cross_entropy}
  - {from: teacher.logits, to: student.logits, loss: kl}
phases: [{name: teach, train: [teacher]}, {name: rest, train: [student, alone]}]
deliver: student
"""
)


def measured(teacher, student, alone, probe=0.5):
    def report(top1):
        return {"top1": top1, "top5": 1.0, "nll": 2 * (1 - top1), "ece": (1 - top1) / 2}

    against = {"agreement/teacher": student, "predictive_kl/teacher": 1 - student}
    models = {
        "teacher": report(teacher),
        "student": {**report(student), **against},
        "alone": report(alone),
    }
    return Evaluation(models, {"gap": probe})


def result(*runs, split="test"):
    schedule = compile_blueprint(loads(TEXT))
    return Result(Path("runs/small"), schedule, dict(enumerate(runs)), split)


def shown(made, width=100):
    stream = io.StringIO()
    console = Console(file=stream, width=width, color_system=None)
    console.print(result_table(made))
    return [line.rstrip() for line in stream.getvalue().splitlines() if line.strip()]


def test_one_seed_in_full():
    made = result(measured(0.95, 0.9, 0.85))
    assert shown(made) == [
        "small: test split",
        "                         teacher   student    alone",
        " ──────────────────────────────────────────────────",
        " parameters               3.58 k    1.67 k   1.67 k",
        " top-1 %                    95.0      90.0     85.0",
        " top-5 %                   100.0     100.0    100.0",
        " NLL                       0.100     0.200    0.300",
        " ECE                       0.025     0.050    0.075",
        " agrees with teacher %                90.0",
        " KL from teacher                     0.100",
        "probe gap: 0.500",
        "student - alone: +5.0 points of top-1",
    ]


def test_three_seeds_in_full():
    runs = [measured(0.95, 0.9, 0.85), measured(0.97, 0.92, 0.81), measured(0.96, 0.94, 0.9)]
    # sd of 95, 97, 96 is 1, of 90, 92, 94 is 2; gains are 5, 11 and 4
    assert shown(result(*runs, split="validation")) == [
        "small: validation split, mean ± sd over seeds 0, 1, 2",
        "                               teacher         student           alone",
        " ─────────────────────────────────────────────────────────────────────",
        " parameters                     3.58 k          1.67 k          1.67 k",
        " top-1 %                    96.0 ± 1.0      92.0 ± 2.0      85.3 ± 4.5",
        " top-5 %                   100.0 ± 0.0     100.0 ± 0.0     100.0 ± 0.0",
        " NLL                     0.080 ± 0.020   0.160 ± 0.040   0.293 ± 0.090",
        " ECE                     0.020 ± 0.005   0.040 ± 0.010   0.073 ± 0.023",
        " agrees with teacher %                      92.0 ± 2.0",
        " KL from teacher                         0.080 ± 0.020",
        "probe gap: 0.500 ± 0.000",
        "student - alone: +6.7 points of top-1, seed by seed from +4.0 to +11.0",
    ]


def test_a_seed_that_diverged_does_not_spoil_the_table():
    lines = shown(result(measured(0.95, 0.9, 0.85, math.nan), measured(0.97, 0.92, 0.81, math.inf)))
    assert "probe gap: nan ± nan" in lines


def test_a_narrow_terminal_loses_no_number():
    made = result(measured(0.95, 0.9, 0.85), measured(0.97, 0.92, 0.81))
    narrow = " ".join(shown(made, width=40))
    for number in ("91.0", "1.4", "83.0", "2.8"):
        assert number in narrow


def test_the_same_for_scripts():
    runs = [measured(0.95, 0.9, 0.85, float("nan")), measured(0.97, 0.92, 0.81)]
    data = json.loads(json.dumps(result_data(result(*runs)), allow_nan=False))
    assert data["split"] == "test"
    assert list(data["seeds"]) == ["0", "1"]
    assert data["seeds"]["1"]["models"]["student"]["top1"] == 0.92
    assert data["seeds"]["0"]["probes"] == {"gap": "nan"}
    (line,) = data["paired"]
    assert line.startswith("student - alone: +8.0 points of top-1")


def test_plain_keeps_all_else():
    value = {"a": [1, 2.5], "b": {"c": float("inf")}, "d": "text"}
    assert plain(value) == {"a": [1, 2.5], "b": {"c": "inf"}, "d": "text"}
