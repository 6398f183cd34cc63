import importlib
import json
import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from graphkd.component import register_model
from graphkd.errors import BlueprintError
from graphkd.run import Stopped, resume, train
from graphkd.run import checkpoint as checkpoint_module
from graphkd.run.folder import SETTINGS_HOLD
from graphkd.run.loop import Loop
from graphkd.run.step import PhaseStep
from tests.conftest import TinyNet
from tests.run.small import SMALL, small
from tests.run.test_phases import SURVEY, Centring

# everything that moves: dropout, moving averages, augmentation, mixing, a course with warmup,
# accumulation, and a projector of the flow's own
MOVING = SMALL.replace("model: tiny}", "model: tiny, args: {dropout: 0.3}, ema: 0.8}")
MOVING = MOVING.replace("{width: 6}}", "{width: 6, dropout: 0.1}, lr: 1e-3}")
MOVING = MOVING.replace("classes: 4", "classes: 4, augment: [gaussian_noise, random_flip]")
MOVING = MOVING.replace("lr: 3e-3", "lr: 3e-3, warmup_epochs: 1, accumulate: 2")
MOVING = MOVING.replace(
    "\nphases:",
    "\n  - {from: teacher.stage2, to: student.stage2, loss: mse, via: conv1x1, every: 2}\nphases:",
).replace("{name: distil, train: [student]}", "{name: distil, train: [student], data: {mixup: 1}}")


class StopAt:
    """Asks the loop to stop after some steps, as the first Ctrl-C does."""

    def __init__(self, monkeypatch, *steps):
        self.steps = set(steps)
        self.done = 0
        real = Loop._epoch

        def epoch(loop, source, budget, step, advance):
            def counted():
                advance()
                if loop.session.step in self.steps:
                    self.steps.discard(loop.session.step)
                    loop.stop = True

            real(loop, source, budget, step, counted)

        monkeypatch.setattr(Loop, "_epoch", epoch)


def outcome(folder):
    """What must not depend on stops."""
    files = ("metrics.jsonl", "student.safetensors", "results.json")
    return [(folder / name).read_bytes() for name in files]


def disturb():
    """Move every random stream, as another process would find them."""
    torch.manual_seed(987)
    torch.rand(7)


# 3 batches make 2 steps: teach ends at 8, distil at 8 + 4 of one step each
STOPS = [
    pytest.param(1, id="in an epoch"),
    pytest.param(2, id="at the end of an epoch"),
    pytest.param(3, id="before the second validation"),
    pytest.param(8, id="at the end of a phase"),
    pytest.param(9, id="in the second phase"),
    pytest.param(12, id="at the end of the last phase"),
]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The outcome of a run that nobody stopped, for each way to write checkpoints."""
    folder = tmp_path_factory.mktemp("undisturbed")
    found = {}
    for every in (0, 2):
        blueprint = small(folder, "train.epochs=4", f"train.checkpoint_every={every}", text=MOVING)
        train(blueprint, out=folder / str(every))
        found[every] = outcome(folder / str(every))
    # how often checkpoints are written has no influence
    assert found[0] == found[2]
    return found[0]


@pytest.mark.parametrize("step", STOPS)
@pytest.mark.parametrize("every", [0, 2])
def test_a_resumed_run_equals_an_undisturbed_one(tmp_path, monkeypatch, undisturbed, step, every):
    run = tmp_path / "run"
    StopAt(monkeypatch, step)
    blueprint = small(tmp_path, "train.epochs=4", f"train.checkpoint_every={every}", text=MOVING)
    with pytest.raises(Stopped):
        train(blueprint, out=run)
    assert not (run / "results.json").exists()
    assert checkpoint_module.load_latest(run / "checkpoints")["position"]["step"] == step
    disturb()
    resume(run)
    assert outcome(run) == undisturbed


def test_a_run_may_be_stopped_after_every_step(tmp_path, monkeypatch, undisturbed):
    StopAt(monkeypatch, *range(1, 13))
    blueprint = small(tmp_path, "train.epochs=4", text=MOVING)
    with pytest.raises(Stopped):
        train(blueprint, out=tmp_path / "run")
    stops = 1
    while True:
        disturb()
        try:
            resume(tmp_path / "run")
        except Stopped:
            stops += 1
            continue
        break
    assert stops == 12
    assert outcome(tmp_path / "run") == undisturbed


@pytest.mark.parametrize("step", [5, 7, 10])
def test_a_killed_run_goes_on_from_its_checkpoint(tmp_path, monkeypatch, undisturbed, step):
    """Nothing is saved by the kill; what was written after the checkpoint is written again."""
    real = PhaseStep.run

    def killed(self, *args):
        if self.session.step == step:
            raise KeyboardInterrupt
        real(self, *args)

    monkeypatch.setattr(PhaseStep, "run", killed)
    blueprint = small(tmp_path, "train.epochs=4", "train.checkpoint_every=3", text=MOVING)
    with pytest.raises(KeyboardInterrupt):
        train(blueprint, out=tmp_path / "run")
    monkeypatch.undo()
    # a record cut in the middle, and what a disk may hold after a power cut
    with (tmp_path / "run" / "metrics.jsonl").open("ab") as stream:
        stream.write(b'{"step": 9, "phase"\0\xff')
    disturb()
    resume(tmp_path / "run")
    assert outcome(tmp_path / "run") == undisturbed


def test_a_run_killed_before_its_first_checkpoint_begins_again(tmp_path, monkeypatch, undisturbed):
    real = PhaseStep.run

    def killed(self, *args):
        if self.session.step == 1:
            raise KeyboardInterrupt
        real(self, *args)

    monkeypatch.setattr(PhaseStep, "run", killed)
    with pytest.raises(KeyboardInterrupt):
        train(small(tmp_path, "train.epochs=4", text=MOVING), out=tmp_path / "run")
    assert not (tmp_path / "run" / "checkpoints").exists()
    monkeypatch.undo()
    resume(tmp_path / "run")
    assert outcome(tmp_path / "run") == undisturbed


def test_tensorboard_forgets_what_was_done_again(tmp_path, monkeypatch):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    real = PhaseStep.run

    def killed(self, *args):
        if self.session.step == 5:
            raise KeyboardInterrupt
        real(self, *args)

    monkeypatch.setattr(PhaseStep, "run", killed)
    blueprint = small(tmp_path, "train.checkpoint_every=3", "train.log_every=1")
    with pytest.raises(KeyboardInterrupt):
        train(blueprint, out=tmp_path / "run")
    monkeypatch.undo()
    resume(tmp_path / "run")
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    events.Reload()
    assert [each.step for each in events.Scalars("lr")] == list(range(1, 13))


@register_model("throws_dice")
class ThrowsDice(TinyNet):
    """Draws from Python's and numpy's global generators."""

    def __init__(self, num_classes, in_chans):
        super().__init__(num_classes, in_chans)

    def forward(self, x):
        noise = random.random() + np.random.rand() if self.training else 1.0
        return super().forward(x * noise)


def test_every_random_stream_goes_on(tmp_path, monkeypatch):
    text = SMALL.replace("model: tiny}", "model: throws_dice}")
    random.seed(1)
    np.random.seed(1)
    train(small(tmp_path, text=text), out=tmp_path / "whole")
    StopAt(monkeypatch, 8)
    with pytest.raises(Stopped):
        train(small(tmp_path, text=text), out=tmp_path / "run")
    random.seed(2)
    resume(tmp_path / "run")
    assert outcome(tmp_path / "run") == outcome(tmp_path / "whole")


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_is_resumed_exactly(tmp_path, monkeypatch, precision):
    words = (f"train.precision={precision}", "train.optimizer=sgd", "train.clip_grad=1")
    # gradients of half precision overflow, until the scaler has lowered its factor
    text = SMALL.replace("cross_entropy, phases", "cross_entropy, weight: 100, phases")
    train(small(tmp_path, *words, text=text), out=tmp_path / "whole")
    StopAt(monkeypatch, 4, 8)
    with pytest.raises(Stopped):
        train(small(tmp_path, *words, text=text), out=tmp_path / "run")
    state = checkpoint_module.load_latest(tmp_path / "run" / "checkpoints")
    if precision == "float16":
        assert state["scaler"]["scale"] < 65536
    with pytest.raises(Stopped):
        resume(tmp_path / "run")
    resume(tmp_path / "run")
    assert outcome(tmp_path / "run") == outcome(tmp_path / "whole")


def test_a_fit_is_begun_again(tmp_path, monkeypatch):
    text = SURVEY.replace("model: tiny}", "model: tiny, args: {dropout: 0.5}}")
    train(small(tmp_path, text=text), out=tmp_path / "whole")
    real = Centring.update

    class Interrupted(BaseException):
        """As a kill."""

    def interrupt(self, value):
        real(self, value)
        if self.count >= 32:
            raise Interrupted

    monkeypatch.setattr(Centring, "update", interrupt)
    with pytest.raises(Interrupted):
        train(small(tmp_path, text=text), out=tmp_path / "run")
    monkeypatch.undo()
    disturb()
    resume(tmp_path / "run")
    assert outcome(tmp_path / "run") == outcome(tmp_path / "whole")


@pytest.mark.parametrize("first", [False, True])
def test_a_fit_can_be_stopped(tmp_path, monkeypatch, first):
    text = SURVEY.replace("model: tiny}", "model: tiny, args: {dropout: 0.5}}")
    if first:
        # the fit comes first, before any checkpoint
        text = text.replace("input: teacher.embedding", "input: student.embedding")
        text = "\n".join(line for line in text.splitlines() if "teach" not in line) + "\n"
    train(small(tmp_path, text=text), out=tmp_path / "whole")
    loops = []
    real_fit, real_update = Loop._fit, Centring.update
    monkeypatch.setattr(Loop, "_fit", lambda self, plan: (loops.append(self), real_fit(self, plan)))

    def ask(self, value):
        real_update(self, value)
        loops[-1].stop = True

    monkeypatch.setattr(Centring, "update", ask)
    with pytest.raises(Stopped):
        train(small(tmp_path, text=text), out=tmp_path / "run")
    # after the batch that was running
    assert Centring.log[-1] != "finish"
    assert (tmp_path / "run" / "checkpoints").exists() != first
    monkeypatch.undo()
    disturb()
    resume(tmp_path / "run")
    assert outcome(tmp_path / "run") == outcome(tmp_path / "whole")


def test_a_finished_run_only_tells_its_results(tmp_path, monkeypatch):
    result = train(small(tmp_path), out=tmp_path / "run")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*")}

    def refuse(*args, **kwargs):
        raise AssertionError("nothing is to be done")

    module = importlib.import_module("graphkd.run.train")
    monkeypatch.setattr(module, "get_ready", refuse)
    # nor is the data needed any more
    monkeypatch.setattr(module, "open_splits", refuse)
    again = resume(tmp_path / "run")
    assert again.evaluations == result.evaluations
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*")} == before


def test_finished_seeds_are_not_run_again(tmp_path, monkeypatch):
    words = ("train.seeds=[5,6,7]", "train.epochs=1")
    whole = train(small(tmp_path, *words), out=tmp_path / "whole")
    stops = []
    real = Loop.run

    def run(self, state=None):
        stops.append((self.seed, state is not None))
        if len(stops) == 2:
            self.stop = True
        real(self, state)

    monkeypatch.setattr(Loop, "run", run)
    with pytest.raises(Stopped):
        train(small(tmp_path, *words), out=tmp_path / "run")
    first = (tmp_path / "run" / "seed-5" / "results.json").stat().st_mtime_ns
    again = resume(tmp_path / "run")
    assert stops == [(5, False), (6, False), (6, True), (7, False)]
    assert (tmp_path / "run" / "seed-5" / "results.json").stat().st_mtime_ns == first
    assert again.evaluations == whole.evaluations
    for seed in (5, 6, 7):
        name = f"seed-{seed}"
        assert outcome(tmp_path / "run" / name) == outcome(tmp_path / "whole" / name)
    together = [(tmp_path / name / "results.json").read_bytes() for name in ("run", "whole")]
    assert together[0] == together[1]


def stopped(folder, monkeypatch, *words, text=SMALL):
    StopAt(monkeypatch, 8)
    with pytest.raises(Stopped):
        train(small(folder, *words, text=text), out=folder / "run")
    return folder / "run"


def error(folder):
    with pytest.raises(BlueprintError) as caught:
        resume(folder)
    return str(caught.value)


@pytest.mark.parametrize("every", [0, 1])
def test_a_damaged_checkpoint_is_named_and_the_one_before_used(
    tmp_path, monkeypatch, capsys, every
):
    words = (f"train.checkpoint_every={every}", "train.keep=1" if every else "train.keep=2")
    run = stopped(tmp_path, monkeypatch, *words)
    newest = checkpoint_module.listed(run / "checkpoints")[-1]
    if every:
        # a run that begins again, and comes by where the damaged one lies
        first = checkpoint_module.listed(run / "checkpoints")[0]
        state = checkpoint_module.load_latest(run / "checkpoints")
        checkpoint_module.save(run / "checkpoints", 99, state, keep=9)
        newest = checkpoint_module.listed(run / "checkpoints")[-1]
        before = first.name
    else:
        before = "step-000000006"
    damaged = newest / "state.pt"
    damaged.write_bytes(damaged.read_bytes()[:5000])
    size = json.loads((newest / "manifest.json").read_text())["files"]["state.pt"]["bytes"]
    capsys.readouterr()
    train(small(tmp_path, *words), out=tmp_path / "whole")
    resume(run)
    text = (
        f"{newest}: the checkpoint is damaged (state.pt has 5000 bytes, not {size}); "
        f"{before} before it is used"
    )
    assert capsys.readouterr().err == f"graphkd: {text}\n"
    step = 8 if every else 6
    settings = json.loads((run / "run.json").read_text())
    assert settings["notes"] == [{"seed": 0, "step": step, "text": text}]
    assert settings["exact"] is True
    assert outcome(run) == outcome(tmp_path / "whole")
    # it is out of the way of those that come after
    names = [path.name for path in (run / "checkpoints").iterdir()]
    assert f"{newest.name}.damaged" in names
    assert len(names) == 1 + (1 if every else 2)


def test_a_damaged_run_file_is_named(tmp_path):
    train(small(tmp_path, "train.epochs=1"), out=tmp_path / "run")
    for content in ("{", "[]", "{}"):
        (tmp_path / "run" / "run.json").write_text(content)
        assert error(tmp_path / "run") == (
            f"{tmp_path / 'run' / 'run.json'}: the file is damaged: {SETTINGS_HOLD}"
        )


PLUG = """\
import time

import tests.conftest
from graphkd.run.step import PhaseStep

real = PhaseStep.run
PhaseStep.run = lambda self, *args: (time.sleep(0.05), real(self, *args))
"""


def start(folder, *words):
    """Start `graphkd train` in a process of its own, slowly, and wait until it trains."""
    (folder / "plug.py").write_text(PLUG)
    small(folder)
    command = [sys.executable, "-c", "from graphkd.cli import main; main()"]
    process = subprocess.Popen(
        [*command, "train", "small.yaml", *words, "--out", "my run", "--plugin", "plug"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    metrics = folder / "my run" / "metrics.jsonl"
    for _ in range(600):
        if metrics.exists() and metrics.stat().st_size:
            break
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    return process


@pytest.mark.parametrize(
    ("number", "workers", "send"),
    [
        pytest.param(signal.SIGINT, 0, os.kill, id="interrupt"),
        # as from `timeout` or a batch system: the processes that read data get it too
        pytest.param(signal.SIGTERM, 2, os.killpg, id="terminate with workers"),
    ],
)
def test_a_signal_stops_a_run_that_is_resumed_exactly(tmp_path, number, workers, send):
    words = ("train.epochs=9", f"data.workers={workers}")
    process = start(tmp_path, *words)
    send(process.pid, number)
    _, said = process.communicate(timeout=60)
    assert said == "graphkd: stopped; go on with: graphkd resume 'my run'\n"
    assert process.returncode == 130
    state = checkpoint_module.load_latest(tmp_path / "my run" / "checkpoints")
    assert 2 <= state["position"]["step"] < 27
    assert not (tmp_path / "my run" / "results.json").exists()
    resume(tmp_path / "my run")
    train(small(tmp_path, *words), out=tmp_path / "whole")
    assert outcome(tmp_path / "my run") == outcome(tmp_path / "whole")
