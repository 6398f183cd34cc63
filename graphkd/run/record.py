"""Write down what happens: `metrics.jsonl` and TensorBoard."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

METRICS = "metrics.jsonl"


class Recorder:
    """Append records to `metrics.jsonl`, the source of truth, and mirror numbers to TensorBoard.

    A record holds nothing that depends on the clock, so that equal runs write equal files.

    Attributes:
        path: the JSON lines.
        count: how many records there are.
    """

    def __init__(self, folder: Path, *, keep: int = 0, step: int = 0) -> None:
        self.path = folder / METRICS
        self.count = keep
        cut_back(self.path, keep)
        self._stream = self.path.open("a", encoding="utf-8")
        self._board = _tensorboard(folder, step if keep else None)

    def write(self, step: int, **values: Any) -> None:
        """Append one record.

        Args:
            step: optimizer steps since the run began.
            values: texts and numbers; numbers go to TensorBoard too.
        """
        record = {"step": step, **values}
        self._stream.write(json.dumps(_finite(record)) + "\n")
        self._stream.flush()
        self.count += 1
        for name, value in values.items():
            if isinstance(value, float):
                self._board.add_scalar(name, value, step)

    def close(self) -> None:
        """Finish both files."""
        self._stream.close()
        self._board.close()


def _finite(record: dict[str, Any]) -> dict[str, Any]:
    """Write NaN and infinities as texts: they are no JSON."""
    return {
        key: str(value) if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in record.items()
    }


def _tensorboard(folder: Path, step: int | None) -> Any:
    from torch.utils.tensorboard.writer import SummaryWriter

    purge = None if step is None else step + 1
    return SummaryWriter(str(folder / "tensorboard"), purge_step=purge)  # type: ignore[no-untyped-call]


def cut_back(path: Path, count: int) -> None:
    """Keep the first records only, as many as the checkpoint knows of."""
    if not path.exists():
        return
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    draft = path.with_suffix(".tmp")
    draft.write_text("".join(lines[:count]), encoding="utf-8")
    draft.replace(path)


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """Return the records of a run."""
    text = (folder / METRICS).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]
