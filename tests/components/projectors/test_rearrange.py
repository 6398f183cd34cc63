import pytest
import torch

from graphkd.component import find
from graphkd.components.projectors import Rearrange
from graphkd.errors import ComponentError

ADVICE = "write all axes before and after '->', like 'b c h w -> b (h w) c'"


def test_registered():
    assert find("projector", "rearrange") is Rearrange


def test_by_hand(site):
    module = Rearrange("b c h w -> b (h w) c").build(site((1, 2, 1, 2)))
    assert module(torch.tensor([[[[1, 2]], [[3, 4]]]])).tolist() == [[[1, 3], [2, 4]]]


@pytest.mark.parametrize(
    ("pattern", "sizes", "before", "after"),
    [
        ("b c -> b c 1 1", {}, (2, 3), (2, 3, 1, 1)),
        ("b (g d) -> b g d", {"g": 3}, (2, 12), (2, 3, 4)),
        ("b c (h p) (w q) -> b (c p q) h w", {"p": 2, "q": 2}, (2, 3, 4, 6), (2, 12, 2, 3)),
        ("b ... d -> b d ...", {}, (2, 5, 6, 7), (2, 7, 5, 6)),
    ],
)
def test_shape(site, pattern, sizes, before, after):
    module = Rearrange(pattern, sizes).build(site(before))
    assert module(torch.zeros(before)).shape == after


@pytest.mark.parametrize(
    ("pattern", "sizes", "reason"),
    [
        ("b c h w", {}, "no '->'"),
        (
            "b c h w -> b (h w)",
            {},
            "Identifiers only on one side of expression (should be on both): 'c'",
        ),
        ("b c h -> b h c", {}, "Wrong shape: expected 3 dims. Received 4-dim tensor"),
        ("b c (h k) w -> b c h w k", {}, "Could not infer sizes for 'h', 'k'"),
        (
            "b c (h k) w -> b c h w k",
            {"k": 3},
            "Shape mismatch, can't divide axis of length 4 in chunks of 3",
        ),
        ("b c h w -> b c h w", {"q": 3}, "Axis q is not used in transform"),
    ],
)
def test_patterns_that_do_not_fit(site, pattern, sizes, reason):
    with pytest.raises(ComponentError) as error:
        Rearrange(pattern, sizes).build(site((2, 3, 4, 4)))
    assert str(error.value) == (
        f"pattern '{pattern}' does not fit 'b c=3 h=4 w=4': {reason}; {ADVICE}"
    )
    assert error.value.field == "pattern"


@pytest.mark.parametrize(
    ("pattern", "sizes"),
    [
        ("", {}),
        ("->", {}),
        ("b c h w -> b c -> h w", {}),
        ("b c h w -> (b c h w", {}),
        ("b c h w -> b c h w " + "9" * 5000, {}),
        ("b c h w -> b c h w 2", {}),
        ("b c h w -> w h c b", {"pattern": 2}),
        ("b self h w -> b h w self", {"self": 3}),
    ],
)
def test_nothing_but_a_component_error(site, pattern, sizes):
    with pytest.raises(ComponentError):
        Rearrange(pattern, sizes).build(site((2, 3, 4, 4)))


def test_pattern_never_runs(site, tmp_path):
    trace = tmp_path / "trace"
    code = f"open({str(trace)!r}, 'w')"
    for pattern in (
        f"{code} -> b",
        f"b c h w -> b c h {{{code}}} w",
        f"b c h w -> b c h w); {code}; (",
        f"__import__('builtins').{code} h w -> b",
    ):
        with pytest.raises(ComponentError):
            Rearrange(pattern).build(site((2, 3, 4, 4)))
    assert not trace.exists()


def test_sizes_above_zero():
    with pytest.raises(ValueError, match="must be >= 1: 0"):
        Rearrange("b (g d) -> b g d", {"g": 0})


def test_can_be_a_key():
    assert hash(Rearrange("b c -> b c", {})) == hash(Rearrange("b c -> b c", {}))
