"""Blueprints of real size compile without memory for a single weight."""

import resource
import subprocess
import sys

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from graphkd.blueprint import loads
from graphkd.compile import compile_blueprint
from graphkd.graph import vertex

LARGE = """\
blueprint: large
data: {dataset: fake, size: 224, classes: 1000}
nodes:
  teacher: {type: teacher, model: timm/vit_large_patch16_224}
  student: {type: student, model: timm/resnet50}
flows:
  - {from: data.label, to: teacher.logits, loss: cross_entropy}
  - {from: data.label, to: student.logits, loss: cross_entropy}
  - {from: teacher.logits, to: student.logits, loss: kl}
  - from: teacher.stage2
    to: student.stage3
    loss: mse
    via: [{type: tokens_to_grid, on: from}, conv1x1]
  - {from: teacher.embedding, to: student.embedding, loss: infonce, via: linear}
phases:
  - {name: teach, train: [teacher]}
  - {name: learn, train: [student]}
"""


class RealMemory(TorchDispatchMode):
    """Adds up the bytes of all tensors made with memory behind them."""

    def __init__(self):
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        for each in made if isinstance(made, (list, tuple)) else [made]:
            if isinstance(each, torch.Tensor) and not each.is_meta:
                self.bytes += each.numel() * each.element_size()
        return made


def test_real_memory_is_seen():
    with RealMemory() as memory:
        torch.nn.Linear(100, 100)
    assert memory.bytes >= 4 * 100 * 101


def test_no_memory_for_weights():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with RealMemory() as memory:
        schedule = compile_blueprint(loads(LARGE))
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    graph = schedule.graph
    sizes = {name: vertex(graph, name).cost.parameters for name in ("teacher", "student")}
    # as in the papers: 304 M, 25.6 M
    assert sizes == {"teacher": 304326632, "student": 25557032}
    # the weights would take 1.3 GB; small tables of the constructors are real
    assert memory.bytes < 1_000_000
    assert (after - before) * 1024 < 300_000_000
    modules = [each for site in graph.graph["sites"].values() for each in site.modules.values()]
    assert all(each.is_meta for module in modules for each in module.parameters())


def test_costs_of_real_models():
    graph = compile_blueprint(loads(LARGE)).graph
    # twice the multiply-adds that timm's tables give: 61.6 G with attention, 4.1 G
    assert round(vertex(graph, "teacher").cost.flops / 1e9, 1) == 123.1
    assert round(vertex(graph, "student").cost.flops / 1e9, 1) == 8.2
    assert vertex(graph, "student").taps["stage3"].shape == (2, 1024, 14, 14)
    assert str(vertex(graph, "flow4_conv1x1").taps[""]) == "b c=1024 h=14 w=14"


def test_nothing_is_loaded_to_read_a_blueprint():
    code = "import sys, graphkd.blueprint, graphkd.graph; print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
