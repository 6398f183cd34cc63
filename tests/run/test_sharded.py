"""Nodes whose weights two processes share out learn and teach as whole ones do."""

import errno
import json
import shutil
from resource import RLIM_INFINITY, RLIMIT_FSIZE, setrlimit
from signal import SIGKILL

import pytest
import torch
from safetensors.torch import load_file

from graphkd.blueprint import loads
from graphkd.compile import compile_blueprint
from graphkd.errors import BlueprintError
from graphkd.inspect import explain
from graphkd.run import resume
from graphkd.run.again import open_run
from graphkd.run.checkpoint import newest
from graphkd.run.folder import CHECKPOINTS
from graphkd.run.manifest import verify
from graphkd.run.shards import write_shards
from tests.run.several import start
from tests.run.sharded_jobs import (
    BOTH,
    SHARDED,
    STUDENT,
    TEACHER,
    TEXT,
    leave,
    load_and_save,
    train_one,
)
from tests.run.test_distributed import ROUNDING, near, records
from tests.run.test_resume import outcome


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A folder in which two processes have trained with sharded nodes, and one without."""
    folder = tmp_path_factory.mktemp("sharded")
    leave(folder / "left alone", folder, step=17)
    shutil.copytree(folder / "left alone" / CHECKPOINTS, folder / "alone")
    processes = start("train_fast", folder, jobs="sharded_jobs")
    train_one(folder)
    assert [each.wait(timeout=300) for each in processes] == [0, 0]
    return folder


@pytest.mark.parametrize("name", SHARDED)
def test_sharded_nodes_learn_and_teach_as_whole_ones(done, name):
    ours, theirs = (records(done / place) for place in ("one", name))
    assert [list(each) for each in ours] == [list(each) for each in theirs]
    for one, other in zip(ours, theirs, strict=True):
        assert other == near(one, 1e-5)
    one, other = (load_file(done / place / "student.safetensors") for place in ("one", name))
    assert one.keys() == other.keys()
    for key, value in one.items():
        torch.testing.assert_close(other[key], value, **ROUNDING)


def test_a_resumed_run_with_sharded_nodes_is_the_same(done):
    assert outcome(done / "stopped") == outcome(done / "whole")


def test_training_goes_on_while_shares_are_written_and_the_rest_is_written_after_them(done):
    """As `held` has it in the run that the resumed one is equal to."""
    assert json.loads((done / "held by 0").read_text()) == []
    seen = json.loads((done / "held by 1").read_text())
    # a step of the training, with what it sends, was made meanwhile
    assert [overtaken for overtaken, _, _ in seen].count(True) >= 4
    for _, draft, files in seen:
        assert draft.endswith(".tmp")
        assert set(files) <= {"__0_0.distcp"}


def test_a_process_without_room_is_told_by_all_and_leaves_the_checkpoints_whole(done):
    for rank in range(2):
        text = (done / f"told by {rank} at 2").read_text()
        place = done / "told" / "step-000000002"
        assert text.startswith(f"{place}: cannot be written: File too large (")
    assert not list(done.glob("told by * at [13]"))
    names = ["step-000000001", "step-000000003"]
    assert sorted(path.name for path in (done / "told").iterdir()) == names
    for name in names:
        verify(done / "told" / name)


@pytest.mark.filterwarnings("ignore:torch.distributed is disabled")
@pytest.mark.parametrize("room", [10_000, 1_500_000])
def test_a_share_that_finds_no_room_says_what_the_system_says(tmp_path, room):
    """Where the file takes no more before its buffer is full, and after."""
    shares = {name: torch.zeros(250_000) for name in "ab"}
    setrlimit(RLIMIT_FSIZE, (room, RLIM_INFINITY))
    try:
        with pytest.raises(OSError) as caught:
            write_shards(shares, tmp_path, None)
    finally:
        setrlimit(RLIMIT_FSIZE, (RLIM_INFINITY, RLIM_INFINITY))
    assert caught.value.errno == errno.EFBIG


@pytest.mark.slow
def test_a_process_that_dies_while_it_writes_leaves_the_checkpoint_before_whole(done):
    folder = done / "killed"
    folder.mkdir()
    first, last = start("die", folder, jobs="sharded_jobs")
    assert last.wait(timeout=300) == -SIGKILL
    assert first.wait(timeout=100) not in (0, None)
    found = newest(folder / "died" / CHECKPOINTS)
    # phases end at steps 3 and 6
    assert (found.path.name, found.damaged) == ("step-000000003", ())
    processes = start("revive", folder, jobs="sharded_jobs")
    assert [each.wait(timeout=300) for each in processes] == [0, 0]
    assert outcome(folder / "died") == outcome(done / "whole")


def test_one_process_reads_what_two_have_written(done):
    session = open_run(done / "both")
    state = session.parts["student"].deliverable().state_dict()
    handed = load_file(done / "both" / "student.safetensors")
    assert state.keys() == handed.keys()
    assert all(torch.equal(state[key], value) for key, value in handed.items())


def test_each_process_writes_its_part(done):
    place = max((done / "left" / CHECKPOINTS).iterdir())
    state = torch.load(place / "state.pt", weights_only=True)
    moments = [each["exp_avg"] for each in state["optimizer"]["state"].values()]
    whole = [each for each in moments if isinstance(each, torch.Tensor)]
    # of the projector
    assert len(moments) > len(whole) == 2
    best = state["best"]["student"]["weights"]["student"]
    for weights in (state["modules"]["student"], best):
        assert not any(isinstance(each, torch.Tensor) for each in weights.values())
    sizes = [each.stat().st_size for each in (place / "shards").glob("*.distcp")]
    assert len(sizes) == 2
    assert min(sizes) > 0.7 * max(sizes)


def test_one_process_goes_on_and_a_damaged_share_is_named(done, capsys):
    left = shutil.copytree(done / "left", done / "left for one")
    newest = sorted((left / CHECKPOINTS).iterdir())[-1]
    share = newest / "shards" / "__1_0.distcp"
    content = bytearray(share.read_bytes())
    content[len(content) // 2] ^= 1
    share.write_bytes(content)
    resume(left)
    said = capsys.readouterr().err
    assert "changed since the run began: ~ processes: 2 -> 1" in said
    assert f"{newest}: the checkpoint is damaged (shards/__1_0.distcp does not have" in said
    assert json.loads((left / "run.json").read_text())["exact"] is False
    assert (left / "student.safetensors").exists()


def tensors(value, path=""):
    """Name all tensors of a state."""
    if isinstance(value, torch.Tensor):
        return {path: value}
    pairs = value.items() if isinstance(value, dict) else ()
    if isinstance(value, (list, tuple)):
        pairs = enumerate(value)
    return {
        name: one for key, each in pairs for name, one in tensors(each, f"{path}/{key}").items()
    }


def require_same_state(folder, size):
    whole = load_and_save(folder / "alone", folder / "copy", folder).state_dict()
    again = load_and_save(folder / f"copy of {size}", folder / "copy", folder).state_dict()
    parts = ("modules", "optimizer", "best")
    one, other = (tensors({key: each[key] for key in parts}) for each in (whole, again))
    assert one.keys() == other.keys()
    # weights, two moments and a count of each parameter; weights of the best step
    assert {key.split("/")[1] for key in one} == set(parts)
    for key, value in one.items():
        assert torch.equal(other[key], value), key
    assert whole["position"] == again["position"]


def test_weights_moments_and_best_weights_of_one_process_come_back_from_two(done):
    require_same_state(done, 2)


@pytest.mark.slow
def test_a_sharded_teacher_in_bfloat16_teaches_as_a_whole_one(tmp_path):
    processes = start("train_slow", tmp_path, jobs="sharded_jobs")
    assert [each.wait(timeout=300) for each in processes] == [0, 0]
    assert records(tmp_path / "whole") == records(tmp_path / "sharded")
    one, other = (
        load_file(tmp_path / name / "student.safetensors") for name in ("whole", "sharded")
    )
    assert all(torch.equal(other[key], value) for key, value in one.items())


@pytest.mark.slow
def test_three_processes_read_what_one_and_two_have_written(done):
    left = shutil.copytree(done / "left", done / "three" / "left")
    shutil.copytree(done / "alone", done / "three" / "alone")
    for job in ("copy_state", "go_on"):
        processes = start(job, done / "three", size=3, jobs="sharded_jobs")
        assert [each.wait(timeout=300) for each in processes] == [0, 0, 0]
    require_same_state(done / "three", 3)
    assert json.loads((left / "run.json").read_text())["exact"] is False
    assert (left / "student.safetensors").exists()


HEAD, NODES = STUDENT.split("nodes:")
CALL = f"{HEAD}nodes:\n  again: {{type: call, of: student}}{NODES}"
UNTAUGHT = "".join(
    line for line in TEXT.splitlines(keepends=True) if "teach" not in line.replace("teacher", "")
)
SGD, LABEL = "optimizer: sgd", "to: student.logits, loss: cross_entropy"
REFUSED = {
    "ema": (
        STUDENT.replace("shard: true", "shard: true, ema: 0.9"),
        "node 'student': shard has no moving average; drop ema or shard",
    ),
    "cache": (
        UNTAUGHT.replace("{width: 9}}", "{width: 9}, shard: true, cache: true}"),
        "node 'teacher': shard runs its forward in all processes at once, and cache where "
        "something is new; drop one of the two",
    ),
    "shared": (
        CALL,
        "node 'student': shard needs modules of its own, and 'again' and 'student' share some; "
        "drop shard",
    ),
    "into": (
        STUDENT.replace(LABEL, f"{LABEL}, into: [student]"),
        "node 'student': shard takes the gradient of all losses together, and flow 3 has into; "
        "drop one of the two",
    ),
    "optimizer": (
        STUDENT.replace(SGD, "optimizer: lamb"),
        "node 'student': shard divides tensors, and optimizer 'lamb' may want whole ones; take "
        "one of adam, adamw, momentum, sgd, or drop shard",
    ),
    "float16": (
        STUDENT.replace(SGD, f"{SGD}, precision: float16"),
        "node 'student': shard has no loss scaling; take precision: bfloat16, or drop shard",
    ),
    "compile": (
        TEACHER.replace(SGD, f"{SGD}, compile: true"),
        "node 'teacher': shard and train.compile do not go together; drop one of the two",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_needs_whole_weights_is_refused(case):
    text, said = REFUSED[case]
    with pytest.raises(BlueprintError) as caught:
        compile_blueprint(loads(text))
    found = [each for each in caught.value.problems if "shard" in each.message]
    assert [each.message for each in found] == [said]
    line = text.splitlines()[found[0].place.line - 1]
    assert line[found[0].place.column - 1 :].startswith("true")


def test_explain_says_what_is_sharded():
    said = "each of several processes holds a part of the weights; one process has all"
    lines = explain(compile_blueprint(loads(BOTH))).splitlines()
    assert [line for line in lines if line.startswith("sharded")] == [
        f"sharded: teacher: {said}",
        f"sharded: teacher, student: {said}",
        f"sharded: teacher, student: {said}",
    ]
    assert "sharded" not in explain(compile_blueprint(loads(TEXT)))
