"""The report page is made from what lies in a run folder."""

import json

from graphkd.inspect.report.page import Curve, chart, charts, write_report

RECORDS = [
    {"step": 1, "phase": "a", "lr": 0.1, "loss/x->y/kl": 2.0},
    {"step": 2, "phase": "a", "lr": 0.05, "loss/x->y/kl": 1.0},
    {"step": 2, "phase": "a", "validation/y/top1": 0.5, "validation/y/agreement/x": 0.25},
    {"step": 2, "phase": "a", "validation/y/ema/top1": 0.75, "loss/x->y/kl": "nan"},
]


def test_records_are_sorted_into_charts():
    assert charts(RECORDS) == [
        ("learning rate", [Curve("lr", ((1, 0.1), (2, 0.05)))]),
        ("loss", [Curve("x->y/kl", ((1, 2.0), (2, 1.0)))]),
        ("validation accuracy", [Curve("y", ((2, 0.5),)), Curve("y average", ((2, 0.75),))]),
        ("agreement with the teacher", [Curve("y x", ((2, 0.25),))]),
    ]


def test_a_curve_goes_from_the_first_to_the_last_step():
    drawn = chart("loss", [Curve("kl", ((0, 0.0), (5, 1.0), (10, 2.0)))])
    # x from 36 to 460 over steps 0 to 10, y from 170 (0.0) up to 30 (2.0)
    assert 'points="36.0,170.0 248.0,100.0 460.0,30.0"' in drawn


def test_names_are_escaped(tmp_path):
    (tmp_path / "blueprint.yaml").write_text("blueprint: x\nabout: <script>alert(1)</script>\n")
    records = [{"step": 1, "loss/<img src=x>": 1.0}]
    (tmp_path / "metrics.jsonl").write_text("\n".join(map(json.dumps, records)))
    (tmp_path / "results.json").write_text(
        json.dumps({"models": {"<b>": {"top1": 0.5}}, "probes": {}})
    )
    page = write_report(tmp_path).read_text()
    assert "<script>" not in page and "<img" not in page and "<b>" not in page
    assert "&lt;img src=x&gt;" in page and "<td>0.5000</td>" in page


def test_an_unfinished_run_has_a_page(tmp_path):
    (tmp_path / "blueprint.yaml").write_text("blueprint: x\n")
    assert "The run is not finished." in write_report(tmp_path).read_text()


def test_nodes_may_have_their_own_learning_rates():
    records = [{"step": 1, "lr/teacher": 0.1, "lr/student": 0.2}]
    curves = [Curve("teacher", ((1, 0.1),)), Curve("student", ((1, 0.2),))]
    assert charts(records) == [("learning rate", curves)]
