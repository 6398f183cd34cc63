"""Widening, and switching autocast off."""

import pytest
import torch

from graphkd.kernels.precision import no_autocast, wide


@pytest.mark.parametrize(
    ("given", "want"),
    [
        (torch.float16, torch.float32),
        (torch.bfloat16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
def test_half_becomes_float32_and_the_rest_stays(given, want):
    assert wide(torch.ones(2, dtype=given)).dtype == want


def test_products_are_not_rounded():
    x = torch.rand(4, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        with no_autocast(x):
            assert (x @ x).dtype == torch.float32
        assert (x @ x).dtype == torch.bfloat16


def test_devices_without_autocast_are_left_alone():
    x = torch.rand(4, 4, device="meta")
    with no_autocast(x):
        assert (x @ x).dtype == torch.float32
