from __future__ import annotations

import pytest
import torch
import torch._dynamo
from torch import nn

from graphkd.components.models import Student
from graphkd.components.models.watch import Place, Watch
from graphkd.errors import ComponentError


def test_values_are_let_go_after_each_call():
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 4))
    watch = Watch(model, [Place("0"), Place("1", side="input")], stop=False)
    result, (first, second) = watch(model, torch.rand(1, 2))
    assert result.shape == (1, 4)
    assert first is second
    assert watch.values == []
    model(torch.rand(1, 2))
    assert watch.values == []
    watch.close()
    assert not model[0]._forward_hooks
    assert not model[1]._forward_pre_hooks


def test_the_first_of_several_runs_counts():
    layer = nn.Linear(2, 2)
    model = nn.Sequential(layer, layer)
    image = torch.rand(1, 2)
    for stop in (False, True):
        watch = Watch(model, [Place("0")], stop=stop)
        assert torch.equal(watch(model, image)[1][0], layer(image))
        watch.close()


def test_errors_pass_and_leave_nothing_behind():
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(4, 4))
    watch = Watch(model, [Place("0")], stop=False)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        watch(model, torch.rand(1, 2))
    assert watch.values == []
    assert not watch.active


class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.unused = nn.Identity()
        self.norm = nn.BatchNorm1d(2)
        self.act = nn.ReLU(inplace=True)
        self.rnn = nn.LSTM(2, 2)

    def forward(self, x):
        return self.rnn(self.act(self.norm(x)))[0]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("unused", "tap 'unused' was not reached in the forward"),
        (
            "norm",
            "tap 'norm' is overwritten in place by what follows it; tap the module that does so",
        ),
        ("rnn", "tap 'rnn' is a tuple, not a tensor"),
    ],
)
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_taps_that_cannot_be_read(path, text, device):
    model = Pair().to(device)
    watch = Watch(model, [Place(path)], stop=False)
    with pytest.raises(ComponentError) as error:
        watch(model, torch.rand(4, 2, device=device))
    assert str(error.value) == text


def test_inference_mode():
    model = Pair().eval()
    watch = Watch(model, [Place("act")], stop=False)
    with torch.inference_mode():
        assert watch(model, torch.rand(4, 2))[1][0].shape == (4, 2)


@pytest.mark.parametrize(
    ("backend", "name", "taps"),
    [
        ("eager", "timm/test_resnet", ("logits", "embedding", "stage2", "stage4")),
        ("eager", "timm/test_vit", ("logits", "embedding", "stage1", "tokens", "stage4")),
        ("eager", "timm/test_resnet", ("logits", "layer1.0", "stage3")),
        ("eager", "torchvision/resnet18", ("stage2", "logits", "stage4", "embedding")),
        ("aot_eager", "timm/test_resnet", ("logits", "layer1.0", "embedding", "stage3")),
    ],
)
def test_readers_compile_whole_and_on_a_second_instance(backend, name, taps, site):
    torch._dynamo.reset()
    compiled = torch.compile(lambda reader, image: reader(image), backend=backend, fullgraph=True)
    image = torch.rand(2, 3, 32, 32)
    for _ in range(2):
        network = Student(model=name).build(site).eval()
        compiled(network, image)
        for asked in (taps, taps[::-1]):
            reader = network.reader(asked)
            for got, plain in zip(compiled(reader, image), reader(image), strict=True):
                assert torch.equal(got, plain)
            reader.close()
    torch._dynamo.reset()


def test_stops_are_left_to_the_compiler(site):
    torch._dynamo.reset()
    network = Student(model="torchvision/resnet18").build(site).eval()
    reader = network.reader(["stage2"], stop=True)
    compiled = torch.compile(lambda image: reader(image), backend="eager", fullgraph=True)
    image = torch.rand(2, 3, 32, 32)
    assert torch.equal(compiled(image)[0], reader(image)[0])
    torch._dynamo.reset()


def test_modules_compile_in_place(site):
    torch._dynamo.reset()
    network = Student(model="torchvision/resnet18").build(site).eval()
    image = torch.rand(2, 3, 32, 32)
    reader = network.reader(("stage1", "logits"))
    plain = reader(image)
    network.compile(backend="eager", fullgraph=True)
    assert all(torch.equal(*pair) for pair in zip(reader(image), plain, strict=True))
    torch._dynamo.reset()
