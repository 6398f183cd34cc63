"""What checkpoints and records cost: a ResNet-18 on digits, a checkpoint and all records an epoch.

`OMP_NUM_THREADS=1 python -m tests.soak.overhead [timm/MODEL]`
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs

from graphkd.blueprint import loads
from graphkd.run import train
from graphkd.run.loop import Loop
from graphkd.run.writer import Writer

TEXT = """\
blueprint: overhead
data: {dataset: digits, batch_size: 128}
train: {epochs: 6, device: cpu, log_every: 1}
nodes:
  student: {type: student, model: MODEL}
flows:
  - {from: data.label, to: student.logits, loss: cross_entropy}
"""


@attrs.define
class Spent:
    """Time spent in a function.

    Attributes:
        calls: of it.
        wall: seconds by the clock.
        cpu: seconds that its thread computed.
    """

    calls: int = 0
    wall: float = 0.0
    cpu: float = 0.0

    def around(self, real: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap the function."""

        def timed(*args: Any, **kwargs: Any) -> Any:
            wall, cpu = time.perf_counter(), time.thread_time()
            try:
                return real(*args, **kwargs)
            finally:
                self.calls += 1
                self.wall += time.perf_counter() - wall
                self.cpu += time.thread_time() - cpu

        return timed


def main(model: str = "timm/resnet18") -> None:
    """Train, and print the table."""
    spent = {}
    watched = ((Loop, "_epoch"), (Loop, "_save"), (Loop, "_record"), (Writer, "_write"))
    for owner, name in watched:
        spent[name] = Spent()
        setattr(owner, name, spent[name].around(getattr(owner, name)))
    with tempfile.TemporaryDirectory() as folder:
        train(loads(TEXT.replace("MODEL", model)), out=Path(folder) / "run")
    for name, each in spent.items():
        print(f"{name:8} {each.calls:3} calls {each.wall:8.3f} s, {each.cpu:8.3f} s of its thread")
    held = [spent["_save"], spent["_record"]]
    wall = 100 * sum(each.wall for each in held) / spent["_epoch"].wall
    cpu = 100 * sum(each.cpu for each in held) / spent["_epoch"].cpu
    print(f"the training waits for both {wall:.2f} % of the epochs ({cpu:.2f} % of its own time)")


if __name__ == "__main__":
    main(*sys.argv[1:])
