"""Rows of the measurement are there and mean what they say; how fast it is here is not tested."""

import json

import pytest
import torch

from graphkd.bench import step as bench
from graphkd.bench.cases import CASES, make_batches

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")


@pytest.fixture(scope="module")
def rows():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench, "STEPS", 2)
        return bench.measure_all(repeats=1)


def test_a_row_for_each_case_and_contestant(rows):
    expected = [(case.name, name) for case in CASES for name in bench.CONTESTANTS]
    assert [(row.case, row.contestant) for row in rows] == expected


def test_rows_are_json(rows):
    found = json.loads(json.dumps([row.as_dict() for row in rows]))
    assert [each["case"] for each in found] == [row.case for row in rows]
    plain = found[0]
    assert plain["step"] > 0
    assert plain["extra"] is None and plain["ratio"] is None


def test_the_table_has_a_line_for_each_row(rows):
    lines = bench.table(rows).splitlines()
    assert len(lines) == 2 + len(rows)
    assert {line.count("|") for line in lines} == {7}
    assert bench.table(rows) in bench.page(rows)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_all_contestants_compute_the_same(case):
    contestants = bench.start(case)
    bench.check(contestants)
    losses = {name: each.loss() for name, each in contestants.items()}
    assert torch.equal(losses[bench.OURS], losses[bench.PLAIN])
    assert all(loss > 0 for loss in losses.values())


def test_a_contestant_that_computes_something_else_is_found():
    contestants = bench.start(CASES[0])
    contestants[bench.OURS].run(make_batches(1))
    with pytest.raises(AssertionError, match="not equal"):
        bench.check(contestants)


def test_what_is_not_installed_says_so(monkeypatch):
    monkeypatch.setattr(bench, "find_spec", lambda name: None)
    contestants = bench.start(CASES[0])
    assert list(contestants) == [bench.PLAIN, bench.OURS]
    row = bench.Row(CASES[0].name, bench.PEER)
    assert bench.table([row]).splitlines()[-1].split("|")[2:4] == [
        " torchdistill ",
        " not installed ",
    ]


def test_the_number_of_threads_comes_back(monkeypatch):
    monkeypatch.setattr(bench, "CASES", ())
    torch.set_num_threads(2)
    try:
        assert bench.measure_all() == []
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)
