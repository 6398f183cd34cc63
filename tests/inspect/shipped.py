"""The graphs of all shipped blueprints."""

from functools import cache
from pathlib import Path

import graphkd
from graphkd.blueprint import load
from graphkd.compile import analyse
from graphkd.compile.resolve import resolve
from graphkd.graph import Graph

FOLDER = Path(graphkd.__file__).parent / "blueprints"
NAMES = sorted(str(each.relative_to(FOLDER)) for each in FOLDER.rglob("*.yaml"))


@cache
def shipped(name):
    """Return the graph of a blueprint, with shapes where it takes no large models to know them."""
    blueprint = load(FOLDER / name)
    if name.startswith("scale"):
        return resolve(Graph(blueprint=blueprint, problems=()))
    return analyse(blueprint)
