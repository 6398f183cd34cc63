import pytest
import torch
from torchvision.transforms import v2

from graphkd.component import ImageSpec
from graphkd.components.augmentations import RandomPerspective

SPEC = ImageSpec(1, 32, 32, mean=(0.5,), std=(0.2,))
WHITE = torch.ones(1, 32, 32)


def _many(count, **settings):
    look = RandomPerspective(**settings).build(SPEC)
    for seed in range(count):
        torch.manual_seed(seed)
        yield look(WHITE)


def test_corners_move_inwards_and_leave_black():
    for changed in _many(20, distortion=0.5, probability=1.0):
        assert (changed < 0.5).any()
        # corners move by at most a quarter of the side: the middle half stays inside
        assert changed[0, 9:23, 9:23].min() > 0.99


def test_probability_is_how_often():
    changed = sum(not torch.equal(each, WHITE) for each in _many(400, probability=0.25))
    # mean 100, standard deviation sqrt(400 / 4 * 3 / 4) = 8.7; five of them
    assert abs(changed - 100) < 44


@pytest.mark.parametrize("settings", [{"distortion": 0.0}, {"distortion": 1.1}, {"probability": 0}])
def test_settings_out_of_range(settings):
    with pytest.raises(ValueError, match="must be"):
        RandomPerspective(**settings)


@pytest.mark.parametrize("seed", [387, 645, 935])
def test_a_horizon_through_a_small_image_is_black(seed):
    """These corners put a pixel's place at infinity, where torchvision alone gives no number."""
    white = torch.ones(1, 8, 8)
    torch.manual_seed(seed)
    assert not v2.RandomPerspective(0.5, 1.0)(white).isfinite().all()
    torch.manual_seed(seed)
    look = RandomPerspective(distortion=0.5, probability=1.0)
    changed = look.build(ImageSpec(1, 8, 8, mean=(0.5,), std=(0.2,)))(white)
    assert 0 <= changed.min() <= changed.max() <= 1
