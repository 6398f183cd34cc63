import importlib
import itertools
import os
import sys
from pathlib import Path

import pytest

from graphkd.blueprint import loads
from graphkd.errors import BlueprintError
from graphkd.run import train
from graphkd.run.folder import is_run, new_folder, require_run, seed_folder, seeds_of
from tests.run.small import SMALL, small


def error(function, *args, **kwargs):
    with pytest.raises(BlueprintError) as caught:
        function(*args, **kwargs)
    return str(caught.value)


def a_run(path):
    path.mkdir()
    (path / "blueprint.yaml").write_text("")
    (path / "run.json").write_text("{}")
    (path / "metrics.jsonl").write_text("old")
    return path


def make_folder(path, *, force=False):
    with new_folder(path, force=force) as draft:
        (draft / "blueprint.yaml").write_text("new")
        (draft / "run.json").write_text("{}")


def test_a_folder_is_made_with_its_parents(tmp_path):
    path = tmp_path / "a" / "b"
    make_folder(path)
    assert is_run(path)
    # no draft is left
    assert list(path.parent.iterdir()) == [path]


def test_an_empty_folder_is_taken_also_through_a_link(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "disk")
    make_folder(tmp_path / "run")
    assert is_run(tmp_path / "disk") and (tmp_path / "run").is_symlink()


def test_where_a_disk_is_mounted_no_run_is_made_or_replaced(tmp_path, monkeypatch):
    """It could not be renamed, and what was on it would be gone by then."""
    run = a_run(tmp_path / "run")
    monkeypatch.setattr(Path, "is_mount", lambda path: path == run)
    assert error(make_folder, run, force=True) == (
        f"{run}: a disk is mounted there, so it can be neither made nor replaced; name a folder "
        f"in it: --out {run}/run"
    )
    assert (run / "metrics.jsonl").exists()
    make_folder(run / "run")


def test_what_lies_there_stays(tmp_path):
    run = a_run(tmp_path / "my run")
    assert error(make_folder, run) == (
        f"{run}: holds a run already; choose another --out, --force to replace it, or "
        f"go on with it: graphkd resume '{run}'"
    )
    assert (run / "metrics.jsonl").exists()


def test_force_replaces_a_run(tmp_path):
    run = a_run(tmp_path / "run")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "kept").write_text("precious")
    (run / "checkpoints").symlink_to(tmp_path / "elsewhere")
    make_folder(run, force=True)
    assert sorted(path.name for path in run.iterdir()) == ["blueprint.yaml", "run.json"]
    assert (run / "blueprint.yaml").read_text() == "new"
    # a link is removed, not what it names
    assert (tmp_path / "elsewhere" / "kept").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["elsewhere", "run"]


def test_an_earlier_run_goes_only_when_the_new_one_is_written(tmp_path):
    run = a_run(tmp_path / "run")

    def fail():
        with new_folder(run, force=True):
            raise OSError(28, "No space left on device")

    assert error(fail) == f"{run}: cannot make the run folder: No space left on device"
    assert (run / "metrics.jsonl").read_text() == "old"
    assert list(tmp_path.iterdir()) == [run]


def test_of_two_starts_at_a_place_the_second_is_refused(tmp_path):
    def second():
        with new_folder(tmp_path / "run", force=False):
            make_folder(tmp_path / "run")
            (tmp_path / "run" / "metrics.jsonl").write_text("first")

    assert "holds a run already" in error(second)
    assert (tmp_path / "run" / "metrics.jsonl").read_text() == "first"


@pytest.mark.parametrize("names", [["thesis.tex"], ["blueprint.yaml", "thesis.tex"], ["run.json"]])
def test_nothing_else_is_replaced(tmp_path, names):
    """Also no folder in which a user keeps a file of the same name."""
    for name in names:
        (tmp_path / name).write_text("precious")
    assert error(make_folder, tmp_path, force=True) == (
        f"{tmp_path}: is no run of graphkd, so --force does not replace it"
    )
    assert error(make_folder, tmp_path) == (
        f"{tmp_path}: exists already, and is no run of graphkd; choose another --out"
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    assert {path.read_text() for path in tmp_path.iterdir()} == {"precious"}


def test_force_replaces_no_file(tmp_path):
    file = tmp_path / "file"
    file.write_text("precious")
    assert error(make_folder, file, force=True) == (
        f"{file}: is no run of graphkd, so --force does not replace it"
    )
    assert file.exists()


@pytest.mark.parametrize("place", [".", "..", "../run"])
def test_the_folder_that_one_is_in_stays(tmp_path, monkeypatch, place):
    run = a_run(tmp_path / "run")
    (run / "checkpoints").mkdir()
    monkeypatch.chdir(run / "checkpoints" if place == ".." else run)
    assert error(make_folder, Path(place), force=True) == (
        f"{place}: is the folder you are in; go out of it, or choose another --out"
    )
    assert (run / "metrics.jsonl").exists()


@pytest.mark.parametrize("force", [False, True])
def test_a_place_that_cannot_be_written(tmp_path, force):
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "run"
    assert error(make_folder, path, force=force) == (
        f"{path}: cannot make the run folder: Not a directory"
    )


def test_what_killed_starts_have_left_goes_after_an_hour(tmp_path):
    old, young, foreign = (tmp_path / f".graphkd-{end}" for end in ("0123abcd", "4567abcd", "mine"))
    for each in (old, young, foreign):
        each.mkdir()
    for each in (old, foreign):
        os.utime(each, (0, 0))
    make_folder(tmp_path / "run")
    assert (old.exists(), young.exists(), foreign.exists()) == (False, True, True)


CHANGES = ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir")


def killed_at(moment, function):
    """Call a function in a process that ends when it is about to change a file for the n-th time.

    Returns:
        False where it came to its end before.
    """
    child = os.fork()
    if child == 0:
        left = moment

        def watch(event, details):
            nonlocal left
            if event not in CHANGES or (event == "open" and "w" not in str(details[1])):
                return
            if left == 0:
                os._exit(9)
            left -= 1

        sys.addaudithook(watch)
        function()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, 9)
    return code == 9


@pytest.mark.parametrize("force", [False, True])
def test_a_start_that_is_killed_at_any_moment_can_be_done_again(tmp_path, force):
    (tmp_path / "thesis.tex").write_text("precious")
    for moment in itertools.count():
        run = tmp_path / str(moment) / "run"
        if force:
            run.parent.mkdir()
            (a_run(run) / "checkpoints").mkdir()
        killed = killed_at(moment, lambda run=run: make_folder(run, force=force))
        # never half a run, which neither train nor resume takes
        assert not run.exists() or is_run(run)
        if killed:
            make_folder(run, force=run.exists())
        assert sorted(path.name for path in run.iterdir()) == ["blueprint.yaml", "run.json"]
        assert (run / "blueprint.yaml").read_text() == "new"
        if not killed:
            break
    # all of its changes
    assert moment >= (8 if force else 4)
    assert (tmp_path / "thesis.tex").read_text() == "precious"


def test_a_start_that_is_interrupted_leaves_no_folder(tmp_path, monkeypatch):
    module = importlib.import_module("graphkd.run.train")

    def interrupted(schedule, folder):
        (folder / "blueprint.yaml").write_text("half")
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "write_plan", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(small(tmp_path), out=tmp_path / "run")
    assert [path.name for path in tmp_path.iterdir()] == ["small.yaml"]
    monkeypatch.undo()
    train(small(tmp_path, "train.epochs=1"), out=tmp_path / "run")


def test_a_run_is_required(tmp_path):
    none = f"{tmp_path}: is no run of graphkd (it holds no blueprint.yaml); "
    assert error(require_run, tmp_path / "none") == f"{tmp_path / 'none'}: no such folder"
    assert error(require_run, tmp_path) == f"{none}name the folder that 'graphkd train' printed"
    (tmp_path / "run.json").write_text("{}")
    assert error(require_run, tmp_path) == f"{none}put it back: report.html shows what it said"
    (tmp_path / "run.json").rename(tmp_path / "blueprint.yaml")
    none = f"{tmp_path}: is no run of graphkd (it holds no run.json); "
    assert error(require_run, tmp_path) == (
        f"{none}nothing is trained in it: begin with 'graphkd train', and another --out"
    )
    (tmp_path / "checkpoints").mkdir()
    assert error(require_run, tmp_path) == (
        f'{none}put it back: it says at least {{"folder": "/where/the/blueprint/lay", '
        '"without": []}, the second the passes that are left out'
    )
    run = a_run(tmp_path / "run")
    assert require_run(run) == run
    (run / "seed-1").mkdir()
    assert error(require_run, run / "seed-1") == (
        f"{run / 'seed-1'}: is no run of graphkd (it holds no blueprint.yaml); "
        f"name the run that it belongs to, {run}"
    )


def test_seeds_and_their_folders(tmp_path):
    def blueprint(recipe):
        return loads(SMALL.replace("epochs: 2", recipe))

    one = blueprint("epochs: 2, seed: 7")
    assert seeds_of(one) == (7,)
    assert seed_folder(tmp_path, one, 7) == tmp_path
    # one in a list is no reason for a folder below
    assert seed_folder(tmp_path, blueprint("epochs: 2, seeds: [4]"), 4) == tmp_path
    several = blueprint("epochs: 2, seeds: [4, 2, 4]")
    assert seeds_of(several) == (4, 2)
    assert seed_folder(tmp_path, several, 2) == tmp_path / "seed-2"
