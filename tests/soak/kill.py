"""Kill runs at random moments, resume them, and compare them with runs that nobody disturbed.

`python -m tests.soak.kill --kills 100 --out docs/soak.md`, as `make soak` does.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import attrs

from tests.soak.nursery import Child, prepare, start
from tests.soak.page import Row, page

HERE = Path(__file__).parent
COMPARED = ("metrics.jsonl", "classes.json", "results.json", "student.safetensors")
MOST = 4
"""Kills of one run."""


@attrs.define
class Soak:
    """One blueprint: an undisturbed run, and others that are killed.

    Attributes:
        file: the blueprint.
        folder: where the runs lie.
        chance: of the moments.
        row: what happened so far.
        seconds: that the undisturbed run took.
    """

    file: Path
    folder: Path
    chance: random.Random
    row: Row
    seconds: float = 0.0

    def begin(self) -> None:
        """Make the run to compare with."""
        self.folder.mkdir()
        began = time.monotonic()
        self._expect(self._start("train", "whole").wait(), 0)
        self.seconds = time.monotonic() - began

    def once(self, kills: int) -> None:
        """Train, be killed so often, resume each time, and compare."""
        name = f"run-{self.row.runs}"
        command = "train"
        for _ in range(kills):
            before = _drafts(self.folder / name / "checkpoints")
            child = self._start(command, name)
            status = self._wait_for_moment(child, name, before)
            if status is not None:
                # it came to its end before
                self._expect(status, 0)
                break
            child.kill()
            self._count(name, before)
            command = self._next(name)
        if not (self.folder / name / "results.json").exists():
            self._expect(self._start(command, name).wait(), 0)
        self._compare(name)

    def _start(self, command: str, name: str) -> Child:
        place = str(self.folder / name)
        words = {"train": [str(self.file), "--out", place], "resume": [place]}[command]
        return start([command, *words, "--json"], self.folder / f"{name}.log")

    def _wait_for_moment(self, child: Child, name: str, before: set[int]) -> int | None:
        """Wait for a random time, or, as often, for a checkpoint that is being written."""
        checkpoints = self.folder / name / "checkpoints"
        if self.chance.random() < 0.5:
            end = time.monotonic() + self.chance.uniform(0, self.seconds)
            return child.wait(lambda: time.monotonic() > end)
        seen = set[int]()
        wanted = self.chance.randint(1, 4)

        def writing() -> bool:
            seen.update(_drafts(checkpoints) - before)
            return len(seen) >= wanted

        status = child.wait(writing, pause=0.0)
        if status is None:
            time.sleep(self.chance.uniform(0, 0.003))
        return status

    def _count(self, name: str, before: set[int]) -> None:
        place = self.folder / name
        self.row.kills += 1
        self.row.writing += bool(_drafts(place / "checkpoints") - before)
        self.row.early += not any((place / "checkpoints").glob("step-*"))

    def _next(self, name: str) -> str:
        """Say how the run goes on: one that was no run yet begins again."""
        place = self.folder / name
        if (place / "run.json").exists():
            return "resume"
        shutil.rmtree(place, ignore_errors=True)
        return "train"

    def _compare(self, name: str) -> None:
        self.row.runs += 1
        for each in COMPARED:
            one, other = ((self.folder / run / each).read_bytes() for run in ("whole", name))
            if one != other:
                self.row.differing.append(f"{self.folder / name / each}")

    def _expect(self, status: int | None, wanted: int) -> None:
        if status != wanted:
            logs = "\n".join(path.read_text() for path in self.folder.glob("*.log"))
            raise SystemExit(f"{self.file.name}: exit status {status}, not {wanted}:\n{logs}")


def _drafts(checkpoints: Path) -> set[int]:
    """Return the inodes of what is being written, or was when it was killed."""
    found = set()
    try:
        for entry in os.scandir(checkpoints):
            if entry.name.endswith(".tmp"):
                found.add(entry.inode())
    except FileNotFoundError:
        pass
    return found


def soak(names: Sequence[str], folder: Path, *, kills: int, seed: int) -> list[Row]:
    """Kill runs of each blueprint in turn until there were so many kills."""
    chance = random.Random(seed)
    files = [HERE / f"{name}.yaml" for name in names]
    prepare(files)
    each = [Soak(file, folder / file.stem, chance, Row(file.stem)) for file in files]
    for one in each:
        one.begin()
    while (left := kills - sum(one.row.kills for one in each)) > 0:
        for one in each:
            one.once(min(chance.randint(1, MOST), left))
            print(one.row.line(), flush=True)
    return [one.row for one in each]


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    names = sorted(path.stem for path in HERE.glob("*.yaml"))
    parser.add_argument("--kills", type=int, default=100, help="how many at least")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--only", nargs="*", default=names, choices=names, help="blueprints")
    parser.add_argument("--out", type=Path, help="a page about it")
    words = parser.parse_args()
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="graphkd-soak-"))
    rows = soak(words.only, folder, kills=words.kills, seed=words.seed)
    if words.out:
        words.out.write_text(page(rows, seconds=time.monotonic() - began), encoding="utf-8")
    differing = [each for row in rows for each in row.differing]
    if differing:
        sys.exit("\n".join(["differ from the undisturbed run:", *differing]))
    shutil.rmtree(folder)


if __name__ == "__main__":
    # before torch is imported
    os.environ["OMP_NUM_THREADS"] = "1"
    main()
