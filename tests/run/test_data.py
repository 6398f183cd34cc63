import random
from functools import partial

import attrs
import pytest
import torch
from torch import Tensor

from graphkd.component import ImageSpec, Splits
from graphkd.components.augmentations import ColorJitter, RandomAffine
from graphkd.components.datasets import Digits, Fake
from graphkd.errors import ComponentError
from graphkd.run.data import prepare_splits
from tests.run.reading import batches_of


@attrs.define(eq=False)
class Numbers:
    """Images of one pixel whose value is the index over 1000, read one by one."""

    count: int
    labels: Tensor | None = None

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Tensor:
        return torch.full((1, 1, 1), index / 1000)


@attrs.define(eq=False)
class Large:
    """Images so large that a sum over them is split among threads."""

    labels: Tensor | None = None

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> Tensor:
        generator = torch.Generator().manual_seed(index)
        return torch.rand(3, 300, 300, generator=generator)


def _add_noise(image, *, strength):
    # both generators that an augmentation may draw from
    return image + strength * (torch.rand(image.shape) + random.random())


noise = partial(_add_noise, strength=1.0)


def _broken(image):
    torch.rand(3)
    random.random()
    raise RuntimeError("no such augmentation")


def _batches(samples, **settings):
    settings = {
        "indices": torch.arange(len(samples)),
        "labels": samples.labels,
        "shuffle": True,
    } | settings
    return batches_of(samples, **settings)


def _assert_equal(first, second):
    first, second = list(first), list(second)
    assert len(first) == len(second)
    for one, other in zip(first, second, strict=True):
        assert one.keys() == other.keys()
        for key in one:
            assert one[key].dtype == other[key].dtype
            assert torch.equal(one[key], other[key]), key


@pytest.fixture
def digits():
    """Forty digits in memory; their augmentation turns, shifts and scales."""
    return {
        "samples": Digits().splits("").train,
        "indices": torch.arange(100, 140),
        "augment": RandomAffine().build(Digits().spec("").image),
    }


def test_batch_holds_image_label_and_index():
    labels = torch.tensor([5, 6, -1, 8, 9])
    (batch,) = _batches(Numbers(5), labels=labels, batch_size=5, shuffle=False).epoch(0)
    assert batch.keys() == {"image", "label", "index"}
    assert batch["image"].shape == (5, 1, 1, 1)
    assert batch["image"].dtype == torch.float32
    torch.testing.assert_close(batch["image"].flatten(), torch.arange(5) / 1000)
    assert batch["label"].tolist() == [5, 6, -1, 8, 9]
    assert batch["index"].tolist() == [0, 1, 2, 3, 4]
    assert batch["label"].dtype == batch["index"].dtype == torch.int64


def test_without_labels_every_label_is_hidden():
    (batch,) = _batches(Numbers(3)).epoch(0)
    assert batch["label"].tolist() == [-1, -1, -1]


def test_only_the_samples_in_play_are_read():
    indices = torch.tensor([7, 3, 9, 1])
    labels = torch.arange(10)
    for shuffle in (False, True):
        batches = _batches(Numbers(10), indices=indices, labels=labels, shuffle=shuffle)
        (batch,) = batches.epoch(2)
        assert sorted(batch["index"].tolist()) == [1, 3, 7, 9]
        assert torch.equal(batch["label"], batch["index"])
        torch.testing.assert_close(batch["image"].flatten() * 1000, batch["index"].float())
    (batch,) = _batches(Numbers(10), indices=indices, shuffle=False).epoch(2)
    assert batch["index"].tolist() == [7, 3, 9, 1]


def test_length_and_last_batch():
    whole, dropped = (_batches(Numbers(10), drop_last=drop) for drop in (False, True))
    assert [len(batch["index"]) for batch in whole.epoch(0)] == [4, 4, 2]
    assert [len(batch["index"]) for batch in dropped.epoch(0)] == [4, 4]
    assert (len(whole), len(dropped)) == (3, 2)
    _assert_equal(list(whole.epoch(0))[:2], dropped.epoch(0))


def test_each_epoch_has_every_sample_in_another_order():
    batches = _batches(Numbers(40))
    orders = [torch.cat([b["index"] for b in batches.epoch(number)]) for number in range(3)]
    for order in orders:
        assert order.sort().values.tolist() == list(range(40))
    assert len({tuple(order.tolist()) for order in orders}) == 3


def test_epochs_are_read_in_any_order(digits):
    batches, others = _batches(**digits), _batches(**digits)
    first, second = list(batches.epoch(0)), list(batches.epoch(1))
    _assert_equal(others.epoch(1), second)
    _assert_equal(others.epoch(0), first)


def test_augmentation_changes_with_epoch_and_seed(digits):
    def sample(seed, epoch):
        batches = _batches(**digits, shuffle=False, seed=seed)
        return next(batches.epoch(epoch))["image"][0]

    assert torch.equal(sample(0, 0), sample(0, 0))
    assert not torch.equal(sample(0, 0), sample(0, 1))
    assert not torch.equal(sample(0, 0), sample(1, 0))


def test_augmentation_of_a_sample_does_not_depend_on_its_batch(digits):
    def images(**settings):
        batches = _batches(**(digits | settings))
        found: dict[int, Tensor] = {}
        for batch in batches.epoch(3):
            found |= dict(zip(batch["index"].tolist(), batch["image"], strict=True))
        return found

    expected = images(batch_size=4)
    for other in (images(batch_size=7), images(shuffle=False), images(indices=torch.arange(120))):
        shared = expected.keys() & other.keys()
        assert len(shared) >= 20
        assert all(torch.equal(expected[index], other[index]) for index in shared)


@pytest.mark.parametrize("augmented", [True, False])
def test_workers_change_nothing(digits, augmented):
    if not augmented:
        digits = digits | {"augment": None}
    alone, helped = _batches(**digits), _batches(**digits, workers=2)
    for number in (0, 1):
        _assert_equal(alone.epoch(number), helped.epoch(number))
    _assert_equal(list(alone.epoch(2))[3:], helped.epoch(2, start=3))
    # an epoch that was left behind half read does not leak into the next
    next(helped.epoch(3))
    _assert_equal(alone.epoch(4), helped.epoch(4))


def test_workers_change_nothing_for_either_generator():
    samples = Numbers(10)
    alone, helped = (_batches(samples, augment=noise, workers=n) for n in (0, 1))
    _assert_equal(alone.epoch(1), helped.epoch(1))


def test_threads_change_nothing():
    samples = Large()
    image = ImageSpec(3, 300, 300, mean=(0.5,) * 3, std=(0.2,) * 3)
    batches = _batches(samples, augment=ColorJitter(contrast=0.9).build(image))
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = list(batches.epoch(0))
        torch.set_num_threads(2)
        _assert_equal(batches.epoch(0), one)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("augment", [None, noise])
def test_starting_in_mid_epoch(workers, augment):
    settings = {"augment": augment, "workers": workers}
    whole = list(_batches(Numbers(18), **settings).epoch(6))
    resumed = _batches(Numbers(18), **settings)
    for start in range(len(whole) + 1):
        _assert_equal(resumed.epoch(6, start=start), whole[start:])


def test_skipped_batches_are_not_read():
    read = []

    class Counted(Numbers):
        def __getitem__(self, index: int) -> Tensor:
            read.append(index)
            return super().__getitem__(index)

    list(_batches(Counted(12), shuffle=False).epoch(0, start=2))
    assert read == [8, 9, 10, 11]


def test_start_behind_the_end():
    with pytest.raises(ValueError) as caught:
        _batches(Numbers(12)).epoch(0, start=4)
    assert str(caught.value) == "start is 4, not one of the 3 batches or their end"


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("augment", [None, noise])
def test_training_randomness_is_left_alone(workers, augment):
    torch.manual_seed(11)
    random.seed(11)
    before = torch.get_rng_state(), random.getstate()
    batches = _batches(Numbers(8), augment=augment, workers=workers)
    iterator = batches.epoch(0)
    for _ in range(2):
        next(iterator)
        assert torch.equal(torch.get_rng_state(), before[0])
        assert random.getstate() == before[1]
    list(batches.epoch(1))
    assert torch.equal(torch.get_rng_state(), before[0])


def test_training_randomness_changes_no_image(digits):
    batches = _batches(**digits)
    torch.manual_seed(1)
    first = list(batches.epoch(0))
    torch.manual_seed(2)
    _assert_equal(batches.epoch(0), first)


def test_a_failing_augmentation_leaves_randomness_alone():
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    with pytest.raises(RuntimeError, match="no such augmentation"):
        list(_batches(Numbers(8), augment=_broken).epoch(0))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads


def test_two_epochs_at_once_in_this_process():
    batches = _batches(Numbers(8))
    both = list(zip(batches.epoch(0), batches.epoch(1), strict=True))
    _assert_equal([first for first, _ in both], batches.epoch(0))
    _assert_equal([second for _, second in both], batches.epoch(1))


def test_images_in_memory_stay_unchanged(digits):
    before = digits["samples"].images.clone()
    list(_batches(**(digits | {"augment": _darken})).epoch(0))
    assert torch.equal(digits["samples"].images, before)


def _darken(image):
    return image.mul_(0.5)


def test_no_batch():
    with pytest.raises(ComponentError) as caught:
        _batches(Numbers(3), drop_last=True)
    assert str(caught.value) == "no batch: batch_size is 4, the images are 3"
    assert caught.value.field == "batch_size"


def test_validation_is_carved():
    splits = Splits(Numbers(50, torch.arange(50) % 5), None, Numbers(7))
    parts = prepare_splits(splits, validation=0.2, seed=0)
    assert parts.train.samples is parts.validation.samples is splits.train
    together = torch.cat([parts.train.indices, parts.validation.indices])
    assert together.sort().values.tolist() == list(range(50))
    assert (parts.validation.indices % 5).bincount().tolist() == [2] * 5
    assert parts.test.samples is splits.test
    assert parts.test.indices.tolist() == list(range(7))


def test_validation_without_labels_is_carved():
    parts = prepare_splits(Splits(Numbers(10), None, Numbers(7)), validation=0.3, seed=0)
    assert (len(parts.train.indices), len(parts.validation.indices)) == (7, 3)


def test_own_validation_is_kept():
    splits = Fake(samples=20, size=4).splits("")
    parts = prepare_splits(splits, validation=0.5, seed=0)
    assert parts.validation.samples is splits.validation
    assert len(parts.train.indices) == 20
    assert len(parts.validation.indices) == 4


@pytest.mark.parametrize("name", ["train", "validation", "test"])
def test_empty_split(name):
    splits = attrs.evolve(Splits(Numbers(9), Numbers(9), Numbers(9)), **{name: Numbers(0)})
    with pytest.raises(ComponentError) as caught:
        prepare_splits(splits, validation=0.1, seed=0)
    assert str(caught.value) == f"the data set's {name} split is empty"
