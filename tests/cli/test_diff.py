"""`diff` and `render --after`, as they are typed."""

import json
import xml.etree.ElementTree as ET

import pytest

from graphkd.compile import PASSES

ONE = """blueprint: x
data: digits
nodes:
  t: {type: teacher, model: timm/test_resnet}
  s: {type: student, model: timm/test_resnet, args: {channels: [8, 8, 8, 8], stem_width: 8}}
flows:
  - {from: data.label, to: t.logits, loss: cross_entropy, phases: [a]}
  - {from: t.logits, to: s.logits, loss: kl, phases: [b]}
phases: [{name: a, train: [t]}, {name: b, train: [s]}]
"""


@pytest.fixture(autouse=True)
def two(tmp_path, monkeypatch):
    """Write two blueprints, and one with a mistake in its graph, into the working folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "one.yaml").write_text(ONE)
    (tmp_path / "two.yaml").write_text(ONE.replace("loss: kl", "loss: kl, temperature: 2"))
    (tmp_path / "bad.yaml").write_text(ONE.replace("t.logits, to: s", "t.logit, to: s"))
    return tmp_path


def test_a_format_follows_from_the_ending(run, two):
    endings = {"html": "<!doctype", "svg": "<svg", "json": "[", "mmd": "flowchart", "txt": "+"}
    for ending, start in endings.items():
        assert run("diff", "one.yaml", "two.yaml", "--out", f"d.{ending}") == f"d.{ending}\n"
        assert (two / f"d.{ending}").read_text().startswith(start)
    run("diff", "one.yaml", "two.yaml", "--out", "d.md")
    assert (two / "d.md").read_text().startswith("```mermaid\nflowchart")
    run("diff", "one.yaml", "two.yaml", "--out", "d")
    assert (two / "d").read_text().startswith("<!doctype")


def test_every_format_tells_what_changed(run):
    assert run("diff", "one.yaml", "two.yaml") == (
        "+ flows.t.logits->s.logits/kl.temperature: 2.0\n"
    )
    as_json = run("diff", "one.yaml", "two.yaml", "--format", "json")
    assert as_json == run("diff", "one.yaml", "two.yaml", "--json")
    assert json.loads(as_json)[0]["after"] == 2.0
    drawn = run("diff", "one.yaml", "two.yaml", "--format", "svg")
    ET.fromstring(drawn)
    assert ">temperature 4 → 2</text>" in drawn
    text = run("diff", "one.yaml", "two.yaml", "--format", "mermaid")
    assert "temperature 4 #8594; 2" in text
    page = run("diff", "one.yaml", "two.yaml", "--format", "html")
    assert ">temperature 4 → 2</text>" in page
    assert "flows.t.logits-&gt;s.logits/kl.temperature</td><td></td><td>2.0</td>" in page


def test_a_page_says_what_changes_in_cost(run, two):
    wide = ONE.replace("[8, 8, 8, 8]", "[16, 16, 16, 16]")
    (two / "wide.yaml").write_text(wide)
    page = run("diff", "one.yaml", "wide.yaml", "--format", "html")
    rows = [row for row in page.split("<tr>") if row.startswith("<td>")]
    same = [row for row in rows if row.startswith("<td>a<") and "the same" in row]
    assert len(same) == 3
    (handed,) = [row for row in rows if row.startswith("<td>handed back</td><td>parameters")]
    assert "<td>4.4 k</td>" in handed or "(+" in handed


def test_an_erroneous_blueprint_ends_in_its_own_errors(fail):
    said = "bad.yaml:8:12: flow 2: no tap 'logit' on 't'"
    for pair in (("one.yaml", "bad.yaml"), ("bad.yaml", "one.yaml")):
        assert fail("diff", *pair, "--format", "html").startswith(said)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            "diff one.yaml two.yaml --out d.htlm",
            "--out d.htlm: no format ends in '.htlm'; did you mean '.htm'?",
        ),
        (
            "diff one.yaml two.yaml --json --format svg",
            "--json: --format svg is another format; leave one of them out",
        ),
        (
            "diff one.yaml two.yaml --format png",
            "--format png needs a file; write --out NAME.png",
        ),
        (
            "diff one.yaml two.yaml --out two.yaml --format html",
            "two.yaml: exists already; choose another --out, or --force to replace it",
        ),
        ("render one.yaml --after shar", "--after shar: no pass 'shar'; did you mean 'share'?"),
        (
            "render one.yaml --after share --without share",
            "--after share: that pass is left out by --without share",
        ),
        (
            "render one.yaml --after share --format svg",
            "--after share: one picture shows one phase; add --phase, one of a, b, evaluate",
        ),
        (
            "render one.yaml --after all",
            "--after all: mermaid shows one graph; write --format html, or one pass",
        ),
        (
            "render one.yaml --phase a",
            "--phase a: says whose graph --after draws; add --after PASS",
        ),
        (
            "render one.yaml --without share",
            "--without share: a drawing shows no pass; add --after PASS",
        ),
        (
            "render one.yaml --after share --view schedule --format html",
            "--view schedule: --after draws the dataflow; leave --view out",
        ),
        (
            "render one.yaml --after share --phase c --format svg",
            "--phase c: no phase 'c' (has a, b, evaluate)",
        ),
    ],
)
def test_a_mistake_says_what_to_write(fail, words, said):
    assert fail(*words.split()) == said


def test_a_picture_shows_the_graph_after_a_pass(run):
    words = ("render", "one.yaml", "--phase", "a", "--after")
    before = json.loads(run(*words, "convert", "--format", "json"))
    after = json.loads(run(*words, "prune", "--format", "json"))
    gone = {each["name"] for each in before["nodes"]} - {each["name"] for each in after["nodes"]}
    assert gone == {"s", "s_input"}
    for format, start in (("svg", "<svg"), ("mermaid", "flowchart"), ("dot", "digraph")):
        drawn = run(*words, "prune", "--format", format)
        assert drawn.startswith(start) and "test_resnet" in drawn
    # without shapes yet
    assert run("render", "one.yaml", "--after", "resolve", "--format", "svg").startswith("<svg")


def test_a_page_shows_what_passes_changed(run, two):
    run("render", "one.yaml", "--after", "all", "--out", "all.html")
    page = (two / "all.html").read_text()
    assert "x: every pass" in page and page.count("<section id=") == len(PASSES)
    run("render", "one.yaml", "--after", "all", "--without", "share", "--out", "a.html")
    page = (two / "a.html").read_text()
    assert "left out: share" in page and page.count("<section id=") == len(PASSES) - 1
