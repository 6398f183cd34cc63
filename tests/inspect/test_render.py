"""The command `render`: which format it writes."""

import pytest

from graphkd.cli import main

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


def test_mermaid_is_printed_by_default(capsys):
    assert render() == 0
    assert capsys.readouterr().out.startswith("flowchart LR\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--out", "graph.png"],
            "graphkd: --out graph.png: no picture format ends in '.png' "
            "(has .html, .htm, .svg, .mmd, .mermaid, .md, .dot, .gv)\n",
        ),
        (
            ["--out", "graph.svgz"],
            "graphkd: --out graph.svgz: no picture format ends in '.svgz'; did you mean '.svg'?\n",
        ),
        (
            ["--format", "png"],
            'graphkd: Invalid value "png" for --format. Choose from: "html", "svg", '
            '"mermaid", "dot".\n',
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
            ["--view", "dataflow", "--out", "graph.svg"],
            "graphkd: --view dataflow: svg has no views; write --format html\n",
        ),
    ],
)
def test_unknown_formats(words, message, capsys):
    assert render(*words) == 1
    assert capsys.readouterr().err == message
