import os

import pytest
import torch

from graphkd.errors import BlueprintError
from graphkd.run import checkpoint

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


def test_what_is_saved_is_read(tmp_path):
    checkpoint.save(tmp_path / "new", 3, STATE, keep=1)
    found = checkpoint.load_latest(tmp_path / "new")
    assert torch.equal(found["weights"]["a"], STATE["weights"]["a"])
    assert {key: found[key] for key in ("step", "text", "list")} == {
        key: STATE[key] for key in ("step", "text", "list")
    }
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["step-000000003.pt"]


def test_the_newest_stay_and_are_ordered_by_number(tmp_path):
    for step in (1, 5, 10, 999_999_999, 1_000_000_000):
        checkpoint.save(tmp_path, step, {"step": step}, keep=3)
    names = [path.name for path in checkpoint.listed(tmp_path)]
    # as text the last would come first
    assert names == ["step-000000010.pt", "step-999999999.pt", "step-1000000000.pt"]
    assert checkpoint.load_latest(tmp_path) == {"step": 1_000_000_000}


def test_one_of_the_same_step_is_replaced(tmp_path):
    checkpoint.save(tmp_path, 1, {"phase": 0}, keep=2)
    checkpoint.save(tmp_path, 2, {"phase": 0}, keep=2)
    checkpoint.save(tmp_path, 2, {"phase": 1}, keep=2)
    assert len(checkpoint.listed(tmp_path)) == 2
    assert checkpoint.load_latest(tmp_path) == {"phase": 1}


def test_drafts_and_other_files_are_no_checkpoints(tmp_path):
    checkpoint.save(tmp_path, 1, {"step": 1}, keep=2)
    for name in ("step-000000002.tmp", "step-x.pt", "notes.txt", "step-000000003.pt.old"):
        (tmp_path / name).write_bytes(b"half")
    assert [path.name for path in checkpoint.listed(tmp_path)] == ["step-000000001.pt"]
    assert checkpoint.load_latest(tmp_path) == {"step": 1}


def test_a_kill_while_writing_leaves_the_one_before(tmp_path, monkeypatch):
    checkpoint.save(tmp_path, 1, {"step": 1}, keep=1)

    def killed(state, stream):
        stream.write(b"half of it")
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", killed)
    with pytest.raises(KeyboardInterrupt):
        checkpoint.save(tmp_path, 2, {"step": 2}, keep=1)
    assert checkpoint.load_latest(tmp_path) == {"step": 1}


def test_no_checkpoint(tmp_path):
    assert error(tmp_path) == f"{tmp_path}: no checkpoint to resume from"


def damage(path, *, cut=None, flip=None):
    content = bytearray(path.read_bytes())
    if cut is not None:
        content = content[:cut]
    if flip is not None:
        content[flip] ^= 0x10
    path.write_bytes(content)


@pytest.mark.parametrize("cut", [0, 1, 100, -1, -400])
def test_a_cut_checkpoint_is_named(tmp_path, cut):
    path = checkpoint.save(tmp_path, 7, STATE, keep=2)
    damage(path, cut=cut)
    assert error(tmp_path) == f"{path}: the checkpoint is damaged; remove it to begin again"


def test_the_one_before_is_offered(tmp_path):
    checkpoint.save(tmp_path, 6, STATE, keep=2)
    path = checkpoint.save(tmp_path, 7, STATE, keep=2)
    damage(path, cut=2000)
    assert error(tmp_path) == (
        f"{path}: the checkpoint is damaged; remove it to go on from step-000000006.pt"
    )
    path.unlink()
    assert checkpoint.load_latest(tmp_path)["step"] == 3


def test_a_flipped_bit_of_a_tensor_is_found(tmp_path):
    path = checkpoint.save(tmp_path, 7, STATE, keep=2)
    # the bytes of 1000.0, in the middle of the tensor
    where = path.read_bytes().index(torch.tensor([1000.0, 1001.0]).numpy().tobytes())
    damage(path, flip=where)
    assert "damaged" in error(tmp_path)


def test_a_flipped_bit_anywhere_changes_nothing_or_is_found(tmp_path):
    path = checkpoint.save(tmp_path, 7, STATE, keep=2)
    whole = path.read_bytes()
    found = 0
    for where in range(0, len(whole), 97):
        path.write_bytes(whole)
        damage(path, flip=where)
        try:
            state = checkpoint.load_latest(tmp_path)
        except BlueprintError as problem:
            assert str(path) in str(problem)
            found += 1
            continue
        # padding, or a note of the archive that nobody reads
        assert torch.equal(state["weights"]["a"], STATE["weights"]["a"])
        assert state["step"] == 3
    assert found > 0.8 * len(whole) / 97


def test_no_code_is_run_by_reading(tmp_path):
    class Evil:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "owned"),))

    torch.save({"a": Evil()}, tmp_path / "step-000000001.pt")
    assert "damaged" in error(tmp_path)
    assert not (tmp_path / "owned").exists()
