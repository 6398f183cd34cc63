"""What processes of tests do together with sharded nodes: this file run as a program is one."""

from __future__ import annotations

import json
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from resource import RLIM_INFINITY, RLIMIT_FSIZE, setrlimit
from signal import SIGKILL
from threading import Condition
from time import sleep
from typing import ClassVar

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.distributed.checkpoint.filesystem import FileSystemWriter

from graphkd.compile import compile_blueprint
from graphkd.component import register_model
from graphkd.errors import BlueprintError
from graphkd.run import Stopped, checkpoint, resume, train
from graphkd.run.distributed import joined
from graphkd.run.loop import Loop
from graphkd.run.optim import make_optimizer
from graphkd.run.processes import save_together
from graphkd.run.session import start_session
from graphkd.run.step import PhaseStep
from graphkd.run.world import ALONE
from graphkd.run.writer import Writer
from tests.run.several_jobs import RANK, for_one, own_folder, stopping_at
from tests.run.small import small


class Block(nn.Module):
    """Adds what it finds."""

    def __init__(self, width, dropout):
        super().__init__()
        self.norm = nn.GroupNorm(1, width)
        self.mix = nn.Conv2d(width, width, 3, padding=1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x):
        return x + self.dropout(self.mix(self.norm(x).relu()))


class RowNet(nn.Module):
    """Has blocks in a row, and sizes that two and three processes cannot divide evenly."""

    graphkd_taps: ClassVar = {"stage1": "blocks.0", "stage2": "blocks.2"}

    def __init__(self, num_classes, in_chans, width=7, dropout=0.0):
        super().__init__()
        self.stem = nn.Conv2d(in_chans, width, 3, stride=2, padding=1)
        self.blocks = nn.Sequential(*(Block(width, dropout) for _ in range(3)))
        self.fc = nn.Linear(width, num_classes)

    def forward(self, x):
        return self.fc(self.blocks(self.stem(x)).mean((2, 3)))


@register_model("row")
def row(num_classes, in_chans, width=7, dropout=0.0):
    return RowNet(num_classes, in_chans, width, dropout)


TEXT = """\
blueprint: sharded
data: {dataset: fake, size: 8, samples: 40, batch_size: 8, classes: 4, labels_per_class: 3}
train: {epochs: 2, log_every: 1, lr: 0.1, optimizer: sgd, clip_grad: 0.2, device: cpu}
nodes:
  teacher: {type: teacher, model: row, args: {width: 9}}
  student: {type: student, model: row}
flows:
  - {from: data.label, to: teacher.logits, loss: cross_entropy, phases: [teach]}
  - {from: teacher.blocks.1.norm, to: student.blocks.1.norm, loss: mse, via: conv1x1,
     phases: [hint]}
  - {from: data.label, to: student.logits, loss: cross_entropy, weight: 0.1, phases: [distil]}
  - {from: teacher.logits, to: student.logits, loss: kl, weight: 0.9, phases: [distil]}
  - {from: teacher.stage2, to: student.stage2, loss: mse, via: conv1x1, every: 2, phases: [distil]}
phases:
  - {name: teach, epochs: 1, train: [teacher]}
  - {name: hint, epochs: 1, train: [student]}
  - {name: distil, train: [student]}
"""
TEACHER = TEXT.replace("{width: 9}}", "{width: 9}, shard: true}")
STUDENT = TEXT.replace("student, model: row}", "student, model: row, shard: true}")
BOTH = TEACHER.replace("student, model: row}", "student, model: row, shard: true}")
SHARDED = {"teacher": TEACHER, "student": STUDENT, "both": BOTH}
# the last batch has a single sample, and one process none
SHORT = ("data.subset=33", "train.accumulate=2")


def noisy(folder):
    """A blueprint with random streams that differ between the processes, and moments."""
    text = BOTH.replace("student, model: row", "student, args: {dropout: 0.4}, model: row")
    adamw = ("train.optimizer=adamw", "train.lr=0.003", "train.checkpoint_every=2")
    return small(own_folder(folder), *adamw, text=text)


def train_one(folder):
    """Train in one process what several train, and stop a run in the middle."""
    train(for_one(small(own_folder(folder), *SHORT, text=TEXT)), out=folder / "one")


def train_fast(folder):
    """Train with sharded nodes, then stop and go on."""
    for name, text in SHARDED.items():
        train(small(own_folder(folder), *SHORT, text=text), out=folder / name)
    with held(folder / "held"):
        train(noisy(folder), out=folder / "whole")
    tell(folder)
    leave(folder / "stopped", folder)
    leave(folder / "left", folder)
    copy_state(folder)
    torch.manual_seed(987)
    resume(folder / "stopped")


@contextmanager
def held(noted):
    """Let the last process write its parts only when the training has made another step.

    Note for each whether there was one, and what lay in the checkpoint before.
    """
    changed, steps, waiting, seen = Condition(), [0], [False], []
    write, step, wait = FileSystemWriter.write_data, PhaseStep.run, Writer.wait

    def late(self, *args):
        with changed:
            before = steps[0]
            assert changed.wait_for(lambda: steps[0] > before or waiting[0], 60)
            files = sorted(path.name for path in self.path.parent.rglob("*") if path.is_file())
            seen.append([steps[0] > before, self.path.parent.name, files])
        return write(self, *args)

    def stepped(*args):
        step(*args)
        with changed:
            steps[0] += 1
            changed.notify()

    def waited(self):
        with changed:
            waiting[0] = True
            changed.notify()
        wait(self)
        waiting[0] = False

    with pytest.MonkeyPatch.context() as patched:
        if RANK == 1:
            patched.setattr(FileSystemWriter, "write_data", late)
            patched.setattr(PhaseStep, "run", stepped)
            patched.setattr(Writer, "wait", waited)
        yield
    noted.with_name(f"{noted.name} by {RANK}").write_text(json.dumps(seen))


def tell(folder):
    """Write three checkpoints; for the second one the last process has no room."""
    with joined() as world:
        cpu = torch.device("cpu")
        session = start_session(compile_blueprint(noisy(folder)), seed=3, device=cpu, world=world)
        writer = Writer(folder / "told", keep=3, world=world, sharded=True)
        for session.step in (1, 2, 3):
            without_room = session.step == 2 and RANK == 1
            setrlimit(RLIMIT_FSIZE, (2000 if without_room else RLIM_INFINITY, RLIM_INFINITY))
            save_together(session, writer, world)
            try:
                writer.wait()
            except BlueprintError as error:
                setrlimit(RLIMIT_FSIZE, (RLIM_INFINITY, RLIM_INFINITY))
                (folder / f"told by {RANK} at {session.step}").write_text(str(error))


def die(folder):
    """Train until the last process dies while it writes its part of the third checkpoint."""
    write, count = FileSystemWriter.write_data, []

    def fall(self, *args):
        count.append(1)
        if RANK == 1 and len(count) == 3:
            # the first process has its part by then
            sleep(0.5)
            os.kill(os.getpid(), SIGKILL)
        return write(self, *args)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(FileSystemWriter, "write_data", fall)
        train(noisy(folder), out=folder / "died")


def revive(folder):
    """Go on after that."""
    resume(folder / "died")


def leave(place, folder, *, step=10):
    """Train, and stop in the last epoch, asked of the last process alone."""
    with pytest.MonkeyPatch.context() as patched, pytest.raises(Stopped):
        if RANK == 1 or "RANK" not in os.environ:
            patched.setattr(Loop, "_epoch", stopping_at(step))
        train(noisy(folder), out=place)


def train_slow(folder):
    """Train below a frozen teacher in bfloat16, whole and sharded."""
    here = own_folder(folder)
    torch.manual_seed(5)
    save_file(RowNet(4, 3, width=9).state_dict(), here / "row.safetensors")
    lines = [line for line in TEACHER.splitlines() if "teach" not in line.replace("teacher", "")]
    text = "\n".join(lines).replace("width: 9}", "width: 9}, weights: row.safetensors")
    text = text.replace("shard: true", "precision: bfloat16, shard: true")
    for name, each in {"whole": text.replace("shard: true", "seed: 1"), "sharded": text}.items():
        train(small(here, text=each), out=folder / name)


def go_on(folder):
    """Go on with what another number of processes left, and finish what others finished."""
    resume(folder / "left")


def copy_state(folder):
    """Load what one process left, and write it down as these processes have it."""
    with joined() as world:
        load_and_save(folder / "alone", folder / f"copy of {world.size}", folder, world)


def load_and_save(source, target, folder, world=ALONE):
    """Copy a checkpoint by way of a session, and return the session."""
    schedule = compile_blueprint(noisy(folder))
    state = checkpoint.newest(source).state
    cpu = torch.device("cpu")
    session = start_session(schedule, seed=3, device=cpu, world=world)
    session.made |= {key: state[key] for key in ("versions", "device", "data", "processes")}
    session.load_weights(state)
    session.optimizer = make_optimizer(schedule.phases[session.phase], session.parts)
    session.load_optimizer(state)
    writer = Writer(target, keep=1, world=world, sharded=bool(session.sharded))
    save_together(session, writer, world)
    writer.close()
    return session


if __name__ == "__main__":
    torch.set_num_threads(1)
    globals()[sys.argv[1]](Path(sys.argv[2]))
