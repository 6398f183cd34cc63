from collections import Counter

import attrs
import numpy as np
import pytest
import torch
from torch import Tensor

from graphkd.blueprint import loads
from graphkd.compile import compile_blueprint
from graphkd.component import DataSpec, ImageSpec, Splits, component
from graphkd.errors import BlueprintError
from graphkd.run import train
from graphkd.run.source import divide, evaluation_batches, open_splits, training_source
from tests.run.small import SMALL, batch_of, begin, small, stepper


@attrs.define(eq=False)
class Counted:
    """Images of one value, the index; some samples have no label."""

    labels: Tensor | None
    count: int

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        return torch.full((3, 8, 8), index / 100)


@attrs.define(eq=False)
class Kept(Counted):
    """Hands out its own memory."""

    images: Tensor = attrs.field(factory=lambda: torch.rand(8, 3, 8, 8))

    def batch(self, indices):
        return self.images


@component("dataset", "counted_for_tests")
@attrs.frozen
class CountedData:
    """Training labels 0, 1, 2 in turn.

    Attributes:
        count: of the training samples.
        bare: how many of the last have no label.
        labelled: whether there are labels at all.
        kept: whether training hands out its own memory.
    """

    count: int = 9
    bare: int = 0
    labelled: bool = True
    kept: bool = False

    def spec(self, folder):
        image = ImageSpec(3, 8, 8, mean=(0.5,) * 3, std=(0.5,) * 3)
        return DataSpec(image, classes=3)

    def splits(self, folder):
        labels = torch.arange(self.count) % 3
        labels[self.count - self.bare :] = -1
        made = Kept if self.kept else Counted
        train = made(labels if self.labelled else None, self.count)
        rest = Counted(torch.arange(6) % 3, 6)
        return Splits(train, rest, rest)


COUNTED = SMALL.replace(
    "dataset: fake, size: 8, samples: 40, batch_size: 16, classes: 4",
    "dataset: counted_for_tests, batch_size: 4",
)


def source_of(text, *, seed=0, phase=-1):
    blueprint = loads(text)
    opened = divide(blueprint, open_splits(blueprint), seed=seed)
    return training_source(opened, compile_blueprint(blueprint).phases[phase], seed=seed)


def with_data(settings, text=COUNTED):
    return text.replace("batch_size: 4}", f"batch_size: 4, {settings}}}")


def epoch(source, number=0, start=0):
    return list(source.epoch(number, start))


def joined(batches, key):
    return torch.cat([batch[key] for batch in batches])


def test_an_epoch_has_each_sample_once_the_last_batch_smaller():
    batches = epoch(source_of(COUNTED))
    assert [len(batch["label"]) for batch in batches] == [4, 4, 1]
    assert joined(batches, "index").sort().values.tolist() == list(range(9))
    assert torch.equal(joined(batches, "label"), joined(batches, "index") % 3)


def test_labels_per_class_hides_the_others():
    batches = epoch(source_of(with_data("labels_per_class: 2")))
    index, label = joined(batches, "index"), joined(batches, "label")
    assert index.sort().values.tolist() == list(range(9))
    assert Counter(label.tolist()) == {0: 2, 1: 2, 2: 2, -1: 3}
    seen = label >= 0
    assert torch.equal(label[seen], index[seen] % 3)
    # in every epoch the same ones
    again = epoch(source_of(with_data("labels_per_class: 2")), 1)
    shown = {int(i) for i, each in zip(index, label, strict=True) if each >= 0}
    assert shown == {
        int(i)
        for i, each in zip(joined(again, "index"), joined(again, "label"), strict=True)
        if each >= 0
    }


def test_labelled_only_leaves_the_others_out():
    source = source_of(with_data("labels_per_class: 2, labelled_only: true"))
    batches = epoch(source)
    assert len(joined(batches, "index")) == 6
    assert Counter(joined(batches, "label").tolist()) == {0: 2, 1: 2, 2: 2}


def test_images_without_a_label_still_teach():
    text = SMALL.replace("classes: 4", "classes: 4, labels_per_class: 1")
    session = begin(text)
    step = stepper(session)
    before = session.parts["student"].model.fc.weight.clone()
    step.run([{**batch_of(8), "label": torch.full((8,), -1)}])
    hard, soft = step.losses
    assert hard == 0
    assert soft > 0
    assert not torch.equal(before, session.parts["student"].model.fc.weight)


def source_error(text, **settings):
    with pytest.raises(BlueprintError) as caught:
        source_of(text, **settings)
    return str(caught.value)


def at(text, key):
    """Say where the value of a key stands."""
    lines = text.splitlines()
    number = next(index for index, line in enumerate(lines) if f"{key}: " in line)
    return f"blueprint:{number + 1}:{lines[number].index(f'{key}: ') + len(key) + 3}"


def test_data_errors_in_full():
    text = with_data("labels_per_class: 4")
    assert source_error(text) == (
        f"{at(text, 'labels_per_class')}: data: class 0 has 3 labelled images, not 4; "
        "ask for at most 3 per class"
    )
    text = with_data("labels_per_class: 1, labelled: false")
    assert source_error(text) == f"{at(text, 'labels_per_class')}: data: the data set has no labels"
    text = with_data("mixup: 1, bare: 1")
    assert source_error(text) == f"{at(text, 'mixup')}: data: mixup and cutmix need every label"
    text = COUNTED.replace("batch_size: 4", "mixup: 1, batch_size: 10")
    assert source_error(text) == (
        f"{at(text, 'batch_size')}: data: no batch: batch_size is 10, the images are 9"
    )


def test_a_mistake_in_a_phase_is_shown_there():
    phase = "{name: distil, train: [student], data: {labels_per_class: 9}}"
    text = COUNTED.replace("{name: distil, train: [student]}", phase)
    assert source_error(text) == (
        f"{at(text, 'labels_per_class')}: data: class 0 has 3 labelled images, not 9; "
        "ask for at most 3 per class"
    )


def test_a_step_of_augmentation_is_named():
    text = with_data("augment: [gaussian_noise, {type: gaussian_blur, kernel: 31}]")
    assert source_error(text) == (
        f"{at(text, 'kernel')}: data: augment 2: a kernel of 31 pixels is too large for images of "
        "8x8; lower it"
    )


def test_mixing_looks_at_labels_that_are_read_with_and_without_prune(tmp_path):
    text = SMALL.replace("classes: 4", "classes: 4, labels_per_class: 2").replace(
        "{name: distil, train: [student]}", "{name: distil, train: [student], data: {mixup: 1}}"
    )
    text = text.replace("to: student.logits, loss: cross", "to: teacher.logits, loss: cross")
    found = [
        train(small(tmp_path, text=text), out=tmp_path / f"{len(without)}", without=without)
        for without in ((), ("prune",))
    ]
    assert found[0].evaluations == found[1].evaluations


def test_mixing_gives_soft_labels_of_pairs():
    text = SMALL.replace("classes: 4", "classes: 4, mixup: 1")
    plain, mixed = epoch(source_of(SMALL)), epoch(source_of(text))
    # 40 samples: the half batch at the end is left out
    assert [len(batch["image"]) for batch in mixed] == [16, 16]
    shares = []
    for batch, whole in zip(mixed, plain, strict=False):
        assert torch.equal(batch["index"], whole["index"])
        one = torch.nn.functional.one_hot(whole["label"], 4).float()
        pairs = one != one.flip(0)
        # label = share * own + (1 - share) * partner's, the image alike
        share = batch["label"][one.bool() & pairs]
        assert share.unique().numel() == 1
        shares.append(share[0].item())
        torch.testing.assert_close(
            batch["image"], share[0] * whole["image"] + (1 - share[0]) * whole["image"].flip(0)
        )
        torch.testing.assert_close(batch["label"].sum(1), torch.ones(16))
    assert shares[0] != shares[1]


def test_cutmix_labels_say_how_much_was_cut():
    text = SMALL.replace("classes: 4", "classes: 4, cutmix: 1")
    mixed, plain = epoch(source_of(text), 3), epoch(source_of(SMALL), 3)
    cut = 0
    for batch, whole in zip(mixed, plain, strict=False):
        kept = (batch["image"] == whole["image"]).all(1).float().mean((1, 2))
        one = torch.nn.functional.one_hot(whole["label"], 4).float()
        expected = kept[:, None] * one + (1 - kept[:, None]) * one.flip(0)
        torch.testing.assert_close(batch["label"], expected)
        cut += int((kept < 1).sum())
    assert cut


def test_mixing_depends_on_seed_epoch_and_batch_alone():
    text = SMALL.replace("classes: 4", "classes: 4, mixup: 0.8, cutmix: 1")
    first = epoch(source_of(text), 2)
    np.random.seed(99)
    torch.manual_seed(99)
    before = np.random.get_state()[1].copy()
    again = epoch(source_of(text), 2)
    assert np.array_equal(before, np.random.get_state()[1])
    assert all(torch.equal(a["label"], b["label"]) for a, b in zip(first, again, strict=True))
    assert all(torch.equal(a["image"], b["image"]) for a, b in zip(first, again, strict=True))
    # a resumed epoch begins in the middle
    (last,) = epoch(source_of(text), 2, 1)
    assert torch.equal(last["image"], first[1]["image"])
    assert torch.equal(last["label"], first[1]["label"])


def test_each_step_of_each_run_has_its_own_share():
    text = SMALL.replace("classes: 4", "classes: 4, mixup: 1")
    shares = [
        # pairs of one class have a label of 1
        round(batch["label"][batch["label"] < 0.99999].max().item(), 6)
        for seed in (0, 1)
        for number in (0, 1)
        for batch in epoch(source_of(text, seed=seed), number)
    ]
    assert len(set(shares)) == len(shares) == 8


def test_mixing_leaves_the_data_set_alone():
    """Even one that hands out its own memory."""
    text = with_data("mixup: 1").replace("batch_size: 4", "batch_size: 8, count: 8, kept: true")
    source = source_of(text)
    images = source.batches._loader.dataset.samples.images
    before = images.clone()
    (batch,) = epoch(source)
    assert not torch.equal(batch["image"], before)
    assert torch.equal(images, before)


def test_soft_labels_are_learnt_from():
    text = SMALL.replace("classes: 4", "classes: 4, mixup: 1")
    session = begin(text)
    step = stepper(session)
    (batch, _) = epoch(source_of(text))
    step.run([batch])
    hard, _ = step.losses
    with torch.no_grad():
        logits = begin(text).parts["student"].train()
        spec = session.schedule.graph.graph["data_spec"].image
        mean, std = (torch.tensor(each).view(1, -1, 1, 1) for each in (spec.mean, spec.std))
        found = logits((batch["image"] - mean) / std).log_softmax(1)
    torch.testing.assert_close(hard, -(batch["label"] * found).sum(1).mean())


def test_validation_is_carved_out_and_its_labels_are_shown():
    blueprint = loads(with_data("labels_per_class: 1, validation: 0.5"))
    splits = open_splits(blueprint)
    splits = Splits(splits.train, None, splits.test)
    parts = divide(blueprint, splits, seed=0).parts
    both = [*parts.train.indices.tolist(), *parts.validation.indices.tolist()]
    assert sorted(both) == list(range(9))
    batches = list(evaluation_batches(parts.validation, blueprint.data).epoch(0))
    assert torch.equal(joined(batches, "label"), parts.validation.indices % 3)
    other = divide(blueprint, splits, seed=1).parts
    assert not torch.equal(other.train.indices, parts.train.indices)


def test_absent_files_are_a_mistake():
    text = COUNTED.replace("dataset: counted_for_tests", "dataset: image_folder, root: nowhere")
    with pytest.raises(BlueprintError) as caught:
        open_splits(loads(text))
    assert str(caught.value).startswith(f"{at(text, 'root')}: data: ")


def test_too_little_data_is_an_error():
    text = COUNTED.replace("batch_size: 4", "batch_size: 4, count: 0")
    blueprint = loads(text)
    with pytest.raises(BlueprintError) as caught:
        divide(blueprint, open_splits(blueprint), seed=0)
    assert str(caught.value) == f"{at(text, 'dataset')}: data: the data set's train split is empty"
