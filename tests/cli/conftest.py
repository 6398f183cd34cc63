"""Commands as they are typed."""

import pytest

from graphkd.cli import main


@pytest.fixture
def ends(capsys):
    """Run a command, and return its exit status, what it prints and what it says."""

    def type_in(*words):
        with pytest.raises(SystemExit) as left:
            main(words)
        printed = capsys.readouterr()
        assert "Traceback" not in printed.err
        return left.value.code, printed.out, printed.err

    return type_in


@pytest.fixture
def run(ends):
    """Run a command that works, and return what it prints."""

    def type_in(*words):
        status, printed, said = ends(*words)
        assert (status, said) == (0, "")
        return printed

    return type_in


@pytest.fixture
def fail(ends):
    """Run a command that ends in a mistake, and return the one thing that it says."""

    def type_in(*words):
        status, printed, said = ends(*words)
        assert (status, printed) == (1, "")
        assert said.startswith("graphkd: ")
        assert said.endswith("\n")
        return said.removeprefix("graphkd: ")[:-1]

    return type_in
