"""How fast a run goes and what memory it takes: what depends on the clock, kept out of metrics."""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import torch

SPEED = "speed.jsonl"


class Speed:
    """Appends to `speed.jsonl`, which tells nothing that a resumed run would repeat.

    Attributes:
        path: the JSON lines.
    """

    def __init__(self, folder: Path, device: torch.device, *, step: int = 0) -> None:
        """Start the clock, or go on from where an earlier start of the run stood.

        Args:
            folder: of the run.
            device: where it computes.
            step: the last step of earlier starts; what they tell of later ones is dropped.
        """
        self.path = folder / SPEED
        kept = [line for line in _lines(self.path) if line["step"] <= step]
        text = "".join(json.dumps(line) + "\n" for line in kept)
        self.path.write_text(text, encoding="utf-8")
        before = kept[-1]["seconds"] if kept else 0.0
        self._device = device
        self._last = time.perf_counter()
        self._start = self._last - before
        self._samples = 0

    def count(self, samples: int) -> None:
        """Tell that so many samples were trained on."""
        self._samples += samples

    def pause(self) -> None:
        """Leave out of the rate what was not training since the last record."""
        self._last = time.perf_counter()
        self._samples = 0

    def write(self, step: int, phase: str) -> None:
        """Append one record.

        Args:
            step: optimizer steps since the run began.
            phase: its name.
        """
        now = time.perf_counter()
        record = {
            "step": step,
            "phase": phase,
            "seconds": round(now - self._start, 3),
            "samples_per_second": round(self._samples / max(now - self._last, 1e-9), 1),
            "memory_bytes": memory_in_use(self._device),
            "device": str(self._device),
        }
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(record) + "\n")
        self.pause()


def _lines(path: Path) -> list[dict[str, Any]]:
    """Read what is there; a line that a kill or a power cut has spoilt is no record."""
    found = []
    for line in path.read_bytes().splitlines() if path.exists() else ():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def memory_in_use(device: torch.device) -> int:
    """Return the most bytes that were ever taken: of the device, or of this process on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # kilobytes, but on macOS bytes
    return peak if sys.platform == "darwin" else peak * 1024
