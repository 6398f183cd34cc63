"""Processes read parts of the same batches, whatever their number."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphkd.compile import compile_blueprint
from graphkd.errors import BlueprintError
from graphkd.run.norms import share_statistics
from graphkd.run.portions import Portion, places_of, with_partners
from graphkd.run.source import divide, evaluation_batches, open_splits, training_source
from graphkd.run.train import pick_device
from graphkd.run.world import World, world_of
from tests.run.small import SMALL, begin, small


@given(st.lists(st.integers(0, 40), min_size=1, max_size=3), st.integers(1, 9))
def test_each_place_belongs_to_one_process(sizes, count):
    found = [places_of(sizes, World(rank, count)) for rank in range(count)]
    assert sorted(place for each in found for place in each) == list(range(sum(sizes)))
    for start, size in zip((0, *sizes[:1], sum(sizes[:2])), sizes, strict=False):
        own = [sum(start <= place < start + size for place in each) for each in found]
        assert max(own) - min(own) <= 1


@given(st.sets(st.integers(0, 19), min_size=1), st.integers(0, 20))
def test_what_is_mixed_comes_in_pairs(places, mixed):
    read = with_partners(sorted(places), mixed)
    assert places <= set(read)
    assert {mixed - 1 - place for place in read if place < mixed} <= set(read)
    assert [place for place in read if place >= mixed] == sorted(p for p in places if p >= mixed)


def batches_of(blueprint, world):
    opened = divide(blueprint, open_splits(blueprint), seed=0)
    plan = compile_blueprint(blueprint).phases[0]
    source = training_source(opened, plan, seed=0, world=world)
    return list(source.epoch(1, 1)), list(source.portions(1, 1))


VIEWED = "data.augment=[gaussian_noise]", "data.subset=35"


@pytest.mark.parametrize(
    "settings",
    [
        ("data.labels_per_class=3",),
        ("data.mixup=1", "data.mixup_share=0.7"),
        ("data.cutmix=1",),
        ("data.batch_size=4", "data.subset=37"),
    ],
)
@pytest.mark.parametrize("count", [2, 3])
def test_the_parts_of_all_processes_are_the_batches_of_one(tmp_path, settings, count):
    parts = small(tmp_path, *VIEWED, "data.batch_size=4", *settings)
    whole = small(tmp_path, *VIEWED, *settings, f"data.batch_size={4 * count}")
    expected, _ = batches_of(whole, World())
    made, portions = zip(
        *(batches_of(parts, World(rank, count)) for rank in range(count)), strict=True
    )
    for number, batch in enumerate(expected):
        counts = [each[number].own for each in portions]
        assert sum(counts) == len(batch["index"]) == portions[0][number].whole
        for key, value in batch.items():
            # a process without samples reads one that does not count
            rows = [each[number][key][:own] for each, own in zip(made, counts, strict=True)]
            assert torch.equal(torch.cat(rows), value), key
            assert all(len(each[number][key]) for each in made)


def test_a_mean_over_labelled_samples_counts_by_these():
    portion = Portion(own=4, whole=10, own_labelled=1, labelled=5)
    assert portion.share(labelled=False) == 0.4
    assert portion.share(labelled=True) == 0.2
    assert Portion(own=4, whole=10, own_labelled=0, labelled=0).share(labelled=True) == 0.0


def test_an_evaluation_reads_each_sample_once(tmp_path):
    blueprint = small(tmp_path, "data.samples=5600")
    part = divide(blueprint, open_splits(blueprint), seed=0).parts.test
    found = [
        batch["index"]
        for rank in range(3)
        for batch in evaluation_batches(part, blueprint.data, world=World(rank, 3)).epoch(0)
    ]
    assert len(found) > 3
    assert torch.equal(torch.cat(found).sort().values, part.indices)


def test_torchrun_tells_who_one_is():
    told = {"WORLD_SIZE": "4", "RANK": "3", "LOCAL_RANK": "1"}
    assert world_of(told) == World(3, 4, 1)
    assert world_of({"WORLD_SIZE": "1", "RANK": "0"}) == world_of({}) == World()


def test_one_device_for_several_processes_is_refused():
    with pytest.raises(BlueprintError) as caught:
        pick_device("cuda:1", world=World(0, 2))
    text = "train: device 'cuda:1' is one device for 2 processes; write auto or cuda"
    assert str(caught.value) == text


SYNCHRONIZED = SMALL.replace("device: cpu", "device: cpu, sync_batchnorm: true")


def test_norms_are_synchronized_in_their_place():
    session = begin(SYNCHRONIZED)
    before = dict(session.parts["student"].named_modules())
    # nothing is computed, so the test needs no GPU
    session.device = torch.device("cuda")
    share_statistics(session)
    after = dict(session.parts["student"].named_modules())
    assert all(after[name] is module for name, module in before.items())
    kinds = {type(module).__name__ for module in after.values()}
    assert "SyncBatchNorm" in kinds and "BatchNorm2d" not in kinds


def test_norms_on_a_cpu_cannot_be_synchronized():
    with pytest.raises(BlueprintError) as caught:
        share_statistics(begin(SYNCHRONIZED))
    assert str(caught.value).endswith(
        "train: sync_batchnorm needs GPUs, and this run is on the CPU; write false, or take models "
        "without batch norm"
    )
