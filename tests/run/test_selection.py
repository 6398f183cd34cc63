"""Which training samples a phase learns from: halves, subsets, labelled ones."""

from collections import Counter

import pytest
import torch

from graphkd.blueprint import loads
from graphkd.errors import BlueprintError
from graphkd.run.source import divide, open_splits
from tests.run.counted import HARD, SOFT, numbers, source_of, written
from tests.run.test_views import FITTED, TAUGHT

SIXTY = "numbered_for_tests, count: 60"


def found(data="", *, dataset=SIXTY, flows=HARD, seed=0, phase=-1, phases="", **settings):
    """Return the indices that an epoch goes through, ascending."""
    text = written(data, dataset=dataset, flows=flows, phases=phases, **settings)
    batches = list(source_of(text, seed=seed, phase=phase).epoch(0))
    index = torch.cat([batch["index"] for batch in batches]).tolist()
    assert len(set(index)) == len(index)
    assert [n for batch in batches for n in numbers(batch["image"])] == index
    return sorted(index)


def test_the_halves_have_nothing_in_common_and_make_up_the_whole():
    first, second = found("half: first"), found("half: second")
    assert len(first) == len(second) == 30
    assert sorted([*first, *second]) == list(range(60))
    for half in (first, second):
        assert Counter(index % 3 for index in half) == {0: 10, 1: 10, 2: 10}


def test_teacher_and_student_may_have_a_half_each():
    phases = (
        "phases: [{name: teach, data: {half: first}}, {name: distil, data: {half: second}}, "
        "{name: both, data: {half: null}}]\n"
    )
    teach, distil, both = (found(phases=phases, phase=number) for number in range(3))
    assert not {*teach} & {*distil}
    assert sorted([*teach, *distil]) == both


def test_a_subset_has_the_same_share_of_every_class():
    chosen = found("subset: 15")
    assert Counter(index % 3 for index in chosen) == {0: 5, 1: 5, 2: 5}
    assert chosen == found("subset: 15")
    assert {*chosen} < {*found("subset: 30")}


def test_subsets_depend_on_the_seed():
    assert found("subset: 15", seed=0) != found("subset: 15", seed=1)
    assert found("half: first", seed=0) != found("half: first", seed=1)


def test_a_subset_of_a_half():
    assert {*found("half: first, subset: 10")} < {*found("half: first")}
    assert len(found("half: first, subset: 10")) == 10


def test_data_sets_without_labels_have_halves_and_subsets():
    dataset = f"{SIXTY}, labelled: false"
    first, second = (
        found(f"half: {each}", dataset=dataset, flows=SOFT) for each in ("first", "second")
    )
    assert sorted([*first, *second]) == list(range(60))
    assert len(found("subset: 7", dataset=dataset, flows=SOFT)) == 7


def test_labels_per_class_are_chosen_among_the_subset():
    text = written("subset: 15, labels_per_class: 2", dataset=SIXTY, flows=HARD)
    batches = list(source_of(text).epoch(0))
    index, label = (torch.cat([batch[key] for batch in batches]) for key in ("index", "label"))
    assert index.sort().values.tolist() == found("subset: 15")
    assert Counter(label.tolist()) == {0: 2, 1: 2, 2: 2, -1: 9}
    labelled = found("subset: 15, labels_per_class: 2, labelled_only: true")
    assert labelled == index[label >= 0].sort().values.tolist()


def test_validation_and_test_stay_whole():
    text = written("half: first, subset: 4", dataset=f"{SIXTY}, own_validation: false")
    plain = written(dataset=f"{SIXTY}, own_validation: false")
    parts, whole = (
        divide(blueprint, open_splits(blueprint), seed=0).parts
        for blueprint in map(loads, (text, plain))
    )
    assert torch.equal(parts.validation.indices, whole.validation.indices)
    assert torch.equal(parts.test.indices, whole.test.indices)
    assert len(parts.validation.indices) == 6
    assert not {*found("half: first", dataset=f"{SIXTY}, own_validation: false")} & {
        *parts.validation.indices.tolist()
    }


@pytest.mark.parametrize(
    "data",
    [
        "half: second",
        "subset: 12",
        "labels_per_class: 3, labelled_only: true",
        "half: first, subset: 9",
    ],
)
def test_a_fit_sees_the_same_samples_as_training(data):
    text = (
        "phases: [{name: survey, fit: [table]}, {name: distil, data: {augment: gaussian_noise}}]\n"
    )
    fitted = found(data, nodes=FITTED, flows=TAUGHT, phases=text, phase=0)
    assert fitted == found(data)
    assert 0 < len(fitted) < 60


def test_a_subset_that_is_too_large():
    text = written("half: second, subset: 31", dataset=SIXTY)
    with pytest.raises(BlueprintError) as caught:
        source_of(text)
    column = text.splitlines()[1].index("31") + 1
    assert str(caught.value) == (
        f"blueprint:2:{column}: data: 30 images are fewer than 31; ask for at most 30"
    )
