import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from graphkd.components.datasets import ImageFolder
from graphkd.errors import ComponentError
from tests.run.reading import batches_of


def _error(dataset, folder=""):
    with pytest.raises(ComponentError) as caught:
        dataset.splits(folder)
    return str(caught.value), caught.value.field


def _splits(root, **settings):
    return ImageFolder(root=str(root), **settings).splits("")


def _sizes(splits):
    parts = (splits.train, splits.validation, splits.test)
    return [None if part is None else len(part) for part in parts]


def test_three_parts(image_root):
    assert _sizes(_splits(image_root)) == [6, 2, 2]


@pytest.mark.parametrize("left", ["val", "test"])
def test_a_single_held_out_part_is_the_test(image_root, left):
    shutil.rmtree(image_root / ({"val", "test"} - {left}).pop())
    assert _sizes(_splits(image_root)) == [6, None, 2]


def test_root_is_relative_to_the_folder(image_root):
    assert len(ImageFolder(root="images").splits(image_root.parent).train) == 6


def test_labels_are_the_sorted_folders(image_root):
    # a part without the first class keeps the numbers of train
    shutil.rmtree(image_root / "test" / "cat")
    splits = _splits(image_root)
    assert splits.train.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert splits.test.labels.tolist() == [1]


def test_other_files_are_passed_over(image_root):
    (image_root / "train" / "cat" / "notes.txt").write_text("no image")
    (image_root / "train" / "cat" / ".hidden.png").write_text("no image")
    (image_root / "train" / ".cache").mkdir()
    (image_root / "train" / "cat" / "more").mkdir()
    Image.new("L", (5, 5)).save(image_root / "train" / "cat" / "more" / "LAST.JPG")
    splits = _splits(image_root, size=8)
    assert splits.train.labels.tolist() == [0, 0, 0, 0, 1, 1, 1]
    # grey becomes three channels
    assert torch.equal(splits.train[3], torch.zeros(3, 8, 8))


def test_centre_of_the_resized_image(image_root):
    # size 7: the shorter side of 16 becomes 8, so the left half of 16 by 32 ends at column 8 of 16;
    # the centre's 7 columns are 4 to 10 (from round(9 / 2) = 4), four of them white
    pixels = np.zeros((16, 32, 3), dtype=np.uint8)
    pixels[:, :16] = 255
    Image.fromarray(pixels).save(image_root / "train" / "cat" / "0.png")
    image = _splits(image_root, size=7).train[0]
    assert image.shape == (3, 7, 7)
    # the two columns beside the edge are blurred by the resize
    columns = image[0].mean(dim=0)
    torch.testing.assert_close(columns[:3], torch.ones(3))
    torch.testing.assert_close(columns[5:], torch.zeros(2))


@pytest.mark.parametrize("shape", [(5, 90), (90, 5), (1, 1), (64, 64)])
def test_any_shape_becomes_the_size(image_root, shape):
    pixels = np.full((*shape, 3), 255, dtype=np.uint8)
    Image.fromarray(pixels).save(image_root / "train" / "cat" / "0.png")
    image = _splits(image_root, size=32).train[0]
    assert torch.equal(image, torch.ones(3, 32, 32))


def test_spec_without_files(tmp_path):
    spec = ImageFolder(root="absent", classes=1000).spec(tmp_path)
    assert spec.classes == 1000
    assert spec.image.mean == (0.485, 0.456, 0.406)


def test_spec_counts_the_folders(image_root):
    assert ImageFolder(root=str(image_root)).spec("").classes == 2


def test_corrupt_image_is_named(image_root):
    path = image_root / "train" / "dog" / "0.png"
    path.write_bytes(b"not a picture")
    splits = _splits(image_root)
    with pytest.raises(ComponentError) as caught:
        splits.train[3]
    message = f"cannot read the image {path}: cannot identify image file '{path}'"
    assert str(caught.value) == message
    assert caught.value.field == "root"


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_cut_off_image_is_named(image_root, suffix):
    path = image_root / "train" / "cat" / f"0.{suffix}"
    random = np.random.default_rng(0)
    Image.fromarray(random.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:-600])
    splits = _splits(image_root)
    with pytest.raises(ComponentError, match=f"cannot read the image {path}: "):
        [splits.train[index] for index in range(len(splits.train))]


def test_corrupt_image_is_named_from_a_worker(image_root):
    path = image_root / "train" / "cat" / "0.png"
    path.write_bytes(b"")
    samples = _splits(image_root).train
    batches = batches_of(
        samples,
        indices=torch.arange(6),
        batch_size=6,
        workers=1,
    )
    with pytest.raises(ComponentError, match=f"cannot read the image {path}: "):
        list(batches.epoch(0))


def test_absent(tmp_path):
    assert _error(ImageFolder(), tmp_path) == (
        f"no folder {tmp_path}/data/train; put the training images there, one folder per class",
        "root",
    )


def test_no_class_folders(tmp_path):
    (tmp_path / "data" / "train").mkdir(parents=True)
    assert _error(ImageFolder(), tmp_path) == (
        f"no class folders in {tmp_path}/data/train; make one per class",
        "root",
    )


def test_nothing_held_out(image_root):
    shutil.rmtree(image_root / "val")
    shutil.rmtree(image_root / "test")
    message = f"neither val nor test in {image_root}; one must exist"
    assert _error(ImageFolder(root=str(image_root))) == (message, "root")


@pytest.mark.parametrize("part", ["train", "val", "test"])
def test_empty_part(image_root, part):
    for image in (image_root / part).rglob("*.png"):
        image.unlink()
    message = (
        f"no images in the class folders of {image_root}/{part} "
        "(.jpg, .jpeg, .png, .bmp, .ppm, .pgm, .tif, .tiff, .webp)"
    )
    assert _error(ImageFolder(root=str(image_root))) == (message, "root")


def test_wrong_number_of_classes(image_root):
    assert _error(ImageFolder(root=str(image_root), classes=3)) == (
        f"classes is 3, but {image_root}/train has 2 class folders; "
        "leave classes out to count them",
        "classes",
    )


def test_class_that_train_lacks(image_root):
    (image_root / "val" / "cats").mkdir()
    assert _error(ImageFolder(root=str(image_root))) == (
        f"class folder {image_root}/val/cats is not in train; did you mean 'cat'?",
        "root",
    )


@pytest.mark.parametrize(
    "settings", [{"size": 0}, {"classes": 1}, {"std": (0.2, 0.0, 0.2)}, {"mean": (0.5, 0.5, 2.0)}]
)
def test_impossible_settings(settings):
    with pytest.raises(ValueError):
        ImageFolder(**settings)
