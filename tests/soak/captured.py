"""Every blueprint that ships, captured and replayed on the CPU, beside the plain run of it.

    python -m tests.soak.captured

takes twelve steps of each phase both ways, and ends with 1 if a record or the student differs.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Collection
from pathlib import Path

import attrs
from torch import nn

from graphkd.blueprint import Blueprint, Phase, load, shipped
from graphkd.run import captured, train
from graphkd.run.step import PhaseStep
from tests.run.recorded import WAITING, Replays

STEPS = 12
LOOKING = ("tcs", "tcs_fewshot")
"""Those whose `index_table` looks on a CPU at what it was asked for; on a GPU the device does."""
_REAL = PhaseStep._captured


def main() -> int:
    """Compare them all."""
    differ = 0
    for name in shipped():
        _capture_here(refused=() if name in LOOKING else WAITING)
        if name.startswith(("scale/", "results/")):
            continue
        with tempfile.TemporaryDirectory() as folder:
            plain, replayed = (_outcome(name, Path(folder), capture=each) for each in (False, True))
        differ += plain != replayed
        print(f"{name}: {'equal' if plain == replayed else 'different'}", flush=True)
    return int(differ > 0)


def _outcome(name: str, folder: Path, *, capture: bool) -> tuple[bytes, bytes]:
    out = folder / str(capture)
    train(_short(load(name), capture=capture), out=out)
    return (out / "metrics.jsonl").read_bytes(), (out / "student.safetensors").read_bytes()


def _short(blueprint: Blueprint, *, capture: bool) -> Blueprint:
    recipe = attrs.evolve(
        blueprint.train, steps=STEPS, device="cpu", log_every=1, seeds=(), capture=capture
    )
    phases = [_short_phase(each) for each in blueprint.phases]
    return attrs.evolve(blueprint, train=recipe, phases=phases)


def _short_phase(phase: Phase) -> Phase:
    changes = {key: value for key, value in phase.recipe.items() if key not in ("epochs", "steps")}
    return attrs.evolve(phase, recipe=changes)


def _capture_here(*, refused: Collection[object]) -> None:
    """Let the CPU capture, with all modules of a step in view."""
    parts: list[nn.Module] = []

    def watched(step: PhaseStep) -> object:
        parts[:] = [each for each in step.session.parts.values() if isinstance(each, nn.Module)]
        return _REAL(step)

    PhaseStep._captured = watched  # type: ignore[assignment,method-assign]
    captured.recorder_of = lambda device: Replays(parts, refused=refused)


if __name__ == "__main__":
    sys.exit(main())
