"""What holds for all registered fusions, and for the losses that name them."""

import re

import attrs
import pytest
import torch

from graphkd.component import FUSION, KINDS, find, fusion_of, names, summary_of

EVERY = names(FUSION)


def test_blueprints_do_not_name_them():
    assert FUSION not in KINDS
    assert EVERY


@pytest.mark.parametrize("name", EVERY)
def test_is_frozen_data_without_parameters(name):
    cls = find(FUSION, name)
    assert attrs.has(cls)
    assert attrs.fields(cls) == ()
    assert cls.__setattr__ is not object.__setattr__
    assert re.fullmatch(r"[a-z][a-z0-9_]*", name)
    assert summary_of(cls).endswith(".")


@pytest.mark.parametrize("name", EVERY)
def test_has_no_launch_where_no_kernel_runs(name):
    assert find(FUSION, name)().build([], torch.device("cpu")) is None


@pytest.mark.parametrize("name", names("loss"))
def test_a_loss_names_a_fusion_that_there_is(name):
    fusion = fusion_of(find("loss", name))
    assert not fusion or fusion in EVERY
