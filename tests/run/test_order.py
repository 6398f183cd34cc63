import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graphkd.errors import ComponentError
from graphkd.run.order import (
    _mix,
    carve,
    choose,
    epoch_order,
    extra_order,
    halves,
    labelled_subset,
    sample_seed,
)

label_lists = st.lists(st.integers(0, 4), min_size=2, max_size=60)


def test_order_is_a_permutation():
    order = epoch_order(100, seed=0, epoch=0)
    assert order.dtype == torch.int64
    assert order.sort().values.tolist() == list(range(100))


def test_order_depends_on_seed_and_epoch_alone():
    first = epoch_order(100, seed=3, epoch=5)
    torch.manual_seed(1234)
    assert torch.equal(epoch_order(100, seed=3, epoch=5), first)
    assert not torch.equal(epoch_order(100, seed=3, epoch=6), first)
    assert not torch.equal(epoch_order(100, seed=4, epoch=5), first)
    # seed and epoch are not just added
    assert not torch.equal(epoch_order(100, seed=5, epoch=3), first)


def test_order_draws_nothing_from_the_global_generator():
    before = torch.get_rng_state()
    epoch_order(10, seed=0, epoch=0)
    carve(10, 0.5, seed=0)
    labelled_subset(torch.zeros(10, dtype=torch.int64), 2, seed=0)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_order_never_changes():
    # a resumed run must find the order that it was started with
    assert epoch_order(8, seed=0, epoch=0).tolist() == [0, 3, 2, 7, 5, 1, 4, 6]
    assert sample_seed(0, 0, 0) == 0x7BD5A964748A48D8


def test_mix_by_hand():
    # the first output of SplitMix64 from state 0 is published: e220a8397b1dcdaf
    assert _mix(0) == 0xE220A8397B1DCDAF


@pytest.mark.parametrize("bits", [32, 64])
def test_sample_seeds_do_not_collide(bits):
    seeds = {
        sample_seed(seed, epoch, index, view) % 2**bits
        for seed in range(3)
        for epoch in range(3)
        for index in range(500)
        for view in range(2)
    }
    # 9000 numbers out of 2^32 have 9000^2 / 2^33 = 0.01 collisions
    assert len(seeds) == 9000


def test_sample_seeds_fit_torch():
    for index in range(100):
        torch.Generator().manual_seed(sample_seed(2**63, 0, index))
        torch.Generator().manual_seed(sample_seed(-1, 0, index))


def test_one_bit_changes_half_of_the_seed():
    flips = [
        (sample_seed(0, 0, index) ^ sample_seed(0, 0, index ^ 1)).bit_count()
        for index in range(0, 400, 2)
    ]
    # 64 fair coins: mean 32, standard error 4 / sqrt(200) = 0.28
    assert 31 < sum(flips) / len(flips) < 33


@given(label_lists, st.integers(1, 5), st.integers(0, 2**40))
def test_labelled_subset_is_balanced(labels, per_class, seed):
    tensor = torch.tensor(labels)
    fewest = min(labels.count(each) for each in set(labels))
    if fewest < per_class:
        with pytest.raises(ComponentError):
            labelled_subset(tensor, per_class, seed=seed)
        return
    chosen = labelled_subset(tensor, per_class, seed=seed)
    assert chosen.dtype == torch.bool
    assert chosen.shape == tensor.shape
    for each in set(labels):
        assert chosen[tensor == each].sum() == per_class


def test_labelled_subset_error_in_full():
    labels = torch.tensor([0, 0, 0, 3, 3, 5, 5, 5])
    with pytest.raises(ComponentError) as caught:
        labelled_subset(labels, 3, seed=0)
    assert str(caught.value) == "class 3 has 2 labelled images, not 3; ask for at most 2 per class"


def test_unlabelled_samples_are_never_chosen():
    labels = torch.tensor([-1, 0, -1, 0, 1, 1, -1])
    assert labelled_subset(labels, 2, seed=0).tolist() == (labels >= 0).tolist()
    assert not labelled_subset(torch.full((3,), -1), 1, seed=0).any()


def test_fewer_labels_are_a_part_of_more():
    labels = torch.arange(100) % 5
    few, many = (labelled_subset(labels, count, seed=7) for count in (4, 10))
    assert (many | ~few).all()
    # and hiding other samples keeps the choice
    hidden = labels.where(few, -1)
    assert torch.equal(labelled_subset(hidden, 4, seed=7), few)


def test_seed_changes_the_subset():
    labels = torch.arange(100) % 5
    first, second = (labelled_subset(labels, 4, seed=seed) for seed in (0, 1))
    assert not torch.equal(first, second)


@given(label_lists, st.floats(0.01, 0.99), st.integers(0, 2**40))
def test_carve_is_stratified(labels, fraction, seed):
    tensor = torch.tensor(labels)
    train, validation = carve(tensor, fraction, seed=seed)
    assert sorted(train.tolist() + validation.tolist()) == list(range(len(labels)))
    assert torch.equal(train, train.sort().values)
    assert torch.equal(validation, validation.sort().values)
    wanted = min(max(round(len(labels) * fraction), 1), len(labels) - 1)
    assert len(validation) == wanted
    for each in set(labels):
        share = labels.count(each) * wanted / len(labels)
        assert abs((tensor[validation] == each).sum().item() - share) < 1


@settings(max_examples=20)
@given(st.integers(2, 50), st.floats(0.01, 0.99))
def test_carve_without_labels_carves_a_single_class(count, fraction):
    by_count = carve(count, fraction, seed=0)
    by_labels = carve(torch.zeros(count, dtype=torch.int64), fraction, seed=0)
    assert all(torch.equal(*pair) for pair in zip(by_count, by_labels, strict=True))


def test_carve_depends_on_the_seed_alone():
    labels = torch.arange(100) % 5
    first = carve(labels, 0.2, seed=0)[1]
    torch.manual_seed(99)
    assert torch.equal(carve(labels, 0.2, seed=0)[1], first)
    assert not torch.equal(carve(labels, 0.2, seed=1)[1], first)


def test_carve_needs_two_samples():
    with pytest.raises(ComponentError) as caught:
        carve(1, 0.5, seed=0)
    assert str(caught.value) == "cannot carve validation out of 1 training images"


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, float("nan")])
def test_carve_needs_a_share(fraction):
    with pytest.raises(ValueError, match="not above 0 and below 1"):
        carve(10, fraction, seed=0)


@given(label_lists, st.integers(0, 2**40))
def test_halves_are_stratified(labels, seed):
    tensor = torch.tensor(labels)
    first, second = halves(tensor, seed=seed)
    assert sorted(first.tolist() + second.tolist()) == list(range(len(labels)))
    assert len(first) - len(second) in (0, 1)
    for each in set(labels):
        counts = [int((tensor[half] == each).sum()) for half in (first, second)]
        assert abs(counts[0] - counts[1]) <= 1


@given(label_lists, st.data(), st.integers(0, 2**40))
def test_a_smaller_choice_is_a_part_of_a_larger_one(labels, data, seed):
    tensor = torch.tensor(labels)
    count = data.draw(st.integers(1, len(labels)))
    chosen = choose(tensor, count, seed=seed).tolist()
    assert chosen == sorted(set(chosen))
    assert len(chosen) == count
    fewer = choose(tensor, max(count - 1, 1), seed=seed).tolist()
    assert {*fewer} <= {*chosen}


@given(st.integers(1, 6), st.integers(1, 12), st.integers(0, 12), st.integers(0, 2**40))
def test_equal_classes_are_chosen_equally(classes, size, each, seed):
    labels = torch.arange(classes * size) % classes
    chosen = choose(labels, classes * min(each, size), seed=seed)
    counts = labels[chosen].bincount(minlength=classes)
    assert counts.tolist() == [min(each, size)] * classes


def test_samples_without_label_are_a_class_of_their_own():
    labels = torch.tensor([-1] * 20 + [0] * 20)
    assert (labels[choose(labels, 10, seed=0)] < 0).sum() == 5


def test_without_labels_all_are_one_class():
    one = torch.zeros(9, dtype=torch.int64)
    assert torch.equal(choose(9, 4, seed=3), choose(one, 4, seed=3))
    assert all(
        torch.equal(*pair) for pair in zip(halves(9, seed=3), halves(one, seed=3), strict=True)
    )


def test_choosing_more_than_there_are():
    with pytest.raises(ComponentError) as caught:
        choose(4, 5, seed=0)
    assert str(caught.value) == "4 images are fewer than 5; ask for at most 4"


def test_choices_never_change():
    # a resumed run must find the samples that it was started with
    labels = torch.arange(12) % 3
    assert choose(labels, 6, seed=0).tolist() == [6, 7, 8, 9, 10, 11]
    assert halves(labels, seed=0)[0].tolist() == [1, 2, 3, 4, 8, 9]
    assert extra_order(4, 6, seed=0, epoch=0, source=1)[0].tolist() == [3, 2, 1, 0, 0, 2]
