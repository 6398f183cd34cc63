"""Invariant 7 of TAS as blueprints: every pair of families steps, in both directions."""

from itertools import product

import pytest
import torch

from graphkd.blueprint import loads
from graphkd.compile import compile_blueprint
from graphkd.run.session import start_session
from tests.run.small import stepper

SWIN = "{depths: [1, 1, 1, 1], embed_dim: 12, num_heads: [1, 2, 3, 4]}"
CNNS = {
    "resnet": "model: timm/test_resnet",
    "mobilenetv2": "model: timm/mobilenetv2_035",
    "convnext": "model: timm/test_convnext",
}
MIXERS = {
    "swin": f"model: timm/swin_tiny_patch4_window7_224, args: {SWIN}",
    "vit": "model: timm/test_vit",
    "deit": "model: timm/deit_tiny_patch16_224, args: {depth: 4}",
    "mixer": "model: timm/mixer_s32_224",
    "resmlp": "model: timm/resmlp_12_224",
}
TEXT = """\
blueprint: pair
data: {{dataset: fake, size: 64, samples: 16, classes: 10, batch_size: 4}}
nodes:
  teacher: {{type: teacher, {teacher}}}
  student: {{type: student, {student}}}
  assistant: {{type: hybrid_assistant, early: {early}.stage3, late: {late}.stage4}}
flows:
  - {{from: data.label, to: teacher.logits, loss: cross_entropy, phases: [teach]}}
  - {{from: teacher.logits, to: assistant.logits, loss: ofa, phases: [go]}}
  - {{from: assistant.logits, to: student.logits, loss: ofa, phases: [go]}}
  - {{from: teacher.logits, to: student.logits, loss: ofa, phases: [go]}}
  - {{from: teacher.embedding, to: assistant.embedding, loss: infonce, via: linear, phases: [go]}}
  - {{from: assistant.embedding, to: student.embedding, loss: infonce, via: linear, phases: [go]}}
  - {{from: teacher.embedding, to: student.embedding, loss: infonce, via: linear, phases: [go]}}
phases:
  - {{name: teach, train: [teacher]}}
  - {{name: go, train: [student, assistant]}}
train: {{device: cpu}}
"""


def batch(count=4):
    torch.manual_seed(0)
    label = torch.arange(count)
    return {"image": torch.rand(count, 3, 64, 64), "label": label, "index": label}


@pytest.mark.parametrize("teaching", ["mixer teaches", "cnn teaches"])
@pytest.mark.parametrize(("cnn", "mixer"), list(product(CNNS, MIXERS)))
def test_7_every_pair_is_checked_and_steps(cnn, mixer, teaching):
    models = {"cnn": CNNS[cnn], "mixer": MIXERS[mixer]}
    teacher, student = ("mixer", "cnn") if teaching == "mixer teaches" else ("cnn", "mixer")
    # convolutions first, global mixing last
    owners = {teacher: "teacher", student: "student"}
    text = TEXT.format(
        teacher=models[teacher],
        student=models[student],
        early=owners["cnn"],
        late=owners["mixer"],
    )
    schedule = compile_blueprint(loads(text))
    session = start_session(schedule, seed=0, device=torch.device("cpu"))
    step = stepper(session, 1)
    frozen = {key: each.clone() for key, each in session.parts["teacher"].state_dict().items()}
    before = [each.detach().clone() for each in session.parts["assistant"].parameters()]
    step.run([batch()])
    assert all(loss.isfinite() for loss in step.losses)
    after = session.parts["teacher"].state_dict()
    assert all(torch.equal(each, after[key]) for key, each in frozen.items())
    moved = session.parts["assistant"].parameters()
    assert all(not torch.equal(old, new) for old, new in zip(before, moved, strict=True))
