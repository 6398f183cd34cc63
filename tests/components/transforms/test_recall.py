import pytest
import torch

from graphkd.component import Site, Socket, find, ports_of
from graphkd.components.transforms import Recall


def table(width=3, **settings):
    return Recall(**settings).build(Site(inputs={"input": (Socket("b d", (2, width)),)}))


def fitted(values, index, *, batch=4, made=None):
    made = made or table(values.shape[1])
    made.begin()
    for value, places in zip(values.split(batch), index.split(batch), strict=True):
        made.update(value, places)
    made.finish()
    return made


def samples(count=10, width=3):
    generator = torch.Generator().manual_seed(0)
    index = torch.randperm(3 * count, generator=generator)[:count]
    return torch.randn(count, width, generator=generator), index


def test_registered():
    assert find("transform", "recall") is Recall


def test_invariant_3_its_forward_reads_the_index_alone():
    assert [port.name for port in ports_of(Recall) if not port.fit] == ["index"]


@pytest.mark.parametrize("batch", [1, 3, 10])
def test_gives_each_sample_what_it_had(batch):
    values, index = samples()
    made = fitted(values, index, batch=batch)
    order = torch.tensor([7, 0, 0, 9])
    assert torch.equal(made(index[order]), values[order])


def test_half_precision_is_kept_and_float32_given():
    values, index = samples()
    made = fitted(values, index, made=table(dtype="float16"))
    assert made.stored.dtype is torch.float16
    assert torch.equal(made(index), values.half().float())


def test_what_overwrites_the_batch_changes_nothing():
    values, index = samples()
    made = table()
    made.begin()
    buffer, places = values.clone(), index.clone()
    made.update(buffer, places)
    buffer.zero_()
    places.zero_()
    made.finish()
    assert torch.equal(made(index), values)


def test_a_sample_that_is_shown_twice_counts_once():
    made = fitted(torch.tensor([[1.0], [2.0], [1.0]]), torch.tensor([4, 2, 4]), batch=2)
    assert made.stored.tolist() == [[2.0], [1.0]]
    assert made(torch.tensor([4, 2])).tolist() == [[1.0], [2.0]]


def test_fitting_again_forgets_what_was_seen():
    values, index = samples()
    made = fitted(values, index)
    fitted(values[:4], index[:4], made=made)
    assert len(made.stored) == 4


def test_state_of_another_number_of_samples_goes_into_a_new_table():
    values, index = samples()
    made, other = fitted(values, index), table()
    other.load_state_dict(made.state_dict())
    assert torch.equal(other(index), values)
    # and back into one that has seen more
    more = fitted(*samples(20))
    more.load_state_dict(made.state_dict())
    assert torch.equal(more(index), values)


def test_state_of_another_width_is_refused():
    with pytest.raises(RuntimeError, match="size mismatch for stored"):
        table(4).load_state_dict(fitted(*samples()).state_dict())


def test_before_the_fit():
    with pytest.raises(ValueError) as error:
        table()(torch.tensor([0]))
    assert str(error.value) == "recall was read before it was fitted; fit it in a phase before"


@pytest.mark.parametrize(("index", "shown"), [([2, 3, 0], "3, 0"), ([9], "9"), ([-1], "-1")])
def test_index_that_was_never_seen(index, shown):
    made = fitted(torch.zeros(2, 3), torch.tensor([2, 5]))
    with pytest.raises(ValueError) as error:
        made(torch.tensor(index))
    assert str(error.value) == (
        f"recall never saw the samples {shown}; fit it on all samples of the phases that read it"
    )


def test_fit_without_samples():
    made = table()
    made.begin()
    with pytest.raises(ValueError) as error:
        made.finish()
    assert str(error.value) == "recall saw no sample; fit it on those that read it later"


def test_meta_device_knows_the_shape():
    with torch.device("meta"):
        out = table()(torch.empty(5, dtype=torch.int64))
    assert out.is_meta
    assert out.shape == (5, 3)
    assert out.dtype is torch.float32
