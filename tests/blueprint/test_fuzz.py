"""Whatever becomes of a blueprint's text, loading it gives a blueprint or a BlueprintError."""

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphkd.blueprint import loads, shipped
from graphkd.blueprint.override import override
from graphkd.blueprint.read import read_text
from graphkd.blueprint.yaml12 import write
from graphkd.errors import BlueprintError

TEXTS = {name: path.read_text() for name, path in shipped().items()}
SIGNS = "{}[]:,-?&*!|>'\"%@`#\n\t ~<=.\x00\x85\ufeff\ud800é"
PIECES = [*SIGNS, "<<: *a", "&a ", "*a", "!!python/x ", "- ", "---\n"]
ODD: list[Any] = [None, True, 0, -1, 10**400, 1e400, float("nan"), "", "x", "a.b"]
ODD += [[], {}, [[]], {"x": 1}, {"type": 3}]
PARTS = ["student", "flows", "2", "0", "data", "augment", "via", "type", "train", "lr", "args"]
PARTS += ["phases", "teach", "nodes", "loss", "", "²"]
VALUES = [*PIECES, "3", "x", "[1", "{a: b}", "digits", "mse"]


def holds(text):
    """Load a text; say whether it is a blueprint."""
    try:
        loads(text, name="b.yaml")
    except BlueprintError as error:
        assert error.problems
        assert all(each.place for each in error.problems)
        assert str(error)
        return False
    return True


@settings(max_examples=120, deadline=None, derandomize=True)
@given(st.sampled_from(sorted(TEXTS)), st.integers(0, 2**32), st.integers(1, 8))
def test_mutated_text(name, seed, times):
    chance, text = random.Random(seed), TEXTS[name]
    for _ in range(times):
        at = chance.randrange(len(text) + 1)
        length = chance.choice([0, 0, 1, 3, 20])
        piece = chance.choice([*PIECES, "", text[at : at + 30]])
        text = text[:at] + piece + text[at + length :]
    holds(text)


def spots(value, found):
    """List every place of plain data as (holder, key)."""
    if isinstance(value, (dict, list)):
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            found.append((value, key))
            spots(each, found)
    return found


def mutate(value, chance):
    holder, key = chance.choice(spots(value, []))
    match chance.randrange(5):
        case 0:
            holder[key] = chance.choice(ODD)
        case 1:
            del holder[key]
        case 2 if isinstance(holder, dict):
            holder[chance.choice([f"{key}x", "type", "loss", "data", "", "name"])] = holder.pop(key)
        case 3:
            other, place = chance.choice(spots(value, []))
            holder[key] = other[place] if not isinstance(other[place], (dict, list)) else "x"
        case _ if isinstance(holder, list):
            holder.append(holder[key])
        case _:
            holder[key] = [holder[key]]


@settings(max_examples=180, deadline=None, derandomize=True)
@given(st.sampled_from(sorted(TEXTS)), st.integers(0, 2**32), st.integers(1, 4))
def test_mutated_structure(name, seed, times):
    chance = random.Random(seed)
    value = read_text(TEXTS[name], name).value
    for _ in range(times):
        if spots(value, []):
            mutate(value, chance)
    holds(write(value))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.sampled_from(sorted(TEXTS)), st.integers(0, 2**32))
def test_mutated_words(name, seed):
    chance = random.Random(seed)
    located = read_text(TEXTS[name], name)
    path = ".".join(chance.choices(PARTS, k=chance.randint(1, 4)))
    word = path + chance.choice(["", "=", "=="]) + chance.choice(VALUES)
    try:
        changed = override(located, [word])
    except BlueprintError as error:
        assert all(each.place.file == word for each in error.problems)
    else:
        holds(write(changed.value))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.text(max_size=60))
def test_any_text(text):
    assert not holds(text)


@pytest.mark.parametrize("name", TEXTS)
def test_cut_off_anywhere(name):
    text = TEXTS[name]
    for end in range(0, len(text), 97):
        holds(text[:end])
