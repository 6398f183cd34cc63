"""File -> blueprint -> file gives an equal blueprint, for whatever can be written."""

import typing
from typing import Any, Literal

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graphkd.blueprint import (
    Augment,
    Blueprint,
    Data,
    Extra,
    Flow,
    Node,
    Phase,
    Ramp,
    Ref,
    Train,
    Via,
    dumps,
    load,
    loads,
    save,
    shipped,
)
from graphkd.blueprint.fields import keys_of, type_of
from graphkd.blueprint.plain import to_plain
from graphkd.blueprint.recipe import DATA_CHANGES, RECIPE_CHANGES
from graphkd.component import find, names

words = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True)
# what YAML might take for something else, beside any other text that it can hold
SIGNS = ["!x", "&a", "*a", "- a", "a: b", "a #b", "[a", "{a}", "'", '"', "|", ">", "%", "@", "`"]
SPACES = ["", " ", "\n", "\t", "a\nb", "\x85", "\u2028", "\ufeff", "\x07", "é", "雪", "😀", "---"]
WORDS = ["no", "on", "null", "~", "1", "1e3", ".5e3", "0o7", "1_000", "+.inf", "<<", "=", "true"]
texts = st.one_of(
    st.sampled_from([*SIGNS, *SPACES, *WORDS, "2001-01-01"]),
    st.text(st.characters(codec="utf-8", exclude_characters="\ufffe\uffff"), max_size=20),
)
numbers = st.floats(allow_nan=False, allow_infinity=False)
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
refs = st.builds(Ref, words, st.one_of(words, st.just("layer1.0.conv")))


def values(cls):
    """Make values of a parameter's type."""
    simple = {int: st.integers(1, 2), float: st.floats(0.05, 0.9), bool: st.booleans(), str: texts}
    if cls in simple:
        return simple[cls]
    origin, arguments = typing.get_origin(cls), typing.get_args(cls)
    if cls is Any:
        return plain
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin is dict:
        return st.dictionaries(texts, values(arguments[1]), max_size=3)
    if origin is tuple and Ellipsis in arguments:
        return st.lists(values(arguments[0]), max_size=3).map(tuple)
    if origin is tuple:
        return st.tuples(*map(values, arguments)).map(lambda found: tuple(sorted(found)))
    return st.one_of([st.none() if each is type(None) else values(each) for each in arguments])


@st.composite
def instances(draw, /, cls, only=None, **given):
    """Make an attrs object from some of its fields; again where they break a rule."""
    arguments = dict(given)
    for field in keys_of(cls).values():
        if field.name in given or (only is not None and field.name not in only):
            continue
        if field.default is attrs.NOTHING or draw(st.booleans()):
            arguments[field.name] = draw(values(type_of(cls, field.name)))
    if only is not None:
        return arguments
    try:
        return cls(**arguments)
    except ValueError:
        return None


@st.composite
def components(draw, *kinds):
    kind = draw(st.sampled_from(kinds))
    cls = find(kind, draw(st.sampled_from(names(kind))))
    return draw(instances(cls).filter(bool))


ramps = st.builds(Ramp, numbers, numbers, epochs=st.floats(0.5, 5))
extras = st.lists(
    st.builds(Extra, components("dataset"), share=st.none() | st.floats(0.05, 0.9)), max_size=2
).map(tuple)
augments = st.lists(st.builds(Augment, components("augmentation")), max_size=2).map(tuple)
several = st.lists(words, max_size=2).map(tuple)
extra = st.dictionaries(words, refs, max_size=2)


@st.composite
def nodes(draw):
    component = draw(components("model", "projector", "transform", "probe"))
    inputs = draw(st.lists(refs, max_size=2).map(tuple))
    return draw(instances(Node, component=component, input=inputs, extra=draw(extra)))


@st.composite
def flows(draw, index):
    via = draw(
        st.lists(
            st.builds(Via, components("projector"), on=st.sampled_from(["to", "from"])), max_size=2
        )
    )
    return Flow(
        draw(refs),
        draw(refs),
        draw(components("loss")),
        via=via,
        weight=draw(numbers | ramps),
        every=draw(st.integers(1, 3)),
        phases=draw(several),
        into=draw(several),
        extra=draw(extra),
        name=draw(st.just("") | words.map(lambda word: f"{word}{index}")),
    )


PLAIN_CHANGES = [key for key in DATA_CHANGES if key not in ("augment", "extra")]
further = st.fixed_dictionaries({}, optional={"augment": augments, "extra": extras})


@st.composite
def phases(draw, index):
    data = draw(instances(Data, only=PLAIN_CHANGES)) | draw(further)
    return Phase(
        f"{draw(texts)}{index}",
        train=draw(several),
        fit=draw(several),
        recipe=draw(instances(Train, only=RECIPE_CHANGES)),
        # in the order in which a file is read
        data={key: data[key] for key in DATA_CHANGES if key in data},
    )


@st.composite
def blueprints(draw):
    dataset = draw(components("dataset"))
    return Blueprint(
        draw(words),
        draw(instances(Data, dataset=dataset, augment=draw(augments), extra=draw(extras))),
        about=draw(texts),
        nodes=draw(st.dictionaries(words.filter(lambda word: word != "data"), nodes(), max_size=2)),
        flows=[draw(flows(index)) for index in range(draw(st.integers(0, 2)))],
        phases=[draw(phases(index)) for index in range(draw(st.integers(0, 2)))],
        train=draw(instances(Train)),
        deliver=draw(several),
    )


quick = settings(
    max_examples=30, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)


@given(blueprints())
@quick
def test_any_blueprint(made):
    text = dumps(made)
    again = loads(text)
    assert again == made
    assert to_plain(again) == to_plain(made)
    assert dumps(again) == text


@given(blueprints(), blueprints())
@quick
def test_any_blueprint_saved_over_any_other(tmp_path_factory, before, after):
    path = tmp_path_factory.mktemp("over") / "b.yaml"
    save(before, path)
    save(after, path)
    assert load(path) == after


@given(blueprints(), st.sampled_from(list(shipped())))
@quick
def test_any_blueprint_saved_over_a_shipped_one(tmp_path_factory, made, name):
    path = tmp_path_factory.mktemp("over") / "b.yaml"
    path.write_bytes(shipped()[name].read_bytes())
    save(made, path)
    assert load(path) == made


@pytest.mark.parametrize("name", shipped())
def test_shipped_blueprints(name, tmp_path):
    blueprint = load(name)
    assert loads(dumps(blueprint)) == blueprint
    save(blueprint, tmp_path / "b.yaml")
    assert load(tmp_path / "b.yaml") == blueprint
