import pytest

from graphkd.blueprint import loads
from graphkd.errors import BlueprintError
from graphkd.run.folder import is_run, make_folder, require_run, seed_folder, seeds_of
from tests.run.small import SMALL


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


def test_a_folder_is_made_with_its_parents(tmp_path):
    path = tmp_path / "a" / "b"
    assert make_folder(path, force=False) == path
    assert path.is_dir()
    assert not is_run(path)


def test_what_lies_there_stays(tmp_path):
    run = a_run(tmp_path / "run")
    assert error(make_folder, run, force=False) == (
        f"{run}: exists already; choose another --out, or --force to replace it"
    )
    assert (run / "metrics.jsonl").exists()


def test_force_replaces_a_run_and_an_empty_folder(tmp_path):
    run = a_run(tmp_path / "run")
    make_folder(run, force=True)
    assert list(run.iterdir()) == []
    make_folder(run, force=True)


@pytest.mark.parametrize("names", [["thesis.tex"], ["blueprint.yaml", "thesis.tex"], ["run.json"]])
def test_force_replaces_nothing_else(tmp_path, names):
    """Also no folder in which a user keeps a file of the same name."""
    for name in names:
        (tmp_path / name).write_text("precious")
    assert error(make_folder, tmp_path, force=True) == (
        f"{tmp_path}: is no run of graphkd, so --force does not replace it"
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)


def test_force_replaces_no_file(tmp_path):
    file = tmp_path / "file"
    file.write_text("precious")
    assert error(make_folder, file, force=True) == (
        f"{file}: is no run of graphkd, so --force does not replace it"
    )
    assert file.exists()


@pytest.mark.parametrize("force", [False, True])
def test_a_place_that_cannot_be_written(tmp_path, force):
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "run"
    assert error(make_folder, path, force=force) == (
        f"{path}: cannot make the run folder: Not a directory"
    )


def test_a_run_is_required(tmp_path):
    assert error(require_run, tmp_path / "none") == f"{tmp_path / 'none'}: no such folder"
    assert error(require_run, tmp_path) == (
        f"{tmp_path}: is no run of graphkd (it holds no blueprint.yaml)"
    )
    (tmp_path / "blueprint.yaml").write_text("")
    assert error(require_run, tmp_path) == (
        f"{tmp_path}: is no run of graphkd (it holds no run.json)"
    )
    file = tmp_path / "blueprint.yaml"
    assert error(require_run, file) == f"{file}: is no run of graphkd (it holds no blueprint.yaml)"
    run = a_run(tmp_path / "run")
    assert require_run(run) == run


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
