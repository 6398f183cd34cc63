from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize

from graphkd.component import ImageSpec
from graphkd.components.models.plain_model import plain_model
from graphkd.components.models.tap_network import HookNetwork
from graphkd.components.models.watch import Place


class Twice(nn.Module):
    def forward(self, tensor):
        return 2 * tensor


class Summed(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(3, 3), nn.Linear(3, 3)

    def forward(self, x):
        return self.one(x) + self.two(x)

    def merged(self):
        linear = nn.Linear(3, 3)
        linear.weight = nn.Parameter(self.one.weight + self.two.weight)
        linear.bias = nn.Parameter(self.one.bias + self.two.bias)
        return linear


def test_a_plain_model_is_itself():
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    assert plain_model(model) is model


def test_parametrized_tensors_become_parameters_of_that_value():
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)).eval()
    keys = list(model.state_dict())
    for name in ("weight", "bias"):
        parametrize.register_parametrization(model[0], name, Twice())
    parametrize.register_parametrization(model[1], "running_mean", Twice())
    model[0].parametrizations["bias"].original.requires_grad_(False)
    x = torch.randn(2, 3)
    plain = plain_model(model)
    assert sorted(plain.state_dict()) == sorted(keys)
    assert list(dict(plain.named_parameters())) == list(
        dict(nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)).named_parameters())
    )
    assert (type(plain[0]), type(plain[1])) == (nn.Linear, nn.BatchNorm1d)
    assert torch.equal(plain(x), model(x))
    assert (plain[0].weight.requires_grad, plain[0].bias.requires_grad) == (True, False)
    # the model itself goes on as it was
    assert parametrize.is_parametrized(model[0], "weight")
    model[0].parametrizations["weight"].original.zero_()
    assert plain[0].weight.any()
    assert not model[0].weight.any()


def test_torchs_own_parametrizations_are_resolved():
    model = nn.Sequential(parametrizations.weight_norm(nn.Linear(3, 4)))
    x = torch.randn(2, 3)
    plain = plain_model(model)
    assert sorted(plain.state_dict()) == ["0.bias", "0.weight"]
    assert torch.equal(plain(x), model(x))


def test_modules_that_merge_are_replaced_at_any_depth():
    model = nn.Sequential(nn.Sequential(Summed()), Summed()).eval()
    x = torch.randn(2, 3)
    plain = plain_model(model)
    assert list(plain.state_dict()) == ["0.0.weight", "0.0.bias", "1.weight", "1.bias"]
    assert not any(each.training for each in plain.modules())
    torch.testing.assert_close(plain(x), model(x))
    assert type(plain_model(Summed())) is nn.Linear


def test_the_same_taps_go_around_another_model():
    def model():
        return nn.Sequential(nn.Flatten(), nn.Linear(12, 4), nn.Linear(4, 2))

    image = ImageSpec(3, 2, 2, (0.5,) * 3, (0.25,) * 3)
    places = {"embedding": Place("1", "b d")}
    network = HookNetwork(model(), image=image, passport={"model": "a"}, places=places)
    other_model = model()
    other = network.around(other_model)
    assert type(other) is HookNetwork
    assert other.model is other_model
    assert (other.image, other.taps(), other.passport()) == (image, network.taps(), {"model": "a"})
    x = torch.rand(2, 3, 2, 2)
    (found,) = other.reader(["embedding"])(x)
    assert torch.equal(found, other_model[1](x.flatten(1)))
    assert network.around(model(), passport={"model": "b"}).passport() == {"model": "b"}
    assert network.passport() == {"model": "a"}
    assert network.deliverable() is network.model
    assert not {*network.parameters()} & {*other.parameters()}
