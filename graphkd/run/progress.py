"""What a user sees while a run goes on: a bar in a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bar

Advance = Callable[[], None]
"""Moves the bar by one step."""


class Progress:
    """Shows phases, steps and validation scores.

    Attributes:
        console: where to; None shows nothing.
        title: what runs, before the name of the phase.
    """

    def __init__(self, console: Console | None = None, title: str = "") -> None:
        self.console = console
        self.title = title

    @contextmanager
    def phase(self, name: str, total: int, done: int = 0) -> Iterator[Advance]:
        """Show a phase of that many steps, of which some are done."""
        if self.console is None or not self.console.is_terminal:
            yield lambda: None
            return
        bar = Bar(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
        )
        with bar:
            task = bar.add_task(f"{self.title}{name}", total=total, completed=done)
            yield lambda: bar.advance(task)

    def warn(self, text: str) -> None:
        """Tell something that a user should know of."""
        if self.console is not None:
            self.console.print(f"{self.title}{text}", markup=False, soft_wrap=True)

    def say(self, phase: str, epoch: int, scores: Mapping[str, float]) -> None:
        """Tell the validation accuracies after an epoch, counted from 0."""
        if self.console is None or not scores:
            return
        text = "  ".join(f"{name} {100 * score:.1f}" for name, score in scores.items())
        line = f"{self.title}{phase}  epoch {epoch + 1}  validation top-1: {text}"
        self.console.print(line, markup=False, soft_wrap=True)
