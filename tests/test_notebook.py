"""What a notebook's cell shows, in a real IPython; in another process, as its shell is only one."""

import base64
import json
import os
import re
import subprocess
import sys

import pytest

START = """
import json, sys
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shown = []
shell.displayhook.write_format_data = lambda data, metadata=None: shown.append(data)
def cell(code):
    assert shell.run_cell(code, store_history=False).error_in_exec is None
"""
CELLS = """
import graphkd
light = "torch" not in sys.modules
cell("import graphkd; b = graphkd.load('hinton'); b")
cell("s = graphkd.compile_blueprint(b); s")
cell("s.graph")
cell("s.phases[1]")
cell("b = graphkd.load('hinton', ['deliver=[]']); b.about = '<script>x</script>'; b")
cell("b.flows[0] = b.flows[1]; b.nodes.pop('teacher'); b.about = ''; b")
cell("import networkx; networkx.MultiDiGraph()")
print()
print(json.dumps([light, shown]))
"""
LATE = """
import graphkd, sys
before = sorted({"IPython", "graphkd.notebook"} & set(sys.modules))
from IPython.core.interactiveshell import InteractiveShell
from IPython.terminal.interactiveshell import TerminalInteractiveShell
def knows(shell):
    shell.run_line_magic("load_ext", "graphkd")
    formatter = shell.display_formatter.mimebundle_formatter
    try:
        formatter.lookup_by_type("graphkd.blueprint.model.Blueprint")
    except KeyError:
        return False
    return True
print([before, knows(InteractiveShell()), knows(TerminalInteractiveShell())])
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """Run code in another Python and return what it prints."""
    home = str(tmp_path_factory.mktemp("home"))
    told = {**os.environ, "IPYTHONDIR": home, "IPY_TEST_SIMPLE_PROMPT": "1", "OMP_NUM_THREADS": "1"}

    def run(code):
        command = [sys.executable, "-c", code]
        made = subprocess.run(command, capture_output=True, text=True, env=told, check=True)
        return made.stdout

    return run


@pytest.fixture(scope="module")
def session(python):
    return json.loads(python(START + CELLS).splitlines()[-1])


@pytest.fixture(scope="module")
def cells(session):
    return session[1]


def picture(shown):
    """Read the drawing in a cell's HTML."""
    (data,) = re.findall(r'src="data:image/svg\+xml;base64,([^"]+)"', shown["text/html"])
    return base64.b64decode(data).decode()


def test_a_blueprint_shows_who_teaches_whom(cells):
    drawn = picture(cells[0])
    assert drawn == cells[0]["image/svg+xml"]
    assert "<title>hinton: knowledge</title>" in drawn
    assert "Soft targets of a larger network" in cells[0]["text/html"]


def test_a_schedule_and_a_phase_are_tables(cells):
    whole, phase = cells[1]["text/html"], cells[3]["text/html"]
    assert re.findall(r"phase &#x27;(\w+)&#x27;", whole) == ["teach", "distil"]
    assert re.findall(r"phase &#x27;(\w+)&#x27;", phase) == ["distil"]
    assert phase.removesuffix("</div>").partition("<table")[2] in whole
    assert "<td" in phase and ">student.logits, teacher.logits<" in phase


def test_a_graph_shows_what_is_computed_from_what(cells):
    assert "Objectives" in picture(cells[2])


def test_a_dark_notebook_shows_them_on_light_paper(cells):
    for each in cells[:5]:
        assert 'style="background:#fff;color:#212529' in each["text/html"]
    for each in (cells[0], cells[2]):
        assert "prefers-color-scheme" not in picture(each)


def test_what_a_user_wrote_is_text(cells):
    assert "&lt;script&gt;" in cells[4]["text/html"]
    assert "<script" not in cells[4]["text/html"]


def test_a_blueprint_with_mistakes_lists_them(cells):
    assert "image/svg+xml" not in cells[5]
    said = re.findall(r"<li[^>]*>([^<]+)</li>", cells[5]["text/html"])
    assert len(said) == 2 and all("teacher" in each for each in said)
    assert "hinton: 2 problems" in cells[5]["text/html"]


def test_graphs_of_other_programs_are_left_to_them(cells):
    assert list(cells[6]) == ["text/plain"]


def test_import_stays_light_and_an_extension_can_be_loaded_late(session, python):
    assert session[0]
    # a terminal shows text; nothing is compiled for it
    assert python(LATE) == "[[], True, False]\n"
