"""Two further augmentations of each image: `data.view1` and `data.view2`."""

from typing import ClassVar

import attrs
import pytest
import torch

from graphkd.blueprint import loads
from graphkd.compile import compile_blueprint
from graphkd.compile.instructions import Convert, Forward
from graphkd.component import Port, component
from graphkd.components.augmentations import GaussianNoise
from graphkd.errors import BlueprintError
from graphkd.run import Stopped, resume, train
from graphkd.run.order import sample_seed
from graphkd.run.source import divide, evaluation_batches, open_splits
from tests.run.counted import SOFT, NumberedData, assert_same, numbers, source_of, written
from tests.run.reading import batches_of
from tests.run.small import SMALL, begin, small, stepper
from tests.run.test_resume import StopAt, disturb, outcome

NODES = """\
nodes:
  other: {type: student, model: tiny, input: data.view1}
  student: {type: student, model: tiny, input: data.view2}
"""
NOISE = "augment: gaussian_noise"


def _source(data=NOISE, **settings):
    return source_of(written(data, nodes=NODES, **settings))


def test_each_view_is_augmented_on_its_own():
    batch = next(_source().epoch(0))
    views = [batch[name] for name in ("image", "view1", "view2")]
    assert len({view.numpy().tobytes() for view in views}) == 3
    # of the same images: the noise is 0.05 strong, numbers are 0.001 apart
    for view in views:
        assert (view.mean((1, 2, 3)) - batch["index"] / 1000).abs().max() < 0.03


def test_a_view_is_a_function_of_seed_epoch_index_and_view():
    augment = GaussianNoise().build(NumberedData().spec("").image)
    for epoch in (0, 3):
        for batch in _source().epoch(epoch):
            for row, index in enumerate(batch["index"].tolist()):
                for view, name in enumerate(("image", "view1", "view2")):
                    torch.manual_seed(sample_seed(0, epoch, index, view))
                    expected = augment(torch.full((3, 8, 8), index / 1000))
                    assert torch.equal(batch[name][row], expected)


def test_views_change_neither_the_image_nor_the_order():
    plain = list(source_of(written(NOISE)).epoch(1))
    viewed = list(_source().epoch(1))
    for one, other in zip(plain, viewed, strict=True):
        assert one.keys() == {"image", "label", "index"}
        assert all(torch.equal(one[key], other[key]) for key in one)


def test_only_what_is_read_is_made():
    nodes = NODES.replace(", input: data.view1", "")
    batch = next(source_of(written(NOISE, nodes=nodes)).epoch(0))
    assert batch.keys() == {"image", "label", "index", "view2"}


def test_workers_change_nothing():
    alone, helped = _source(), _source(f"workers: 2, {NOISE}")
    for number in (0, 1):
        assert_same(alone.epoch(number), helped.epoch(number))
    assert_same(alone.epoch(2, 1), helped.epoch(2, 1))


def test_training_randomness_is_left_alone():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    list(_source().epoch(0))
    assert torch.equal(torch.get_rng_state(), before)


def test_further_data_sets_have_views_too():
    extra = "extra: {dataset: numbered_for_tests, base: 500, share: 0.5}"
    batch = next(_source(f"{NOISE}, {extra}").epoch(0))
    for name in ("image", "view1", "view2"):
        assert (batch[name][4:].mean((1, 2, 3)) >= 0.45).all()
    assert not torch.equal(batch["view1"][4:], batch["view2"][4:])


def _darken(image):
    return image.mul_(0.5)


def test_an_augmentation_in_place_reaches_one_view_only():
    images = NumberedData().splits("").train
    batches = batches_of(
        images,
        indices=torch.arange(16),
        batch_size=16,
        augment=_darken,
        taps=("view1", "view2"),
    )
    (batch,) = batches.epoch(0)
    expected = torch.arange(16) / 2000
    for name in ("image", "view1", "view2"):
        torch.testing.assert_close(batch[name][:, 0, 0, 0], expected)


def test_mixing_leaves_views_alone():
    mixed = next(_source(f"{NOISE}, mixup: 1").epoch(0))
    plain = next(_source().epoch(0))
    assert not torch.equal(mixed["image"], plain["image"])
    assert torch.equal(mixed["view1"], plain["view1"])
    assert torch.equal(mixed["view2"], plain["view2"])


def test_evaluations_see_the_images_as_they_are():
    blueprint = loads(written(NOISE, nodes=NODES))
    parts = divide(blueprint, open_splits(blueprint), seed=0).parts
    (batch,) = evaluation_batches(parts.validation, blueprint.data).epoch(0)
    assert numbers(batch["image"]) == list(range(900, 906))
    assert torch.equal(batch["view1"], batch["image"])
    assert torch.equal(batch["view2"], batch["image"])


@component("transform", "view_table_for_tests")
@attrs.frozen
class ViewTable:
    """Is fitted on what it reads."""

    ports: ClassVar = (Port("input", "b d"),)
    fits: ClassVar[bool] = True

    def build(self, site):
        """Build a linear map."""
        return torch.nn.Linear(site.source.channels, site.source.channels)


FITTED = NODES + "  table: {type: view_table_for_tests, input: other.embedding}\n"
TAUGHT = SOFT + "  - {from: table, to: student.embedding, loss: mse}\n"
PHASES = "phases: [{name: survey, fit: [table]}, {name: distil, data: {augment: gaussian_noise}}]\n"


def test_a_phase_that_fits_sees_them_as_they_are():
    text = written(nodes=FITTED, flows=TAUGHT, phases=PHASES)
    source = source_of(text, phase=0)
    found = []
    for batch in source.epoch(0):
        assert torch.equal(batch["view1"], batch["image"])
        found += numbers(batch["view1"])
    assert found == list(range(16))
    assert not torch.equal(*(next(source_of(text).epoch(0))[name] for name in ("view1", "image")))


def test_each_model_has_its_own_conversion():
    nodes = NODES.replace("data.view1}", "data.view1, size: 12}")
    plan = compile_blueprint(loads(written(NOISE, nodes=nodes))).phases[0]
    made = {each.makes[0]: each for each in plan.instructions if isinstance(each, Convert)}
    read = {
        each.node: made[each.reads[0].value]
        for each in plan.instructions
        if isinstance(each, Forward)
    }
    assert {name: each.reads[0].value for name, each in read.items()} == {
        "other": "data.view1",
        "student": "data.view2",
    }
    assert {name: each.image.height for name, each in read.items()} == {"other": 12, "student": 8}


def test_students_learn_from_their_own_views():
    text = written(NOISE, nodes=NODES)
    session = begin(text)
    step = stepper(session)
    batch = next(source_of(text).epoch(0))
    step.run([batch])
    first = [loss.clone() for loss in step.losses]
    other = begin(text)
    again = stepper(other)
    # nobody reads the image itself
    again.run([{**batch, "image": torch.zeros_like(batch["image"])}])
    assert all(torch.equal(a, b) for a, b in zip(first, again.losses, strict=True))
    last = begin(text)
    swapped = stepper(last)
    swapped.run([{**batch, "view1": batch["view2"]}])
    assert not any(torch.equal(a, b) for a, b in zip(first, swapped.losses, strict=True))


def _error(text):
    with pytest.raises(BlueprintError) as caught:
        compile_blueprint(loads(text))
    return str(caught.value)


def test_views_without_augmentation_are_a_mistake():
    said = (
        "data.view{number} is the same as data.image in phase 'train', which augments nothing; "
        "write augment under data, or read data.image"
    )
    assert _error(written(nodes=NODES)).splitlines() == [
        "blueprint: 2 problems",
        f"  blueprint:6:46: node 'other': {said.format(number=1)}",
        f"  blueprint:7:48: node 'student': {said.format(number=2)}",
    ]


def test_only_phases_that_train_on_views_need_augmentation():
    compile_blueprint(loads(written(nodes=FITTED, flows=TAUGHT, phases=PHASES)))
    later = PHASES.replace("}}]", "}}, {name: more, epochs: 1}]")
    text = written(nodes=FITTED, flows=TAUGHT, phases=later)
    assert "data.view1 is the same as data.image in phase 'more'" in _error(text)


def test_a_view_is_the_image_before_it_was_mixed():
    nodes = NODES.replace(
        "type: student, model: tiny, input: data.view1", "type: call, of: student"
    )
    nodes = nodes.replace("data.view2", "data.view1")
    assert compile_blueprint(loads(written("mixup: 1", nodes=nodes)))


@component("transform", "of_a_view_for_tests")
@attrs.frozen
class OfAView:
    """A port that is called like a view."""

    ports: ClassVar = (Port("view1", "b c h w"),)


def test_no_port_reads_a_view_by_default():
    nodes = NODES + "  rest: {type: of_a_view_for_tests}\n"
    assert "nothing is wired to 'view1' of of_a_view_for_tests" in _error(
        written(NOISE, nodes=nodes)
    )


VIEWED = (
    SMALL.replace("classes: 4", "classes: 4, augment: [gaussian_noise, random_flip]")
    .replace("student: {type: student,", "student: {type: student, input: data.view1,")
    .replace("teacher: {type: teacher,", "teacher: {type: teacher, input: data.view2,")
)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_resumed_run_equals_an_undisturbed_one(tmp_path, monkeypatch, workers):
    train(small(tmp_path, text=VIEWED), out=tmp_path / "whole")
    StopAt(monkeypatch, 2, 8)
    with pytest.raises(Stopped):
        train(small(tmp_path, f"data.workers={workers}", text=VIEWED), out=tmp_path / "run")
    disturb()
    with pytest.raises(Stopped):
        resume(tmp_path / "run")
    disturb()
    resume(tmp_path / "run")
    assert outcome(tmp_path / "run") == outcome(tmp_path / "whole")
