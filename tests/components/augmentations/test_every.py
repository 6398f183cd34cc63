"""What holds for every registered augmentation."""

import pickle
import random

import numpy as np
import pytest
import torch

from graphkd.component import ImageSpec, find, name_of, names
from graphkd.errors import ComponentError

SPECS = [
    ImageSpec(channels, height, width, mean=(0.5,) * channels, std=(0.2,) * channels)
    for channels, height, width in ((1, 32, 32), (3, 32, 32), (3, 24, 40))
]


@pytest.fixture(params=names("augmentation"))
def augmentation(request):
    return find("augmentation", request.param)()


@pytest.fixture(params=SPECS, ids=["grey", "colour", "oblong"])
def spec(request):
    return request.param


@pytest.fixture
def image(spec):
    generator = torch.Generator().manual_seed(0)
    return torch.rand(spec.channels, spec.height, spec.width, generator=generator)


def _augment(augment, image, *, seed):
    torch.manual_seed(seed)
    return augment(image)


def test_size_type_and_range_stay(augmentation, spec, image):
    augment = augmentation.build(spec)
    for seed in range(40):
        changed = _augment(augment, image, seed=seed)
        assert changed.shape == image.shape
        assert changed.dtype == torch.float32
        # bilinear weights sum to one only up to rounding
        assert changed.min() >= -1e-6
        assert changed.max() <= 1 + 1e-6


def test_pure_function_of_the_seed(augmentation, spec, image):
    first, second = augmentation.build(spec), augmentation.build(spec)
    for seed in range(10):
        expected = _augment(first, image, seed=seed)
        assert torch.equal(_augment(second, image, seed=seed), expected)


def test_seeds_differ(augmentation, spec, image):
    augment = augmentation.build(spec)
    results = {_augment(augment, image, seed=seed).numpy().tobytes() for seed in range(20)}
    # there is no colour to take out
    unchanged = name_of(augmentation) == "random_grayscale" and spec.channels == 1
    assert (len(results) > 1) is not unchanged


def test_source_image_is_left_alone(augmentation, spec, image):
    before = image.clone()
    augment = augmentation.build(spec)
    for seed in range(20):
        _augment(augment, image, seed=seed)
    assert torch.equal(image, before)


def test_only_torch_draws(augmentation, spec, image):
    before = random.getstate(), pickle.dumps(np.random.get_state())
    augment = augmentation.build(spec)
    for seed in range(20):
        _augment(augment, image, seed=seed)
    assert (random.getstate(), pickle.dumps(np.random.get_state())) == before


def test_reaches_workers_by_pickle(augmentation, spec, image):
    augment = augmentation.build(spec)
    copy = pickle.loads(pickle.dumps(augment))
    assert torch.equal(_augment(copy, image, seed=3), _augment(augment, image, seed=3))


def test_four_channels_work_or_are_refused(augmentation):
    spec = ImageSpec(4, 16, 16, mean=(0.5,) * 4, std=(0.2,) * 4)
    try:
        augment = augmentation.build(spec)
    except ComponentError as error:
        assert str(error) == (
            f"{name_of(augmentation)} changes colours: it needs images with 1 or 3 channels, "
            "these have 4"
        )
    else:
        for seed in range(20):
            assert _augment(augment, torch.rand(4, 16, 16), seed=seed).shape == (4, 16, 16)
