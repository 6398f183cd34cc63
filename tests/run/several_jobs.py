"""What the processes of tests do together: this file run as a program is one of them."""

from __future__ import annotations

import math
import os
import signal
import sys
import time
from pathlib import Path

import attrs
import pytest
import torch

from graphkd.components.datasets.fake import FakeSamples
from graphkd.errors import ComponentError
from graphkd.run import Stopped, checkpoint, resume, train
from graphkd.run.distributed import joined
from graphkd.run.guard import Broken, Guard
from graphkd.run.loop import Loop
from graphkd.run.step import PhaseStep
from tests.run.several import PLAIN, frozen_statistics
from tests.run.small import small
from tests.systems.short import short

SURVEYED = PLAIN.replace("batch_size: 8, labels_per_class: 3", "batch_size: 4, unreadable: skip")
SURVEYED = SURVEYED.replace("epochs: 2", "epochs: 1").replace("width: 6", "width: 8")
SURVEYED = SURVEYED.replace(
    "flows:\n",
    "  means: {type: class_means, input: teacher.embedding, with: {label: data.label}}\n"
    "flows:\n  - {from: means, to: student.embedding, loss: mse}\n",
).replace("{name: distil", "{name: survey, fit: [means]}, {name: distil")
RANK = int(os.environ.get("RANK", "0"))
# AdamW makes steps of the size of the learning rate of gradients that are rounding alone
SGD = ("train.optimizer=sgd", "train.lr=0.1", "train.log_every=1")
MOVING = PLAIN.replace("width: 6}}", "width: 6}, ema: 0.5}")
MOVING = MOVING.replace("model: normless}", "model: normless, ema: 0.5}").replace(
    "weight: 0.9}", "weight: {start: 0, end: 1, epochs: 2}, every: 2, into: [student]}"
)
MIXED = ("data.labels_per_class=", "data.mixup=1", "data.mixup_share=0.7", "data.batch_size=10")
NOISY = PLAIN.replace("model: normless}", "model: normless, args: {dropout: 0.4}}")


def own_folder(folder):
    """Make a folder of this process alone."""
    here = folder / f"files of {RANK}"
    here.mkdir(exist_ok=True)
    return here


def blueprints(folder, names):
    """Make the blueprints whose runs are compared."""
    here = own_folder(folder)
    made = {
        # the last batch has a single sample, and one process none
        "kd": lambda: small(here, *SGD, "data.subset=33", text=PLAIN),
        # the last batch has three samples
        "moving": lambda: small(
            here, *SGD, "data.subset=35", "train.accumulate=2", "train.clip_grad=0.5", text=MOVING
        ),
        "mixed": lambda: small(here, *SGD, *MIXED, text=PLAIN),
        # what stands for an image brings its own label, or none, in one process or in the other
        "replaced": lambda: small(here, *SGD, "data.unreadable=skip", text=PLAIN),
    }
    further = (*SGD, "train.lr=0.05", "data.batch_size=20")
    made |= {name: lambda name=name: short(name, *further) for name in ("gpd", "tas")}
    made["tcs"] = lambda: short("tcs", *further, "phases.2.data.batch_size=20")
    return {name: made[name]() for name in names}


def for_one(blueprint):
    """Take for one process the batches of two together."""
    data = attrs.evolve(blueprint.data, batch_size=2 * blueprint.data.batch_size)
    phases = [
        attrs.evolve(each, data={**each.data, "batch_size": 2 * each.data["batch_size"]})
        if "batch_size" in each.data
        else each
        for each in blueprint.phases
    ]
    return attrs.evolve(blueprint, data=data, phases=phases)


FAST = ("kd", "moving", "mixed", "replaced", "gpd", "tas")


def train_fast(folder):
    """Train what is compared with one process, and then what is stopped."""
    with frozen_statistics():
        for name, blueprint in blueprints(folder, FAST).items():
            train_as(name, blueprint, folder / "two" / name)
    stop_and_resume(folder)
    leave_out(folder)


def train_slow(folder):
    """Train what takes a pass over the samples."""
    with frozen_statistics():
        for name, blueprint in blueprints(folder, ["tcs"]).items():
            train(blueprint, out=folder / "two" / name)


def train_one(folder, names):
    """Train the same in one process."""
    with frozen_statistics():
        for name, blueprint in blueprints(folder, names).items():
            train_as(name, for_one(blueprint), folder / "one" / name)


def train_as(name, blueprint, out):
    """Train, with images that cannot be read where the name says so."""
    with pytest.MonkeyPatch.context() as patched:
        if name == "replaced":
            patched.setattr(FakeSamples, "__getitem__", failing(lambda index: index % 3 == 0))
        train(blueprint, out=out)


def failing(fails):
    """Make what reads an image of the training, and fails for some."""
    real = FakeSamples.__getitem__

    def read(samples, index):
        if len(samples) == 40 and fails(index):
            raise ComponentError(f"cannot read {index}")
        return real(samples, index)

    return read


def leave_out(folder):
    """Count steps that are left out because of the one process or the other, in turn."""
    guard = Guard(["one", "other"], policy="skip", device=torch.device("cpu"))
    said = ""
    with joined() as world:
        for step in range(99):
            guard.begin()
            value = torch.tensor(math.nan if step % 2 == RANK else 1.0)
            guard.look([None, value], [{"index": torch.tensor([step])}])
            try:
                assert not guard.passes(world)
            except Broken as error:
                said = f"step {step}, samples {error.batches}: {error}"
                break
    (folder / f"left out {RANK}").write_text(said)


def noisy(folder):
    """A blueprint with random streams that differ between the processes."""
    return small(own_folder(folder), "train.checkpoint_every=2", text=NOISY)


def stop_and_resume(folder):
    """Train without a stop; with one, asked of the second process alone; leave a third stopped."""
    train(noisy(folder), out=folder / "whole")
    for place in ("stopped", "left"):
        with pytest.MonkeyPatch.context() as patched, pytest.raises(Stopped):
            if RANK == 1:
                patched.setattr(Loop, "_epoch", stopping_at(8))
            train(noisy(folder), out=folder / place)
    torch.manual_seed(987)
    resume(folder / "stopped")


def stopping_at(step):
    """Make an epoch of a loop that is asked to stop in a step."""
    real = Loop._epoch

    def epoch(loop, source, budget, steps, advance):
        def counted():
            advance()
            loop.stop = loop.session.step == step

        real(loop, source, budget, steps, counted)

    return epoch


def skip_unreadable(folder):
    """Fit and train where the second process can read none of its part of a batch of the fit."""
    blueprint = small(own_folder(folder), text=SURVEYED)
    FakeSamples.__getitem__ = failing(lambda index: 12 <= index < 16)
    train(blueprint, out=folder / "run")


def halt(folder):
    """Train, and halt the second process in the middle; the first writes down what it says."""
    real = PhaseStep.run

    def run(step, *batches):
        if step.session.step == 9 and RANK == 1:
            os.kill(os.getpid(), signal.SIGSTOP)
        real(step, *batches)

    PhaseStep.run = run
    sys.stderr = (folder / f"said by {RANK}").open("w")
    train(noisy(folder), out=folder / "halted")


def stop_slowly(folder):
    """Stop while a checkpoint takes longer to write than the processes wait for each other."""
    real = checkpoint.save

    def save(*args, **kwargs):
        time.sleep(4)
        return real(*args, **kwargs)

    with pytest.MonkeyPatch.context() as patched, pytest.raises(Stopped):
        patched.setattr(checkpoint, "save", save)
        patched.setattr(Loop, "_epoch", stopping_at(8))
        train(small(own_folder(folder), text=NOISY), out=folder / "slow")


def go_on(folder):
    """Go on after that."""
    resume(folder / "halted")


def die_once(folder):
    """Train, and kill the second process in the middle, at the first attempt of torchrun."""
    first = os.environ["TORCHELASTIC_RESTART_COUNT"] == "0"
    real = PhaseStep.run

    def run(step, *batches):
        if step.session.step == 9 and first and RANK == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        real(step, *batches)

    PhaseStep.run = run
    train(noisy(folder), out=folder / "killed")


if __name__ == "__main__":
    torch.set_num_threads(1)
    globals()[sys.argv[1]](Path(sys.argv[2]))
