import numpy as np
import pytest
import torch
from torchvision import datasets

from graphkd.components.datasets import CIFAR10, CIFAR100
from graphkd.errors import ComponentError

BOTH = [(CIFAR10, datasets.CIFAR10), (CIFAR100, datasets.CIFAR100)]


@pytest.mark.parametrize(("dataset", "source"), BOTH)
def test_reads_what_torchvision_reads(cifar_root, dataset, source):
    splits = dataset(root=".").splits(cifar_root)
    for samples, train in ((splits.train, True), (splits.test, False)):
        expected = source(cifar_root, train=train)
        assert len(samples) == len(expected)
        picture, label = expected[7]
        pixels = torch.tensor(np.asarray(picture)).permute(2, 0, 1)
        torch.testing.assert_close(samples[7], pixels / 255, rtol=0, atol=0)
        assert samples.labels[7] == label
    assert splits.validation is None


def test_cifar10_absent(tmp_path):
    with pytest.raises(ComponentError) as caught:
        CIFAR10().splits(tmp_path)
    assert str(caught.value) == (
        f"no folder {tmp_path}/data/cifar-10-batches-py; unpack cifar-10-python.tar.gz from "
        "https://www.cs.toronto.edu/~kriz/cifar.html there, or set root to where it is"
    )
    assert caught.value.field == "root"


def test_cifar100_absent(tmp_path):
    with pytest.raises(ComponentError) as caught:
        CIFAR100(root=str(tmp_path / "elsewhere")).splits("/")
    assert str(caught.value) == (
        f"no folder {tmp_path}/elsewhere/cifar-100-python; unpack cifar-100-python.tar.gz from "
        "https://www.cs.toronto.edu/~kriz/cifar.html there, or set root to where it is"
    )
    assert caught.value.field == "root"


@pytest.mark.parametrize("file", ["data_batch_3", "test_batch", "batches.meta"])
def test_damaged(cifar_root, file):
    (cifar_root / "cifar-10-batches-py" / file).write_bytes(b"cut of")
    with pytest.raises(ComponentError) as caught:
        CIFAR10(root=str(cifar_root)).splits("")
    assert str(caught.value) == (
        f"{cifar_root}/cifar-10-batches-py is incomplete or damaged; "
        "unpack cifar-10-python.tar.gz again"
    )
    assert caught.value.field == "root"


def test_spec_needs_no_files(tmp_path):
    assert CIFAR10().spec(tmp_path).classes == 10
    assert CIFAR100().spec(tmp_path).classes == 100
