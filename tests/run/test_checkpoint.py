import os
import shutil

import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from graphkd.errors import BlueprintError
from graphkd.run import checkpoint
from graphkd.run.manifest import MANIFEST

STATE = {
    "weights": {"a": torch.arange(2000.0), "b": torch.zeros(0)},
    "step": 3,
    "text": "plain",
    "list": [1, 2.5, None],
}


def error(folder):
    with pytest.raises(BlueprintError) as caught:
        checkpoint.load_latest(folder)
    return str(caught.value)


def everything_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_what_is_saved_is_read(tmp_path):
    checkpoint.save(tmp_path / "new", 3, STATE, keep=1)
    found = checkpoint.load_latest(tmp_path / "new")
    assert torch.equal(found["weights"]["a"], STATE["weights"]["a"])
    assert {key: found[key] for key in ("step", "text", "list")} == {
        key: STATE[key] for key in ("step", "text", "list")
    }
    assert everything_in(tmp_path / "new") == [
        "step-000000003/manifest.json",
        "step-000000003/state.pt",
    ]


def test_the_newest_stay_and_are_ordered_by_number(tmp_path):
    for step in (1, 5, 10, 999_999_999, 1_000_000_000):
        checkpoint.save(tmp_path, step, {"step": step}, keep=3)
    names = [path.name for path in checkpoint.listed(tmp_path)]
    # as text the last would come first
    assert names == ["step-000000010", "step-999999999", "step-1000000000"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    assert checkpoint.load_latest(tmp_path) == {"step": 1_000_000_000}


@pytest.mark.parametrize("keep", range(1, 8))
def test_as_many_stay_as_are_asked_for(tmp_path, keep):
    for step in range(10):
        checkpoint.save(tmp_path, step, {"step": step}, keep=keep)
    names = [path.name for path in checkpoint.listed(tmp_path)]
    assert names == [f"step-{step:09d}" for step in range(10 - keep, 10)]


def test_one_of_the_same_step_takes_its_place_under_a_name_of_its_own(tmp_path):
    checkpoint.save(tmp_path, 1, {"phase": 0}, keep=2)
    for phase in range(12):
        checkpoint.save(tmp_path, 2, {"phase": phase}, keep=2)
    names = [path.name for path in checkpoint.listed(tmp_path)]
    assert names == ["step-000000001", "step-000000002.11"]
    assert checkpoint.load_latest(tmp_path) == {"phase": 11}


def test_drafts_and_other_files_are_no_checkpoints(tmp_path):
    checkpoint.save(tmp_path, 1, {"step": 1}, keep=2)
    for name in ("step-000000002.tmp", "step-x", "step-000000003.damaged", "step-4.old"):
        (tmp_path / name).mkdir()
    (tmp_path / "notes.txt").write_bytes(b"half")
    assert [path.name for path in checkpoint.listed(tmp_path)] == ["step-000000001"]
    assert checkpoint.load_latest(tmp_path) == {"step": 1}
    # a draft that a kill has left goes
    checkpoint.save(tmp_path, 2, {"step": 2}, keep=2)
    assert not (tmp_path / "step-000000002.tmp").exists()
    assert (tmp_path / "step-000000003.damaged").exists()


def calls_of(monkeypatch, module, *names, fail=None):
    """Count calls, and let the one of that number fail as a kill would."""
    seen = []
    for name in names:
        real = getattr(module, name)

        def called(*args, real=real, name=name, **kwargs):
            seen.append(name)
            if len(seen) == fail:
                raise KeyboardInterrupt
            return real(*args, **kwargs)

        monkeypatch.setattr(module, name, called)
    return seen


@pytest.mark.parametrize("moment", range(1, 9))
def test_a_kill_while_writing_leaves_a_whole_one(tmp_path, monkeypatch, moment):
    """At every call that changes the disk."""
    checkpoint.save(tmp_path, 1, {"step": 1}, keep=1)
    with monkeypatch.context() as patch:
        # what cleans up when Python still runs is not there in a kill
        patch.setattr(shutil, "rmtree", lambda *args, **kwargs: None)
        seen = calls_of(patch, os, "fsync", "mkdir", "rename", fail=moment)
        with pytest.raises(KeyboardInterrupt):
            checkpoint.save(tmp_path, 2, {"step": 2}, keep=1)
        assert len(seen) == moment
    assert checkpoint.load_latest(tmp_path)["step"] == (1 if moment < 7 else 2)
    checkpoint.save(tmp_path, 3, {"step": 3}, keep=1)
    assert everything_in(tmp_path) == [
        "step-000000003/manifest.json",
        "step-000000003/state.pt",
    ]


def test_what_it_counts_on_is_on_the_disk_before_the_next_step(tmp_path, monkeypatch):
    checkpoint.save(tmp_path, 1, {"step": 1}, keep=1)
    seen = calls_of(monkeypatch, os, "fsync", "rename")
    checkpoint.save(tmp_path, 2, {"step": 2}, keep=1)
    # state, manifest, their folder; the name; its folder; only then the old one goes
    assert seen == ["fsync", "fsync", "fsync", "rename", "fsync", "rename"]


def test_no_checkpoint(tmp_path):
    assert error(tmp_path) == f"{tmp_path}: no checkpoint to resume from"


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    checkpoint.save(folder, 6, STATE | {"step": 6}, keep=2)
    checkpoint.save(folder, 7, STATE | {"step": 7}, keep=2)
    return folder


def damage(path, *, where, flip=0, cut=False):
    """Flip bits at a place, a share of the file's length, or cut the file there."""
    content = bytearray(path.read_bytes())
    place = min(int(where * len(content)), len(content) - 1)
    if cut:
        content = content[:place]
    else:
        content[place] ^= flip
    path.write_bytes(content)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from([checkpoint.STATE, MANIFEST]),
    where=st.floats(0, 1),
    flip=st.integers(1, 255),
    cut=st.booleans(),
)
# beside the tensors' data: the head, the padding and the end of the archive, a blank
@example(name=checkpoint.STATE, where=0.0, flip=1, cut=False)
@example(name=checkpoint.STATE, where=1.0, flip=1, cut=False)
@example(name=checkpoint.STATE, where=0.0, flip=1, cut=True)
@example(name=MANIFEST, where=0.02, flip=1, cut=False)
@example(name=MANIFEST, where=1.0, flip=1, cut=True)
def test_damage_anywhere_is_named_and_the_one_before_used(two, capsys, name, where, flip, cut):
    path = two / "step-000000007"
    whole = (path / name).read_bytes()
    damage(path / name, where=where, flip=flip, cut=cut)
    try:
        assert checkpoint.load_latest(two)["step"] == 6
    finally:
        (path / name).write_bytes(whole)
    said = capsys.readouterr().err
    assert said.startswith(f"graphkd: {path}: the checkpoint is damaged ({name} ")
    assert said.endswith("); step-000000006 before it is used\n")


def test_a_file_that_is_gone_is_damage(tmp_path, two, capsys):
    for name in (checkpoint.STATE, MANIFEST):
        folder = shutil.copytree(two, tmp_path / name)
        (folder / "step-000000007" / name).unlink()
        assert checkpoint.load_latest(folder)["step"] == 6
        assert f"({name} is missing)" in capsys.readouterr().err


def test_when_none_is_whole_each_is_named(tmp_path, two):
    folder = shutil.copytree(two, tmp_path / "two")
    (folder / "step-000000006" / MANIFEST).unlink()
    damage(folder / "step-000000007" / checkpoint.STATE, where=0.5, cut=True)
    size = (two / "step-000000007" / checkpoint.STATE).stat().st_size
    assert error(folder) == (
        f"{folder}: every checkpoint is damaged: step-000000007 (state.pt has {size // 2} bytes, "
        f"not {size}), step-000000006 (manifest.json is missing); remove them to begin again"
    )


def test_no_code_is_run_by_reading(tmp_path, monkeypatch):
    class Evil:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "owned"),))

    checkpoint.save(tmp_path / "new", 1, {"a": Evil()}, keep=1)
    assert "every checkpoint is damaged: step-000000001 (Weights only load" in error(
        tmp_path / "new"
    )
    assert not (tmp_path / "owned").exists()


def test_a_file_of_an_earlier_version_is_read_and_its_checksums_compared(tmp_path):
    path = tmp_path / "step-000000004.pt"
    torch.save(STATE, path)
    assert checkpoint.load_latest(tmp_path)["step"] == 3
    content = path.read_bytes()
    # the bytes of 1000.0, in the middle of the tensor
    where = content.index(torch.tensor([1000.0, 1001.0]).numpy().tobytes())
    damage(path, where=where / len(content) + 1e-9, flip=16)
    assert "step-000000004.pt (wrong checksum of " in error(tmp_path)
    checkpoint.save(tmp_path, 4, {"step": 5}, keep=2)
    assert checkpoint.load_latest(tmp_path) == {"step": 5}
