"""What the page about the cost of checkpoints says."""

import pytest

from tests.soak.overhead import TEXT, measure
from tests.soak.overhead_page import Pair, Spent, Times, line, page

NONE = Spent()


def pair(copying, records, *, epoch=2.0, bare=2.0):
    own = Times(
        epoch=Spent(epoch + records, epoch),
        copying=Spent(copying, copying / 2),
        records=Spent(records, 0.0),
        best=NONE,
    )
    return Pair(own, Times(Spent(bare, bare), NONE, NONE, NONE))


def test_the_share_is_of_the_epoch_without_records():
    # by the clock (20 + 10) ms of 2 s, by the CPU 10 ms of 2 s
    assert line("1", [pair(0.02, 0.01)]) == (
        "| 1 | 2.01 s (2.00) | 20.0 ms (10.0) | 10.0 ms (0.0) | 1.50 % (0.50) | 2.00 s (2.00) |"
    )


def test_the_last_row_has_the_medians():
    pairs = [pair(0.02, 0.01), pair(0.5, 0.1), pair(0.04, 0.02)]
    text = page(pairs, model="timm/x", epochs=3, seconds=61)
    assert "timm/x, 3 epochs a run; 1 minutes." in text
    last = [row for row in text.splitlines() if row.startswith("|")][-1]
    assert last == (
        "| median | 2.02 s (2.00) | 40.0 ms (20.0) | 20.0 ms (0.0) | 3.00 % (1.00) "
        "| 2.00 s (2.00) |"
    )


@pytest.mark.parametrize("without", [False, True])
def test_a_run_is_measured_with_and_without(without):
    text = (
        TEXT.replace("MODEL", "tiny")
        .replace("EPOCHS", "2")
        .replace("{dataset: digits,", "{dataset: digits, size: 8,")
    )
    found = measure(text, epochs=2, without=without)
    assert found.epoch.wall > 0
    assert (found.copying.wall < 1e-4) is without
    assert (found.writing == Spent()) is without
