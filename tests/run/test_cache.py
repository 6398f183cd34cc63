"""With a cache a run computes the same, and runs a frozen teacher once for each image."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from graphkd.compile import compile_blueprint
from graphkd.component import register_model
from graphkd.errors import BlueprintError
from graphkd.run import resume, train
from graphkd.run.cache import found_stores
from graphkd.run.cache.build import build_stores
from graphkd.run.progress import Progress
from graphkd.run.source import divide, open_splits, training_source
from graphkd.run.step import PhaseStep
from tests.conftest import TinyNet
from tests.run.small import HEAD, small

# 40 training images in 3 batches, the last of 8; dropout, so that random streams matter
TEXT = (
    HEAD.replace("epochs: 2, log_every: 2", "epochs: 5, log_every: 1").replace(
        "classes: 4", "classes: 4, augment: [gaussian_noise, random_flip]"
    )
    + """\
nodes:
  teacher: {type: teacher, model: cached_for_tests, weights: teacher.safetensors, cache: {views: 2}}
  student: {type: student, model: tiny, args: {dropout: 0.2}}
flows:
  - {from: data.label, to: student.logits, loss: cross_entropy, weight: 0.1}
  - {from: teacher.logits, to: student.logits, loss: kl, temperature: 2, weight: 0.9}
  - {from: teacher.stage2, to: student.stage2, loss: mse, via: conv1x1}
"""
)
SHORT = ("train.epochs=1",)
PLAIN = TEXT.replace(", augment: [gaussian_noise, random_flip]", "")


class Counted(TinyNet):
    """Counts the images that it sees while something learns."""

    learning = False
    seen = 0

    def __init__(self, num_classes, in_chans):
        super().__init__(num_classes, in_chans, width=6)
        self.stage1.register_forward_hook(self.count)

    def count(self, module, arguments, result):
        Counted.seen += len(result) * Counted.learning


@register_model("cached_for_tests")
def counted(num_classes, in_chans):
    return Counted(num_classes, in_chans)


class Noisy(TinyNet):
    def __init__(self, num_classes, in_chans):
        super().__init__(num_classes, in_chans)
        self.fc.register_forward_hook(lambda *found: found[2] + torch.rand(()))


@register_model("noisy")
def noisy(num_classes, in_chans):
    return Noisy(num_classes, in_chans)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Give each test a cache and a teacher of its own, and count what the teacher sees."""
    monkeypatch.setenv("GRAPHKD_CACHE", str(tmp_path / "cache"))
    torch.manual_seed(3)
    save_file(Counted(4, 3).state_dict(), tmp_path / "teacher.safetensors")
    real = PhaseStep.run

    def run(self, *arguments):
        Counted.learning = True
        try:
            real(self, *arguments)
        finally:
            Counted.learning = False

    monkeypatch.setattr(PhaseStep, "run", run)


def ran(folder, name, text, *overrides, without=()):
    """Train; return the losses of each step, and how many images the teacher saw."""
    Counted.seen = 0
    train(small(folder, *overrides, text=text), out=folder / name, without=without)
    lines = (folder / name / "metrics.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    losses = [
        {key: value for key, value in each.items() if key.startswith("loss/")} for each in records
    ]
    return [each for each in losses if each], Counted.seen


def outcome(folder):
    files = ("metrics.jsonl", "student.safetensors", "results.json")
    return [(folder / name).read_bytes() for name in files]


@pytest.mark.parametrize(("text", "views"), [(TEXT, 2), (PLAIN, 1)])
def test_losses_are_those_without_and_the_teacher_sees_each_image_once(tmp_path, text, views):
    plain, seen = ran(tmp_path, "plain", text, without=["cache"])
    assert seen == 5 * 40
    kept, seen = ran(tmp_path, "kept", text)
    assert seen == views * 40
    # an epoch has 3 steps; in the first ones each image is met for the first time
    assert len(kept) == 15
    assert kept[: 3 * views] == plain[: 3 * views]
    # afterwards a row may have been computed in another batch, and be rounded otherwise
    for one, other in zip(kept, plain, strict=True):
        assert one == pytest.approx(other, rel=1e-4)
    # another run computes nothing, and gets the very same
    again, seen = ran(tmp_path, "again", text)
    assert seen == 0
    assert again == kept
    assert outcome(tmp_path / "again") == outcome(tmp_path / "kept")


def test_pixels_come_again_after_so_many_epochs(tmp_path):
    schedule = compile_blueprint(small(tmp_path, text=TEXT))
    opened = divide(schedule.blueprint, open_splits(schedule.blueprint), seed=0)
    source = training_source(opened, schedule.phases[0], seed=0)

    def images(epoch):
        batches = list(source.epoch(epoch))
        index = torch.cat([each["index"] for each in batches])
        rows = torch.cat([each["row"] for each in batches])
        assert torch.equal(rows, index + epoch % 2 * 40)
        return index, torch.cat([each["image"] for each in batches])[index.argsort()]

    (order, first), (_, second), (later, third) = map(images, range(3))
    assert torch.equal(first, third)
    assert not torch.equal(first, second)
    # in an order of their own
    assert not torch.equal(order, later)


@pytest.mark.parametrize(("step", "written"), [(1, False), (4, True), (8, False)])
def test_a_killed_run_goes_on_as_if_undisturbed(tmp_path, monkeypatch, step, written):
    blueprint = small(tmp_path, "train.checkpoint_every=3", "train.epochs=4", text=TEXT)
    train(blueprint, out=tmp_path / "whole")
    monkeypatch.setenv("GRAPHKD_CACHE", str(tmp_path / "another cache"))
    real = PhaseStep.run

    def killed(self, *arguments):
        # the step before it, and maybe its own rows, are not in a checkpoint
        if written:
            real(self, *arguments)
        if self.session.step >= step:
            raise KeyboardInterrupt
        if not written:
            real(self, *arguments)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(PhaseStep, "run", killed)
        train(blueprint, out=tmp_path / "run")
    torch.rand(7)
    resume(tmp_path / "run")
    assert outcome(tmp_path / "run") == outcome(tmp_path / "whole")


def test_another_teacher_data_or_augmentation_has_another_store(tmp_path):
    stores = []

    def count(*overrides):
        _, seen = ran(tmp_path, f"run{len(stores)}", TEXT, *SHORT, *overrides)
        stores.append(len(found_stores()))
        return seen

    assert count() == 40
    assert count("teacher.cache.dtype=bfloat16") == 40
    assert count("data.augment_probability=0.5") == 40
    assert count("data.samples=24") == 24
    assert count("train.seed=1") == 40
    weights = load_file(tmp_path / "teacher.safetensors")
    weights["fc.bias"] += 1e-6
    save_file(weights, tmp_path / "teacher.safetensors")
    assert count() == 40
    assert stores == [1, 2, 3, 4, 5, 6]
    # what changes no value of the teacher finds the store
    assert count("student.lr=1e-4", "data.batch_size=20", "train.epochs=1") == 0


def test_without_augmentation_seeds_share_a_store(tmp_path):
    assert ran(tmp_path, "one", PLAIN, *SHORT)[1] == 40
    assert ran(tmp_path, "other", PLAIN, *SHORT, "train.seed=1")[1] == 0


def test_a_teacher_is_kept_from_the_phase_on_in_which_it_is_frozen(tmp_path):
    text = PLAIN.replace(", weights: teacher.safetensors", "")
    text += "  - {from: data.label, to: teacher.logits, loss: cross_entropy}\n"
    text += "phases: [{name: teach, train: teacher, epochs: 2}, {name: distil, train: student}]\n"
    plain, seen = ran(tmp_path, "plain", text, without=["cache"])
    assert seen == (2 + 5) * 40
    kept, seen = ran(tmp_path, "kept", text)
    assert seen == (2 + 1) * 40
    assert kept[:9] == plain[:9]
    # it cannot be built before it has learnt
    (late,) = build_stores(compile_blueprint(small(tmp_path, text=text)), Progress())
    assert (late.phase, late.node, late.folder) == ("distil", "teacher", None)


@pytest.mark.parametrize(
    ("cache", "close"),
    [("{dtype: bfloat16}", 2e-2), ("{dtype: float16, top: 3}", 2e-3)],
)
def test_fewer_bytes_are_close(tmp_path, cache, close):
    # 4 classes: the mass of a single one that is not kept is its own
    text = PLAIN.replace("cache: {views: 2}", f"cache: {cache}")
    plain, _ = ran(tmp_path, "plain", text, *SHORT, without=["cache"])
    kept, _ = ran(tmp_path, "kept", text, *SHORT)
    for one, other in zip(kept, plain, strict=True):
        assert one == pytest.approx(other, rel=close)
    assert kept != plain


def test_built_ahead_a_run_is_the_same_and_computes_nothing(tmp_path):
    _, seen = ran(tmp_path, "plain", TEXT)
    assert seen == 80
    for each in found_stores():
        shutil.rmtree(each.folder)
    schedule = compile_blueprint(small(tmp_path, text=TEXT))
    (built,) = build_stores(schedule, Progress())
    # 4 logits, 12 x 2 x 2 of stage2, and a checksum
    assert (built.rows, built.written, built.bytes) == (80, 80, 80 * (4 * (4 + 48) + 4))
    assert built.folder == found_stores()[0].folder
    (again,) = build_stores(schedule, Progress())
    assert again.written == 0
    _, seen = ran(tmp_path, "built", TEXT)
    assert seen == 0
    assert outcome(tmp_path / "built") == outcome(tmp_path / "plain")


def test_no_more_is_built_than_the_epochs_show(tmp_path):
    schedule = compile_blueprint(small(tmp_path, *SHORT, text=TEXT))
    (built,) = build_stores(schedule, Progress())
    assert built.rows == built.written == 40


def test_a_forward_that_draws_random_numbers_is_refused(tmp_path):
    save_file(TinyNet(4, 3).state_dict(), tmp_path / "teacher.safetensors")
    with pytest.raises(BlueprintError) as caught:
        ran(tmp_path, "run", PLAIN.replace("cached_for_tests", "noisy"))
    assert str(caught.value) == (
        "node 'teacher': its forward draws random numbers, so it differs every time; drop cache"
    )


def test_a_disk_without_room_is_told_before_anything_is_computed(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(9, 9, 16000))
    with pytest.raises(BlueprintError) as caught:
        ran(tmp_path, "run", TEXT)
    assert Counted.seen == 0
    assert str(caught.value).startswith(
        f"{tmp_path / 'cache'}: the cache needs 16,960 bytes, and 16,000 are free; make room, set "
        "GRAPHKD_CACHE to a folder on another disk, or write a smaller dtype, top or views"
    )


def test_two_frozen_nodes_and_views_of_the_data(tmp_path):
    """One conversion for two stores, and a node that sees another augmentation."""
    nodes = """\
  second: {type: call, of: teacher, input: data.view1, cache: {views: 2}}
  third: {type: teacher, model: tiny, weights: third.safetensors, cache: {views: 2}}
  student:"""
    flows = """\
  - {from: second.logits, to: student.logits, loss: kl}
  - {from: third.logits, to: student.logits, loss: kl}
"""
    save_file(TinyNet(4, 3).state_dict(), tmp_path / "third.safetensors")
    text = TEXT.replace("  student:", nodes, 1) + flows
    settings = ("train.accumulate=2", "train.log_every=1")
    plain, seen = ran(tmp_path, "plain", text, *settings, without=["cache"])
    assert seen == 2 * 5 * 40
    kept, seen = ran(tmp_path, "kept", text, *settings)
    assert seen == 2 * 2 * 40
    # two steps an epoch
    assert kept[:4] == plain[:4]
    for one, other in zip(kept, plain, strict=True):
        assert one == pytest.approx(other, rel=1e-4)
