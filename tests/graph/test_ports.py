import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphkd.component import Socket
from graphkd.graph import instantiate, layout_of, match

WORDS = ("b", "c", "d", "n", "h", "w", "...")
NUMBERS = ("3", "7")


def socket(*shape):
    return Socket(layout_of(shape), shape)


def alternatives(words):
    return st.lists(st.sampled_from(words), unique=True, max_size=5).map(" ".join)


def patterns(words=WORDS + NUMBERS):
    return st.lists(alternatives(words), min_size=1, max_size=3).map(" | ".join)


shapes = st.lists(st.integers(1, 8), max_size=5).map(tuple)


# numbers leave no trace in the sizes, so they say nothing about which alternative it was
@given(patterns(WORDS), shapes)
def test_what_matches_can_be_made_again(pattern, shape):
    sizes = match(pattern, socket(*shape), {})
    if sizes is not None:
        made = instantiate(pattern, sizes)
        assert made is not None and made.shape == shape


@given(alternatives(WORDS + NUMBERS), shapes)
def test_every_word_of_a_match_has_its_axis(pattern, shape):
    sizes = match(pattern, socket(*shape), {})
    words = pattern.split()
    rest = len(shape) - len(words) + 1
    fits = rest >= 0 if "..." in words else len(words) == len(shape)
    spread = [
        part
        for word in words
        for part in ([f"...{i}" for i in range(rest)] if word == "..." else [word])
    ]
    numbers = all(int(w) == s for w, s in zip(spread, shape, strict=False) if w.isdigit())
    assert (sizes is not None) == (fits and numbers)
    if sizes is not None:
        assert sizes.keys() == {word for word in words if not word.isdigit()}
        assert all(sizes[w] == s for w, s in zip(spread, shape, strict=True) if w in sizes)


@given(patterns(), shapes, st.dictionaries(st.sampled_from("bcdn"), st.integers(1, 8)))
def test_known_sizes_stay(pattern, shape, bound):
    before = dict(bound)
    sizes = match(pattern, socket(*shape), bound)
    assert bound == before
    if sizes is not None:
        assert before.items() <= sizes.items()
        # a second look changes nothing
        assert match(pattern, socket(*shape), sizes) is not None


@given(patterns(), patterns(), shapes)
def test_more_alternatives_match_more(one, other, shape):
    both = f"{one} | {other}"
    either = [match(each, socket(*shape), {}) is not None for each in (one, other)]
    assert (match(both, socket(*shape), {}) is not None) == any(either)


@pytest.mark.parametrize(
    ("pattern", "shape", "bound", "expected"),
    [
        ("b c", (2, 10), {}, {"b": 2, "c": 10}),
        ("b c", (2, 10), {"c": 7}, None),
        ("b | b c", (2, 10), {"c": 10}, {"b": 2, "c": 10}),
        ("b d | b n d", (2, 5, 7), {}, {"b": 2, "n": 5, "d": 7}),
        ("b ... c", (2, 5, 6, 7), {}, {"b": 2, "...": (5, 6), "c": 7}),
        ("b ... c", (2, 7), {}, {"b": 2, "...": (), "c": 7}),
        ("b ... c", (2,), {}, None),
        ("...", (), {}, {"...": ()}),
        ("...", (2, 3), {"...": (2, 4)}, None),
        ("", (), {}, {}),
        ("b 3 h w", (2, 3, 8, 8), {}, {"b": 2, "h": 8, "w": 8}),
        ("b 3 h w", (2, 1, 8, 8), {}, None),
        ("b n n", (2, 4, 4), {}, {"b": 2, "n": 4}),
        ("b n n", (2, 4, 5), {}, None),
    ],
)
def test_matches_by_hand(pattern, shape, bound, expected):
    assert match(pattern, socket(*shape), bound) == expected


def test_the_richest_alternative_is_made():
    # tokens offered to a port that takes vectors too are wanted as tokens
    assert instantiate("b d | b n d", {"b": 2, "n": 5, "d": 7}) == Socket("b n d", (2, 5, 7))
    assert instantiate("b d | b n d", {"b": 2, "d": 7}) == Socket("b c", (2, 7))
    assert instantiate("b e", {"b": 2, "d": 7}) is None


def test_a_pattern_has_one_rest():
    with pytest.raises(AssertionError, match=r"several '\.\.\.'"):
        match("... b ...", socket(2, 3), {})
