"""Image files sorted into one folder per class."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
from attrs.validators import and_, deep_iterable, ge, gt, le, min_len, optional

from graphkd.component import DataSpec, ImageSpec, Splits, component
from graphkd.errors import ComponentError, did_you_mean, listing

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image
    from torch import Tensor

_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".pgm", ".tif", ".tiff", ".webp")


@component("dataset", "image_folder")
@attrs.frozen
class ImageFolder:
    """Images in `train/CLASS/`, `val/CLASS/` and `test/CLASS/`, as ImageNet is laid out.

    Where both `val` and `test` exist, they are validation and test. Where there is only one, it is
    the test, and graphkd carves validation out of training. The class folders of `train` in
    alphabetical order are classes 0, 1, 2 and so on, in every part.

    Each image is read as three channels; its shorter side is resized to 8/7 of the size,
    bilinearly, and the centre is cut out: size by size pixels, for training too.

    Attributes:
        root: folder that holds the parts, relative to the blueprint file.
        size: height and width in pixels, above 0.
        classes: number of classes, at least 2; left out, the folders are counted.
        mean: per channel, in [0, 1]; by default ImageNet's.
        std: per channel, above 0; by default ImageNet's.
    """

    root: str = attrs.field(default="data", validator=min_len(1))
    size: int = attrs.field(default=224, validator=gt(0))
    classes: int | None = attrs.field(default=None, validator=optional(ge(2)))
    mean: tuple[float, float, float] = attrs.field(
        default=(0.485, 0.456, 0.406), validator=deep_iterable(and_(ge(0.0), le(1.0)))
    )
    std: tuple[float, float, float] = attrs.field(
        default=(0.229, 0.224, 0.225), validator=deep_iterable(gt(0.0))
    )

    def spec(self, folder: Any) -> DataSpec:
        """Describe the data; the files need to be there only where `classes` is left out."""
        image = ImageSpec(3, self.size, self.size, mean=self.mean, std=self.std)
        root = self._root(folder)
        absent = self.classes is not None and not (root / "train").is_dir()
        names = () if absent else _class_names(root)
        return DataSpec(image, classes=self.classes or len(names), names=names)

    def splits(self, folder: Any) -> Splits:
        """List the files; ComponentError when a part is absent, empty or has other classes."""
        root = self._root(folder)
        names = _class_names(root)
        if self.classes not in (None, len(names)):
            raise ComponentError(
                f"classes is {self.classes}, but {root / 'train'} has {len(names)} class folders; "
                "leave classes out to count them",
                field="classes",
            )
        parts = [part for part in ("val", "test") if (root / part).is_dir()]
        if not parts:
            raise ComponentError(f"neither val nor test in {root}; one must exist", field="root")
        train, *held_out = (
            _list_images(root / part, names, size=self.size) for part in ("train", *parts)
        )
        validation, test = held_out if len(held_out) == 2 else (None, held_out[0])
        return Splits(train, validation, test)

    def _root(self, folder: Any) -> Path:
        return (Path(folder) / Path(self.root).expanduser()).resolve()


@attrs.define(eq=False)
class ImageFiles:
    """One split of image files.

    Attributes:
        labels: "n" int64.
        paths: "n", encoded: worker processes share them without copying.
        size: height and width in pixels.
    """

    # not frozen: the Samples protocol asks for a settable `labels`
    labels: Tensor | None
    paths: np.ndarray[Any, Any]
    size: int

    def __len__(self) -> int:
        """Count the samples."""
        return len(self.paths)

    def __getitem__(self, index: int) -> Tensor:
        """Read image `index`, "c h w" float32 in [0, 1].

        Raises:
            ComponentError: the file is not a whole image; the message has its path.
        """
        from PIL import Image

        path = os.fsdecode(self.paths[index])
        try:
            with Image.open(path) as file:
                image = file.convert("RGB")
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise ComponentError(f"cannot read the image {path}: {error}", field="root") from error
        return _fit(image, self.size)


def _fit(image: Image, size: int) -> Tensor:
    """Resize the shorter side to size * 8/7, cut out the centre, make a tensor of it."""
    import torch
    from torchvision.transforms.v2 import functional

    image = functional.resize(image, [round(size * 8 / 7)])
    image = functional.center_crop(image, [size, size])
    pixels: Tensor = functional.pil_to_tensor(image)
    return pixels.to(torch.float32) / 255


def _class_names(root: Path) -> tuple[str, ...]:
    """Name the class folders of `train`, in alphabetical order."""
    train = root / "train"
    if not train.is_dir():
        raise ComponentError(
            f"no folder {train}; put the training images there, one folder per class",
            field="root",
        )
    names = _folders(train)
    if not names:
        raise ComponentError(f"no class folders in {train}; make one per class", field="root")
    return names


def _folders(folder: Path) -> tuple[str, ...]:
    with os.scandir(folder) as entries:
        return tuple(sorted(e.name for e in entries if e.is_dir() and not e.name.startswith(".")))


def _list_images(part: Path, names: Sequence[str], *, size: int) -> ImageFiles:
    import numpy as np
    import torch

    paths: list[bytes] = []
    labels: list[int] = []
    for name in _folders(part):
        if name not in names:
            near = did_you_mean(name, names)
            raise ComponentError(f"class folder {part / name} is not in train{near}", field="root")
        found = [os.fsencode(path) for path in _image_paths(part / name)]
        paths += found
        labels += [names.index(name)] * len(found)
    if not paths:
        known = listing(_SUFFIXES)
        raise ComponentError(f"no images in the class folders of {part} ({known})", field="root")
    return ImageFiles(torch.tensor(labels), np.array(paths), size)


def _image_paths(folder: Path) -> Iterator[str]:
    """Walk a class folder in alphabetical order."""
    for base, folders, files in os.walk(folder, followlinks=True):
        folders.sort()
        for file in sorted(files):
            if file.lower().endswith(_SUFFIXES) and not file.startswith("."):
                yield os.path.join(base, file)
