"""What of a model may be sharded by itself: whole blocks, none with a tap inside."""

import pytest
import timm
import torchvision
from torch import nn

from graphkd.component import ImageSpec, Site
from graphkd.components.models import Student
from graphkd.components.models.blocks import blocks_of

SITE = Site(image=ImageSpec(3, 32, 32, (0.5,) * 3, (0.2,) * 3), classes=4)


@pytest.mark.parametrize(
    ("make", "rows"),
    [
        (lambda: timm.create_model("test_vit"), ["blocks"]),
        (lambda: timm.create_model("resnet18"), ["layer1", "layer2", "layer3", "layer4"]),
        (lambda: torchvision.models.vit_b_32(), ["encoder.layers"]),
    ],
)
def test_blocks_are_what_stands_in_a_row(make, rows):
    model = make()
    assert blocks_of(model) == [block for row in rows for block in model.get_submodule(row)]


def test_blocks_that_share_weights_are_none():
    model = nn.Sequential(*(nn.Sequential(nn.Linear(2, 2)) for _ in range(2)))
    rows = nn.ModuleList([nn.TransformerEncoderLayer(4, 1), nn.TransformerEncoderLayer(4, 1)])
    rows[1].linear1 = rows[0].linear1
    assert blocks_of(model) == []
    assert blocks_of(nn.Sequential(rows)) == []


def test_a_block_with_a_tap_inside_is_none():
    network = Student("timm/test_vit", args={"img_size": 32}).build(SITE)
    blocks = list(network.model.blocks)
    assert network.blocks(["logits", "stage2", "embedding"]) == blocks
    assert network.blocks(["logits", "blocks.1"]) == blocks
    assert network.blocks(["blocks.1.mlp"]) == [blocks[0], *blocks[2:]]
    # reading leaves nothing behind
    assert not any(each._forward_hooks for each in network.modules())
