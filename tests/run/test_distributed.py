"""Two processes train what one process trains on the batches of both."""

import json
import shutil
import signal
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from graphkd.run import resume
from graphkd.run.again import open_run
from tests.run.several import PLAIN, environment, start
from tests.run.several_jobs import FAST, train_one
from tests.run.test_resume import outcome

LAUNCH = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
# sums of float32 in another order
ROUNDING = {"rtol": 1e-5, "atol": 1e-6}


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A folder in which two processes and one have trained, at the same time."""
    folder = tmp_path_factory.mktemp("distributed")
    processes = start("train_fast", folder)
    train_one(folder, FAST)
    assert [each.wait(timeout=300) for each in processes] == [0, 0]
    return folder


def records(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def near(record, tolerance):
    return {
        key: pytest.approx(value, rel=tolerance, abs=tolerance)
        if isinstance(value, float)
        else value
        for key, value in record.items()
    }


@pytest.mark.parametrize("name", FAST)
def test_two_processes_log_what_one_logs(done, name):
    one, two = (records(done / number / name) for number in ("one", "two"))
    assert [list(each) for each in one] == [list(each) for each in two]
    for ours, theirs in zip(one, two, strict=True):
        assert theirs == near(ours, 1e-5)


@pytest.mark.parametrize("name", FAST)
def test_two_processes_hand_back_what_one_does(done, name):
    places = [done / number / name for number in ("one", "two")]
    one, two = (load_file(place / "student.safetensors") for place in places)
    assert one.keys() == two.keys()
    for key, value in one.items():
        torch.testing.assert_close(two[key], value, **ROUNDING)
    results = [json.loads((place / "results.json").read_text()) for place in places]
    for model, report in results[0]["models"].items():
        assert results[1]["models"][model] == pytest.approx(report, abs=1e-5)


def test_steps_that_are_left_out_count_alike_in_all_processes(done):
    said = "step 10, samples [[10]]: loss of other is nan in 11 steps one after the other"
    assert [(done / f"left out {rank}").read_text() for rank in range(2)] == [said, said]


def test_averages_are_equal_too(done):
    one, two = (open_run(done / number / "moving").averages for number in ("one", "two"))
    assert one.keys() == two.keys() == {"teacher", "student"}
    for name, each in one.items():
        for key, value in each.module.state_dict().items():
            torch.testing.assert_close(two[name].module.state_dict()[key], value, **ROUNDING)


def test_a_stop_of_one_process_stops_all_and_a_resumed_run_is_the_same(done):
    assert outcome(done / "stopped") == outcome(done / "whole")


def test_another_number_of_processes_goes_on_and_is_marked(done, capsys):
    left = shutil.copytree(done / "left", done / "left for one")
    said = "changed since the run began: ~ processes: 2 -> 1"
    resume(left)
    assert said in capsys.readouterr().err
    settings = json.loads((left / "run.json").read_text())
    assert settings["exact"] is False
    # 2 of the phase's 6 steps of 16 samples were done, which are 4 of 10 steps of 8
    assert [each["step"] for each in records(left)][-1] == 8 + 6
    assert (left / "student.safetensors").exists()


@pytest.mark.slow
def test_a_killed_process_is_started_again_and_the_end_is_the_same(done):
    words = [*LAUNCH, "--max-restarts=1", "tests/run/several_jobs.py", "die_once"]
    assert subprocess.run([*words, str(done)], env=environment(), timeout=300).returncode == 0
    assert outcome(done / "killed") == outcome(done / "whole")


@pytest.mark.slow
def test_a_process_that_hangs_ends_the_run_which_goes_on_exactly(done):
    first, halted = start("halt", done, GRAPHKD_TIMEOUT="3")
    assert first.wait(timeout=120) == 1
    assert halted.poll() is None
    halted.kill()
    said = (done / "said by 0").read_text()
    assert said.startswith("graphkd: process 1 did not answer for 3 s: it gives no sign of life")
    assert [each.wait(timeout=120) for each in start("go_on", done)] == [0, 0]
    assert outcome(done / "halted") == outcome(done / "whole")


@pytest.mark.slow
def test_a_slow_checkpoint_of_a_run_that_stops_is_waited_for(tmp_path):
    processes = start("stop_slowly", tmp_path, GRAPHKD_TIMEOUT="1.5")
    assert [each.wait(timeout=120) for each in processes] == [0, 0]
    assert (tmp_path / "slow" / "checkpoints" / "step-000000008").is_dir()


@pytest.mark.slow
def test_a_command_of_one_process_is_refused_once(tmp_path):
    words = [*LAUNCH, "-m", "graphkd", "compare", "hinton", "tas"]
    ran = subprocess.run(
        words, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=300
    )
    assert ran.returncode == 1
    said = [line for line in ran.stderr.splitlines() if line.startswith("graphkd:")]
    assert said == [
        "graphkd: compare: runs in one process, and this is one of 2 (RANK and WORLD_SIZE are "
        "set); write graphkd compare without torchrun, or unset them"
    ]
    assert not list(tmp_path.iterdir())


COMMAND = [sys.executable, "-m", "graphkd", "train", "plain.yaml", "--plugin=tests.run.several"]


@pytest.mark.slow
def test_a_mistake_is_told_once(tmp_path):
    (tmp_path / "plain.yaml").write_text(PLAIN)
    words = [*COMMAND, "--nproc=2", "train.lr=-4"]
    ran = subprocess.run(
        words, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=300
    )
    assert ran.returncode == 1
    assert ran.stderr == "graphkd: train.lr=-4: train: lr is -4, not above 0; try 0.001\n"


@pytest.mark.slow
def test_sigterm_stops_all_processes_after_their_step(tmp_path):
    (tmp_path / "plain.yaml").write_text(PLAIN)
    words = [*COMMAND, "--nproc=2", "train.epochs=100000"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(words, cwd=tmp_path, env=environment(), **pipes)
    # the first line comes when the training is under way
    process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    _, error = process.communicate(timeout=120)
    assert process.returncode == 130
    assert error == "graphkd: stopped; go on with: graphkd resume runs/small\n"
    assert list((tmp_path / "runs" / "small" / "checkpoints").iterdir())


@pytest.mark.slow
def test_axes_of_two_processes_lead_where_those_of_one_lead(tmp_path):
    processes = start("train_slow", tmp_path)
    train_one(tmp_path, ["tcs"])
    assert [each.wait(timeout=300) for each in processes] == [0, 0]
    one, two = (records(tmp_path / number / "tcs") for number in ("one", "two"))
    for ours, theirs in zip(one, two, strict=True):
        # directions of little variance turn with the rounding of the teacher
        assert theirs == near(ours, 1e-3)


@pytest.mark.slow
def test_processes_stay_together_where_one_can_read_nothing(tmp_path):
    processes = start("skip_unreadable", tmp_path)
    assert [each.wait(timeout=120) for each in processes] == [0, 0]
    named = (tmp_path / "run" / "unreadable.txt").read_text().splitlines()
    # whichever of the two has read them
    assert sorted(named) == [f"cannot read {index}" for index in range(12, 16)]
