"""What holds for every registered data set."""

import pickle

import pytest
import torch

from graphkd.component import DataSpec, find, name_of, names
from graphkd.run.data import prepare_splits
from tests.run.reading import batches_of


@pytest.fixture(params=names("dataset"))
def dataset(request):
    """Each data set with its parameters' defaults, or with small files made for it."""
    cls = find("dataset", request.param)
    if request.param in ("cifar10", "cifar100"):
        return cls(root=str(request.getfixturevalue("cifar_root")))
    if request.param == "image_folder":
        return cls(root=str(request.getfixturevalue("image_root")), size=32)
    return cls()


@pytest.fixture
def parts(dataset, tmp_path):
    splits = dataset.splits(tmp_path)
    return [part for part in (splits.train, splits.validation, splits.test) if part is not None]


def test_images_are_as_the_spec_says(dataset, parts, tmp_path):
    spec = dataset.spec(tmp_path)
    assert isinstance(spec, DataSpec)
    assert len(spec.image.mean) == len(spec.image.std) == spec.image.channels
    for samples in parts:
        assert len(samples) > 0
        image = samples[len(samples) - 1]
        assert image.shape == (spec.image.channels, spec.image.height, spec.image.width)
        assert image.dtype == torch.float32
        assert image.min() >= 0
        assert image.max() <= 1


def test_labels_are_class_numbers(dataset, parts, tmp_path):
    classes = dataset.spec(tmp_path).classes
    for samples in parts:
        assert samples.labels.dtype == torch.int64
        assert samples.labels.shape == (len(samples),)
        assert samples.labels.min() >= 0
        assert samples.labels.max() < classes


def test_the_number_of_training_samples_is_known_or_left_open(dataset, parts, tmp_path):
    # the files of the tests are a part of CIFAR's
    if name_of(dataset) in ("cifar10", "cifar100"):
        assert dataset.spec(tmp_path).samples == 50_000
    else:
        assert dataset.spec(tmp_path).samples in (None, len(parts[0]))


def test_pixels_are_always_the_same(dataset, parts, tmp_path):
    again = dataset.splits(tmp_path).train
    torch.testing.assert_close(parts[0][1], again[1], rtol=0, atol=0)
    assert not torch.equal(parts[0][0], parts[0][1])


def test_many_at_once_equal_one_by_one(parts):
    for samples in parts:
        if hasattr(samples, "batch"):
            indices = torch.tensor([len(samples) - 1, 0, 1])
            one_by_one = torch.stack([samples[int(index)] for index in indices])
            assert torch.equal(samples.batch(indices), one_by_one)


def test_samples_reach_workers_by_pickle(parts):
    for samples in parts:
        copy = pickle.loads(pickle.dumps(samples))
        assert torch.equal(copy[0], samples[0])
        assert torch.equal(copy.labels, samples.labels)


def test_reading_draws_nothing(parts):
    before = torch.get_rng_state()
    for samples in parts:
        samples[0]
    assert torch.equal(torch.get_rng_state(), before)


def test_batches_read_it(dataset, tmp_path):
    parts = prepare_splits(dataset.splits(tmp_path), validation=0.3, seed=0)
    for part in (parts.train, parts.validation, parts.test):
        batches = batches_of(
            part.samples,
            indices=part.indices[:5],
            labels=part.samples.labels,
            batch_size=3,
        )
        read = torch.cat([batch["index"] for batch in batches.epoch(0)])
        assert torch.equal(read, part.indices[:5]), name_of(dataset)
