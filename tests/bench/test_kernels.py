"""Rows of the measurement are there and mean what they say; how fast it is here is not tested."""

import pytest
import torch

from graphkd.bench import kernels, kernels_calls, kernels_ours, kernels_timing
from graphkd.bench.kernels_cases import (
    CASES,
    ContrastCase,
    LinearCase,
    LogitCase,
)
from graphkd.bench.kernels_contestants import (
    CONTESTANTS,
    CPU_CONTESTANTS,
    EAGER,
    OURS,
    Contestant,
    by_autograd,
    in_one_graph,
)
from graphkd.bench.kernels_liger import liger_loss
from graphkd.bench.kernels_plain import plain_loss
from graphkd.bench.kernels_rows import Rates, Row
from graphkd.bench.kernels_sdpa import by_attention
from graphkd.bench.kernels_timing import input_sets
from graphkd.errors import BlueprintError
from graphkd.kernels import logit_plan
from graphkd.kernels.logits import LogitLoss

TINY = (LogitCase("1", "KL + CE", 4, 10), ContrastCase("2", "InfoNCE one-sided", 4, 8))
# those that compile nothing
QUICK = (*CONTESTANTS[:2], CONTESTANTS[-1])


def drawn(case, dtype=torch.float32):
    return case.make(torch.Generator().manual_seed(0), dtype)


def test_a_row_for_each_case_and_contestant_that_has_it(tiny):
    found = kernels.measure_all()
    names = [(row.case, row.contestant) for row in found.rows]
    both = [("1", OURS), ("1", EAGER), ("2", OURS), ("2", EAGER)]
    assert names == [*both, ("2", "attention")]
    assert all(row.host_ms > 0 for row in found.rows)
    assert [row.ratio for row in found.rows if row.contestant == OURS] == [1.0, 1.0]
    assert {row.note for row in found.rows} == {""}


def test_nothing_of_a_gpu_is_told_without_one(tiny):
    found = kernels.measure_all()
    assert found.device is None
    assert found.rates is None
    assert {(row.device_ms, row.share, row.goal_ms) for row in found.rows} == {(None, None, None)}


def test_cases_are_chosen_by_number(tiny):
    assert {row.case for row in kernels.measure_all(["2"]).rows} == {"2"}
    with pytest.raises(BlueprintError) as caught:
        kernels.measure_all(["7"])
    assert str(caught.value) == "no case '7' (has 1, 2)"


def test_the_number_of_threads_comes_back(tiny):
    torch.set_num_threads(2)
    try:
        kernels.measure_all(["1"])
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)


COMPETING = {
    f"{each.name}, {case.operation}, {case.shape}": (case.small(), each)
    for case in CASES
    for each in QUICK
    if each.build(case.small()) is not None
}


@pytest.mark.parametrize("name", COMPETING)
def test_all_contestants_compute_the_same(name):
    case, contestant = COMPETING[name]
    kernels.check(case, contestant, drawn(case))


@pytest.mark.parametrize("case", TINY, ids=lambda case: case.operation)
def test_loss_and_gradient_in_one_function_are_the_same(case, monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda function, **options: function)
    inputs = drawn(case)
    two = by_autograd(plain_loss(case), case.learners)(inputs)
    one = in_one_graph(plain_loss(case), case.learners)(inputs)
    torch.testing.assert_close(one, two)


def wrong(case):
    solve = by_autograd(plain_loss(case), case.learners)
    return lambda inputs: [2 * each for each in solve(inputs)]


def test_one_that_computes_something_else_is_not_measured(tiny):
    others = (CONTESTANTS[0], Contestant("wrong", wrong))
    row = kernels.measure_case(TINY[0], others, rates=None)[1]
    assert row.note == "AssertionError: wrong, KL + CE: loss is off by 1.0e+00 of its norm"
    assert row.host_ms is None
    assert row.ratio is None


def test_graphkd_itself_must_compute_the_same(tiny):
    with pytest.raises(AssertionError) as caught:
        kernels.measure_case(TINY[0], (Contestant(OURS, wrong),), rates=None)
    assert str(caught.value) == "graphkd, KL + CE: loss is off by 1.0e+00 of its norm"


def test_no_number_at_all_is_a_difference():
    def nothing(case):
        solve = by_autograd(plain_loss(case), case.learners)
        return lambda inputs: [each * float("nan") for each in solve(inputs)]

    with pytest.raises(AssertionError) as caught:
        kernels.check(TINY[0], Contestant("nothing", nothing), drawn(TINY[0]))
    assert str(caught.value) == "nothing, KL + CE: loss is off by inf of its norm"


def test_what_is_not_installed_says_so(tiny):
    absent = Contestant("absent", lambda case: None, package="no_such_package")
    row = kernels.measure_case(TINY[0], (CONTESTANTS[0], absent), rates=None)[1]
    assert row.note == "not installed"
    assert row.time_ms is None


def test_inputs_change_until_the_first_has_left_the_caches(monkeypatch):
    case = LogitCase("1", "KL", 4, 10)
    size = sum(each.numel() * each.element_size() for each in drawn(case))
    monkeypatch.setattr(kernels_timing, "PASSED", 5 * size)
    sets = input_sets(case, torch.Generator().manual_seed(0), torch.float32)
    assert len(sets) == 5
    assert not torch.equal(sets[0][0], sets[1][0])


def test_counts_by_hand():
    # read student and teacher, write the gradient; a second read of both; another teacher
    assert LogitCase("1", "", 10, 100).num_bytes(2) == 6 * 1000
    assert LogitCase("1", "", 10, 100, streamed=True).num_bytes(2) == 10 * 1000
    assert LogitCase("1", "", 10, 100, teachers=2).num_bytes(2) == 8 * 1000
    # student's logits, both its gradients, teacher's logits
    linear = LinearCase("9", "", 10, 3, 5, 100)
    assert linear.num_flops() == (3 * 3 + 5) * 2 * 10 * 100
    # hidden states and weights read, and written once for the student
    assert linear.num_bytes(2) == 2 * (2 * (30 + 300) + 50 + 500)
    assert ContrastCase("10", "", 10, 8).num_flops() == 2 * 2 * 10 * 10 * 8
    assert ContrastCase("14", "", 10, 8, bank=20).num_flops() == 2 * 2 * 10 * 30 * 8
    assert ContrastCase("11", "", 10, 8, symmetric=True).num_flops() == 3 * 2 * 10 * 10 * 8
    assert ContrastCase("15", "", 10, 8, flows=3).num_bytes(2) == 3 * 3 * 10 * 8 * 2


@pytest.mark.parametrize("streamed", [False, True])
def test_long_rows_are_read_twice_where_the_case_says_so(streamed, monkeypatch):
    seen = []

    def kd_logits(student, *_, **__):
        seen.append(logit_plan._has_clusters(student.device))
        return LogitLoss(student.sum(), student)

    monkeypatch.setattr(logit_plan, "_has_clusters", lambda device: True)
    monkeypatch.setattr(kernels_ours, "kd_logits", kd_logits)
    case = LogitCase("7", "", 4, 10, streamed=streamed)
    kernels_ours.our_loss(case)(*drawn(case))
    assert seen == [not streamed]
    assert logit_plan._has_clusters(torch.device("cpu"))


@pytest.mark.parametrize("case", TINY, ids=lambda case: case.operation)
def test_a_watched_call_gets_small_inputs_in_bfloat16(case, monkeypatch):
    seen = []

    def solve(inputs):
        seen.extend(inputs)
        return ()

    monkeypatch.setattr(kernels_calls, "by_autograd", lambda loss, learners: solve)
    kernels_calls.call(case, "cpu")
    assert seen[0].dtype == torch.bfloat16
    assert seen[0].shape == case.small().make(torch.Generator(), torch.float32)[0].shape


def test_the_share_is_that_of_the_slower_floor(monkeypatch):
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    for name, time in (("host_ms", 9.0), ("graph_ms", 4.0), ("kernels_ms", 5.0)):
        monkeypatch.setattr(kernels, name, lambda *_, time=time, **__: time)
    case = ContrastCase("10", "", 1000, 8)
    sets = [drawn(case, torch.bfloat16)]
    # 48 kB at 24 MB/s take 2 ms, 32 MFLOP at 10.67 GFLOP/s take 3 ms
    rates = Rates(copy=24e6, product=32e9 / 3)
    row = Row("10", "", "", OURS)
    got = kernels._on_gpu(row, case, CONTESTANTS[0], None, sets, rates=rates)
    assert (got.host_ms, got.device_ms, got.note) == (9.0, 4.0, "")
    assert got.share == pytest.approx(0.75)
    waits = Contestant("waits", lambda case: None, capturable=False)
    got = kernels._on_gpu(row, case, waits, None, sets, rates=rates)
    assert (got.device_ms, got.note) == (5.0, "sum of its kernels")
    assert got.share == pytest.approx(0.6)


def test_shapes_are_written_out():
    assert [case.shape for case in CASES if case.number in ("1", "9", "14", "15")] == [
        "1024 x 1000",
        "8192 x (2048, 4096) x 128256",
        "256 x 65536 x 128",
        "8 of 256 x 256 x 256",
    ]


def test_attention_and_liger_have_nothing_for_some_cases():
    numbers = [case.number for case in CASES if by_attention(case) is not None]
    assert numbers == ["10", "14", "15"]
    assert liger_loss(CASES[2]) is None
    assert liger_loss(CASES[-1]) is None


def test_contestants_without_a_gpu_are_those_of_plain_pytorch():
    assert [each.name for each in CPU_CONTESTANTS] == [OURS, EAGER, "torch.compile"]
