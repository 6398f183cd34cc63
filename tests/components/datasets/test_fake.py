import pytest
import torch

from graphkd.components.datasets import Fake


def _splits(**settings):
    return Fake(**settings).splits("")


def _read(samples):
    return torch.stack([samples[index] for index in range(len(samples))])


def test_sizes():
    splits = _splits(samples=50, classes=4, size=9, channels=2)
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [50, 10, 10]
    assert splits.train[0].shape == (2, 9, 9)
    assert splits.train.labels[:6].tolist() == [0, 1, 2, 3, 0, 1]


@pytest.mark.parametrize("channels", [1, 3])
def test_classes_can_be_told_apart(channels):
    splits = _splits(samples=100, channels=channels)
    train, test = _read(splits.train).flatten(1), _read(splits.test).flatten(1)
    means = torch.stack([train[splits.train.labels == label].mean(0) for label in range(10)])
    nearest = torch.cdist(test, means).argmin(dim=1)
    assert torch.equal(nearest, splits.test.labels)


def test_statistics_are_about_those_of_the_spec():
    dataset = Fake(samples=500, classes=100, size=8)
    std, mean = torch.std_mean(_read(dataset.splits("").train), dim=(0, 2, 3))
    image = dataset.spec("").image
    # 100 random patterns of 16 values: their own mean is off by 0.17 / sqrt(1600) = 0.004
    torch.testing.assert_close(mean, torch.tensor(image.mean), rtol=0, atol=0.02)
    torch.testing.assert_close(std, torch.tensor(image.std), rtol=0, atol=0.02)


def test_no_two_samples_are_equal():
    splits = _splits(samples=20, size=8)
    images = torch.cat([_read(part) for part in (splits.train, splits.validation, splits.test)])
    assert len(images.flatten(1).unique(dim=0)) == 28


def test_seed_changes_the_images():
    first, second = (_splits(seed=seed).train[0] for seed in (0, 1))
    assert not torch.equal(first, second)
