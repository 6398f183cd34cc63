"""A captured step is replayed without Python, and gives what it gave before, bit for bit."""

import pytest
import torch
from torch import nn

from graphkd.errors import BlueprintError
from graphkd.run import captured, resume, train
from graphkd.run.captured import WARM_UP, Captured, Uncapturable
from graphkd.run.executor import PhaseModule
from graphkd.run.loop import Loop, Stopped
from graphkd.run.step import PhaseStep
from tests.run.recorded import Replays
from tests.run.small import HEAD, NODES, PHASES, batch_of, begin, small, stepper
from tests.run.test_placed import FLIPPED, TEXTS
from tests.run.test_resume_state import QueueLoss  # noqa: F401 (registers it)

SEVERAL = f"""\
{NODES}\
flows:
  - {{from: data.label, to: teacher.logits, loss: cross_entropy, phases: [teach]}}
  - {{from: data.label, to: student.logits, loss: cross_entropy,
     weight: {{start: 0.1, end: 1, epochs: 2}}}}
  - {{from: teacher.logits, to: student.logits, loss: kl, temperature: 2, every: 2}}
  - {{from: teacher.stage2, to: student.stage2, loss: mse, via: conv1x1, into: [student]}}
{PHASES}
"""
RECIPES = {
    "as usual": "",
    "accumulating": ", accumulate: 2, optimizer: sgd",
    "clipped": ", clip_grad: 0.5",
    "float16": ", precision: float16",
    "bfloat16": ", precision: bfloat16",
    "skipping": ", nonfinite: skip",
}


@pytest.fixture
def recorders(monkeypatch):
    """Capture on the CPU; gathers what does it."""
    made, sessions, real = [], [], PhaseStep._captured

    def watched(step):
        sessions.append(step.session)
        return real(step)

    def recorder_of(device):
        parts = sessions[-1].parts.values()
        made.append(Replays(each for each in parts if isinstance(each, nn.Module)))
        return made[-1]

    monkeypatch.setattr(PhaseStep, "_captured", watched)
    monkeypatch.setattr(captured, "recorder_of", recorder_of)
    return made


def trained(text, *, size=8, steps=12, accumulate=1):
    """Take steps; return losses, gradients, all weights and statistics, and random state."""
    session = begin(text)
    step = stepper(session)
    torch.manual_seed(1)
    seen, forget = [], step._forget_gradients

    def keep_gradients():
        groups = session.optimizer.param_groups
        seen.extend(each.grad.clone() for group in groups for each in group["params"])
        forget()

    step._forget_gradients = keep_gradients
    for number in range(steps):
        batches = [
            # the last one of an epoch is smaller
            batch_of(3 if number % 4 == 3 else 6, seed=9 * number + more, size=size)
            for more in range(accumulate)
        ]
        for batch in batches:
            batch["view1"] = batch["image"].flip(3)
        step.run(batches)
        seen.extend(step.losses)
    for part in session.parts.values():
        if isinstance(part, nn.Module):
            seen.extend(part.state_dict().values())
    step.module.close()
    return [*seen, torch.get_rng_state()]


def same(one, other):
    return len(one) == len(other) and all(
        a is b is None or torch.equal(a, b) for a, b in zip(one, other, strict=True)
    )


def capturing(text):
    return text.replace("device: cpu", "device: cpu, capture: true")


@pytest.mark.parametrize("name", RECIPES)
def test_a_captured_step_gives_the_same_bits(name, recorders):
    text = HEAD.replace("lr: 3e-3", f"lr: 3e-3{RECIPES[name]}") + SEVERAL
    accumulate = 2 if name == "accumulating" else 1
    plain = trained(text, steps=24, accumulate=accumulate)
    assert not recorders
    found = trained(capturing(text), steps=24, accumulate=accumulate)
    if accumulate == 1:
        assert same(found, plain)
    else:
        # the gradients of a batch are added up before those of others are
        torch.testing.assert_close(found, plain, rtol=1e-4, atol=1e-6)
    # with and without the flow that sleeps in every other step; the smaller batch only with it
    assert recorders[0].recorded == 3


@pytest.mark.parametrize("name", ["dynamic teacher", "hybrid assistant"])
def test_captured_systems_give_the_same_bits(name, recorders):
    text = FLIPPED + TEXTS[name]
    plain = trained(text, size=32, steps=6)
    assert same(trained(capturing(text), size=32, steps=6), plain)
    assert recorders[0].recorded == 1


def test_a_replay_runs_no_python_of_the_step(recorders, monkeypatch):
    calls, real = [], PhaseModule.forward

    def forward(self, *args, **kwargs):
        calls.append(self)
        return real(self, *args, **kwargs)

    monkeypatch.setattr(PhaseModule, "forward", forward)
    text = capturing(HEAD + SEVERAL.replace(", every: 2", ""))
    trained(text, steps=40)
    # two sizes of batches, each warmed up and captured
    assert len(calls) == 2 * (WARM_UP + 1)


def test_a_captured_run_is_resumed_exactly(tmp_path, recorders, monkeypatch):
    text = HEAD.replace("epochs: 2", "epochs: 6") + SEVERAL
    for name, each in (("plain", text), ("whole", capturing(text))):
        (tmp_path / name).mkdir()
        train(small(tmp_path / name, text=each), out=tmp_path / name / "run")
    stopping = iter(range(11))

    def stop_in_the_middle(loop, real=Loop._agree):
        loop.stop = next(stopping, 99) == 10
        real(loop)

    with monkeypatch.context() as patch:
        patch.setattr(Loop, "_agree", stop_in_the_middle)
        with pytest.raises(Stopped):
            train(small(tmp_path, text=capturing(text)), out=tmp_path / "parts")
    resume(tmp_path / "parts")
    for file in ("metrics.jsonl", "student.safetensors"):
        files = [tmp_path / each / file for each in ("plain/run", "whole/run", "parts")]
        first, *others = (each.read_bytes() for each in files)
        assert all(each == first for each in others)
    assert sum(each.recorded > 0 for each in recorders) >= 4


def test_what_cannot_be_captured_is_named(tmp_path, recorders, monkeypatch):
    def fail(self, work):
        error = RuntimeError("operation not permitted when stream is capturing\nmore")
        error.add_note("while running node 'student' on student/image (16, 3, 8, 8)")
        raise error

    monkeypatch.setattr(Replays, "record", fail)
    with pytest.raises(BlueprintError, match="cannot be captured: operation not permitted") as e:
        train(small(tmp_path, text=capturing(HEAD + SEVERAL)), out=tmp_path / "run")
    assert "while running node 'student'" in str(e.value)
    assert "drop capture" in str(e.value)


def test_what_a_replay_would_forget_is_refused(tmp_path, recorders):
    # its queue and its counter are replaced in each step
    text = HEAD.replace("epochs: 2", "epochs: 6") + SEVERAL
    text = capturing(text.replace("loss: mse, via: conv1x1", "loss: queue_for_tests"))
    text = text.replace("stage2", "logits")
    with pytest.raises(BlueprintError, match=r"Queue\.calls gets another value"):
        train(small(tmp_path, text=text), out=tmp_path / "run")


class Bank(nn.Module):
    """Keeps what it saw in a collection."""

    def __init__(self, kind):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))
        self.kind = kind
        self.rows = {"list": [torch.zeros(3)], "dict": {"last": torch.zeros(3)}}[kind]

    def forward(self, image):
        (last,) = self.rows if self.kind == "list" else self.rows.values()
        if self.kind == "list":
            self.rows[0] = image + last
        else:
            self.rows["last"] = image + last
        loss = (self.weight * last).sum()
        loss.backward()
        return [loss.detach()]


@pytest.mark.parametrize("kind", ["list", "dict"])
def test_what_a_replay_would_forget_is_found_in_collections_too(kind):
    bank = Bank(kind)
    step = Captured(bank, [bank.weight], Replays([bank]), modules=[bank], adding=False)
    for _ in range(WARM_UP):
        step(torch.ones(3))
    with pytest.raises(Uncapturable, match=r"^Bank\.rows gets another value"):
        step(torch.ones(3))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu_a_captured_run_ends_as_a_plain_one(tmp_path):
    text = HEAD.replace("epochs: 2", "epochs: 6").replace("device: cpu", "device: cuda") + SEVERAL
    found = []
    for name in ("plain", "captured"):
        (tmp_path / name).mkdir()
        each = text.replace("device: cuda", "device: cuda, capture: true")
        blueprint = small(tmp_path / name, text=each if name == "captured" else text)
        train(blueprint, out=tmp_path / name / "run")
        found.append((tmp_path / name / "run/metrics.jsonl").read_bytes())
    assert found[0] == found[1]
