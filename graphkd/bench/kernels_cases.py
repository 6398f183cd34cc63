"""What is measured of the kernels: losses over logits, over hidden states, and InfoNCE."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import attrs
import torch
from torch import Tensor

TEMPERATURE = 4.0
HARD, SOFT = 0.1, 0.9
"""Weights of the labels and of each teacher."""
SCALE = 1 / 0.07
"""1 / temperature of InfoNCE."""

Outputs = tuple[Tensor, ...]
"""The loss, and the gradient of each input that learns."""
Solve = Callable[[Sequence[Tensor]], Outputs]
"""Computes loss and gradients from a case's inputs."""


class Case(Protocol):
    """One computation, done by every contestant."""

    @property
    def number(self) -> str:
        """Of the row."""
        ...

    @property
    def operation(self) -> str:
        """What is computed, `KL + CE`."""
        ...

    @property
    def goal(self) -> float | None:
        """Milliseconds that the kernel should need on one H200 in bfloat16; None for no goal."""
        ...

    @property
    def shape(self) -> str:
        """The sizes, as the table shows them."""
        ...

    @property
    def learners(self) -> int:
        """How many of the inputs, from the first on, get a gradient."""
        ...

    def num_bytes(self, width: int) -> int:
        """Count bytes that must be moved, with inputs of `width` bytes an element."""
        ...

    def num_flops(self) -> int:
        """Count operations of the products of matrices that must be computed."""
        ...

    def small(self) -> Case:
        """Make the same case with sizes on which every contestant is checked."""
        ...

    def make(self, generator: torch.Generator, dtype: torch.dtype) -> list[Tensor]:
        """Draw inputs on the generator's device."""
        ...


def _normal(generator: torch.Generator, dtype: torch.dtype, *sizes: int) -> Tensor:
    return torch.randn(*sizes, generator=generator, device=generator.device).to(dtype)


@attrs.frozen
class LogitCase:
    """Inputs: the student's logits "b c", each teacher's, and the label "b".

    Attributes:
        loss: `kl`, `dkd`, `ofa` or `jsd`, for each teacher.
        labels: whether the cross-entropy with the labels is added.
        streamed: whether the kernel that reads twice is to be taken, which any GPU can run.
    """

    number: str
    operation: str
    rows: int
    classes: int
    goal: float | None = None
    loss: str = "kl"
    labels: bool = True
    teachers: int = 1
    streamed: bool = False
    learners: int = 1

    @property
    def shape(self) -> str:
        """Rows and classes."""
        return f"{self.rows} x {self.classes}"

    def num_bytes(self, width: int) -> int:
        """Count one read of all logits and one write of the gradient."""
        passes = 2 + self.teachers
        if self.streamed:
            passes += 1 + self.teachers
        return self.rows * self.classes * width * passes

    def num_flops(self) -> int:
        """There are no products."""
        return 0

    def small(self) -> LogitCase:
        """Keep whether the classes are a multiple of 16, and what the kernel is chosen by."""
        return attrs.evolve(self, rows=5)

    def make(self, generator: torch.Generator, dtype: torch.dtype) -> list[Tensor]:
        """Draw inputs."""
        logits = [
            _normal(generator, dtype, self.rows, self.classes) * 2 for _ in range(1 + self.teachers)
        ]
        label = torch.randint(
            self.classes, (self.rows,), generator=generator, device=generator.device
        )
        return [*logits, label]


@attrs.frozen
class LinearCase:
    """Inputs: student's hidden states "b s" and weight "c s", teacher's "b t" and "c t"."""

    number: str
    operation: str
    rows: int
    student: int
    teacher: int
    classes: int
    goal: float | None = None
    learners: int = 2

    @property
    def shape(self) -> str:
        """Rows, both widths, classes."""
        return f"{self.rows} x ({self.student}, {self.teacher}) x {self.classes}"

    def num_bytes(self, width: int) -> int:
        """Count one read of all inputs and one write of both gradients."""
        return width * (
            2 * self.student * (self.rows + self.classes)
            + self.teacher * (self.rows + self.classes)
        )

    def num_flops(self) -> int:
        """Count the logits of both, and the gradients of hidden states and weight."""
        return (6 * self.student + 2 * self.teacher) * self.rows * self.classes

    def small(self) -> LinearCase:
        """Make few and narrow rows."""
        return attrs.evolve(self, rows=32, student=64, teacher=128, classes=1000)

    def make(self, generator: torch.Generator, dtype: torch.dtype) -> list[Tensor]:
        """Draw hidden states of size 1 and weights that give logits of size 2."""
        made = []
        for width in (self.student, self.teacher):
            made.append(_normal(generator, dtype, self.rows, width))
            made.append(_normal(generator, dtype, self.classes, width) * (2 / width**0.5))
        return made


@attrs.frozen
class ContrastCase:
    """Inputs: the student "b d", the knowledge "b d", and a bank "m d" where there is one.

    Several flows have their first axis in front.

    Attributes:
        bank: rows of the bank.
        symmetric: whether both directions count.
        learners: 2 where the knowledge gets a gradient too.
        flows: how many such losses are computed at once.
    """

    number: str
    operation: str
    rows: int
    width: int
    goal: float | None = None
    bank: int = 0
    symmetric: bool = False
    learners: int = 1
    flows: int = 1

    @property
    def shape(self) -> str:
        """Rows, columns, width."""
        one = f"{self.rows} x {self.rows + self.bank} x {self.width}"
        return one if self.flows == 1 else f"{self.flows} of {one}"

    def num_bytes(self, width: int) -> int:
        """Count one read of all vectors and one write of each gradient."""
        rows = (2 + self.learners) * self.rows + self.bank
        return self.flows * rows * self.width * width

    def num_flops(self) -> int:
        """Count products of all pairs: scores, the gradients, and the scores again for columns."""
        products = 4 if self.learners == 2 else 3 if self.symmetric else 2
        pairs = self.rows * (self.rows + self.bank)
        return self.flows * products * 2 * pairs * self.width

    def small(self) -> ContrastCase:
        """Make few rows."""
        return attrs.evolve(self, rows=160, bank=352 if self.bank else 0)

    def make(self, generator: torch.Generator, dtype: torch.dtype) -> list[Tensor]:
        """Draw vectors; a student's own knowledge is nearer to it than the rest."""
        head = (self.flows,) if self.flows > 1 else ()
        student = _normal(generator, dtype, *head, self.rows, self.width)
        noise = _normal(generator, dtype, *head, self.rows, self.width)
        made = [student, (student + 4 * noise).to(dtype)]
        if self.bank:
            made.append(_normal(generator, dtype, self.bank, self.width))
        return made


CASES: tuple[LogitCase | LinearCase | ContrastCase, ...] = (
    LogitCase("1", "KL + CE", 1024, 1000, 0.008),
    LogitCase("2a", "KL + CE", 16384, 1000, 0.0255),
    LogitCase("2b", "DKD + CE", 16384, 1000, 0.0255, loss="dkd"),
    LogitCase("2c", "OFA + CE", 16384, 1000, 0.0255, loss="ofa"),
    LogitCase("3", "KL + CE", 4096, 8192, 0.052),
    LogitCase("4", "KL + CE", 1024, 21841, 0.039),
    LogitCase("5a", "KL", 8192, 32000, 0.43, labels=False),
    LogitCase("5b", "JSD", 8192, 32000, 0.43, loss="jsd", labels=False),
    LogitCase("6", "KL + CE", 8192, 128256, 1.72),
    LogitCase("7", "KL + CE, two reads", 8192, 128256, 2.71, streamed=True),
    LogitCase("8", "two teachers + CE", 16384, 1000, 0.034, teachers=2),
    LinearCase("9", "linear + KL", 8192, 2048, 4096, 128256, 33.7),
    ContrastCase("10", "InfoNCE one-sided", 4096, 256, 0.034),
    ContrastCase("11", "InfoNCE symmetric", 8192, 512, 0.40, symmetric=True),
    ContrastCase(
        "12", "InfoNCE symmetric, both learn", 16384, 512, 2.15, symmetric=True, learners=2
    ),
    ContrastCase("13", "InfoNCE symmetric", 32768, 512, 6.4, symmetric=True),
    ContrastCase("14", "InfoNCE, bank", 256, 128, 0.02, bank=65280),
    ContrastCase("15", "InfoNCE, 8 flows", 256, 256, 0.02, flows=8),
)
"""On a GPU, in bfloat16."""

CPU_CASES: tuple[LogitCase | LinearCase | ContrastCase, ...] = (
    LogitCase("1", "KL + CE", 256, 1000),
    LogitCase("2", "DKD + CE", 256, 1000, loss="dkd"),
    LogitCase("3", "OFA + CE", 256, 1000, loss="ofa"),
    LogitCase("4", "JSD", 256, 1000, loss="jsd", labels=False),
    ContrastCase("5", "InfoNCE one-sided", 256, 128),
    ContrastCase("6", "InfoNCE symmetric", 256, 128, symmetric=True),
)
"""Without a GPU, in float32, on one thread."""
