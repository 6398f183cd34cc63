"""What checkpoints and records cost the training: a ResNet-18 on digits, a checkpoint an epoch.

`python -m tests.soak.overhead --out docs/overhead.md`, as `make soak` does.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from graphkd.blueprint import loads
from graphkd.run import train, validate
from graphkd.run.loop import Loop
from graphkd.run.writer import Writer
from tests.soak.overhead_page import Pair, Spent, Times, line, page

TEXT = """\
blueprint: overhead
data: {dataset: digits, batch_size: 128}
train: {epochs: EPOCHS, device: cpu, log_every: 1}
nodes:
  student: {type: student, model: MODEL}
flows:
  - {from: data.label, to: student.logits, loss: cross_entropy}
"""
WATCHED = {
    "epoch": (Loop, "_epoch"),
    "copying": (Loop, "_save"),
    "records": (Loop, "_record"),
    "writing": (Writer, "_write"),
    "best": (validate, "_keep_best"),
}


def around(real: Callable[..., Any], spent: list[Spent]) -> Callable[..., Any]:
    """Note the time of each call of a function."""

    def timed(*args: Any, **kwargs: Any) -> Any:
        wall, cpu = time.perf_counter(), time.thread_time()
        try:
            return real(*args, **kwargs)
        finally:
            spent.append(Spent(time.perf_counter() - wall, time.thread_time() - cpu))

    return timed


@contextmanager
def watched(calls: dict[str, list[Spent]], *, without: bool) -> Iterator[None]:
    """Time what is watched; leave checkpoints and records out where nothing is to cost anything."""
    with pytest.MonkeyPatch.context() as patched:
        for name, (owner, method) in WATCHED.items():
            real: Callable[..., Any] = getattr(owner, method)
            if without and name in ("copying", "records"):
                real = _nothing
            patched.setattr(owner, method, around(real, calls.setdefault(name, [])))
        yield


def _nothing(*args: Any) -> None:
    pass


def measure(text: str, *, epochs: int, without: bool = False) -> Times:
    """Train once.

    Args:
        text: of the blueprint.
        epochs: that it has.
        without: checkpoints and records.

    Returns:
        Times of an epoch: the mean over all.
    """
    calls: dict[str, list[Spent]] = {}
    with tempfile.TemporaryDirectory() as folder, watched(calls, without=without):
        train(loads(text), out=Path(folder) / "run")
    return Times(**{name: sum(each, start=Spent()) / epochs for name, each in calls.items()})


def main() -> None:
    """Read the command line, run pairs in turn, and print or write what they took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="timm/resnet18", help="of the student")
    parser.add_argument("--epochs", type=int, default=6, help="of a run")
    parser.add_argument("--pairs", type=int, default=5, help="of runs with and without")
    parser.add_argument("--out", type=Path, help="a page about it")
    given = parser.parse_args()
    torch.set_num_threads(1)
    text = TEXT.replace("MODEL", given.model).replace("EPOCHS", str(given.epochs))
    began = time.monotonic()
    # what is imported and allocated once
    measure(text.replace(f"epochs: {given.epochs}", "epochs: 1"), epochs=1)
    pairs: list[Pair] = []
    for number in range(given.pairs):
        found = {}
        # so that neither is always the first of the two
        for without in (False, True) if number % 2 else (True, False):
            found[without] = measure(text, epochs=given.epochs, without=without)
        pairs.append(Pair(found[False], found[True]))
        print(line(str(number + 1), pairs[-1:]), flush=True)
    print(line("median", pairs))
    if given.out:
        seconds = time.monotonic() - began
        content = page(pairs, model=given.model, epochs=given.epochs, seconds=seconds)
        given.out.write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
