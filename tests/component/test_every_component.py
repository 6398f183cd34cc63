"""What holds for all registered components, those to come included."""

import re

import attrs
import pytest

from graphkd.blueprint.fields import keys_of
from graphkd.blueprint.model import NODE_KINDS, Augment, Data, Extra, Flow, Node, Via
from graphkd.component import KINDS, find, help_of, names, ports_of, summary_of

OWNERS = {
    "projector": (Node, Via),
    "loss": (Flow,),
    "dataset": (Data, Extra),
    "augmentation": (Augment,),
}
EVERY = [(kind, name) for kind in KINDS for name in names(kind)]


@pytest.fixture(params=EVERY, ids=[f"{kind}-{name}" for kind, name in EVERY])
def each(request):
    kind, name = request.param
    return kind, name, find(kind, name)


def test_has_a_name_that_can_be_written_without_quotes(each):
    _, name, _ = each
    assert re.fullmatch(r"[a-z][a-z0-9_]*", name)


def test_is_frozen_data(each):
    _, _, cls = each
    assert attrs.has(cls)
    assert cls.__setattr__ is not object.__setattr__


def test_says_what_it_is_in_one_line(each):
    _, _, cls = each
    assert summary_of(cls).endswith(".")


def test_says_what_each_parameter_is(each):
    _, _, cls = each
    assert set(help_of(cls)) == set(keys_of(cls))
    assert all(help_of(cls).values())


def test_no_parameter_has_the_name_of_a_key_beside_it(each):
    kind, _, cls = each
    for owner in OWNERS.get(kind, (Node,)):
        assert not keys_of(owner).keys() & keys_of(cls).keys()


def test_ports_have_names_and_shapes(each):
    kind, _, cls = each
    if kind in ("dataset", "augmentation"):
        assert not hasattr(cls, "ports")
        return
    ports = ports_of(cls)
    assert len({port.name for port in ports}) == len(ports) > 0
    for port in ports:
        assert re.fullmatch(r"[a-z]\w*", port.name)
        for shape in port.shape.split("|"):
            assert re.fullmatch(r"(\w+|\.\.\.)( (\w+|\.\.\.))*", shape.strip())


def test_node_types_have_one_name_over_all_kinds():
    every = [name for kind in NODE_KINDS for name in names(kind)]
    assert len(every) == len(set(every))
