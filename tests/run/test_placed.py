"""Placed otherwise, a run computes the same: bit for bit, or as near as its element type allows."""

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from graphkd.blueprint import loads
from graphkd.compile import compile_blueprint
from graphkd.errors import BlueprintError
from graphkd.run import train
from graphkd.run.failures import estimate
from graphkd.run.session import start_session
from tests.conftest import TinyNet
from tests.run.small import HEAD, batch_of, small, stepper

RESNET = "model: timm/test_resnet, args: {channels: [8, 12, 16, 24], stem_width: 8, drop_rate: 0.2}"
VIT = (
    "model: timm/test_vit, args: {patch_size: 8, depth: 4, num_heads: 4, global_pool: avg, "
    "class_token: false, img_size: 32, drop_path_rate: 0.2}"
)
FROZEN = """\
nodes:
  teacher: {type: teacher, model: tiny, args: {width: 6}, weights: W6.safetensors}
  student: {type: student, model: tiny, args: {dropout: 0.5}}
flows:
  - {from: data.label, to: student.logits, loss: cross_entropy, every: 2}
  - {from: teacher.logits, to: student.logits, loss: kl, temperature: 2}
  - {from: teacher.stage2, to: student.stage2, loss: mse, via: conv1x1}
  - {from: teacher.embedding, to: student.embedding, loss: mse, via: linear}
"""
# running statistics, random numbers, modules that others run too, and several backwards
TEXTS = {
    "frozen teacher": FROZEN,
    "dynamic teacher": f"""\
nodes:
  student: {{type: student, {RESNET}}}
  dynamic: {{type: dynamic_teacher, of: student, expand: 2, branches: 6}}
flows:
  - {{from: data.label, to: dynamic.logits, loss: cross_entropy}}
  - {{from: data.label, to: student.logits, loss: cross_entropy}}
  - {{from: dynamic.logits, to: student.logits, loss: kl, into: [student]}}
""",
    "hybrid assistant": f"""\
nodes:
  teacher: {{type: assistant, {RESNET}}}
  student: {{type: student, {VIT}}}
  assistant: {{type: hybrid_assistant, early: student.stage3, late: teacher.stage4}}
  again: {{type: call, of: student, input: data.view1}}
flows:
  - {{from: data.label, to: teacher.logits, loss: cross_entropy}}
  - {{from: data.label, to: assistant.logits, loss: cross_entropy}}
  - {{from: assistant.logits, to: student.logits, loss: kl}}
  - {{from: teacher.embedding, to: student.embedding, loss: mse, via: linear, into: [student]}}
  - {{from: student.embedding, to: again.embedding, loss: mse}}
""",
}
FLIPPED = HEAD.replace("size: 8", "size: 32, augment: [random_flip]")
LEARNING = ("student", "dynamic_teacher", "assistant", "hybrid_assistant", "call")
TEACHER = "{type: teacher, model: tiny, "


@pytest.fixture(scope="module", autouse=True)
def weights(tmp_path_factory):
    """Put a teacher's weights into the working folder."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(3)
    save_file(TinyNet(4, 3, width=6).state_dict(), folder / "W6.safetensors")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield


def checkpointed(text):
    """Let everything that learns be computed again in the backward."""
    for kind in LEARNING:
        text = text.replace(f"type: {kind},", f"type: {kind}, checkpoint: true,")
    return text


def begun(text, *, without=(), device="cpu"):
    schedule = compile_blueprint(loads(text), without=without)
    return start_session(schedule, seed=0, device=torch.device(device))


def trained(text, *, size=8, without=(), device="cpu"):
    """Take three steps; return losses, gradients, all weights and statistics, and random state."""
    session = begun(text, without=without, device=device)
    step = stepper(session)
    torch.manual_seed(1)
    seen, forget = [], step._forget_gradients

    def keep_gradients():
        groups = session.optimizer.param_groups
        seen.extend(each.grad for group in groups for each in group["params"])
        forget()

    step._forget_gradients = keep_gradients
    for number in range(3):
        batch = batch_of(6, seed=number, size=size)
        batch["view1"] = batch["image"].flip(3)
        step.run([{key: value.to(device) for key, value in batch.items()}])
        seen.extend(step.losses)
    for part in session.parts.values():
        if isinstance(part, nn.Module):
            seen.extend(part.state_dict().values())
    step.module.close()
    return [None if each is None else each.clone() for each in (*seen, torch.get_rng_state())]


def equal(one, other):
    return len(one) == len(other) and all(
        a is b is None or torch.equal(a, b) for a, b in zip(one, other, strict=True)
    )


@pytest.mark.parametrize("name", TEXTS)
def test_checkpointing_changes_no_bit_of_gradients_statistics_or_random_numbers(name):
    text, size = (HEAD, 8) if name == "frozen teacher" else (FLIPPED, 32)
    plain = trained(text + TEXTS[name], size=size)
    twice = text + checkpointed(TEXTS[name])
    assert equal(trained(twice, size=size), plain)
    assert equal(trained(twice, size=size, without=("place",)), plain)


def test_checkpointing_keeps_less_for_the_backward():
    kept = []
    for text in (HEAD + FROZEN, HEAD + checkpointed(FROZEN)):
        session = begun(text)
        module = stepper(session).module
        sizes = []
        with torch.autograd.graph.saved_tensors_hooks(
            lambda each, sizes=sizes: (sizes.append(each.numel()), each)[1], lambda each: each
        ):
            module(batch_of(6))
        kept.append((sum(sizes), estimate(session.schedule.phases[0])[1]))
    (plain, planned), (twice, less) = kept
    assert twice < plain / 2
    assert less < planned


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_a_teacher_in_bfloat16_has_half_the_weights_and_gives_float32(precision):
    head = HEAD.replace("lr: 3e-3", f"lr: 3e-3, precision: {precision}")
    half = FROZEN.replace(TEACHER, TEACHER + "precision: bfloat16, ")
    sessions = [begun(head + text) for text in (FROZEN, half)]
    whole, small = (each.parts["teacher"] for each in sessions)
    sizes = [
        sum(one.numel() * one.element_size() for one in each.parameters())
        for each in (whole, small)
    ]
    assert sizes[1] * 2 == sizes[0]
    plans = [each.schedule.phases[0] for each in sessions]
    assert estimate(plans[1])[0] < estimate(plans[0])[0]
    steps = [stepper(each) for each in sessions]
    for step in steps:
        torch.manual_seed(0)
        step.run([batch_of(16)])
    (plain, near) = ([float(loss) for loss in step.losses] for step in steps)
    assert near == pytest.approx(plain, rel=2e-2)
    assert near != plain
    values = steps[1].module.values(batch_of(6), ["teacher.logits"])
    assert values["teacher.logits"].dtype == torch.float32
    # what it computes is rounded to the 8 bits of its element type, whatever the recipe says
    assert torch.equal(values["teacher.logits"], values["teacher.logits"].bfloat16().float())


def test_in_bfloat16_a_cache_gives_what_the_forward_gives(tmp_path, monkeypatch):
    monkeypatch.setenv("GRAPHKD_CACHE", str(tmp_path / "cache"))
    save_file(TinyNet(4, 3, width=6).state_dict(), tmp_path / "W6.safetensors")
    half, kept, found = "precision: bfloat16, ", "cache: true, ", {}
    # float32 first: its rows are not taken for those of bfloat16
    for name, keys in {"float32": kept, "kept": kept + half, "plain": half}.items():
        text = HEAD.replace("epochs: 2", "epochs: 1") + FROZEN.replace(TEACHER, TEACHER + keys)
        train(small(tmp_path, text=text), out=tmp_path / name)
        found[name] = (tmp_path / name / "metrics.jsonl").read_text()
    assert found["kept"] == found["plain"] != found["float32"]


def test_one_model_is_compiled_by_itself(monkeypatch):
    compiled = []

    def compile_eagerly(function, real=torch.compile):
        compiled.append(function)
        return real(function, backend="aot_eager")

    monkeypatch.setattr(torch, "compile", compile_eagerly)
    plain = trained(HEAD + FROZEN)
    assert not compiled
    text = FROZEN.replace(TEACHER, TEACHER + "compile: true, ")
    text = text.replace("{type: student,", "{type: student, compile: true,")
    found = trained(HEAD + text)
    assert len(compiled) == 2
    for one, other in zip(found, plain, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_a_device_that_is_not_there_is_told_when_a_run_starts(tmp_path):
    text = HEAD + FROZEN.replace(TEACHER, TEACHER + "device: 'cuda:99', ")
    with pytest.raises(
        BlueprintError, match=r":5:49: node 'teacher': device 'cuda:99' is not there"
    ):
        train(loads(text), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_on_a_cpu_a_side_stream_and_a_device_change_nothing():
    plain = trained(HEAD + FROZEN)
    text = HEAD.replace("device: cpu", "device: cpu, streams: true") + FROZEN
    assert equal(trained(text.replace(TEACHER, TEACHER + "device: cpu, ")), plain)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("keys", ["", "precision: bfloat16, ", "device: cpu, "])
def test_on_a_gpu_the_side_stream_changes_nothing(keys):
    placed = FROZEN.replace(TEACHER, TEACHER + keys)
    aside = HEAD.replace("device: cpu", "device: cuda, streams: true")
    plain = trained(HEAD + placed, device="cuda")
    for one, other in zip(trained(aside + placed, device="cuda"), plain, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)
