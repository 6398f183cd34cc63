"""All ways of a step on a GPU compute the same, as far as a CPU can tell."""

import pytest
import torch

from graphkd.bench import gpu
from graphkd.bench.gpu_cases import GpuCase
from graphkd.cli import main

CASE = GpuCase("test_resnet", "test_resnet", batch=4, size=32, precision="float32")
CPU = torch.device("cpu")


def test_all_contestants_make_the_same_student(tmp_path):
    found = {}
    for name, build in gpu.CONTESTANTS.items():
        contestant = build(CASE, tmp_path, CPU)
        contestant.run(CASE.batches(3, CPU))
        found[name] = contestant.student.state_dict()
    plain = found.pop(gpu.PLAIN)
    begun = CASE.start(tmp_path, CPU).parts["student"].deliverable().state_dict()
    assert not all(torch.equal(each, begun[key]) for key, each in plain.items())
    for name, state in found.items():
        near = 1e-3 if "bfloat16" in name else 1e-6
        for key, value in plain.items():
            torch.testing.assert_close(state[key], value, rtol=near, atol=near, msg=f"{name} {key}")


def test_a_row_for_each_contestant_as_a_ratio_to_the_plain_loop(monkeypatch):
    monkeypatch.setattr(gpu, "WARM_UP", 1)
    monkeypatch.setattr(gpu, "STEPS", 1)
    two = {name: gpu.CONTESTANTS[name] for name in (gpu.PLAIN, "graphkd")}
    monkeypatch.setattr(gpu, "CONTESTANTS", two)
    rows = gpu.measure(CASE, CPU, repeats=1)
    assert [row.contestant for row in rows] == list(two)
    assert rows[0].time_ratio == 1.0
    assert all(row.step > 0 for row in rows)
    lines = gpu.table(rows).splitlines()
    assert {line.count("|") for line in lines} == {7}


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_without_a_gpu_it_says_so(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["bench", "step", "--gpu"])
    assert stopped.value.code != 0
    assert "bench step --gpu: no CUDA device here" in capsys.readouterr().err
