"""What stops a run from outside its blueprint is told with what can be done about it."""

import pytest
import torch

from graphkd.compile.instructions import Forward
from graphkd.errors import BlueprintError
from graphkd.graph import vertex
from graphkd.run.failures import estimate, told
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
