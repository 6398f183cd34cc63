"""`graphkd cache` builds what a run would compute, lists it and removes it."""

import json

import pytest
import torch
from safetensors.torch import save_file

from graphkd.cli.app import main
from tests.conftest import TinyNet
from tests.run.small import HEAD

TEXT = (
    HEAD
    + """\
nodes:
  teacher: {type: teacher, model: tiny, weights: teacher.safetensors, cache: true}
  student: {type: student, model: tiny}
flows: [{from: teacher.logits, to: student.logits, loss: kl}]
"""
)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GRAPHKD_CACHE", str(tmp_path / "cache"))
    torch.manual_seed(0)
    save_file(TinyNet(4, 3).state_dict(), "teacher.safetensors")
    (tmp_path / "small.yaml").write_text(TEXT)
    return tmp_path


def said(capsys, *words):
    with pytest.raises(SystemExit) as left:
        main(["cache", *words])
    found = capsys.readouterr()
    assert left.value.code == 0, found.err
    return found.out


def refusal(capsys, *words):
    with pytest.raises(SystemExit) as left:
        main(["cache", *words])
    assert left.value.code == 1
    return capsys.readouterr().err


def test_it_is_built_listed_and_removed(folder, capsys):
    (store,) = json.loads(said(capsys, "small.yaml", "--json"))
    place = folder / "cache" / "stores"
    assert store["folder"] == str(next(place.iterdir()))
    # four numbers and a checksum
    assert (store["rows"], store["written"], store["bytes"]) == (40, 40, 40 * 20)
    text = said(capsys, "small.yaml")
    assert text == (
        f"phase 'train', seed 0: teacher: 40 rows, 800 B; all there\n  {store['folder']}\n"
    )
    text = said(capsys, "--list")
    assert "tiny (logits) on fake: 40 rows" in text
    assert text.splitlines()[-1].startswith("1 store, ")
    assert "--clear removes 1 store" in refusal(capsys, "--clear")
    assert len(json.loads(said(capsys, "--list", "--json"))) == 1
    assert said(capsys, "--clear", "--force").endswith(f"removed: {folder / 'cache'}\n")
    assert json.loads(said(capsys, "--list", "--json")) == []
    assert not list(place.iterdir())


def test_a_damaged_store_is_listed_and_can_be_removed(capsys):
    (store,) = json.loads(said(capsys, "small.yaml", "--json"))
    with open(f"{store['folder']}/manifest.json", "a") as stream:
        stream.write("}")
    assert "damaged" in said(capsys, "--list")
    assert "manifest of the cache is damaged" in refusal(capsys, "small.yaml")
    said(capsys, "--clear", "--force")
    assert "40 rows written" in said(capsys, "small.yaml")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "write a blueprint to build for, or --list, or --clear"),
        (["small.yaml", "--list"], "write a blueprint to build for, or --list, or --clear"),
        (["--list", "--force"], "--force goes with --clear"),
        (["small.yaml", "teacher.cache=false"], "no node has a cache; write cache: true"),
    ],
)
def test_what_makes_no_sense_is_refused(capsys, words, message):
    assert message in refusal(capsys, *words)
