import pytest
import torch

from graphkd.component import ImageSpec
from graphkd.components.augmentations import (
    ColorJitter,
    RandAugment,
    RandomGrayscale,
    TrivialAugment,
)

SPEC = ImageSpec(3, 8, 8, mean=(0.5,) * 3, std=(0.2,) * 3)


def test_brightness_multiplies():
    # 0.5 times a factor uniform in [0.6, 1.4]
    torch.manual_seed(0)
    jitter = ColorJitter(brightness=0.4, contrast=0.0, saturation=0.0).build(SPEC)
    values = torch.stack([jitter(torch.full((3, 8, 8), 0.5)) for _ in range(200)])
    assert torch.equal(values.amin(dim=(1, 2, 3)), values.amax(dim=(1, 2, 3)))
    assert 0.3 <= values.min() < 0.32
    assert 0.68 < values.max() <= 0.7


def test_saturation_leaves_grey_alone():
    jitter = ColorJitter(brightness=0.0, contrast=0.0, saturation=0.9).build(SPEC)
    grey = torch.rand(1, 8, 8).expand(3, 8, 8)
    # torchvision's grey weights sum to 0.9999
    torch.testing.assert_close(jitter(grey), grey, rtol=0, atol=1e-3)


def test_grayscale_weighs_the_channels():
    red, green, blue = image = torch.rand(3, 8, 8)
    changed = RandomGrayscale(probability=1.0).build(SPEC)(image)
    grey = 0.2989 * red + 0.587 * green + 0.114 * blue
    torch.testing.assert_close(changed, grey.expand(3, 8, 8), rtol=1e-3, atol=1e-3)


def test_grayscale_is_rare_by_default():
    image, rare = torch.rand(3, 8, 8), RandomGrayscale().build(SPEC)
    torch.manual_seed(0)
    grey = sum(not torch.equal(rare(image), image) for _ in range(1000))
    # mean 100, standard deviation sqrt(1000 * 0.1 * 0.9) = 9.5
    assert 60 < grey < 140


def test_operations_at_magnitude_zero_do_little():
    # strength 0 leaves the graded operations out; equalize and the like have no strength
    torch.manual_seed(0)
    image = torch.rand(3, 8, 8)
    weak = RandAugment(operations=1, magnitude=0).build(SPEC)
    strong = RandAugment(operations=1, magnitude=30).build(SPEC)
    kept = [torch.allclose(weak(image), image, atol=1e-5) for _ in range(100)]
    changed = [torch.allclose(strong(image), image, atol=1e-5) for _ in range(100)]
    assert sum(kept) > 50
    assert sum(changed) < 30


def test_trivial_augment_varies():
    torch.manual_seed(0)
    augment = TrivialAugment().build(SPEC)
    image = torch.rand(3, 8, 8)
    assert len({augment(image).numpy().tobytes() for _ in range(50)}) > 20


@pytest.mark.parametrize(
    ("cls", "settings"),
    [
        (ColorJitter, {"brightness": -0.1}),
        (ColorJitter, {"hue": 0.6}),
        (RandomGrayscale, {"probability": 0.0}),
        (RandAugment, {"operations": 0}),
        (RandAugment, {"magnitude": 31}),
    ],
)
def test_impossible_settings(cls, settings):
    with pytest.raises(ValueError):
        cls(**settings)
