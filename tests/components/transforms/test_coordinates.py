"""Principal directions; the numbered invariants are those of a tailored coordinate system."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graphkd.component import Site, Socket, find
from graphkd.components.transforms import Coordinates


def axes(width, component=None):
    socket = Socket("b d", (2, width))
    return (component or Coordinates(keep=1.0)).build(Site(inputs={"input": (socket,)}))


def fitted(values, *, batch=7, component=None):
    made = axes(values.shape[1], component)
    made.begin()
    for part in values.split(batch):
        made.update(part)
    made.finish()
    return made


def vectors(count, width, *, seed=0, mean=3.0):
    generator = torch.Generator().manual_seed(seed)
    mix = torch.randn(width, width, generator=generator)
    return torch.randn(count, width, generator=generator) @ mix + mean


def reference(values):
    """The mean, directions and variances from an SVD of the centred vectors, in float64."""
    exact = values.double().numpy()
    mean = exact.mean(axis=0)
    _, sizes, rows = np.linalg.svd(exact - mean, full_matrices=False)
    signs = [row[np.abs(row).argmax()] for row in rows]
    return mean, (rows * np.sign(signs)[:, None]).T, sizes**2 / (len(exact) - 1)


def test_registered():
    assert find("transform", "coordinates") is Coordinates


def test_by_hand():
    # two directions, (3, 4) / 5 and (4, -3) / 5, around (1, 1); variances 25 * 2 / 3 and 1 * 2 / 3
    along, across = torch.tensor([3.0, 4.0]), torch.tensor([0.8, -0.6])
    values = torch.stack([along, -along, across, -across]) + 1
    made = fitted(values)
    torch.testing.assert_close(made.mean, torch.ones(2))
    torch.testing.assert_close(made.basis, torch.tensor([[0.6, 0.8], [0.8, -0.6]]))
    torch.testing.assert_close(made.variance, torch.tensor([50 / 3, 2 / 3]))
    torch.testing.assert_close(made.scale, torch.tensor(52 / 3).sqrt())
    got = made(torch.tensor([[4.0, 5.0], [1.0, 1.0], [1.8, 0.4]]))
    torch.testing.assert_close(got, torch.tensor([[5.0, 0.0], [0.0, 0.0], [0.0, 1.0]]))


def test_invariant_1_directions_are_orthonormal_and_rebuild_the_vectors():
    values = vectors(60, 12)
    made = fitted(values)
    torch.testing.assert_close(made.basis.T @ made.basis, torch.eye(12), atol=1e-6, rtol=0)
    torch.testing.assert_close(made.mean + made(values) @ made.basis.T, values, atol=1e-5, rtol=0)
    assert (made.variance[1:] <= made.variance[:-1]).all()


@pytest.mark.parametrize("batch", [1, 7, 60, 100])
def test_invariant_2_batches_give_what_an_svd_of_all_gives(batch):
    values = vectors(60, 12)
    made = fitted(values, batch=batch)
    mean, basis, variance = reference(values)
    torch.testing.assert_close(made.mean.double().numpy(), mean, atol=1e-5, rtol=0)
    torch.testing.assert_close(made.basis.double().numpy(), basis, atol=1e-5, rtol=0)
    torch.testing.assert_close(made.variance.double().numpy(), variance, atol=1e-5, rtol=1e-5)


@settings(max_examples=40, deadline=None)
@given(
    count=st.integers(2, 20),
    width=st.integers(1, 12),
    batch=st.integers(1, 20),
    seed=st.integers(0, 99),
)
def test_any_sizes_rebuild_the_vectors_from_no_more_directions_than_there_are(
    count, width, batch, seed
):
    values = vectors(count, width, seed=seed)
    made = fitted(values, batch=batch)
    assert int(made.kept.sum()) <= min(count - 1, width)
    _, _, variance = reference(values)
    most = min(count - 1, width)
    torch.testing.assert_close(
        made.variance[:most].double().numpy(), variance[:most], atol=1e-5, rtol=1e-4
    )
    # directions with less than 1e-10 of the variance are dropped: 1e-5 of the largest distance
    room = 1e-5 * (1 + values.abs().max())
    assert ((made.mean + made(values) @ made.basis.T) - values).abs().max() <= 10 * room


def test_few_samples_have_one_direction_less_than_there_are_of_them():
    made = fitted(vectors(5, 20))
    assert made.kept.tolist() == [True] * 4 + [False] * 16
    assert made.basis[:, 4:].abs().max() == 0
    assert made.variance[4:].abs().max() == 0
    inner = made.basis[:, :4].T @ made.basis[:, :4]
    torch.testing.assert_close(inner, torch.eye(4), atol=1e-6, rtol=0)


@pytest.mark.parametrize(("keep", "count"), [(0.5, 1), (0.9, 1), (0.901, 2), (0.99, 2), (1.0, 4)])
def test_keeps_the_fewest_directions_with_the_share(keep, count):
    # variances 90, 9, 0.9 and 0.1 in the ratio of the squares
    sizes = torch.tensor([90.0, 9.0, 0.9, 0.1], dtype=torch.float64).sqrt()
    values = torch.cat([sizes.diag(), -sizes.diag()])
    made = fitted(values, component=Coordinates(keep=keep - 1e-6 if keep < 1 else 1.0))
    assert made.kept.tolist() == [i < count for i in range(4)]
    coordinates = made(vectors(3, 4))
    assert coordinates[:, count:].abs().max() == 0 if count < 4 else True
    assert coordinates[:, :count].abs().min() > 0


def test_share_is_that_of_all_directions_not_of_the_first_ones():
    made = fitted(vectors(60, 12), component=Coordinates(directions=3, keep=0.99))
    assert made.basis.shape == (12, 3)
    assert made.kept.tolist() == [True] * 3
    full = fitted(vectors(60, 12))
    torch.testing.assert_close(made.basis, full.basis[:, :3])
    torch.testing.assert_close(made.scale, full.variance.sum().sqrt())


def test_whitened_coordinates_have_variance_one():
    values = vectors(60, 5)
    made = fitted(values, component=Coordinates(whiten=True, keep=1.0))
    torch.testing.assert_close(made(values).T.cov(), torch.eye(5), atol=1e-5, rtol=0)


def test_invariant_9_the_same_samples_give_the_same_axes():
    values = vectors(60, 12)
    one, two = fitted(values).state_dict(), fitted(values).state_dict()
    assert all(torch.equal(one[name], two[name]) for name in one)
    # in another order the sums differ by rounding, but no direction points the other way
    shuffled = fitted(values[torch.randperm(60, generator=torch.Generator().manual_seed(1))])
    torch.testing.assert_close(shuffled.basis, one["basis"], atol=1e-5, rtol=0)


def test_fitting_again_starts_anew():
    made = fitted(vectors(60, 12))
    once = copy.deepcopy(made.state_dict())
    made.begin()
    made.update(vectors(60, 12))
    made.finish()
    torch.testing.assert_close(made.state_dict(), once, atol=1e-6, rtol=1e-6)


def test_a_large_mean_costs_no_direction():
    values = vectors(60, 4, mean=1e3)
    _, basis, variance = reference(values)
    made = fitted(values)
    torch.testing.assert_close(made.basis.double().numpy(), basis, atol=1e-4, rtol=0)
    torch.testing.assert_close(made.variance.double().numpy(), variance, rtol=1e-4, atol=1e-6)


def test_gradient_flows_to_the_input_and_the_axes_have_none():
    made = fitted(vectors(60, 12))
    value = torch.zeros(2, 12, requires_grad=True)
    made(value)[:, 0].sum().backward()
    torch.testing.assert_close(value.grad, made.basis[:, 0].expand(2, 12))
    assert not list(made.parameters())


def test_state_goes_into_another_module():
    made, other = fitted(vectors(60, 12)), axes(12)
    other.load_state_dict(made.state_dict())
    assert torch.equal(other(vectors(3, 12)), made(vectors(3, 12)))


def test_number_of_samples_that_the_fit_needs():
    assert Coordinates(directions=8).least_samples == 9
    assert Coordinates().least_samples == 2


def test_too_few_samples_for_the_directions():
    with pytest.raises(ValueError) as error:
        fitted(vectors(8, 12), component=Coordinates(directions=8))
    assert str(error.value) == (
        "coordinates saw 8 samples, but 8 directions need 9 or more; fit it on more samples, "
        "or write directions: 7"
    )
    fitted(vectors(9, 12), component=Coordinates(directions=8))


def test_one_sample_has_no_variance():
    with pytest.raises(ValueError) as error:
        fitted(vectors(1, 12))
    assert str(error.value) == "coordinates saw 1 samples, but a variance needs 2 or more"


@pytest.mark.parametrize("level", [0.0, 0.1, 1e6])
def test_equal_samples_have_no_directions(level):
    with pytest.raises(ValueError) as error:
        fitted(torch.full((9, 3), level))
    assert str(error.value) == "coordinates saw samples that are all the same"


def test_values_must_be_finite():
    with pytest.raises(ValueError) as error:
        fitted(torch.tensor([[1.0, 2.0], [float("nan"), 3.0]]))
    assert str(error.value) == "coordinates saw values that are not finite"


@pytest.mark.parametrize("settings", [{"directions": 0}, {"keep": 0.0}, {"keep": 1.01}])
def test_settings_out_of_range(settings):
    with pytest.raises(ValueError):
        Coordinates(**settings)


def test_meta_device_knows_the_shape():
    with torch.device("meta"):
        out = axes(12, Coordinates(directions=5))(torch.empty(3, 12))
    assert out.is_meta
    assert out.shape == (3, 5)


def test_compiles_whole_and_exports_for_any_batch_size():
    made, values = fitted(vectors(60, 12)), vectors(5, 12)
    torch.compiler.reset()
    compiled = torch.compile(made, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(values), made(values))
    batch = torch.export.Dim("b")
    exported = torch.export.export(made, (values[:2],), dynamic_shapes=({0: batch},))
    torch.testing.assert_close(exported.module()(values), made(values))
