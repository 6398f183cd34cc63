import pytest
import torch

from graphkd.component import ImageSpec
from graphkd.components.augmentations import GaussianBlur
from graphkd.errors import ComponentError

SPEC = ImageSpec(1, 9, 9, mean=(0.5,), std=(0.2,))


def test_a_point_becomes_a_gaussian():
    point = torch.zeros(1, 9, 9)
    point[0, 4, 4] = 1.0
    blurred = GaussianBlur(kernel=5, sigma=(1.0, 1.0)).build(SPEC)(point)[0]
    # exp(-x^2 / 2) at -2 to 2, divided by its sum
    line = torch.exp(-(torch.arange(-2.0, 3.0) ** 2) / 2)
    line = line / line.sum()
    torch.testing.assert_close(blurred[2:7, 2:7], torch.outer(line, line))
    assert blurred.sum().item() == pytest.approx(1.0)


def test_sigma_is_drawn_between_its_bounds():
    point = torch.zeros(1, 9, 9)
    point[0, 4, 4] = 1.0
    blur = GaussianBlur(kernel=3, sigma=(0.5, 1.0)).build(SPEC)
    peaks = []
    for seed in range(50):
        torch.manual_seed(seed)
        peaks.append(blur(point)[0, 4, 4].item())
    bounds = [
        GaussianBlur(kernel=3, sigma=(each, each)).build(SPEC)(point)[0, 4, 4].item()
        for each in (1.0, 0.5)
    ]
    assert bounds[0] <= min(peaks) < max(peaks) <= bounds[1]
    assert max(peaks) - min(peaks) > 0.7 * (bounds[1] - bounds[0])


@pytest.mark.parametrize("settings", [{"kernel": 4}, {"kernel": 1}, {"sigma": (2.0, 1.0)}])
def test_settings_out_of_range(settings):
    with pytest.raises(ValueError, match="must be"):
        GaussianBlur(**settings)


def test_a_kernel_larger_than_the_image():
    with pytest.raises(ComponentError) as caught:
        GaussianBlur(kernel=19).build(SPEC)
    assert str(caught.value) == ("a kernel of 19 pixels is too large for images of 9x9; lower it")
    assert caught.value.field == "kernel"
