import io

from rich.console import Console

from graphkd.run.progress import Progress


def shown(title, *, terminal):
    """Show a phase, of which two of five steps are done, and a validation."""
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=terminal, width=120, color_system=None)
    progress = Progress(console, title)
    with progress.phase("distil", 5, done=2) as advance:
        advance()
        progress.say("distil", 3, {"student": 0.912, "[bold]": 0.5})
    return stream.getvalue()


def test_plain_lines_where_there_is_no_terminal():
    assert shown("seed 1  ", terminal=False) == (
        "seed 1  distil  epoch 4  validation top-1: student 91.2  [bold] 50.0\n"
    )


def test_a_bar_in_a_terminal():
    text = shown("seed 1  ", terminal=True)
    assert "seed 1  distil" in text
    assert "3/5" in text
    assert "epoch 4  validation top-1: student 91.2" in text


def test_nothing_without_a_console(capsys):
    progress = Progress()
    with progress.phase("distil", 5) as advance:
        advance()
    progress.say("distil", 0, {"student": 1.0})
    assert capsys.readouterr().out == ""


def test_nothing_is_said_where_nothing_was_measured():
    stream = io.StringIO()
    Progress(Console(file=stream)).say("fit", 0, {})
    assert stream.getvalue() == ""
