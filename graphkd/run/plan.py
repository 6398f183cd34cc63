"""What a run folder says about its run before it starts: the blueprint and what it compiles to."""

from __future__ import annotations

import json
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import attrs
import torch

from graphkd import __version__
from graphkd.blueprint import load, save
from graphkd.compile import Schedule, compile_blueprint
from graphkd.errors import mistake
from graphkd.inspect import dot, explain, mermaid, svg
from graphkd.inspect.report.files import PREPARED
from graphkd.inspect.report.prepare import prepared
from graphkd.run.folder import BLUEPRINT, SETTINGS, SETTINGS_HOLD, require_run
from graphkd.run.history import notes_of
from graphkd.run.optim import ramp_value
from graphkd.run.record import write_json

PACKAGES = ("torchvision", "timm", "triton", "numpy", "scikit-learn", "networkx")
"""Whose versions a run writes down beside its own and PyTorch's."""
DRAWN = {"graph.svg": svg, "graph.mmd": mermaid, "graph.dot": dot}
TEXT = "schedule.txt"
PLANNED = (BLUEPRINT, PREPARED, TEXT, *DRAWN)
"""What is written before `run.json`."""


def write_plan(schedule: Schedule, folder: Path) -> None:
    """Write the resolved blueprint, the schedule's text and the drawn graph into a run folder.

    `run.json` comes last: what has none is no run yet.
    """
    save(schedule.blueprint, folder / BLUEPRINT)
    write_description(schedule, folder)


def write_description(schedule: Schedule, folder: Path) -> None:
    """Write what a run folder says beside its blueprint; what happened to the run stays in it."""
    settings = {
        "folder": str(schedule.blueprint.folder.resolve()),
        "without": list(schedule.without),
        "versions": versions(),
        "device": hardware(schedule.blueprint.train.device),
    }
    write_json(folder / PREPARED, prepared(schedule, ramp_value=ramp_value))
    texts = {TEXT: explain(schedule)}
    texts |= {name: draw(schedule.graph) for name, draw in DRAWN.items()}
    for name, text in texts.items():
        (folder / name).write_text(text + "\n", encoding="utf-8")
    write_json(folder / SETTINGS, settings | notes_of(folder))


def versions() -> dict[str, str]:
    """Say which software is at work."""
    found = {
        "graphkd": __version__,
        # a class of its own, which is no plain text
        "torch": str(torch.__version__),
        "python": platform.python_version(),
    }
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def hardware(name: str) -> str:
    """Name the hardware that a recipe's device stands for."""
    if name == "cpu" or not torch.cuda.is_available():
        return f"CPU, {platform.machine()}, {os.cpu_count()} cores"
    return torch.cuda.get_device_name(None if name == "auto" else name)


def read_plan(folder: Path) -> Schedule:
    """Compile the blueprint of a run folder as the run did.

    Raises:
        BlueprintError: the folder is no run, or its files were changed into something else.
    """
    path = require_run(folder)
    try:
        settings = json.loads((path / SETTINGS).read_text(encoding="utf-8"))
        origin, without = Path(settings["folder"]), settings["without"]
    except OSError as error:
        raise mistake(f"{path / SETTINGS}: cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise mistake(f"{path / SETTINGS}: the file is damaged: {SETTINGS_HOLD}") from error
    blueprint = attrs.evolve(load(path / BLUEPRINT), folder=origin)
    return compile_blueprint(blueprint, without=without)
