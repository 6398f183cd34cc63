"""Images that cannot be read: named, and skipped where the blueprint allows it."""

import json
import os
import signal
from pathlib import Path

import attrs
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from graphkd.blueprint import load
from graphkd.errors import BlueprintError, ComponentError
from graphkd.run import train
from graphkd.run.record import read_metrics
from graphkd.run.unreadable import DataError, read_each
from graphkd.run.world import World
from tests.run.reading import batches_of

TEXT = """\
blueprint: folder
data: {dataset: image_folder, root: images, size: 8, batch_size: 6, SETTINGS}
train: {epochs: 2, device: cpu}
nodes: {student: {type: student, model: tiny}}
flows: [{from: data.label, to: student.logits, loss: cross_entropy}]
"""

CACHED = (
    TEXT.partition("nodes:")[0]
    + """\
nodes:
  teacher: {type: teacher, model: tinyCACHE}
  student: {type: student, model: tiny}
flows:
  - {from: data.label, to: teacher.logits, loss: cross_entropy, phases: [teach]}
  - {from: teacher.logits, to: student.logits, loss: kl}
phases: [{name: teach, train: [teacher]}, {name: distil, train: [student]}]
"""
)


def folder(place: Path, settings: str, text: str = TEXT):
    """Make 24 images for training and 6 for the test; one of each is none."""
    for part, count in (("train", 12), ("test", 3)):
        for label in "ab":
            (place / "images" / part / label).mkdir(parents=True, exist_ok=True)
            for number in range(count):
                file = place / "images" / part / label / f"{number:02}.png"
                Image.new("RGB", (9, 9), (20 * number, 99, 0)).save(file)
    for broken in ("train/a/05.png", "test/b/01.png"):
        (place / "images" / broken).write_bytes(b"nothing")
    file = place / "folder.yaml"
    file.write_text(text.replace("SETTINGS", settings))
    return load(file)


@pytest.mark.parametrize("workers", [0, 1])
def test_it_stops_the_run_and_is_named(tmp_path, workers):
    blueprint = folder(tmp_path, f"workers: {workers}")
    with pytest.raises(BlueprintError) as error:
        train(blueprint, out=tmp_path / "run")
    said = str(error.value)
    assert "train/a/05.png" in said and "data.unreadable: skip" in said
    assert f"graphkd resume {tmp_path / 'run'}" in said


def test_it_can_be_skipped_and_is_counted(tmp_path, capsys):
    from rich.console import Console

    blueprint = folder(tmp_path, "unreadable: skip")
    run = train(blueprint, out=tmp_path / "run", console=Console()).folder
    named = (run / "unreadable.txt").read_text().splitlines()
    assert ["train/a/05.png" in named[0], "test/b/01.png" in named[1]] == [True, True]
    assert "1 image could not be read" in " ".join(capsys.readouterr().out.split())
    # each sound image of the test counts, and no other
    top1 = read_metrics(run)[-1]["test/student/top1"]
    assert top1 * 5 == pytest.approx(round(top1 * 5))


def test_one_of_the_test_is_told_too(tmp_path):
    blueprint = folder(tmp_path, "workers: 0")
    images = tmp_path / "images" / "train" / "a"
    (images / "05.png").write_bytes((images / "04.png").read_bytes())
    with pytest.raises(BlueprintError) as error:
        train(blueprint, out=tmp_path / "run")
    assert f"graphkd resume {tmp_path / 'run'}" in str(error.value)
    reason = json.loads((tmp_path / "run" / "failure.json").read_text())["reason"]
    assert "test/b/01.png" in reason and "data.unreadable: skip" in reason


@pytest.mark.parametrize("cached", ["", ", cache: true"])
def test_it_may_be_one_by_which_the_data_set_is_known(tmp_path, cached, monkeypatch):
    monkeypatch.setenv("GRAPHKD_CACHE", str(tmp_path / "cache"))
    blueprint = folder(tmp_path, "unreadable: skip", CACHED.replace("CACHE", cached))
    (tmp_path / "images" / "train" / "a" / "00.png").write_bytes(b"nothing")
    named = (train(blueprint, out=tmp_path / "run").folder / "unreadable.txt").read_text()
    assert "train/a/00.png" in named
    stopping = attrs.evolve(blueprint, data=attrs.evolve(blueprint.data, unreadable="stop"))
    with pytest.raises(BlueprintError, match=r"train/a/00\.png.* write data\.unreadable: skip"):
        train(stopping, out=tmp_path / "other")
    assert not (tmp_path / "other").exists()


class Sometimes:
    """Images of a number, some of which cannot be read."""

    def __init__(self, broken, count=8):
        self.broken, self.count = set(broken), count
        self.labels = torch.arange(count)

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        if index in self.broken:
            raise ComponentError(f"cannot read {index}")
        return torch.full((1, 2, 2), float(index))


def batches(samples, policy, **settings):
    given = {"batch_size": 4, "seed": 0, "shuffle": True, **settings}
    indices = torch.arange(len(samples))
    return batches_of(samples, indices=indices, labels=samples.labels, unreadable=policy, **given)


@settings(max_examples=25)
@given(st.sets(st.integers(0, 7)), st.integers(0, 5))
def test_what_stands_for_an_image_brings_its_own_label_and_index(broken, seed):
    made = batches(Sometimes(broken), "replace", seed=seed)
    try:
        for batch in made.epoch(0):
            assert len(batch["image"]) == 4
            assert batch["image"][:, 0, 0, 0].tolist() == batch["index"].tolist()
            assert batch["label"].tolist() == batch["index"].tolist()
            assert not broken & set(batch["index"].tolist())
    except DataError as error:
        assert "no image of a batch" in str(error)
        return
    assert set(made.unreadable) == {f"cannot read {each}" for each in broken}


@settings(max_examples=25)
@given(st.sets(st.integers(0, 7)))
def test_an_evaluation_goes_without(broken):
    made = batches(Sometimes(broken), "drop", shuffle=False)
    found = [index for batch in made.epoch(0) for index in batch["index"].tolist()]
    assert found == [each for each in range(8) if each not in broken]


def test_images_are_read_once_more_only_where_one_failed():
    found = read_each(Sometimes({1}), [0, 1, 2], places=[0, 1, 2], policy="drop")
    assert (found.places, found.messages) == ([0, 2], ["cannot read 1"])


@settings(max_examples=50)
@given(st.sets(st.integers(0, 7)), st.integers(1, 5), st.integers(0, 5))
def test_processes_read_the_same_images_in_the_place_of_others(broken, count, seed):
    samples = Sometimes(broken)
    if len(broken) == 8:
        return
    made = batches(samples, "replace", batch_size=8, seed=seed)
    (whole,) = made.epoch(0)
    parts = [
        batches(samples, "replace", batch_size=8, seed=seed, world=World(rank, count))
        for rank in range(count)
    ]
    found = [index for part in parts for each in part.epoch(0) for index in each["index"].tolist()]
    assert found == whole["index"].tolist()


class Deadly(Sometimes):
    """Ends the process that reads."""

    def __getitem__(self, index):
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_reader_that_dies_is_told():
    made = batches(Deadly(()), "stop", workers=1)
    with pytest.raises(DataError, match=r"a process that reads data ended: .* lower data\.workers"):
        list(made.epoch(0))
