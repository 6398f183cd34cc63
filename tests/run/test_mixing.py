"""MixUp on a part of a batch, and without labels."""

import pytest
import torch

from graphkd.errors import BlueprintError
from graphkd.run.mixing import rows_of
from tests.run.counted import HARD, SOFT, assert_same, source_of, written

LARGE = "numbered_for_tests, count: 40"


def batches(data="", *, flows=SOFT, dataset=LARGE, epoch=0, batch_size=10):
    source = source_of(written(data, flows=flows, dataset=dataset, batch_size=batch_size))
    return list(source.epoch(epoch))


@pytest.mark.parametrize(
    "data", ["mixup: 1, mixup_share: 0", "mixup: 0", "mixup: 0, mixup_share: 0.5"]
)
@pytest.mark.parametrize("flows", [SOFT, HARD])
def test_invariant_7_mixup_of_nothing_returns_the_inputs_unchanged(data, flows):
    assert_same(batches(data, flows=flows), batches(flows=flows))


@pytest.mark.parametrize(("share", "count"), [(0.1, 1), (0.29, 3), (0.5, 5), (0.7, 7), (1, 10)])
def test_only_the_first_rows_are_mixed(share, count):
    shares = set()
    for mixed, plain in zip(batches(f"mixup: 1, mixup_share: {share}"), batches(), strict=True):
        one, other = mixed["image"][:, 0, 0, 0], plain["image"][:, 0, 0, 0]
        assert torch.equal(mixed["image"][count:], plain["image"][count:])
        # x_i becomes part * x_i + (1 - part) * x_(count - 1 - i)
        mirror = other[:count].flip(0)
        apart = (other[:count] - mirror).abs() > 1e-4
        part = ((one[:count] - mirror) / (other[:count] - mirror))[apart]
        if count == 1:
            torch.testing.assert_close(one[:1], other[:1])
            continue
        torch.testing.assert_close(part, part[:1].expand_as(part), rtol=0, atol=2e-3)
        assert 0 <= part[0] <= 1
        shares.add(round(part[0].item(), 3))
        # the one in the middle meets itself
        torch.testing.assert_close(one[:count][~apart], other[:count][~apart])
    assert count == 1 or len(shares) == 4


@pytest.mark.parametrize("share", [0.3, 0.5, 1])
def test_labels_that_are_read_are_mixed_alike(share):
    count = rows_of(share, 10, up=True)
    for mixed, plain in zip(
        batches(f"mixup: 1, mixup_share: {share}", flows=HARD), batches(flows=HARD), strict=True
    ):
        one = torch.nn.functional.one_hot(plain["label"], 3).float()
        assert mixed["label"].shape == (10, 3)
        assert torch.equal(mixed["label"][count:], one[count:])
        torch.testing.assert_close(mixed["label"].sum(1), torch.ones(10))
        own, mirror = plain["image"][:count, 0, 0, 0], plain["image"][:count, 0, 0, 0].flip(0)
        part = (mixed["image"][0, 0, 0, 0] - mirror[0]) / (own[0] - mirror[0])
        expected = part * one[:count] + (1 - part) * one[:count].flip(0)
        torch.testing.assert_close(mixed["label"][:count], expected, rtol=0, atol=2e-2)


def test_hidden_labels_are_no_matter_where_nobody_reads_them():
    dataset = "numbered_for_tests, count: 40, labelled: false"
    for mixed, plain in zip(batches("mixup: 1"), batches(), strict=True):
        assert not torch.equal(mixed["image"], plain["image"])
        assert torch.equal(mixed["label"], plain["label"])
    for mixed in batches("mixup: 1", dataset=dataset):
        assert (mixed["label"] == -1).all()
    extra = "extra: {dataset: numbered_for_tests, base: 500, share: 0.5}"
    for mixed, plain in zip(batches(f"mixup: 1, {extra}"), batches(extra), strict=True):
        assert not torch.equal(mixed["image"], plain["image"])
        assert torch.equal(mixed["label"], plain["label"])
        assert (mixed["label"][5:] == -1).all()


def test_labels_that_are_read_must_be_there():
    text = written(
        "mixup: 1, extra: {dataset: numbered_for_tests, share: 0.5}", dataset=LARGE, flows=HARD
    )
    with pytest.raises(BlueprintError) as caught:
        source_of(text)
    column = text.splitlines()[1].index("mixup: ") + len("mixup: ") + 1
    assert str(caught.value) == (
        f"blueprint:2:{column}: data: mixup and cutmix need every label, and the images of extra "
        "have none; drop one of them, or the flows of labels"
    )


@pytest.mark.parametrize(
    ("share", "size", "down", "up"),
    [(0.29, 100, 29, 29), (0.2, 5, 1, 1), (0.3, 8, 2, 3), (1, 7, 7, 7)],
)
def test_rows_of_a_share_by_hand(share, size, down, up):
    assert (rows_of(share, size), rows_of(share, size, up=True)) == (down, up)


def test_augmentation_by_chance_takes_all_steps_or_none():
    plain = batches("augment: [gaussian_noise, random_flip]", dataset="fake, size: 8, samples: 40")
    clean = batches("", dataset="fake, size: 8, samples: 40")
    data = "augment: [gaussian_noise, random_flip], augment_probability: 0.3"
    source = source_of(written(data, dataset="fake, size: 8, samples: 40", batch_size=10))
    changed = total = 0
    for epoch in range(5):
        whole = source_of(written("", dataset="fake, size: 8, samples: 40", batch_size=10))
        for one, other in zip(source.epoch(epoch), whole.epoch(epoch), strict=True):
            changed += int((one["image"] != other["image"]).flatten(1).any(1).sum())
            total += 10
    assert total == 200
    # mean 60, standard deviation sqrt(200 * 0.3 * 0.7) = 6.5
    assert 35 < changed < 85
    assert all(
        (one["image"] != other["image"]).flatten(1).any(1).all()
        for one, other in zip(plain, clean, strict=True)
    )
