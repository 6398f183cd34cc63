import subprocess
import sys

import pytest
import torch
from sklearn.datasets import load_digits

from graphkd.components.datasets import Digits


def _splits(size=32):
    return Digits(size=size).splits("")


@pytest.fixture(scope="module")
def splits():
    return _splits()


def test_split_sizes(splits):
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [
        1000,
        197,
        600,
    ]


def test_splits_are_disjoint_and_cover_all():
    # at size 8 the scans are unchanged, so each is known by its 64 values
    splits = _splits(size=8)
    parts = (splits.train, splits.validation, splits.test)
    read = torch.cat([part.images for part in parts]).flatten(1) * 16
    stored = torch.from_numpy(load_digits().data).float()
    assert torch.equal(_sorted_rows(read), _sorted_rows(stored))


def _sorted_rows(rows):
    return torch.tensor(sorted(rows.tolist()))


def test_labels_belong_to_their_images():
    splits = _splits(size=8)
    scans = load_digits()
    known = {tuple(row): target for row, target in zip(scans.data, scans.target, strict=True)}
    rows = (splits.test.images.flatten(1) * 16).tolist()
    assert splits.test.labels.tolist() == [known[tuple(row)] for row in rows]


def test_the_split_never_changes(splits):
    assert splits.train.labels[:10].tolist() == [1, 2, 3, 4, 6, 9, 0, 2, 4, 5]
    assert splits.test.labels[:10].tolist() == [0, 5, 7, 1, 3, 8, 3, 4, 8, 5]


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_classes_are_spread_evenly(splits, part):
    shares = torch.from_numpy(load_digits().target).bincount() / 1797
    samples = getattr(splits, part)
    # two cuts, each off by less than one image
    assert (samples.labels.bincount() - shares * len(samples)).abs().max() < 2


def test_statistics_are_those_of_the_training_images(splits):
    image = Digits().spec("").image
    std, mean = torch.std_mean(splits.train.images.double())
    assert (round(mean.item(), 4),) == image.mean
    assert (round(std.item(), 4),) == image.std


@pytest.mark.parametrize("size", [16, 24, 64])
def test_statistics_hold_roughly_at_other_sizes(size):
    std, mean = torch.std_mean(_splits(size=size).train.images)
    assert mean.item() == pytest.approx(0.3049, rel=0.01)
    # the docstring's 3 percent
    assert std.item() == pytest.approx(0.3238, rel=0.03)


def test_enlarged_bilinearly():
    # from 8 to 16, the output's second pixel lies a quarter of the way from the first to the second
    small, large = (_splits(size=size).train.images[3, 0] for size in (8, 16))
    torch.testing.assert_close(large[0, 1], 0.75 * small[0, 0] + 0.25 * small[0, 1])
    torch.testing.assert_close(large[0, 0], small[0, 0])


def test_too_small():
    with pytest.raises(ValueError, match="size"):
        Digits(size=7)


def test_spec_imports_nothing_heavy():
    program = (
        "import sys; from graphkd.components.datasets import Digits; Digits().spec('');"
        "print([m for m in ('torch', 'torchvision', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr
