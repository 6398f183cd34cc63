import pytest
import torch

from graphkd.component import ImageSpec
from graphkd.components.augmentations import GaussianNoise, RandomErasing

SPEC = ImageSpec(1, 32, 32, mean=(0.5,), std=(0.2,))


def test_erased_part_is_a_black_rectangle():
    torch.manual_seed(0)
    erase = RandomErasing(probability=1.0, area=(0.1, 0.2), ratio=(0.5, 2.0)).build(SPEC)
    for _ in range(50):
        black = erase(torch.ones(1, 32, 32))[0] == 0
        height, width = black.any(dim=1).sum(), black.any(dim=0).sum()
        assert height * width == black.sum()
        # sides are rounded to pixels: 10 and 20 percent of 1024, and half a pixel a side
        assert 85 < black.sum() < 225


def test_erases_as_often_as_asked():
    torch.manual_seed(0)
    erase = RandomErasing(probability=0.25).build(SPEC)
    erased = sum(bool((erase(torch.ones(1, 32, 32)) == 0).any()) for _ in range(400))
    # 100 expected, standard deviation sqrt(400 * 1/4 * 3/4) = 8.7
    assert 65 < erased < 135


def test_noise_has_the_given_size():
    torch.manual_seed(0)
    noisy = GaussianNoise(std=0.05).build(SPEC)(torch.full((1, 200, 200), 0.5))
    std, mean = torch.std_mean(noisy)
    # 40,000 values: the standard error is 0.05 / 200
    torch.testing.assert_close(mean, torch.tensor(0.5), rtol=0, atol=1e-3)
    torch.testing.assert_close(std, torch.tensor(0.05), rtol=0, atol=1e-3)


def test_noise_is_clipped():
    noisy = GaussianNoise(std=0.5).build(SPEC)(torch.rand(1, 32, 32))
    assert noisy.min() == 0
    assert noisy.max() == 1


@pytest.mark.parametrize(
    ("cls", "settings"),
    [
        (GaussianNoise, {"std": 0.0}),
        (RandomErasing, {"probability": 0.0}),
        (RandomErasing, {"area": (0.3, 0.1)}),
        (RandomErasing, {"area": (0.3, 1.1)}),
        (RandomErasing, {"ratio": (-1.0, 1.0)}),
    ],
)
def test_impossible_settings(cls, settings):
    with pytest.raises(ValueError):
        cls(**settings)
