"""What came out of killing runs, as a page."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import attrs

HEAD = """\
# Kill and resume

Runs of `graphkd train` were killed (SIGKILL, with all their processes) at random moments and
resumed, some several times; half of the kills waited for a checkpoint that was just being written.
In the end `metrics.jsonl`, `classes.json`, `results.json` and `student.safetensors` were compared
byte for byte with those of a run of the same blueprint that nobody disturbed. `make soak` does it
again; the blueprints are in `tests/soak`.
"""


@attrs.define
class Row:
    """What happened to the runs of one blueprint.

    Attributes:
        name: of the blueprint.
        kills: how many there were.
        writing: those in which a checkpoint was half written.
        early: those before the first checkpoint.
        runs: that were killed and compared.
        differing: files that differ.
    """

    name: str
    kills: int = 0
    writing: int = 0
    early: int = 0
    runs: int = 0
    differing: list[str] = attrs.field(factory=list)

    def line(self) -> str:
        """Tell it on one line."""
        return (
            f"{self.name}: {self.kills} kills, {self.writing} in a write, {self.runs} runs, "
            f"{len(self.differing)} files differ"
        )


def page(rows: Sequence[Row], *, seconds: float) -> str:
    """Write the page.

    Args:
        rows: one for each blueprint.
        seconds: that all of it took.
    """
    total = Row("together")
    for row in rows:
        for name in ("kills", "writing", "early", "runs", "differing"):
            setattr(total, name, getattr(total, name) + getattr(row, name))
    lines = [
        "| blueprint | kills | while a checkpoint was written | before the first checkpoint "
        "| runs compared | files that differ |",
        "|---|---|---|---|---|---|",
        *(
            f"| {row.name} | {row.kills} | {row.writing} | {row.early} | {row.runs} "
            f"| {len(row.differing)} |"
            for row in (*rows, total)
        ),
    ]
    day = datetime.now(UTC).date().isoformat()
    return f"{HEAD}\n{day}, {machine()}; {seconds / 60:.0f} minutes.\n\n" + "\n".join(lines) + "\n"


def machine() -> str:
    """Name processor, cores and versions."""
    import torch

    names = [
        line.partition(":")[2].strip()
        for path in [Path("/proc/cpuinfo")]
        if path.exists()
        for line in path.read_text().splitlines()
        if line.startswith("model name")
    ]
    processor = names[0] if names else platform.machine()
    return (
        f"{processor}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"PyTorch {torch.__version__}"
    )
