"""Every code block of the README runs."""

import re
from pathlib import Path

import pytest

from graphkd.blueprint import load, loads

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.M | re.S)


@pytest.mark.parametrize("code", blocks("python"))
def test_python_runs(code):
    exec(compile(code, "README.md", "exec"), {})


def test_yaml_is_the_shipped_file():
    (text,) = blocks("yaml")
    assert loads(text) == load("hinton")


def test_python_form_equals_the_file():
    namespace = {}
    exec(compile(blocks("python")[0], "README.md", "exec"), namespace)
    assert namespace["blueprint"].flows == load("hinton").flows
    assert namespace["blueprint"].nodes == load("hinton").nodes
    assert namespace["blueprint"].phases == load("hinton").phases


def test_commands_exist():
    from graphkd.cli.app import app

    words = re.findall(r"^graphkd (\w+)", "\n".join(blocks("sh")), flags=re.M)
    assert words
    for word in words:
        assert word in app
