"""What a user sees while a run goes on: a bar in a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bar


class Advance(Protocol):
    """Moves the bar."""

    def __call__(self, text: str, steps: int = 1) -> None:
        """Go on by some steps."""
        ...


class Progress:
    """Shows phases, steps and validation scores.

    Attributes:
        console: where to; None shows nothing.
        title: what runs, before the name of the phase.
    """

    def __init__(self, console: Console | None = None, title: str = "") -> None:
        self.console = console
        self.title = title
        self._bar: Bar | None = None

    @contextmanager
    def phase(self, name: str, total: int, done: int = 0) -> Iterator[Advance]:
        """Show a phase of that many steps."""
        if self.console is None or not self.console.is_terminal:
            yield lambda text, steps=1: None
            return
        bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
        )
        with bar:
            self._bar = bar
            task = bar.add_task(f"{self.title}{name}", total=total, completed=done)
            yield lambda text, steps=1: bar.advance(task, steps)
        self._bar = None

    def say(self, phase: str, epoch: int, scores: Mapping[str, float]) -> None:
        """Tell the validation accuracies."""
        if self.console is None or not scores:
            return
        text = "  ".join(f"{name} {100 * score:.1f}" for name, score in scores.items())
        self.console.print(f"{self.title}{phase}  epoch {epoch + 1}  validation top-1: {text}")
