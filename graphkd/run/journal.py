"""What a run writes down while it goes on: losses, scores, speed, and the page of them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch

from graphkd.inspect import write_report
from graphkd.inspect.text import one_line
from graphkd.run.evaluate import Evaluation
from graphkd.run.folder import FAILURE
from graphkd.run.record import Recorder, write_classes
from graphkd.run.speed import Speed

UNREADABLE = "unreadable.txt"
SECONDS_BETWEEN = 5.0
"""The page is written anew at most so often."""


class Journal:
    """Keeps the files of a run folder that tell how far it has come.

    Attributes:
        folder: of the run.
        recorder: of what an equal run repeats.
        speed: of what depends on the clock.
        names: of the classes; empty where they are not known.
    """

    def __init__(
        self,
        folder: Path,
        device: torch.device,
        *,
        keep: int = 0,
        step: int = 0,
        names: Sequence[str] = (),
    ) -> None:
        """Open the files.

        Args:
            folder: of the run.
            device: where it computes.
            keep: how many records of an earlier start stay.
            step: the last step that these tell of.
            names: of the classes.
        """
        self.folder = folder
        # of an earlier start
        (folder / FAILURE).unlink(missing_ok=True)
        self.recorder = Recorder(folder, keep=keep, step=step)
        self.speed = Speed(folder, device, step=step)
        self.names = tuple(names)
        self._written = 0.0
        self._refresh()

    def losses(self, step: int, phase: str, epoch: int, **values: float) -> None:
        """Write down what a step of the training gave."""
        self.recorder.write(step, phase=phase, epoch=epoch, **values)
        self.speed.write(step, phase)
        self._refresh()

    def validated(
        self, step: int, phase: str, epoch: int, *, whole: Evaluation, values: dict[str, float]
    ) -> None:
        """Write down what was measured between two epochs, and count the time as no training."""
        self.recorder.write(step, phase=phase, epoch=epoch, **values)
        self._classes(step, whole, split="validation")
        self._refresh()
        self.speed.pause()

    def tested(self, step: int, found: Evaluation, values: dict[str, float]) -> None:
        """Write down what the finished run measured."""
        self.recorder.write(step, phase="test", **values)
        self._classes(step, found, split="test")

    def unreadable(self, messages: Iterable[str]) -> int:
        """Write down which images could not be read; say how many were not known before."""
        path = self.folder / UNREADABLE
        known = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        new = [each for each in map(one_line, messages) if each not in known]
        if new:
            path.write_text("".join(f"{each}\n" for each in (*known, *new)), encoding="utf-8")
        return len(new)

    def close(self) -> None:
        """Finish the files, and write the page for the last time."""
        self.recorder.close()
        write_report(self.folder)

    def _classes(self, step: int, found: Evaluation, **where: Any) -> None:
        count = len(found.classes.counts) if found.classes else 0
        names = self.names or tuple(map(str, range(count)))
        write_classes(self.folder, found, step=step, names=names, **where)

    def _refresh(self) -> None:
        now = time.monotonic()
        if now - self._written >= SECONDS_BETWEEN:
            write_report(self.folder, running=True)
            # a page that is slow to write is written less often
            self._written = time.monotonic()
