"""Commands as they are typed."""

import pytest

from graphkd.cli import main


@pytest.fixture
def run(capsys):
    """Run a command that works, and return what it prints."""

    def type_in(*words):
        with pytest.raises(SystemExit) as left:
            main(words)
        printed = capsys.readouterr()
        assert (left.value.code, printed.err) == (0, "")
        return printed.out

    return type_in


@pytest.fixture
def fail(capsys):
    """Run a command that ends in a mistake, and return the one thing that it says."""

    def type_in(*words):
        with pytest.raises(SystemExit) as left:
            main(words)
        printed = capsys.readouterr()
        assert (left.value.code, printed.out) == (1, "")
        assert printed.err.startswith("graphkd: ")
        assert printed.err.endswith("\n")
        return printed.err.removeprefix("graphkd: ")[:-1]

    return type_in
