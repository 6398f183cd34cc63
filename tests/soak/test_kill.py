"""The short form of `make soak`."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.soak.page import Row, page

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_a_run_that_is_killed_again_and_again_ends_as_one_that_is_not(tmp_path):
    command = [sys.executable, "-m", "tests.soak.kill", "--kills", "3", "--only", "kd"]
    page_of_it = tmp_path / "soak.md"
    done = subprocess.run(
        [*command, "--out", str(page_of_it)], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    last = done.stdout.splitlines()[-1]
    told = re.fullmatch(r"kd: (\d+) kills, \d+ in a write, (\d+) runs, 0 files differ", last)
    assert told is not None, last
    assert int(told[1]) >= 3
    assert f"| kd | {told[1]} | " in page_of_it.read_text()


def test_the_page_adds_up():
    rows = [Row("a", 3, 1, 0, 2, ["x"]), Row("b", 4, 2, 1, 3)]
    text = page(rows, seconds=125)
    assert "; 2 minutes.\n" in text
    assert text.endswith("| b | 4 | 2 | 1 | 3 | 0 |\n| together | 7 | 3 | 1 | 5 | 1 |\n")
