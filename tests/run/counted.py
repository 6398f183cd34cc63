"""Data sets whose images say which sample they are, for tests of batches."""

import attrs
import torch
from torch import Tensor

from graphkd.blueprint import loads
from graphkd.compile import compile_blueprint
from graphkd.component import DataSpec, ImageSpec, Splits, component
from graphkd.run.source import divide, open_splits, training_source


@attrs.define(eq=False)
class Numbered:
    """Images of one value: (base + index) / 1000."""

    labels: Tensor | None
    count: int
    base: int
    channels: int
    size: int

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        value = (self.base + index) / 1000
        return torch.full((self.channels, self.size, self.size), value)


@component("dataset", "numbered_for_tests")
@attrs.frozen
class NumberedData:
    """Labels 0, 1, 2 in turn; its value tells an image.

    Attributes:
        count: of the training samples.
        base: what the numbers of the images begin with.
        channels: of the images.
        size: height and width.
        labelled: whether there are labels.
        own_validation: whether there is a validation split.
    """

    count: int = 16
    base: int = 0
    channels: int = 3
    size: int = 8
    labelled: bool = True
    own_validation: bool = True

    def spec(self, folder):
        channels = self.channels
        image = ImageSpec(
            channels, self.size, self.size, mean=(0.5,) * channels, std=(0.5,) * channels
        )
        return DataSpec(image, classes=3, samples=self.count)

    def splits(self, folder):
        labels = torch.arange(self.count) % 3 if self.labelled else None
        train = Numbered(labels, self.count, self.base, self.channels, self.size)
        rest = Numbered(torch.arange(6) % 3, 6, 900, self.channels, self.size)
        return Splits(train, rest if self.own_validation else None, rest)


NODES = """\
nodes:
  other: {type: student, model: tiny}
  student: {type: student, model: tiny}
"""
SOFT = """\
flows:
  - {from: other.logits, to: student.logits, loss: kl}
  - {from: student.logits, to: other.logits, loss: kl}
"""
HARD = SOFT + "  - {from: data.label, to: student.logits, loss: cross_entropy}\n"


def written(
    data="", *, dataset="numbered_for_tests", batch_size=8, flows=SOFT, phases="", nodes=NODES
):
    """Write a blueprint whose two students learn from such images, without labels."""
    rest = f", {data}" if data else ""
    return (
        f"blueprint: counted\ndata: {{dataset: {dataset}, batch_size: {batch_size}{rest}}}\n"
        f"train: {{device: cpu}}\ndeliver: student\n{nodes}{flows}{phases}"
    )


def opened_plans(text, *, seed=0):
    """Open the data of a blueprint's text, and compile it."""
    blueprint = loads(text)
    opened = divide(blueprint, open_splits(blueprint), seed=seed)
    return opened, compile_blueprint(blueprint).phases


def source_of(text, *, seed=0, phase=-1):
    """Make the batches of a phase of a blueprint's text."""
    opened, plans = opened_plans(text, seed=seed)
    return training_source(opened, plans[phase], seed=seed)


def numbers(images):
    """Read the numbers of unchanged images back."""
    return (images[:, 0, 0, 0] * 1000).round().long().tolist()


def assert_same(first, second):
    """Compare batches bit for bit."""
    first, second = list(first), list(second)
    assert len(first) == len(second)
    for one, other in zip(first, second, strict=True):
        assert one.keys() == other.keys()
        for key in one:
            assert torch.equal(one[key], other[key]), key
