import importlib
import json

import pytest

from graphkd.cli import main
from graphkd.run.loop import Loop
from tests.run.small import SMALL, small


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder to work in, with a blueprint."""
    monkeypatch.chdir(tmp_path)
    small(tmp_path)
    return tmp_path


def run(capsys, *words, said=""):
    """Run a command that works and says this much, and return what it prints."""
    with pytest.raises(SystemExit) as caught:
        main(words)
    captured = capsys.readouterr()
    assert (caught.value.code, captured.err) == (0, said)
    return captured.out


def finished(folder):
    """What is said of a run that has nothing left to do."""
    return f"graphkd: {folder}: finished already: nothing is left to train\n"


def fail(capsys, *words):
    """Run a command that fails, and return its exit status and what it says."""
    with pytest.raises(SystemExit) as caught:
        main(words)
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return caught.value.code, captured.err


def test_train_shows_scores_a_table_and_the_folder(here, capsys):
    out = run(capsys, "train", "small.yaml", "train.epochs=1")
    lines = out.splitlines()
    assert lines[0].startswith("teach  epoch 1  validation top-1: teacher ")
    assert lines[1].startswith("distil  epoch 1  validation top-1: student ")
    assert "small: test split" in out
    assert "run folder: runs/small" in lines
    assert lines[-1].startswith("drawn graph: runs/small/graph.")
    assert (here / lines[-1].removeprefix("drawn graph: ")).exists()
    assert (here / "runs" / "small" / "student.safetensors").exists()


def test_seeds_are_told_apart(here, capsys):
    out = run(capsys, "train", "small.yaml", "train.epochs=1", "train.seeds=[4,9]")
    assert out.splitlines()[0].startswith("seed 4  teach  epoch 1")
    assert "small: test split, mean ± sd over seeds 4, 9" in out


def test_json_is_all_that_is_printed(here, capsys):
    words = ("train.epochs=1", "--out", "a folder", "--json")
    trained = json.loads(run(capsys, "train", "small.yaml", *words))
    assert trained["folder"] == "a folder"
    assert trained["split"] == "test"
    assert set(trained["seeds"]["0"]["models"]) == {"teacher", "student"}
    again = run(capsys, "resume", "a folder", "--json", said=finished("a folder"))
    assert json.loads(again) == trained
    del trained["folder"]
    assert json.loads(run(capsys, "eval", "a folder", "--json")) == trained
    other = json.loads(run(capsys, "eval", "a folder", "--split", "validation", "--json"))
    assert other["split"] == "validation"
    assert other["seeds"] != trained["seeds"]


def test_digits_in_a_few_seconds(here, capsys):
    """The embedded data set, from the first word to the student."""
    fake = "dataset: fake, size: 8, samples: 40, batch_size: 16, classes: 4"
    small(here, text=SMALL.replace(fake, "dataset: digits, size: 8, batch_size: 32"))
    words = ("train.epochs=4", "train.lr=0.02", "--json")
    result = json.loads(run(capsys, "train", "small.yaml", *words))
    # chance is 0.1
    assert result["seeds"]["0"]["models"]["student"]["top1"] > 0.3


def test_eval_shows_a_table(here, capsys):
    run(capsys, "train", "small.yaml", "train.epochs=1")
    out = run(capsys, "eval", "runs/small", "--split", "validation")
    assert "small: validation split" in out


def test_stopping_says_how_to_go_on(here, capsys, monkeypatch):
    real = Loop._epoch

    def stop(self, *arguments):
        self.stop = True
        real(self, *arguments)

    monkeypatch.setattr(Loop, "_epoch", stop)
    expected = (130, "graphkd: stopped; go on with: graphkd resume 'my runs/one'\n")
    assert fail(capsys, "train", "small.yaml", "--out", "my runs/one") == expected
    assert fail(capsys, "resume", "my runs/one") == expected
    assert fail(capsys, "eval", "my runs/one") == (
        1,
        "graphkd: my runs/one: the run is not finished; go on with: graphkd resume 'my runs/one'\n",
    )
    monkeypatch.undo()
    monkeypatch.chdir(here)
    assert "run folder: my runs/one" in run(capsys, "resume", "my runs/one")
    # once more is no harm, and said
    with pytest.raises(SystemExit) as caught:
        main(["resume", "my runs/one"])
    captured = capsys.readouterr()
    assert caught.value.code == 0 and "run folder: my runs/one" in captured.out
    assert captured.err == "graphkd: my runs/one: finished already: nothing is left to train\n"


def test_a_second_interrupt_says_it_too(here, capsys, monkeypatch):
    def interrupted(*arguments, **settings):
        raise KeyboardInterrupt

    module = importlib.import_module("graphkd.run.ready")

    monkeypatch.setattr(Loop, "_epoch", interrupted)
    status, said = fail(capsys, "train", "small.yaml")
    assert (status, said) == (130, "graphkd: stopped; go on with: graphkd resume runs/small\n")
    # before there is a run there is nothing to resume
    monkeypatch.setattr(module, "start_session", interrupted)
    status, said = fail(capsys, "train", "small.yaml", "--out", "other")
    assert (status, said) == (130, "graphkd: stopped\n")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["train", "none.yaml"], "none.yaml: no such file"),
        (["train", "small.yaml", "train.epochs=0"], "epochs"),
        (["train", "small.yaml", "train.optimizer=adamq"], "no optimizer 'adamq'"),
        (["train", "small.yaml", "train.device=tpu"], "no device 'tpu'"),
        (["train", "small.yaml", "data.labels_per_class=11"], "has 10 labelled images, not 11"),
        (["train", "small.yaml", "--without", "prun"], "no optional pass 'prun'"),
        (["train", "small.yaml", "--plugin", "no_such_module"], "no such module"),
        (["train", "small.yaml", "--out", "small.yaml"], "small.yaml: exists already"),
        (["train", "small.yaml", "--out", "small.yaml", "--force"], "is no run of graphkd"),
        (["train", "small.yaml", "--out", "small.yaml/run"], "cannot make the run folder"),
        (["train", "small.yaml", "--out", ".", "--force"], ".: is no run of graphkd"),
        (["resume", "none"], "none: no such folder"),
        (["resume", "."], ".: is no run of graphkd (it holds no blueprint.yaml)"),
        (["eval", "none"], "none: no such folder"),
        (["eval", "small.yaml"], "small.yaml: is no run of graphkd"),
        (["eval", ".", "--split", "train"], "train"),
    ],
)
def test_a_mistake_is_one_line(here, capsys, words, expected):
    status, said = fail(capsys, *words)
    assert status == 1
    assert said.startswith("graphkd: ")
    assert expected in said
    assert said.count("\n") == 1
    assert [path.name for path in here.iterdir()] == ["small.yaml"]


def test_an_earlier_run_stays_without_force(here, capsys):
    run(capsys, "train", "small.yaml", "train.epochs=1")
    before = (here / "runs" / "small" / "metrics.jsonl").read_bytes()
    status, said = fail(capsys, "train", "small.yaml")
    assert (status, said) == (
        1,
        "graphkd: runs/small: holds a run already; choose another --out, --force to replace it, "
        "or go on with it: graphkd resume runs/small\n",
    )
    assert (here / "runs" / "small" / "metrics.jsonl").read_bytes() == before
    run(capsys, "train", "small.yaml", "train.epochs=1", "train.seed=1", "--force")
    assert (here / "runs" / "small" / "metrics.jsonl").read_bytes() != before


def test_a_run_folder_can_be_moved(here, capsys):
    run(capsys, "train", "small.yaml", "train.epochs=1")
    first = run(capsys, "eval", "runs/small", "--json")
    (here / "runs" / "small").rename(here / "moved")
    (here / "small.yaml").unlink()
    assert run(capsys, "eval", "moved", "--json") == first


def test_a_plugin_of_the_working_folder(here, capsys, monkeypatch):
    (here / "my_components.py").write_text(
        "from graphkd.component import register_model\n"
        "from tests.conftest import TinyNet\n"
        "register_model('plugged')(lambda num_classes, in_chans: TinyNet(num_classes, in_chans))\n"
    )
    words = ("student.model=plugged", "train.epochs=1", "--plugin", "my_components")
    run(capsys, "train", "small.yaml", *words)
    words = ("runs/small", "--plugin", "my_components")
    run(capsys, "resume", *words, said=finished("runs/small"))
    run(capsys, "eval", *words)
