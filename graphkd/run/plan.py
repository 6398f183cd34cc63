"""What a run folder says about its run before it starts: the blueprint and what it compiles to."""

from __future__ import annotations

import json
from pathlib import Path

import attrs
import torch

from graphkd import __version__
from graphkd.blueprint import load, save
from graphkd.compile import Schedule, compile_blueprint
from graphkd.errors import mistake
from graphkd.inspect import dot, explain, mermaid, svg
from graphkd.run.folder import BLUEPRINT, SETTINGS, require_run
from graphkd.run.record import write_json


def write_plan(schedule: Schedule, folder: Path) -> None:
    """Write the resolved blueprint, the schedule's text and the drawn graph into a run folder."""
    save(schedule.blueprint, folder / BLUEPRINT)
    settings = {
        "folder": str(schedule.blueprint.folder.resolve()),
        "without": list(schedule.without),
        "versions": {"graphkd": __version__, "torch": torch.__version__},
    }
    write_json(folder / SETTINGS, settings)
    texts = {
        "schedule.txt": explain(schedule),
        "graph.svg": svg(schedule.graph),
        "graph.mmd": mermaid(schedule.graph),
        "graph.dot": dot(schedule.graph),
    }
    for name, text in texts.items():
        (folder / name).write_text(text + "\n", encoding="utf-8")


def read_plan(folder: Path) -> Schedule:
    """Compile the blueprint of a run folder as the run did.

    Raises:
        BlueprintError: the folder is no run, or its files were changed into something else.
    """
    path = require_run(folder)
    try:
        settings = json.loads((path / SETTINGS).read_text(encoding="utf-8"))
        origin, without = Path(settings["folder"]), settings["without"]
    except (ValueError, KeyError, TypeError) as error:
        raise mistake(f"{path / SETTINGS}: the file is damaged") from error
    blueprint = attrs.evolve(load(path / BLUEPRINT), folder=origin)
    return compile_blueprint(blueprint, without=without)
