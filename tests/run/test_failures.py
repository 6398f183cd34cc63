"""What stops a run from outside its blueprint is told with what can be done about it."""

import pytest
import torch

from graphkd.compile.instructions import Forward
from graphkd.errors import BlueprintError
from graphkd.graph import vertex
from graphkd.run.failures import estimate, told
from graphkd.run.guard import Broken
from graphkd.run.loop import Stopped
from graphkd.run.unreadable import DataError
from tests.run.small import SMALL, begin


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 5 bytes"),
        MemoryError(),
    ],
)
def test_too_little_memory_is_told_beside_the_plan(error, tmp_path):
    session = begin(SMALL)
    with pytest.raises(BlueprintError) as raised, told(session, tmp_path):
        raise error
    said = str(raised.value)
    assert "phase 'teach': out of memory" in said
    assert "at batch_size 16; lower data.batch_size (to 8, with train.accumulate: 2" in said
    assert f"graphkd resume {tmp_path}" in said
    if "Tried" in str(error):
        assert "when 2.00 GiB more were asked for" in said


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            ValueError("Expected more than 1 value per channel when training, got [1, 16, 1, 1]"),
            "phase 'teach': batch norm has no variance in a batch of one sample",
        ),
        (
            RuntimeError("[/p/gloo/transport/tcp/pair.cc:545] Read: Connection reset by peer. GL"),
            "after step 0: another process has ended: see why; then go on with: graphkd resume",
        ),
    ],
)
def test_what_torch_says_in_its_own_words_is_told_in_ours(error, said, tmp_path):
    with pytest.raises(BlueprintError) as raised, told(begin(SMALL), tmp_path):
        raise error
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("policy", "exploded", "hint"),
    [("stop", False, "nonfinite: skip"), ("skip", False, ""), ("skip", True, "nonfinite: ignore")],
)
def test_losses_that_break_are_told_with_what_is_not_done_already(policy, exploded, hint):
    text = SMALL.replace("log_every: 2", f"log_every: 2, nonfinite: {policy}")
    broken = Broken("loss of bad is 5", values={"bad": 5.0}, names=["bad"], exploded=exploded)
    with pytest.raises(BlueprintError) as raised, told(begin(text), None):
        raise broken
    said = str(raised.value)
    assert "lower train.lr" in said
    assert hint in said if hint else "nonfinite" not in said


def test_other_errors_stay_what_they_are():
    with pytest.raises(RuntimeError, match="a defect"), told(begin(SMALL), None):
        raise RuntimeError("a defect")


def test_the_estimate_counts_what_a_step_keeps():
    session = begin(SMALL)
    plan = session.schedule.phases[1]
    weights, activations = estimate(plan)
    costs = {name: vertex(plan.graph, name).cost for name in ("teacher", "student")}
    learnt, frozen = costs["student"], costs["teacher"]
    assert weights == 4 * learnt.parameter_bytes + frozen.parameter_bytes
    assert activations == 16 * (learnt.activation_bytes + frozen.activation_bytes)
    assert sum(isinstance(each, Forward) for each in plan.instructions) == 2


def test_a_stop_that_was_asked_for_is_no_failure(tmp_path):
    with pytest.raises(Stopped), told(begin(SMALL), tmp_path):
        raise Stopped
    assert not list(tmp_path.iterdir())


def test_of_several_processes_that_fail_the_first_says_why(tmp_path):
    for reason in ("cannot read 5", "connection closed by peer"):
        with pytest.raises(BlueprintError), told(begin(SMALL), tmp_path):
            raise DataError(reason)
    assert "cannot read 5" in (tmp_path / "failure.json").read_text()


def test_what_goes_on_is_the_run_and_not_the_folder_of_a_seed(tmp_path):
    several = begin(SMALL.replace("epochs: 2", "epochs: 2, seeds: [1, 2]"))
    (tmp_path / "run" / "seed-1").mkdir(parents=True)
    with pytest.raises(BlueprintError) as raised, told(several, tmp_path / "run" / "seed-1"):
        raise DataError("cannot read 5")
    assert str(raised.value).endswith(f"graphkd resume {tmp_path / 'run'}")
