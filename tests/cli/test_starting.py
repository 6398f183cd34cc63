"""Under torchrun, commands whose processes do not share the work are refused."""

import pytest

from graphkd.cli import main
from graphkd.cli.app import app
from graphkd.cli.starting import TOGETHER
from graphkd.run import distributed

ALONE = sorted({name for name in app if not name.startswith("-")} - {*TOGETHER})


def ended(capsys, *words):
    with pytest.raises(SystemExit) as caught:
        main(words)
    captured = capsys.readouterr()
    return caught.value.code, captured.out, captured.err


@pytest.fixture
def as_process(monkeypatch):
    """Be one of two processes that torchrun has started."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(distributed, "HEARD", 0.0)
    return lambda rank: monkeypatch.setenv("RANK", str(rank))


@pytest.mark.parametrize("name", ALONE)
def test_a_command_of_one_process_is_refused_by_the_first_alone(name, as_process, capsys):
    as_process(0)
    said = (
        f"graphkd: {name}: runs in one process, and this is one of 2 (RANK and WORLD_SIZE are "
        f"set); write graphkd {name} without torchrun, or unset them\n"
    )
    assert ended(capsys, name, "anything") == (1, "", said)
    as_process(1)
    assert ended(capsys, name, "anything") == (1, "", "")


@pytest.mark.parametrize("words", [("tain",), ("train", "hinton", "--nproc", "2")])
def test_a_mistake_of_all_processes_is_told_by_the_first_alone(words, as_process, capsys):
    as_process(0)
    status, _, said = ended(capsys, *words)
    assert status == 1
    assert said.startswith("graphkd: ")
    as_process(1)
    assert ended(capsys, *words) == (1, "", "")


def test_one_process_of_torchrun_is_alone(monkeypatch, capsys):
    monkeypatch.setenv("WORLD_SIZE", "1")
    monkeypatch.setenv("RANK", "0")
    status, out, _ = ended(capsys, "list", "loss")
    assert status == 0
    assert "kl" in out
