"""Further data sets in training batches."""

from typing import ClassVar

import attrs
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphkd.blueprint import Extra, dumps, load, loads
from graphkd.component import Port, component
from graphkd.errors import BlueprintError
from graphkd.run import Stopped, resume, train
from graphkd.run.extra import join
from graphkd.run.order import extra_order
from graphkd.run.source import divide, evaluation_batches, open_splits
from tests.run.counted import (
    HARD,
    SOFT,
    Numbered,
    NumberedData,
    assert_same,
    numbers,
    source_of,
    written,
)
from tests.run.reading import batches_of
from tests.run.small import SMALL, begin, small, stepper
from tests.run.test_resume import StopAt, disturb, outcome

EXTRA = "extra: {dataset: numbered_for_tests, base: 500, count: 12, share: 0.25}"


def _extras(*shares, count=12):
    return [Extra(NumberedData(count=count), share=share) for share in shares]


def _joined(*shares, sizes, in_play, batch_size):
    main = Numbered(None, in_play, 0, 3, 8)
    opened = [Numbered(None, size, 0, 3, 8) for size in sizes]
    return join(main, _extras(*shares), opened, in_play=in_play, batch_size=batch_size)


@pytest.mark.parametrize("batch_size", [5, 7, 16, 100])
@pytest.mark.parametrize("share", [0.2, 0.29, 0.5])
def test_invariant_7_a_share_gives_its_floor_of_rows_last_in_the_batch(batch_size, share):
    expected = (
        {0.2: 2, 0.29: 29, 0.5: 5}[share] * batch_size // {0.2: 10, 0.29: 100, 0.5: 10}[share]
    )
    extra = f"extra: {{dataset: numbered_for_tests, base: 500, share: {share}}}"
    text = written(
        extra, dataset="{name}, count: 300".format(name="numbered_for_tests"), batch_size=batch_size
    )
    batch = next(source_of(text).epoch(0))
    found = numbers(batch["image"])
    assert len(found) == batch_size
    own = batch_size - expected
    assert all(number < 500 for number in found[:own])
    assert all(number >= 500 for number in found[own:])
    assert (batch["label"][own:] == -1).all()
    assert (batch["label"][:own] == batch["index"][:own] % 3).all()
    # places behind the 300 of the data set itself
    assert (batch["index"][own:] - 300 + 500).tolist() == found[own:]


def test_invariant_8_without_shares_rows_go_by_the_numbers_of_images():
    extra = "extra: {dataset: numbered_for_tests, base: 500, count: 48}"
    batches = list(source_of(written(extra, batch_size=16)).epoch(0))
    assert len(batches) == 4
    for batch in batches:
        found = numbers(batch["image"])
        assert [number >= 500 for number in found] == [False] * 4 + [True] * 12
    seen = [number for batch in batches for number in numbers(batch["image"])]
    # the shortest ends the epoch; here both end at once
    assert sorted(seen) == [*range(16), *range(500, 548)]


@given(
    st.lists(st.none() | st.floats(0.01, 0.3), min_size=1, max_size=3),
    st.integers(1, 200),
    st.integers(64, 300),
)
def test_the_rows_of_all_make_up_the_batch(shares, in_play, batch_size):
    sizes = [50] * len(shares)
    try:
        samples, extras, own = _joined(*shares, sizes=sizes, in_play=in_play, batch_size=batch_size)
    except ValueError as error:
        assert "gets no row" in str(error)
        return
    assert own >= 1
    assert own + sum(each.rows for each in extras) == batch_size
    assert len(samples) == in_play + sum(sizes)
    assert [each.first for each in extras] == [in_play + 50 * n for n in range(len(shares))]


def test_an_epoch_counts_the_data_set_itself():
    source = source_of(written(EXTRA))
    batches = list(source.epoch(0))
    # 16 samples, 6 a batch; the last has 4 of them, and 2 * 4 / 6 rows of the other
    assert len(source) == 3
    assert [len(batch["index"]) for batch in batches] == [8, 8, 5]
    own = [number for batch in batches for number in numbers(batch["image"]) if number < 500]
    assert sorted(own) == list(range(16))


def test_a_small_data_set_comes_again_within_an_epoch():
    extra = "extra: {dataset: numbered_for_tests, base: 500, count: 3, share: 0.5}"
    batches = list(source_of(written(extra)).epoch(0))
    found = [number for batch in batches for number in numbers(batch["image"]) if number >= 500]
    assert len(found) == 16
    assert all(sorted(found[at : at + 3]) == [500, 501, 502] for at in range(0, 15, 3))


def test_what_comes_again_is_augmented_anew():
    extra = "extra: {dataset: numbered_for_tests, base: 500, count: 1, share: 0.5}"
    (batch, *_) = source_of(written(f"augment: gaussian_noise, {extra}")).epoch(0)
    rows = batch["image"][4:]
    assert len({row.numpy().tobytes() for row in rows}) == 4
    # and the images themselves are augmented alike
    assert not torch.equal(rows[0], torch.full_like(rows[0], 0.5))


def test_the_order_depends_on_seed_and_epoch_alone():
    def found(seed, epoch):
        return [
            numbers(batch["image"]) for batch in source_of(written(EXTRA), seed=seed).epoch(epoch)
        ]

    torch.manual_seed(5)
    assert found(0, 1) == found(0, 1)
    assert found(0, 0) != found(0, 1) != found(1, 1)


@given(st.integers(1, 20), st.integers(0, 60), st.integers(0, 5))
def test_extra_order_goes_through_all_before_it_repeats(count, needed, epoch):
    order, before = extra_order(count, needed, seed=0, epoch=epoch, source=1)
    assert len(order) == len(before) == needed
    for time in range(needed // count):
        part = order[time * count : (time + 1) * count]
        assert part.sort().values.tolist() == list(range(count))
        assert (before[time * count : (time + 1) * count] == time).all()


def test_two_data_sets_have_orders_of_their_own():
    one, other = (extra_order(50, 50, seed=0, epoch=0, source=source)[0] for source in (1, 2))
    assert not torch.equal(one, other)


SEVERAL = (
    "augment: gaussian_noise, extra: [{dataset: numbered_for_tests, base: 500, count: 5, "
    "share: 0.25}, {dataset: numbered_for_tests, base: 700, count: 16, size: 12}]"
)


def test_workers_change_nothing():
    alone = source_of(written(SEVERAL))
    helped = source_of(written(f"workers: 2, {SEVERAL}"))
    for number in (0, 1):
        assert_same(alone.epoch(number), helped.epoch(number))


def test_starting_in_mid_epoch():
    source = source_of(written(SEVERAL))
    whole = list(source.epoch(3))
    for start in range(len(whole) + 1):
        assert_same(source.epoch(3, start), whole[start:])


def test_the_data_set_itself_is_shuffled_and_augmented_as_without():
    plain = list(source_of(written("augment: gaussian_noise", batch_size=6)).epoch(2))
    joined = list(source_of(written(f"augment: gaussian_noise, {EXTRA}", batch_size=8)).epoch(2))
    for one, other in zip(plain, joined, strict=True):
        rows = len(one["index"])
        for key in ("image", "label", "index"):
            assert torch.equal(one[key], other[key][:rows])


def test_other_sizes_are_resized():
    extra = "extra: {dataset: numbered_for_tests, base: 500, size: 11, share: 0.5}"
    batch = next(source_of(written(extra)).epoch(0))
    assert batch["image"].shape == (8, 3, 8, 8)
    assert (batch["index"][4:] - 16 + 500).tolist() == numbers(batch["image"][4:])


def test_source_says_which_data_set_a_row_is_from():
    source = source_of(written(SEVERAL))
    reader = source.batches._loader.dataset
    assert "source" not in next(source.epoch(0))
    made = batches_of(
        reader.samples,
        indices=torch.arange(16),
        batch_size=4,
        seed=0,
        shuffle=True,
        taps=("source",),
        extras=source.batches._plan.extras,
    )
    for batch in made.epoch(0):
        expected = [(number >= 500) + (number >= 700) for number in numbers(batch["image"])]
        assert batch["source"].tolist() == expected
        assert batch["source"].dtype == torch.int64
    assert {0, 1, 2} == set(batch["source"].tolist())


@component("loss", "by_source_for_tests")
@attrs.frozen
class BySource:
    """The squared difference, twice as much for each further data set."""

    ports: ClassVar = (Port("student", "b c"), Port("teacher", "b c"), Port("source", "b"))

    def __call__(self, student, teacher, source):
        """Compare two sets of logits."""
        rows = (student - teacher.detach()).square().mean(1)
        return (rows * 2.0**source).mean()


def test_a_loss_reads_source_by_default():
    text = written(SEVERAL, flows=SOFT.replace("loss: kl", "loss: by_source_for_tests"))
    batch = next(source_of(text).epoch(0))
    assert batch["source"].tolist() == sorted(batch["source"].tolist())
    assert {0, 1, 2} == set(batch["source"].tolist())
    found = []
    for source in (batch["source"], batch["source"] + 1):
        step = stepper(begin(text))
        step.run([{**batch, "source": source}])
        found.append(step.losses[0])
    torch.testing.assert_close(found[1], 2 * found[0])


def test_evaluation_has_the_data_set_alone():
    blueprint = loads(written(EXTRA))
    parts = divide(blueprint, open_splits(blueprint), seed=0).parts
    for part in (parts.validation, parts.test):
        (batch,) = evaluation_batches(part, blueprint.data).epoch(0)
        assert numbers(batch["image"]) == list(range(900, 906))
        assert batch["source"].tolist() == [0] * 6


def test_labels_of_the_data_set_itself_stay_hidden_or_shown():
    text = written(f"labels_per_class: 2, {EXTRA}", flows=HARD)
    batches = list(source_of(text).epoch(0))
    label = torch.cat([batch["label"] for batch in batches])
    assert sorted(label[label >= 0].tolist()) == [0, 0, 1, 1, 2, 2]


def test_extra_may_change_from_phase_to_phase():
    phases = f"phases: [{{name: one, data: {{{EXTRA}}}}}, {{name: two}}]\n"
    one, two = (next(source_of(written(phases=phases), phase=n).epoch(0)) for n in (0, 1))
    assert sum(number >= 500 for number in numbers(one["image"])) == 2
    assert all(number < 500 for number in numbers(two["image"]))


def _error(text):
    with pytest.raises(BlueprintError) as caught:
        source_of(text)
    return str(caught.value)


def _at(text, word):
    lines = text.splitlines()
    number = next(index for index, line in enumerate(lines) if word in line)
    return f"blueprint:{number + 1}:{lines[number].index(word) + 1}"


def test_mistakes_in_full():
    text = written("extra: [{dataset: numbered_for_tests, channels: 1}]")
    assert _error(text) == (
        f"{_at(text, 'numbered_for_tests, channels')}: data: extra 1: images of numbered_for_tests "
        "have 1 channel, those of the data set 3 channels; take one with 3 channels"
    )
    text = written("extra: [{dataset: image_folder, root: nowhere, classes: 2}]")
    assert _error(text).startswith(f"{_at(text, 'nowhere')}: data: extra 1: no folder ")
    text = written("extra: [{dataset: numbered_for_tests, share: 0.1}]")
    assert _error(text) == (
        f"{_at(text, '{dataset: numbered_for_tests, share')}: data: extra 1: gets no row of a "
        "batch of 8; write share: 0.125 or more, or a larger batch_size"
    )
    shares = ", ".join(["{dataset: numbered_for_tests, share: 0.5}"] * 2)
    text = written(f"extra: [{shares}]")
    assert _error(text) == (
        f"{_at(text, '[{')}: data: extra leaves no row of a batch of 8 for the data set itself; "
        "lower the shares"
    )
    text = written("extra: [{dataset: numbered_for_tests, share: 1}]")
    with pytest.raises(BlueprintError) as caught:
        loads(text)
    assert str(caught.value) == f"{_at(text, '1}]')}: data: share is 1, not below 1"


def test_a_mistake_in_a_phase_is_shown_there():
    phases = "phases: [{name: one, data: {extra: [{dataset: numbered_for_tests, channels: 1}]}}]\n"
    text = written(phases=phases)
    assert _error(text).startswith(f"{_at(text, 'numbered_for_tests, channels')}: data: extra 1: ")


def test_it_is_written_as_it_is_read(tmp_path):
    text = written(
        "extra: [numbered_for_tests, {dataset: numbered_for_tests, count: 4, share: 0.2}]"
    )
    blueprint = loads(text)
    assert blueprint.data.extra == (
        Extra(NumberedData()),
        Extra(NumberedData(count=4), share=0.2),
    )
    assert loads(dumps(blueprint)) == blueprint
    file = tmp_path / "b.yaml"
    file.write_text(text)
    changed = load(file, ["data.extra.2.share=0.4", "data.extra.1={count: 9}"])
    assert changed.data.extra == (
        Extra(NumberedData(count=9)),
        Extra(NumberedData(count=4), share=0.4),
    )


MIXED = SMALL.replace(
    "classes: 4",
    "classes: 4, augment: [gaussian_noise], "
    "extra: [{dataset: fake, size: 12, samples: 7, seed: 3, share: 0.25}]",
)


def test_a_resumed_run_equals_an_undisturbed_one(tmp_path, monkeypatch):
    train(small(tmp_path, text=MIXED), out=tmp_path / "whole")
    StopAt(monkeypatch, 2, 6)
    with pytest.raises(Stopped):
        train(small(tmp_path, text=MIXED), out=tmp_path / "run")
    disturb()
    with pytest.raises(Stopped):
        resume(tmp_path / "run")
    disturb()
    resume(tmp_path / "run")
    assert outcome(tmp_path / "run") == outcome(tmp_path / "whole")
