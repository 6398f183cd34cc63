"""Vertices that are just alike are built once, and nobody can tell."""

import importlib

import attrs
import pytest
import torch

from graphkd.blueprint import load, loads
from graphkd.compile import analyse
from graphkd.compile.progress import Likeness, Progress
from graphkd.graph import vertex


def inferred(blueprint):
    graph = analyse(blueprint)
    return {name: vertex(graph, name) for name in graph}, graph.graph["problems"]


@pytest.mark.parametrize("name", ["mutual", "gpd", "tcs", "tas", "ofa", "takd"])
def test_what_is_inferred_does_not_depend_on_it(name, monkeypatch):
    found = inferred(load(name))
    monkeypatch.setattr(Progress, "twin", lambda progress, likeness: None)
    assert inferred(load(name)) == found


TWINS = """\
blueprint: twins
data: {dataset: digits}
nodes:
  one: {type: student, model: timm/test_resnet}
  other: {type: student, model: timm/test_resnet%s}
flows:
  - {from: data.label, to: one.logits, loss: cross_entropy}
  - {from: one.logits, to: other.logits, loss: kl}
deliver: other
"""


def built(text, monkeypatch):
    module = importlib.import_module("graphkd.compile.infer")
    seen = []
    build = module.build
    monkeypatch.setattr(
        module, "build", lambda p, each, s: seen.append(each.name) or build(p, each, s)
    )
    analyse(loads(text))
    return seen


def test_equal_models_are_built_once_and_others_by_themselves(monkeypatch):
    assert "other" not in built(TWINS % "", monkeypatch)
    assert "other" in built(TWINS % ", args: {stem_width: 8}", monkeypatch)


@attrs.frozen
class Holding:
    """A component with weights that `==` compares one by one."""

    weights: torch.Tensor = attrs.field(factory=lambda: torch.ones(2))


def test_what_cannot_be_compared_is_no_twin():
    graph = analyse(loads(TWINS % ""))
    site = graph.graph["sites"]["one"]
    one, other = (Likeness(Holding(), site, ("logits",), ()) for _ in range(2))
    progress = Progress(graph)
    progress.twins.append((one, vertex(graph, "one")))
    assert progress.twin(other) is None
