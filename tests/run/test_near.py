"""A student that starts near a teacher which an earlier phase of the same run trains."""

import pytest
import torch

from graphkd.blueprint import loads
from graphkd.errors import BlueprintError
from graphkd.run import Stopped, resume, train
from graphkd.run.again import open_run
from graphkd.run.compare_check import check_contender
from graphkd.run.loop import Loop

TEXT = """\
blueprint: near
data: {dataset: fake, size: 8, samples: 40, batch_size: 16, classes: 4}
nodes:
  teacher: {type: teacher, model: tiny}
  student: {type: near, model: tiny, of: teacher, share: SHARE}
flows:
  - {from: data.label, to: teacher.logits, loss: cross_entropy}
  - {from: teacher.logits, to: student.logits, loss: kl}
phases:
  - {name: teach, train: [teacher], steps: 40, lr: 0.01}
  - {name: recalibrate, fit: [student]}
  - {name: distil, train: [student], steps: 4, lr: 1e-9}
train: {weight_decay: 0, device: cpu}
"""


def weights(session, name):
    return dict(session.parts[name].deliverable().named_parameters())


def test_it_starts_from_the_trained_teacher(tmp_path):
    train(loads(TEXT.replace("SHARE", "1.0")), out=tmp_path / "run")
    session = open_run(tmp_path / "run")
    student, teacher = weights(session, "student"), weights(session, "teacher")
    for key, value in teacher.items():
        # four steps of a billionth each
        torch.testing.assert_close(student[key], value, rtol=0, atol=1e-7)


def test_at_share_0_the_teacher_leaves_no_trace(tmp_path):
    train(loads(TEXT.replace("SHARE", "0.0")), out=tmp_path / "run")
    student = weights(open_run(tmp_path / "run"), "student")
    plain = TEXT.replace("type: near", "type: student").replace(", of: teacher, share: SHARE", "")
    plain = plain.replace("  - {name: recalibrate, fit: [student]}\n", "")
    train(loads(plain), out=tmp_path / "plain")
    for key, value in weights(open_run(tmp_path / "plain"), "student").items():
        torch.testing.assert_close(student[key], value, rtol=0, atol=1e-7)


def test_stopped_in_the_fit_it_goes_on_to_the_same_weights(tmp_path, monkeypatch):
    blueprint = loads(TEXT.replace("SHARE", "0.5").replace("lr: 1e-9", "lr: 0.01"))
    train(blueprint, out=tmp_path / "whole")
    real = Loop._fit

    def stop(self, plan):
        self.stop = True
        real(self, plan)

    with monkeypatch.context() as patch, pytest.raises(Stopped):
        patch.setattr(Loop, "_fit", stop)
        train(blueprint, out=tmp_path / "run")
    resume(tmp_path / "run")
    whole, run = (open_run(tmp_path / name) for name in ("whole", "run"))
    one, other = (each.parts["student"].state_dict() for each in (whole, run))
    assert all(torch.equal(value, other[key]) for key, value in one.items())


def test_without_the_fit_it_is_refused():
    text = TEXT.replace("SHARE", "0.5").replace("  - {name: recalibrate, fit: [student]}\n", "")
    with pytest.raises(BlueprintError) as caught:
        check_contender(loads(text), 0)
    assert "node 'student': it is read in phase 'distil' and no phase fits it" in str(caught.value)
