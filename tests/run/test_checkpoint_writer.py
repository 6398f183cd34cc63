"""Checkpoints are written while the training goes on."""

import errno
import re
import threading
import zipfile
from collections import OrderedDict

import pytest
import torch

from graphkd.blueprint import loads
from graphkd.errors import BlueprintError
from graphkd.run import checkpoint, resume, train
from graphkd.run.copies import copied, size_of
from graphkd.run.manifest import HashedFile
from graphkd.run.record import Recorder
from graphkd.run.writer import Writer
from tests.run.small import begin, small
from tests.run.test_resume import outcome

SHARED = """\
blueprint: shared
data: {dataset: digits, size: 8, batch_size: 64, subset: 64}
train: {device: cpu, epochs: 1}
deliver: student
nodes:
  student: {type: student, model: tiny, ema: 0.9}
  dynamic: {type: dynamic_teacher, of: student, expand: 2}
flows:
  - {from: data.label, to: student.logits, loss: cross_entropy}
  - {from: data.label, to: dynamic.logits, loss: cross_entropy}
"""


def test_a_state_may_change_while_it_is_written(tmp_path, monkeypatch):
    begun, go_on = threading.Event(), threading.Event()
    real = torch.save

    def slow(*args, **kwargs):
        begun.set()
        assert go_on.wait(10)
        real(*args, **kwargs)

    monkeypatch.setattr(torch, "save", slow)
    writer = Writer(tmp_path, keep=1)
    weights = torch.ones(3)
    writer.save(1, {"weights": weights, "list": [weights]})
    assert begun.wait(10)
    weights.zero_()
    assert not checkpoint.listed(tmp_path)
    go_on.set()
    writer.close()
    found = checkpoint.load_latest(tmp_path)
    assert found["weights"].tolist() == [1, 1, 1]


def test_tensors_that_share_memory_lie_in_the_file_once_and_share_it_when_read(tmp_path):
    """Weights that two nodes have, and a part of a tensor."""
    whole = torch.arange(1000.0)
    state = {"a": whole, "b": [whole], "part": whole[10:20].view(2, 5).t(), "empty": whole[:0]}
    checkpoint.save(tmp_path, 1, copied(state), keep=1)
    assert size_of(state) == 4000
    assert (tmp_path / "step-000000001" / "state.pt").stat().st_size < 7000
    found = checkpoint.load_latest(tmp_path)
    for key in ("a", "part", "empty"):
        assert torch.equal(found[key], state[key])
    found["a"] += 1
    assert torch.equal(found["b"][0], whole + 1)
    assert torch.equal(found["part"], state["part"] + 1)
    assert whole[0] == 0


def test_a_dynamic_teacher_and_its_student_are_in_a_checkpoint_once(tmp_path):
    session = begin(SHARED)
    student, dynamic = session.parts["student"], session.parts["dynamic"]
    pointers = {each.data_ptr() for each in student.parameters()}
    both = [each for each in dynamic.parameters() if each.data_ptr() in pointers]
    assert both
    checkpoint.save(tmp_path, 1, copied(session.state_dict()), keep=1)
    with zipfile.ZipFile(tmp_path / "step-000000001" / "state.pt") as archive:
        sizes = [each.file_size for each in archive.infolist() if "/data/" in each.filename]
    found = checkpoint.load_latest(tmp_path)
    assert sum(sizes) == size_of(found)
    parts = [found["modules"][name].values() for name in ("student", "dynamic")]
    shared = set.intersection(
        *({each.untyped_storage().data_ptr() for each in one} for one in parts)
    )
    assert len(shared) >= len(both)
    best = train(loads(SHARED), out=tmp_path / "run").folder / "checkpoints"
    kept = checkpoint.load_latest(best)["best"]["student"]["weights"]
    parts = [kept[name].values() for name in ("student", "dynamic")]
    assert set.intersection(*({each.untyped_storage().data_ptr() for each in one} for one in parts))
    with torch.no_grad():
        for each in student.parameters():
            each.zero_()
    session.load_weights(found)
    assert any(each.any() for each in student.parameters())
    assert all(each.data_ptr() in pointers for each in both)


def test_what_could_not_be_read_again_is_not_written(tmp_path):
    state = {"modules": OrderedDict(loss={"queue": [1, {2}]})}
    with pytest.raises(TypeError) as caught:
        Writer(tmp_path, keep=1).save(1, state)
    assert str(caught.value) == (
        "modules.loss.queue.1 is a set; a checkpoint holds tensors and plain values only"
    )


def full(*args, **kwargs):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_is_told_at_the_next_checkpoint_and_leaves_the_last(tmp_path, monkeypatch):
    writer = Writer(tmp_path, keep=1)
    writer.save(1, {"step": 1})
    writer.wait()
    monkeypatch.setattr(HashedFile, "write", Room(100_000).write)
    writer.save(2, {"weights": torch.zeros(250_000)})
    with pytest.raises(BlueprintError) as caught:
        writer.save(3, {"step": 3})
    text = str(caught.value)
    assert text.startswith(
        f"{tmp_path}/step-000000002: cannot be written: No space left on device "
        "(it needs about 1,000,000 bytes, "
    )
    assert text.endswith(" bytes are free)")
    assert [path.name for path in tmp_path.iterdir()] == ["step-000000001"]
    # told once
    writer.close()
    monkeypatch.undo()
    writer.save(4, {"step": 4})
    writer.close()
    assert checkpoint.load_latest(tmp_path) == {"step": 4}


@pytest.mark.parametrize("what", ["checkpoint", "metrics", "page"])
def test_a_run_that_a_full_disk_stopped_goes_on_when_there_is_room(tmp_path, monkeypatch, what):
    train(small(tmp_path), out=tmp_path / "whole")
    run = tmp_path / "run"
    calls = []

    def fill(real, after):
        def some(*args, **kwargs):
            calls.append(real)
            return real(*args, **kwargs) if len(calls) <= after else full()

        return some

    with monkeypatch.context() as patch:
        if what == "checkpoint":
            patch.setattr(HashedFile, "write", Room(150_000).write)
        elif what == "metrics":
            # the stream of the file itself has no room
            real = Recorder.__init__

            def opened(self, *args, **kwargs):
                real(self, *args, **kwargs)
                patch.setattr(self, "_stream", Full(self._stream, 5))

            patch.setattr(Recorder, "__init__", opened)
        else:
            from graphkd.run import journal

            patch.setattr(journal, "SECONDS_BETWEEN", 0.0)
            patch.setattr(journal, "write_report", fill(journal.write_report, 5))
        with pytest.raises(BlueprintError) as caught:
            train(small(tmp_path), out=run)
    text = str(caught.value)
    named = {"checkpoint": r"/checkpoints/step-\d+", "metrics": "/metrics.jsonl", "page": ""}
    assert re.match(f"{run}{named[what]}: cannot be written: No space left on device ", text)
    assert checkpoint.listed(run / "checkpoints")
    assert text.endswith(f"; make room and go on with: graphkd resume {run}")
    resume(run)
    assert outcome(run) == outcome(tmp_path / "whole")


class Room:
    """Takes so many bytes, for all files together."""

    def __init__(self, left):
        self.left = left
        self.real = HashedFile.write

    @property
    def write(self):
        def write(stream, content):
            self.left -= len(content)
            if self.left < 0:
                stream.error = OSError(errno.ENOSPC, "No space left on device")
                raise stream.error
            return self.real(stream, content)

        return write


class Full:
    """A file that takes so many lines, and half of the next."""

    def __init__(self, stream, lines):
        self.stream = stream
        self.lines = lines

    def write(self, text):
        self.lines -= 1
        if self.lines < 0:
            self.stream.write(text[: len(text) // 2])
            self.stream.flush()
            full()
        self.stream.write(text)

    def flush(self):
        self.stream.flush()

    def close(self):
        self.stream.close()
