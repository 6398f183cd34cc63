"""Measures epochs of a small student beside a large frozen teacher, with the cache and without.

The teacher is a ResNet-34 with random weights, the student timm's test_resnet, both at 64 pixels on
the digits, on one thread. Measured is the CPU time of the training steps and of reading their
batches, which other processes disturb less than the time of day. With the cache the first epoch
computes the teacher's logits and stores them, the others read them.

`python -m graphkd.bench.cache` prints the seconds of each epoch and their ratio.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs
import timm
import torch
from safetensors.torch import save_file

from graphkd.blueprint import loads
from graphkd.compile import Schedule, compile_blueprint
from graphkd.run.cache import open_stores
from graphkd.run.cache.place import VARIABLE
from graphkd.run.executor import PhaseModule
from graphkd.run.optim import make_optimizer
from graphkd.run.random_streams import seed_streams
from graphkd.run.session import start_session
from graphkd.run.source import divide, open_splits, training_source
from graphkd.run.step import PhaseStep

EPOCHS = 4
_TEXT = """\
blueprint: cache
data: {{dataset: digits, size: 64, batch_size: 64}}
nodes:
  teacher: {{type: teacher, model: timm/resnet34, weights: "{weights}", cache: true}}
  student: {{type: student, model: timm/test_resnet}}
flows:
  - {{from: data.label, to: student.logits, loss: cross_entropy, weight: 0.1}}
  - {{from: teacher.logits, to: student.logits, loss: kl, temperature: 4, weight: 0.9}}
"""


def measure() -> tuple[list[float], list[float]]:
    """Return the CPU seconds of each epoch, without the cache and with it."""
    with tempfile.TemporaryDirectory() as folder, _cache_in(folder):
        weights = Path(folder) / "teacher.safetensors"
        torch.manual_seed(0)
        save_file(timm.create_model("resnet34", num_classes=10, in_chans=1).state_dict(), weights)
        blueprint = loads(_TEXT.format(weights=weights))
        plain = compile_blueprint(blueprint, without=("cache",))
        return list(_epochs(plain)), list(_epochs(compile_blueprint(blueprint)))


def _epochs(schedule: Schedule) -> Iterator[float]:
    (plan,) = schedule.phases
    seed_streams(0)
    opened = divide(schedule.blueprint, open_splits(schedule.blueprint), seed=0)
    session = start_session(schedule, seed=0, device=torch.device("cpu"))
    source = training_source(opened, plan, seed=0)
    indices = source.batches.indices
    stores = open_stores(plan, session, opened, indices=indices, views=EPOCHS, seed=0)
    source = attrs.evolve(source, stores=stores)
    module = PhaseModule(plan, session.parts, stores.stores)
    module.activate()
    session.optimizer = make_optimizer(plan, session.parts)
    step = PhaseStep(plan, session, module, steps_per_epoch=len(source))
    for epoch in range(EPOCHS):
        start = time.process_time()
        for batch in source.epoch(epoch):
            step.run([batch])
        yield time.process_time() - start


@contextmanager
def _cache_in(folder: str) -> Iterator[None]:
    """Keep the stores in a folder of their own, and use one thread."""
    before, threads = os.environ.get(VARIABLE), torch.get_num_threads()
    os.environ[VARIABLE] = folder
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before


def _print() -> None:
    plain, kept = measure()
    for name, seconds in (("without the cache", plain), ("with the cache", kept)):
        print(f"{name:18}", *(f"{each:6.2f} s" for each in seconds))
    ratio = sum(plain[1:]) / sum(kept[1:])
    print(f"from the second epoch on {ratio:.2f} times as fast")


if __name__ == "__main__":
    _print()
