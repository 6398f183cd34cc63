import pytest
import torch

from graphkd.component import ImageSpec
from graphkd.components.augmentations import (
    RandomAffine,
    RandomCrop,
    RandomFlip,
    RandomResizedCrop,
    RandomRotation,
    RandomVerticalFlip,
)

SPEC = ImageSpec(1, 9, 9, mean=(0.5,), std=(0.2,))


def _results(augmentation, image, *, count=200):
    torch.manual_seed(0)
    augment = augmentation.build(SPEC)
    return torch.stack([augment(image) for _ in range(count)])


def _dot():
    """Make an image whose only light is the middle pixel."""
    image = torch.zeros(1, 9, 9)
    image[0, 4, 4] = 1.0
    return image


def test_crop_shifts_by_up_to_the_padding():
    # 4 plus or minus 2, both ways: all 25 places occur, and the dot stays whole
    places = _results(RandomCrop(padding=2), _dot(), count=400).nonzero()[:, 2:]
    assert len(places) == 400
    assert {tuple(place) for place in places.tolist()} == {
        (row, column) for row in range(2, 7) for column in range(2, 7)
    }


def test_flip_mirrors_columns():
    image = torch.arange(81.0).view(1, 9, 9) / 81
    flipped = image.flip(-1)
    same = [torch.equal(result, image) for result in _results(RandomFlip(), image)]
    assert all(
        torch.equal(result, image if kept else flipped)
        for result, kept in zip(_results(RandomFlip(), image), same, strict=True)
    )
    assert 60 < sum(same) < 140
    assert torch.equal(RandomFlip(probability=1.0).build(SPEC)(image), flipped)


def test_vertical_flip_mirrors_rows():
    image = torch.rand(1, 9, 9)
    assert torch.equal(RandomVerticalFlip(probability=1.0).build(SPEC)(image), image.flip(1))


def test_affine_without_any_range_changes_nothing():
    image = torch.rand(1, 9, 9)
    result = RandomAffine(degrees=0.0, translate=0.0, scale=0.0).build(SPEC)(image)
    torch.testing.assert_close(result, image)


def test_affine_shifts_by_pixels_and_parts_of_them():
    # the light of a shifted dot keeps its sum; its centre is the shift
    shifted = _results(RandomAffine(degrees=0.0, translate=2.0, scale=0.0), _dot())[:, 0]
    torch.testing.assert_close(shifted.sum(dim=(1, 2)), torch.ones(200))
    rows = (shifted.sum(dim=2) * torch.arange(9.0)).sum(dim=1) - 4
    columns = (shifted.sum(dim=1) * torch.arange(9.0)).sum(dim=1) - 4
    for shift in (rows, columns):
        assert shift.abs().max() <= 2 + 1e-5
        assert shift.min() < -1.8
        assert shift.max() > 1.8
    assert not torch.equal(rows, rows.round())
    assert torch.corrcoef(torch.stack([rows, columns]))[0, 1].abs() < 0.2


def test_affine_turns_about_the_centre():
    # the dot in the middle stays, one at its right moves along a circle by up to 90 degrees
    turned = _results(RandomAffine(degrees=90.0, translate=0.0, scale=0.0), _dot())
    torch.testing.assert_close(turned[:, 0, 4, 4], torch.ones(200))
    image = torch.zeros(1, 9, 9)
    image[0, 4, 7] = 1.0
    turned = _results(RandomAffine(degrees=90.0, translate=0.0, scale=0.0), image)[:, 0]
    assert turned[:, :, :3].sum() < 1e-4
    assert turned[:, :3].sum() > 1
    assert turned[:, 6:].sum() > 1


def test_affine_scales_relative_to_one():
    # a bright square of side 5 has area 25; scaled by s it has about 25 s^2
    image = torch.zeros(1, 9, 9)
    image[0, 2:7, 2:7] = 1.0
    scaled = _results(RandomAffine(degrees=0.0, translate=0.0, scale=0.2), image)[:, 0]
    sides = scaled.sum(dim=(1, 2)).sqrt() / 5
    assert 0.75 < sides.min() < 0.85
    assert 1.15 < sides.max() < 1.25


def test_rotation_keeps_the_centre_and_fills_black():
    turned = _results(RandomRotation(degrees=45.0), torch.ones(1, 9, 9))[:, 0]
    torch.testing.assert_close(turned[:, 4, 4], torch.ones(200))
    assert turned[:, 0, 0].min() == 0


def test_resized_crop_of_the_whole_image_changes_nothing():
    image = torch.rand(1, 9, 9)
    whole = RandomResizedCrop(scale_min=1.0, ratio=(1.0, 1.0)).build(SPEC)(image)
    torch.testing.assert_close(whole, image)


def test_resized_crop_magnifies():
    # a gradient from 0 to 1: a part of it spans less
    image = torch.linspace(0, 1, 9).expand(1, 9, 9)
    crops = _results(RandomResizedCrop(scale_min=0.2), image)
    spans = crops.amax(dim=(1, 2, 3)) - crops.amin(dim=(1, 2, 3))
    assert spans.min() < 0.5
    assert spans.max() > 0.9


@pytest.mark.parametrize(
    ("cls", "settings"),
    [
        (RandomCrop, {"padding": 0}),
        (RandomFlip, {"probability": 0.0}),
        (RandomFlip, {"probability": 1.1}),
        (RandomAffine, {"degrees": -1.0}),
        (RandomAffine, {"translate": -1.0}),
        (RandomAffine, {"scale": 1.0}),
        (RandomRotation, {"degrees": 181.0}),
        (RandomResizedCrop, {"scale_min": 0.0}),
        (RandomResizedCrop, {"ratio": (1.3, 0.7)}),
        (RandomResizedCrop, {"ratio": (0.0, 0.7)}),
    ],
)
def test_impossible_settings(cls, settings):
    with pytest.raises(ValueError):
        cls(**settings)
