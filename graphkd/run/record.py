"""Write down what happens: `metrics.jsonl` and TensorBoard, and the results at the end."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import attrs

from graphkd.run.evaluate import Evaluation
from graphkd.run.folder import RESULTS

METRICS = "metrics.jsonl"
CLASSES = "classes.json"


class Recorder:
    """Append records to `metrics.jsonl`, the source of truth, and mirror numbers to TensorBoard.

    A record holds nothing that depends on the clock, so that equal runs write equal files.

    Attributes:
        path: the JSON lines.
        count: how many records there are.
    """

    def __init__(self, folder: Path, *, keep: int = 0, step: int = 0) -> None:
        """Open both.

        Args:
            folder: of the run.
            keep: how many records of an earlier start stay; those after them are cut off.
            step: the last step that these tell of.
        """
        self.path = folder / METRICS
        self.count = keep
        _cut_back(self.path, keep)
        self._stream = self.path.open("a", encoding="utf-8")
        self._board = _tensorboard(folder, step + 1 if keep else 0)

    def write(self, step: int, **values: Any) -> None:
        """Append one record.

        Args:
            step: optimizer steps since the run began.
            values: texts and numbers; fractions go to TensorBoard too.
        """
        try:
            self._stream.write(json.dumps(plain({"step": step, **values})) + "\n")
            self._stream.flush()
        except OSError as error:
            error.filename = str(self.path)
            raise
        self.count += 1
        for name, value in values.items():
            if isinstance(value, float):
                self._board.add_scalar(name, value, step)

    def close(self) -> None:
        """Finish both files."""
        self._stream.close()
        self._board.close()


def _tensorboard(folder: Path, purge: int) -> Any:
    from torch.utils.tensorboard.writer import SummaryWriter

    # events from `purge` on belong to an earlier start that is being repeated
    return SummaryWriter(str(folder / "tensorboard"), purge_step=purge)


def _cut_back(path: Path, count: int) -> None:
    """Keep the first records only, as many as the checkpoint knows of."""
    if not path.exists():
        return
    # what follows them may be anything after a power cut
    lines = path.read_bytes().splitlines(keepends=True)
    draft = path.with_suffix(".tmp")
    draft.write_bytes(b"".join(lines[:count]))
    draft.replace(path)


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """Return the records of a run."""
    text = (folder / METRICS).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def write_results(folder: Path, found: Evaluation) -> None:
    """Write what a finished run measured; its presence says that the run is finished."""
    write_json(folder / RESULTS, found.data())


def write_classes(folder: Path, found: Evaluation, **where: Any) -> None:
    """Write how well single classes are recognised, in the place of what was measured before.

    Args:
        folder: of the run.
        found: has the classes.
        where: what else the file says: split, step, names of the classes.
    """
    if found.classes is not None:
        write_json(folder / CLASSES, {**where, **attrs.asdict(found.classes)})


def read_results(folder: Path) -> Evaluation | None:
    """Return what a finished run measured, None for a run that is not finished."""
    path = folder / RESULTS
    if not path.exists():
        return None
    found = json.loads(path.read_text(encoding="utf-8"))
    models = {name: _numbers(report) for name, report in found["models"].items()}
    return Evaluation(models, _numbers(found["probes"]))


def _numbers(report: dict[str, Any]) -> dict[str, float]:
    return {key: float(value) for key, value in report.items()}


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file, whole or not at all."""
    draft = path.with_suffix(".tmp")
    with draft.open("w", encoding="utf-8") as stream:
        stream.write(json.dumps(plain(value), indent=2) + "\n")
        stream.flush()
        # without it the name may be on the disk before what it stands for
        os.fsync(stream.fileno())
    draft.replace(path)


def plain(value: Any) -> Any:
    """Write NaN and infinities as texts, which `float` reads: they are no JSON."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
