"""`render` of a blueprint with mistakes, as it is typed: a drawing, the mistakes, no success."""

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphkd.blueprint import load, shipped
from graphkd.cli import main
from graphkd.compile import compile_blueprint
from graphkd.errors import BlueprintError
from graphkd.inspect.document import said

BAD = "blueprint: x\ndata: digits\nnodes:\n  s: {type: studnt}\n"
MISTAKE = "bad.yaml:4:13: node 's': no node type 'studnt'; did you mean 'student'?"


@pytest.fixture
def typed(tmp_path, monkeypatch, ends):
    """Type a command beside `bad.yaml`; return its status, and what it prints."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.yaml").write_text(BAD, encoding="utf-8")
    return ends


START = {
    "a.html": b"<!doctype html>",
    "a.svg": b"<svg ",
    "a.png": b"\x89PNG",
    "a.mmd": b"flowchart LR",
    "a.md": b"```mermaid\nflowchart LR",
    "a.dot": b"digraph",
    "a.json": b"{",
}


@pytest.mark.parametrize("out", START)
def test_a_file_is_written_and_the_mistakes_are_told_as_check_tells_them(out, typed, tmp_path):
    status, checked, told = typed("check", "bad.yaml")
    assert (status, checked, told) == (1, "", f"graphkd: {MISTAKE}\n")
    status, printed, also = typed("render", "bad.yaml", "--out", out)
    assert (status, printed) == (1, f"{out}\n")
    assert also == f"graphkd: {out} shows what could be read of bad.yaml\n{told}"
    assert (tmp_path / out).read_bytes().startswith(START[out])
    # what lies there is not replaced, and no second drawing is made
    status, printed, also = typed("render", "bad.yaml", "--out", out)
    assert (status, printed) == (1, "") and "exists already" in also


def test_without_a_file_the_drawing_is_printed(typed):
    status, printed, told = typed("render", "bad.yaml")
    assert status == 1 and printed.startswith("flowchart LR\n") and f"%% 1. {MISTAKE}" in printed
    assert told.endswith(f"graphkd: {MISTAKE}\n")


@pytest.mark.parametrize("file", ["nowhere.yaml", "."])
def test_what_is_no_file_is_not_drawn(file, typed, tmp_path):
    status, printed, told = typed("render", file, "--out", "a.html")
    assert (status, printed) == (1, "") and told.count("\n") == 1
    assert not (tmp_path / "a.html").exists()


TEXTS = {name: shipped()[name].read_text(encoding="utf-8") for name in ("hinton", "tas", "tcs")}
WORD = re.compile(r"[\w.]+")


def cut(text, chance):
    """Leave out all behind a place."""
    return text[: chance.randrange(len(text))]


def without_a_line(text, chance):
    lines = text.split("\n")
    del lines[chance.randrange(len(lines))]
    return "\n".join(lines)


def twice(text, chance):
    lines = text.split("\n")
    at = chance.randrange(len(lines))
    lines.insert(chance.randrange(len(lines)), lines[at])
    return "\n".join(lines)


def without_a_key(text, chance):
    """Leave out a key with its plain value."""
    found = [*re.finditer(r"\w+: [\w./-]+,? ?", text), re.match("", text)]
    start, end = chance.choice(found).span()
    return text[:start] + text[end:]


def renamed(text, chance):
    start, end = chance.choice([*WORD.finditer(text), re.match("", text)]).span()
    others = ["", "x", "data", "-1", "[1, 2]", "{a: b}", f"{text[start:end]}x", "null", "a b"]
    return text[:start] + chance.choice(others) + text[end:]


def another_sign(text, chance):
    at = chance.randrange(len(text))
    return text[:at] + chance.choice("{}[]:,\"'#&*!|>%@-? \n\t<\0é") + text[at + 1 :]


CHANGES = (cut, without_a_line, twice, without_a_key, renamed, another_sign)


@settings(max_examples=15)
@given(
    name=st.sampled_from(sorted(TEXTS)),
    changes=st.lists(st.sampled_from(CHANGES), min_size=1, max_size=4),
    seed=st.integers(0, 2**32),
)
def test_whatever_is_wrong_a_page_lists_all_of_it(name, changes, seed, tmp_path_factory):
    folder = tmp_path_factory.mktemp("changed")
    file, out = folder / "bad.yaml", folder / "a.html"
    text = TEXTS[name]
    for change in changes:
        text = change(text, random.Random(seed)) or " "
    file.write_text(text, encoding="utf-8", newline="")
    try:
        compile_blueprint(load(file))
        problems = ()
    except BlueprintError as error:
        problems = error.problems
    with pytest.raises(SystemExit) as left:
        main(["render", str(file), "--out", str(out)])
    assert left.value.code == (1 if problems else 0)
    page = out.read_text(encoding="utf-8")
    for number, each in enumerate(problems, 1):
        item = re.search(rf'<li id="problem{number}">.*?</li>', page, re.DOTALL)
        assert said(each.message) in item[0] and said(str(each.place)) in item[0]
    assert f'id="problem{len(problems) + 1}"' not in page
