"""All ways of a step on a GPU compute the same, as far as a CPU can tell."""

import json

import attrs
import pytest
import torch

from graphkd.bench import gpu, gpu_clock
from graphkd.bench.gpu_by_graph import ByGraph
from graphkd.bench.gpu_by_hand import ByHand
from graphkd.bench.gpu_cases import CASES
from graphkd.bench.gpu_check import TOLERANCES, Tolerance, check, trace
from graphkd.cli import main
from graphkd.errors import BlueprintError

CPU = torch.device("cpu")
TINY = {"resnet34": "test_resnet", "resnet18": "test_resnet"}


def tiny(case, **changes):
    """Make the networks of a case small: those of transformers take images of 160 pixels."""
    teacher, student = (TINY.get(each, "test_vit") for each in (case.teacher, case.student))
    size = 160 if "test_vit" in (teacher, student) else 32
    networks = {"teacher": teacher, "student": student, "batch": 4, "size": size}
    return attrs.evolve(case, **networks, **{"precision": "float32", **changes})


LOGITS, TOKENS, TAS, GPD = [tiny(case) for case in CASES]
# the two of logits differ in their networks alone
REST = {name: "as above" for name in gpu.CONTESTANTS if name not in (gpu.PLAIN, "graphkd")}
SMALL = (LOGITS, attrs.evolve(TOKENS, left_out=REST), TAS, GPD)


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr(gpu, "CHECKED", 3)
    monkeypatch.setattr(gpu_clock, "WARM_UP", 1)
    monkeypatch.setattr(gpu_clock, "STEPS", 1)


@pytest.mark.parametrize("case", SMALL, ids=lambda case: case.name)
def test_every_case_is_checked_and_has_a_row_for_each_contestant(case):
    rows = gpu.measure(case, CPU, repeats=1)
    assert [row.contestant for row in rows] == list(gpu.CONTESTANTS)
    assert {row.contestant: row.left_out for row in rows if row.step is None} == case.left_out
    assert rows[0].time_ratio == 1.0
    assert all(row.step > 0 for row in rows if not row.left_out)
    assert json.loads(json.dumps([row.as_dict() for row in rows]))[0]["memory"] is None
    lines = gpu.table(rows).splitlines()
    assert {line.count("|") for line in lines} == {7}
    assert all(reason in gpu.table(rows) for reason in case.left_out.values())


def test_what_is_measured_in_bfloat16_is_compared_in_float32_too(monkeypatch):
    compared = []
    monkeypatch.setattr(gpu, "CONTESTANTS", {gpu.PLAIN: gpu.CONTESTANTS[gpu.PLAIN]})
    monkeypatch.setattr(gpu, "check", lambda *each: compared.append(each[-1]))
    gpu.measure(attrs.evolve(LOGITS, precision="bfloat16"), CPU, repeats=1)
    assert compared == [TOLERANCES["float32"], TOLERANCES["bfloat16"]]


def doubled(session):
    for part in session.parts.values():
        if isinstance(part, torch.nn.Module):
            part.double()
    return session


@pytest.mark.parametrize("case", [TAS, GPD], ids=lambda case: case.method)
def test_nothing_but_rounding_lies_between_schedule_and_hand(case, tmp_path, monkeypatch):
    batches = [{**each, "image": each["image"].double()} for each in case.batches(3, CPU)]
    # the loop by hand takes logits out of bfloat16, here it must leave them as they are
    monkeypatch.setattr(torch.Tensor, "float", lambda each: each)
    plain = trace(ByHand(doubled(case.start(tmp_path, CPU)), case.by_hand), batches)
    found = trace(ByGraph(doubled(case.start(tmp_path, CPU))), batches)
    # the statistics of images stay float32
    check(found, plain, Tolerance(loss=1e-7, moved=1e-6))


@pytest.mark.parametrize(
    ("case", "right", "wrong"),
    [
        (LOGITS, "weight: 0.9", "weight: 0.8"),
        (TAS, "ofa, nontarget_power: false}\n", "ofa, gamma: 1.1}\n"),
        (TAS, "late: teacher.stage4", "late: teacher.stage4, lr: 1.2e-3"),
        (GPD, "smoothing: 0.1", "smoothing: 0.11"),
    ],
)
def test_another_computation_is_found(case, right, wrong, tmp_path):
    assert right in case.graph
    other = attrs.evolve(case, graph=case.graph.replace(right, wrong))
    batches = case.batches(3, CPU)
    plain = trace(ByHand(case.start(tmp_path, CPU), case.by_hand), batches)
    found = trace(ByGraph(other.start(tmp_path, CPU)), batches)
    with pytest.raises(AssertionError):
        check(found, plain, TOLERANCES["float32"])


def test_the_schedule_cannot_do_what_tas_leaves_out(tmp_path):
    with pytest.raises(BlueprintError, match="share"):
        gpu.CONTESTANTS[gpu.LOW_TEACHER](TAS, tmp_path, CPU)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_without_a_gpu_it_says_so(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["bench", "step", "--gpu"])
    assert stopped.value.code != 0
    assert "bench step --gpu: no CUDA device here" in capsys.readouterr().err
