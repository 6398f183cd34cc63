"""Open CIFAR's archives as torchvision reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from graphkd.component import Splits
from graphkd.components.datasets.stored import Stored
from graphkd.errors import ComponentError


def open_cifar(source: Any, root: Path) -> Splits:
    """Read the training and the test images into memory; never download.

    Args:
        source: torchvision's class of the data set.
        root: where the unpacked folder is expected.

    Returns:
        Splits without a validation part: graphkd carves it out of the training images.

    Raises:
        ComponentError: the files are absent, or their checksums are wrong.
    """
    files = root.resolve() / source.base_folder
    if not files.is_dir():
        raise ComponentError(
            f"no folder {files}; unpack {source.filename} from "
            "https://www.cs.toronto.edu/~kriz/cifar.html there, or set root to where it is",
            field="root",
        )
    try:
        train, test = source(root, train=True), source(root, train=False)
    except RuntimeError as error:
        raise ComponentError(
            f"{files} is incomplete or damaged; unpack {source.filename} again",
            field="root",
        ) from error
    return Splits(_in_memory(train), None, _in_memory(test))


def _in_memory(images: Any) -> Stored:
    import torch
    from einops import rearrange

    pixels = rearrange(torch.from_numpy(images.data), "n h w c -> n c h w").contiguous()
    return Stored(pixels, torch.tensor(images.targets))
