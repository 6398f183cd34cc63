"""`graphkd compare` as it is typed."""

import json
import xml.etree.ElementTree as ET

import pytest

from graphkd.cli.comparing import parse_seeds
from graphkd.run.loop import Loop

DATA = "data: {dataset: digits, size: 8, batch_size: 128}\n"
ALONE = (
    "blueprint: alone\n"
    + DATA
    + "nodes: {student: {type: student, model: tiny}}\n"
    + "flows: [{from: data.label, to: student.logits, loss: cross_entropy}]\n"
    + "train: {lr: 0.02, device: cpu}\n"
)
TAUGHT = (
    "blueprint: taught\n"
    + DATA
    + "nodes:\n"
    + "  teacher: {type: teacher, model: tiny, args: {width: 6}}\n"
    + "  student: {type: student, model: tiny}\n"
    + "flows:\n"
    + "  - {from: data.label, to: teacher.logits, loss: cross_entropy}\n"
    + "  - {from: teacher.logits, to: student.logits, loss: kl}\n"
    + "phases: [{name: teach, train: [teacher]}, {name: distil, train: [student]}]\n"
    + "train: {lr: 0.02, device: cpu}\n"
)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder to work in, with two blueprints."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "alone.yaml").write_text(ALONE)
    (tmp_path / "taught.yaml").write_text(TAUGHT)
    return tmp_path


@pytest.fixture
def type_in(ends):
    """Run `graphkd compare`, and return its exit status, what it prints and what it says."""
    return lambda words: ends("compare", *words.split())


def test_two_blueprints_on_digits(here, type_in):
    words = "alone.yaml taught.yaml --seeds 2 train.epochs=1 --out page"
    status, out, said = type_in(words)
    assert (status, said) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "alone, seed 0 (1 of 4)"
    assert lines[1].startswith("train  epoch 1  validation top-1: student ")
    assert "taught, seed 1 (4 of 4)" in lines
    assert lines[-4:] == [f"page/comparison.{end}" for end in ("json", "md", "svg", "html")]
    row = next(line.split() for line in lines if line.startswith(" taught "))
    data = json.loads((here / "page" / "comparison.json").read_text())
    taught = data["blueprints"]["taught"]
    difference = taught["difference"]
    assert row[1:5] == [
        f"{100 * taught['mean']:.2f}",
        "±",
        f"{100 * taught['sd']:.2f}",
        f"{100 * difference['mean']:+.2f}",
    ]
    # 1000 training images in 8 batches
    assert (taught["steps"], taught["all_steps"], row[-1]) == (8, 16, "8")
    runs = [here / "page" / name / f"seed{n}" for name in ("alone", "taught") for n in (0, 1)]
    tested = [json.loads((each / "results.json").read_text())["models"] for each in runs]
    top1 = [each["student"]["top1"] for each in tested]
    assert difference["seeds"] == {"0": top1[2] - top1[0], "1": top1[3] - top1[1]}
    page = (here / "page" / "comparison.md").read_text()
    assert (
        "\n```sh\ngraphkd compare alone.yaml taught.yaml train.epochs=1 --seeds 2 --out page\n```\n"
        in page
    )
    ET.parse(here / "page" / "comparison.svg")
    # once more: nothing runs, the numbers are the same
    status, out, said = type_in(f"{words} --json")
    assert (status, said) == (0, "")
    assert json.loads(out) == {"folder": "page", **data, "origin": json.loads(out)["origin"]}
    _, out, _ = type_in(words)
    assert [line for line in out.splitlines() if "of 4)" in line] == [
        f"{name}, seed {seed} ({number} of 4): finished already"
        for number, (seed, name) in enumerate(
            [(seed, name) for seed in (0, 1) for name in ("alone", "taught")], 1
        )
    ]


def test_stopping_says_how_to_go_on(here, type_in, monkeypatch):
    real = Loop._epoch

    def stop(self, *arguments):
        self.stop = True
        real(self, *arguments)

    words = "alone.yaml taught.yaml train.epochs=1 --seeds 4,2 --metric nll --baseline taught"
    with monkeypatch.context() as patch:
        patch.setattr(Loop, "_epoch", stop)
        status, _, said = type_in(words)
    assert (status, said) == (130, f"graphkd: stopped; go on with: graphkd compare {words}\n")
    # the folder is called by the blueprints
    assert [path.name for path in (here / "runs" / "compare-alone-taught" / "alone").iterdir()] == [
        "seed4"
    ]


@pytest.mark.parametrize(
    ("text", "seeds"),
    [("1", (0,)), ("3", (0, 1, 2)), ("0,1,5", (0, 1, 5)), ("7, 3", (7, 3))],
)
def test_seeds(text, seeds):
    assert parse_seeds(text) == seeds


HOW = "write how many, like 5, or which, like 0,1,5"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", "compare takes two blueprints or more, like: graphkd compare hinton takd"),
        ("alone.yaml", "compare takes two blueprints or more, like: graphkd compare hinton takd"),
        ("alone.yaml none.yaml", "none.yaml: no such file"),
        (
            "one.yaml hintn",
            "2 problems\n  hintn: no such file; did you mean 'hinton'?\n  one.yaml: no such file",
        ),
        (
            "alone.yaml alone.yaml",
            "2 blueprints are called 'alone'; give each another name behind 'blueprint:', like "
            "'alone-2'",
        ),
        ("alone.yaml taught.yaml --seeds 0", f"--seeds 0: is below 1; {HOW}"),
        (
            "alone.yaml taught.yaml --seeds=-1",
            f"--seeds -1: is no number and no list of seeds; {HOW}",
        ),
        (
            "alone.yaml taught.yaml --seeds 1,",
            f"--seeds 1,: is no number and no list of seeds; {HOW}",
        ),
        ("alone.yaml taught.yaml --seeds 1,1", f"--seeds 1,1: 1 stands there twice; {HOW}"),
        (
            "alone.yaml taught.yaml --metric topp1",
            "--metric topp1: no measure 'topp1'; did you mean 'top1'?",
        ),
        (
            "alone.yaml taught.yaml --baseline x",
            "--baseline x: no blueprint 'x' (has alone, taught)",
        ),
        (
            "alone.yaml taught.yaml trian.lr=3",
            "trian.lr=3: no node or section 'trian'; did you mean 'train'?",
        ),
        (
            "alone.yaml taught.yaml --out alone.yaml",
            "alone.yaml: is no folder; choose another --out",
        ),
        ("hinton takd --plugin nowhere", "--plugin nowhere: no such module on Python's path"),
    ],
)
def test_a_mistake_is_told_before_anything_runs(here, type_in, words, said):
    assert type_in(words) == (1, "", f"graphkd: {said}\n")
    assert sorted(path.name for path in here.iterdir()) == ["alone.yaml", "taught.yaml"]
