"""The command `render`: which format it writes."""

import json
import re
from pathlib import Path

import pytest

from graphkd.cli import main
from graphkd.errors import BlueprintError
from graphkd.inspect import check_png

PAGE = Path(__file__).parents[2] / "docs" / "rendering.md"

START = {
    "": "<!doctype html>",
    ".html": "<!doctype html>",
    ".svg": "<svg ",
    ".SVG": "<svg ",
    ".mmd": "flowchart LR",
    ".mermaid": "flowchart LR",
    ".md": "```mermaid\nflowchart LR",
    ".dot": "digraph blueprint {",
    ".gv": "digraph blueprint {",
    ".json": '{\n  "format": 1,\n  "blueprint": "hinton",\n',
}


def render(*words):
    """Run the command and return its exit status."""
    with pytest.raises(SystemExit) as left:
        main(["render", "hinton", *words])
    return left.value.code


@pytest.mark.parametrize("suffix", START)
def test_format_follows_the_file_name(suffix, tmp_path):
    out = tmp_path / f"graph{suffix}"
    assert render("--out", str(out)) == 0
    assert out.read_text(encoding="utf-8").startswith(START[suffix])


def test_format_can_be_said(tmp_path, capsys):
    out = tmp_path / "graph.txt"
    assert render("--format", "dot", "--out", str(out)) == 0
    assert out.read_text(encoding="utf-8").startswith("digraph")
    assert render("--format", "svg") == 0
    assert "<svg " in capsys.readouterr().out


@pytest.mark.parametrize("view", ["knowledge", "dataflow", "schedule"])
def test_a_view_makes_a_page_that_shows_it_first(view, capsys):
    assert render("--view", view) == 0
    assert f'"first":"{view}"' in capsys.readouterr().out


def test_knowledge_and_dataflow_are_pictures_too(tmp_path):
    drawn = {}
    for view in ("knowledge", "dataflow", ""):
        out = tmp_path / f"x{view}.svg"
        assert render(*(["--view", view] if view else []), "--out", str(out)) == 0
        drawn[view] = out.read_text(encoding="utf-8")
    assert drawn["dataflow"] == drawn[""]
    assert "<title>hinton: knowledge</title>" in drawn["knowledge"]
    assert "Objectives" in drawn["dataflow"] and "Objectives" not in drawn["knowledge"]


def test_json_is_printed_for_a_pipe(capsys):
    assert render("--format", "json") == 0
    assert json.loads(capsys.readouterr().out)["blueprint"] == "hinton"


def test_what_cannot_be_written_is_said_before_long_work(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("graphkd.compile.compile_blueprint", None)
    (tmp_path / "there.svg").write_text("")
    (tmp_path / "folder.svg").mkdir()
    for words, message in (
        (
            ["--out", "there.svg"],
            "there.svg: exists already; choose another --out, or --force to replace it",
        ),
        (
            ["--out", "no/x.svg"],
            "no/x.svg: cannot be written: there is no folder 'no'; make it first",
        ),
        (["--out", "folder.svg"], "folder.svg: is a folder; write --out with a file in it"),
        (["--format", "png"], "--format png needs a file; write --out NAME.png"),
    ):
        assert render(*words) == 1
        assert capsys.readouterr().err == f"graphkd: {message}\n"


def test_mermaid_is_printed_by_default(capsys):
    assert render() == 0
    assert capsys.readouterr().out.startswith("flowchart LR\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--out", "graph.xyz"],
            "graphkd: --out graph.xyz: no picture format ends in '.xyz' "
            "(has .html, .htm, .svg, .png, .mmd, .mermaid, .md, .dot, .gv, .json)\n",
        ),
        (
            ["--out", "graph.svgz"],
            "graphkd: --out graph.svgz: no picture format ends in '.svgz'; did you mean '.svg'?\n",
        ),
        (
            ["--format", "xyz"],
            'graphkd: Invalid value "xyz" for --format. Choose from: "html", "svg", "png", '
            '"mermaid", "dot", "json".\n',
        ),
        (
            ["--view", "flow"],
            "graphkd: --view flow: no such view; did you mean 'dataflow'?\n",
        ),
        (
            ["--view", "x"],
            "graphkd: --view x: no such view (has knowledge, dataflow, schedule)\n",
        ),
        (
            ["--view", "schedule", "--out", "graph.svg"],
            "graphkd: --view schedule: svg has dataflow and knowledge only; write --format html\n",
        ),
        (
            ["--view", "knowledge", "--out", "graph.dot"],
            "graphkd: --view knowledge: dot has no views; write --format html or svg or png\n",
        ),
    ],
)
def test_unknown_formats(words, message, capsys):
    assert render(*words) == 1
    assert capsys.readouterr().err == message


def blocks(language):
    text = PAGE.read_text(encoding="utf-8")
    return "".join(re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.M | re.S))


@pytest.mark.parametrize("line", blocks("sh").splitlines())
def test_the_commands_of_the_page_work(line, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    command, *words = line.partition("#")[0].split()
    if words[-1].endswith(".png"):
        try:
            check_png()
        except BlueprintError:
            pytest.skip("no font on this machine; on Debian: apt-get install fonts-dejavu-core")
    with pytest.raises(SystemExit) as left:
        main(words)
    assert (command, left.value.code) == ("graphkd", 0)
    assert capsys.readouterr().out
    assert [each.name for each in tmp_path.iterdir()] == words[-1:] * ("--out" in words)


def test_the_example_of_the_page_runs():
    made = {}
    exec(compile(blocks("python"), str(PAGE), "exec"), made)
    assert ("data", "flow1") in made["teaching"]
