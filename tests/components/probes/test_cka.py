"""How alike two taps are but for rotations and factors."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graphkd.component import kind_of, name_of
from graphkd.components.probes import CKA


def rows(count, width, *, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, width, generator=generator, dtype=torch.float64)


def orthogonal(width, *, seed=0):
    return torch.linalg.qr(rows(width, width, seed=seed))[0]


def by_quadruples(one, other):
    """HSIC as the mean over all quadruples of different samples: what the estimate stands for."""
    first, second = (one @ one.T).tolist(), (other @ other.T).tolist()
    terms = [
        first[i][j] * second[i][j] + first[i][j] * second[q][r] - 2 * first[i][j] * second[i][q]
        for i, j, q, r in itertools.permutations(range(len(one)), 4)
    ]
    return sum(terms) / len(terms)


def test_it_is_known_as_cka():
    assert (kind_of(CKA), name_of(CKA)) == ("probe", "cka")


def test_against_the_mean_over_all_quadruples():
    one, other = rows(7, 3), rows(7, 5, seed=1)
    other[:, :3] += 0.5 * one
    hsic = by_quadruples(one, other)
    scale = math.sqrt(by_quadruples(one, one) * by_quadruples(other, other))
    assert float(CKA()(one, other)) == pytest.approx(hsic / scale, rel=1e-6)


def test_equal_taps_have_1():
    one = rows(20, 6).float()
    assert float(CKA()(one, one)) == pytest.approx(1.0, abs=1e-6)


@settings(deadline=None)
@given(
    factor=st.floats(0.01, 100),
    shift=st.floats(-10, 10),
    seed=st.integers(0, 100),
    width=st.integers(2, 8),
)
def test_rotations_factors_and_shifts_change_nothing(factor, shift, seed, width):
    one, other = rows(12, width, seed=seed), rows(12, 4, seed=seed + 1)
    turned = factor * one @ orthogonal(width, seed=seed + 2) + shift
    assert float(CKA()(turned, one)) == pytest.approx(1.0, abs=1e-5)
    assert float(CKA()(turned, other)) == pytest.approx(float(CKA()(one, other)), abs=1e-5)


def test_the_sides_may_be_swapped():
    one, other = rows(12, 5), rows(12, 3, seed=1)
    assert float(CKA()(one, other)) == pytest.approx(float(CKA()(other, one)), abs=1e-7)


def test_taps_with_nothing_in_common_have_about_0_however_wide():
    """The biased estimate would be near 1 here: more features than samples."""
    values = [
        float(CKA()(rows(64, 512, seed=2 * n), rows(64, 512, seed=2 * n + 1))) for n in range(20)
    ]
    assert abs(sum(values) / len(values)) < 0.02


def test_grids_and_tokens_are_averaged_over_places():
    grid = rows(10, 3 * 4 * 5).reshape(10, 3, 4, 5)
    tokens = rows(10, 6 * 7, seed=1).reshape(10, 6, 7)
    expected = CKA()(grid.mean((2, 3)), tokens.mean(1))
    assert torch.equal(CKA()(grid, tokens), expected)


def test_gives_no_gradient():
    one = rows(8, 3).requires_grad_()
    assert not CKA()(one, one).requires_grad


@pytest.mark.parametrize("one", [rows(3, 4), torch.full((10, 4), 0.1)])
def test_without_a_value_it_is_nan(one):
    assert math.isnan(float(CKA()(one, rows(len(one), 4, seed=1))))
