"""Small files in the layouts of the data sets that are read from disk."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision import datasets

IMAGES_PER_FILE = 20


@pytest.fixture
def cifar_root(tmp_path, monkeypatch):
    """Both CIFARs with 20 images a file; torchvision is told their checksums."""
    for source, key in ((datasets.CIFAR10, "labels"), (datasets.CIFAR100, "fine_labels")):
        folder = tmp_path / source.base_folder
        folder.mkdir()
        for part in ("train_list", "test_list"):
            files = [[name, _write_batch(folder / name, key)] for name, _ in getattr(source, part)]
            monkeypatch.setattr(source, part, files)
        content = pickle.dumps({source.meta["key"]: ["a", "b"]})
        (folder / source.meta["filename"]).write_bytes(content)
        monkeypatch.setattr(source, "meta", source.meta | {"md5": hashlib.md5(content).hexdigest()})
    return tmp_path


def _write_batch(path: Path, key: str) -> str:
    random = np.random.default_rng(len(path.name))
    data = random.integers(0, 256, (IMAGES_PER_FILE, 3 * 32 * 32), dtype=np.uint8)
    labels = [index % 10 for index in range(IMAGES_PER_FILE)]
    content = pickle.dumps({"data": data, key: labels})
    path.write_bytes(content)
    return hashlib.md5(content).hexdigest()


@pytest.fixture
def image_root(tmp_path):
    """Two classes, `cat` and `dog`: three training images and one of each other part in each."""
    root = tmp_path / "images"
    random = np.random.default_rng(0)
    for part, count in (("train", 3), ("val", 1), ("test", 1)):
        for name in ("cat", "dog"):
            (root / part / name).mkdir(parents=True)
            for number in range(count):
                pixels = random.integers(0, 256, (30 + number, 20, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(root / part / name / f"{number}.png")
    return root
