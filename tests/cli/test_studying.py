"""`graphkd study fidelity` as it is typed."""

import json

import pytest

from graphkd.cli.studying import BLUEPRINT, SHARES, parse_shares
from graphkd.errors import BlueprintError
from graphkd.run import study_measure
from graphkd.run.loop import Loop
from graphkd.run.study import SHARES as GRID

TEXT = """\
blueprint: small
data: {dataset: fake, size: 8, samples: 40, batch_size: 16, classes: 4}
nodes:
  teacher: {type: teacher, model: tiny}
  student: {type: student, model: tiny}
flows:
  - {from: data.label, to: teacher.logits, loss: cross_entropy}
  - {from: teacher.logits, to: student.logits, loss: kl}
phases: [{name: teach, train: [teacher]}, {name: distil, train: [student]}]
train: {steps: 6, lr: 0.01, device: cpu}
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A folder to work in, with a blueprint and a policy."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(study_measure, "SHOWN", 32)
    (tmp_path / "small.yaml").write_text(TEXT)
    (tmp_path / "mine.yaml").write_text("tilt: {augment: [{type: random_rotation, degrees: 5}]}\n")
    return tmp_path


@pytest.fixture
def type_in(ends):
    """Run `graphkd study fidelity`, and return its exit status, what it prints and what it says."""
    return lambda words: ends("study", "fidelity", *words.split())


def test_a_study_in_the_terminal_and_again_as_json(here, type_in):
    words = "small.yaml --seeds 1 --policies none,mine.yaml --shares 1 train.steps=2"
    status, out, said = type_in(words)
    assert (status, said) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "teacher, seed 0 (1 of 6)"
    assert lines[5] == "near-1, seed 0 (6 of 6)"
    assert max(map(len, lines)) <= 80
    assert "…" not in out
    assert [line for line in lines if line.startswith("runs/")] == [
        "runs/study-small/study.json",
        "runs/study-small/study.csv",
        "runs/study-small/report.html",
        "runs/study-small/figures/",
    ]
    status, out, said = type_in(f"{words} --json")
    assert (status, said) == (0, "")
    data = json.loads(out)
    assert data["folder"] == "runs/study-small"
    assert list(data["policies"]) == ["none", "tilt"]
    assert {row["name"] for row in data["rows"] if row["part"] == "policy"} == {"none", "tilt"}
    assert data["origin"]["command"].startswith("graphkd study fidelity small.yaml ")


def test_it_says_how_to_go_on_when_stopped(here, type_in, monkeypatch):
    real = Loop._epoch

    def stop(self, *arguments):
        self.stop = True
        real(self, *arguments)

    monkeypatch.setattr(Loop, "_epoch", stop)
    status, _, said = type_in("small.yaml --policies none --shares none --out there")
    assert status == 130
    assert said == (
        "graphkd: stopped; go on with: graphkd study fidelity small.yaml --seeds 3 "
        "--policies none --shares none --out there\n"
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            "small.yaml --policies rotaton",
            "--policies rotaton: no policy 'rotaton'; did you mean 'rotation'?",
        ),
        (
            "small.yaml --seeds 0",
            "--seeds 0: is below 1; write how many, like 5, or which, like 0,1,5",
        ),
        (
            "small.yaml --shares 0,2",
            "--shares 0,2: '2' is no number from 0 to 1; write shares, like 0,0.5,1, or none",
        ),
        (
            "small.yaml fidelity",
            "study fidelity takes one blueprint, not 2: small.yaml, fidelity",
        ),
        ("fidelty", "fidelty: no such file; did you mean 'fidelity'?"),
        (
            "small.yaml --out small.yaml",
            "small.yaml: is no folder; choose another --out",
        ),
    ],
)
def test_mistakes(type_in, words, said):
    assert type_in(words) == (1, "", f"graphkd: {said}\n")


def test_a_blueprint_without_a_teacher(here, type_in):
    status, _, said = type_in("quickstart student=null nodes.student=null")
    assert status == 1
    assert "no node 'student'" in said


def test_shares():
    assert parse_shares("none") == ()
    assert parse_shares(" 0, .25,1") == (0.0, 0.25, 1.0)
    assert parse_shares(SHARES) == GRID
    with pytest.raises(BlueprintError, match="'nan' is no number from 0 to 1"):
        parse_shares("nan")
    assert BLUEPRINT == "fidelity"


def test_help_names_what_can_be_chosen(type_in):
    status, out, _ = type_in("--help")
    assert status == 0
    for word in ("--policies", "--shares", "--seeds", "--force", "study.csv"):
        assert word in out
