"""A tailored coordinate system as a run; the numbered invariants are those of its method."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from graphkd.blueprint import loads
from graphkd.component import register_model
from graphkd.run import Stopped, resume, train
from graphkd.run.again import open_run
from graphkd.run.checkpoint import load_latest
from tests.run.test_resume import StopAt

BLUEPRINT = """\
blueprint: tailored
data: {dataset: fake, size: 8, samples: 40, batch_size: 16, classes: 4}
train: {lr: 1e-2, device: cpu}
nodes:
  teacher: {type: teacher, model: counted, weights: WEIGHTS}
  axes: {type: coordinates, input: teacher.embedding}
  code: {type: hash_code, input: teacher.embedding, bits: 20}
  memory: {type: recall, input: teacher.embedding}
  student: {type: student, model: tiny}
  head: {type: tailored, student: student.embedding, axes: axes, keep: 3}
  bits: {type: hashed, by: code, input: head.aligned}
flows:
  - {from: data.label, to: head.logits, loss: cross_entropy}
  - {from: code, to: bits, loss: binary_cross_entropy, weight: 5}
  - {from: memory, to: head.aligned, loss: mse}
phases:
  - {name: survey, fit: [axes, code, memory]}
  - {name: learn, train: [student, head], epochs: 6}
deliver: head
"""
SEEN: list[bytes] = []
"""Images that the teacher saw."""


@register_model("counted")
class Counted(torch.nn.Module):
    """A linear teacher that remembers its images."""

    def __init__(self, num_classes, in_chans):
        super().__init__()
        self.body = torch.nn.Linear(in_chans * 64, 6)
        self.fc = torch.nn.Linear(6, num_classes)

    def forward(self, image):
        if not image.is_meta:
            SEEN.extend(each.numpy().tobytes() for each in image)
        return self.fc(self.body(image.flatten(1)))


@pytest.fixture(autouse=True)
def with_gradient():
    with torch.enable_grad():
        yield


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    weights = tmp_path_factory.mktemp("teacher") / "teacher.safetensors"
    save_file(Counted(4, 3).state_dict(), weights)
    return BLUEPRINT.replace("WEIGHTS", str(weights))


@pytest.fixture(scope="module")
def folder(text, tmp_path_factory):
    SEEN.clear()
    folder = tmp_path_factory.mktemp("run") / "tailored"
    with torch.enable_grad():
        train(loads(text, name="tailored"), out=folder)
    return folder


def test_invariant_3_the_teacher_sees_each_training_image_once(folder):
    training, later = SEEN[:40], SEEN[40:]
    assert len(set(training)) == 40
    # what comes later are images of evaluations
    assert not set(training) & set(later)
    learn = open_run(folder).schedule.phases[1]
    nodes = {getattr(each, "node", "") for each in learn.instructions}
    assert {"code", "memory", "head"} <= nodes
    assert not {"teacher", "axes"} & nodes


def test_invariant_4_what_the_survey_found_stays(text, folder, tmp_path):
    short = loads(text.replace("epochs: 6", "steps: 1"), name="tailored")
    train(short, out=tmp_path / "short")
    one, six = open_run(tmp_path / "short"), open_run(folder)
    for node in ("axes", "code", "memory"):
        found, expected = (each.parts[node].state_dict() for each in (six, one))
        assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert one.parts["axes"].kept.any()


def test_invariant_6_coordinates_are_dropped_while_it_trains(folder):
    modules = load_latest(folder / "checkpoints")["modules"]
    kept = modules["axes"]["kept"]
    assert int(kept.sum()) > 3
    assert int((modules["head"]["mask.mask"] & kept).sum()) == 3


def test_invariant_5_the_delivered_file_is_a_plain_student_with_the_heads_logits(folder):
    session = open_run(folder)
    student, head = session.parts["student"].eval(), session.parts["head"].eval()
    from safetensors import safe_open

    with safe_open(folder / "student.safetensors", "pt") as file:
        assert json.loads(file.metadata()["graphkd"])["model"] == "tiny"
    plain = student.deliverable()
    image = torch.rand(5, 3, 8, 8)
    (embedding,) = student.reader(("embedding",))(image)
    expected = head(embedding)
    plain.load_state_dict(load_file(folder / "student.safetensors"), strict=True)
    torch.testing.assert_close(plain(image), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("step", [4, 9])
def test_resume_is_exact(text, folder, tmp_path, monkeypatch, step):
    # 18 steps: scoring begins after 2, rounds are due from 3 to 9
    StopAt(monkeypatch, step)
    with pytest.raises(Stopped):
        train(loads(text, name="tailored"), out=tmp_path / "run")
    resume(tmp_path / "run")
    for name in ("student.safetensors", "metrics.jsonl", "results.json"):
        assert (tmp_path / "run" / name).read_bytes() == (folder / name).read_bytes()
