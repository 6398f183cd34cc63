"""What the tests of losses of a student, a teacher and a label share: DKD, NKD and OFA."""

from collections.abc import Callable

import attrs
import torch
from hypothesis import strategies as st

from graphkd.kernels.dkd import dkd, dkd_reference
from graphkd.kernels.nkd import nkd, nkd_reference
from graphkd.kernels.ofa import ofa, ofa_reference
from tests.kernels.labelled_rows import dkd_row, nkd_row, ofa_row

SIZES = [(1, 1), (1, 10), (7, 10), (2, 1000), (3, 2)]


@attrs.frozen
class Loss:
    """A loss, what it must give, and settings under which it is tested."""

    call: Callable[..., torch.Tensor]
    reference: Callable[..., torch.Tensor]
    row: Callable[..., tuple[float, list[float]]]
    settings: tuple[dict[str, float], ...]

    def __str__(self) -> str:
        return self.call.__name__

    def solve(self, student, teacher, label, **chosen):
        """Compute the value, and the gradient of the student."""
        student = student.detach().requires_grad_()
        value = self.call(student, teacher, label, **chosen)
        (gradient,) = torch.autograd.grad(value, student)
        return value.detach(), gradient

    def expected(self, student, teacher, label, **chosen):
        """Compute value and gradient in float64, row by row and class by class."""
        rows = zip(
            student.double().tolist(), teacher.double().tolist(), label.tolist(), strict=True
        )
        found = [None if y == -1 else self.row(s, t, y, **chosen) for s, t, y in rows]
        count = max(sum(each is not None for each in found), 1)
        value = sum(each[0] for each in found if each is not None) / count
        empty = [0.0] * student.shape[1]
        slopes = [empty if each is None else [slope / count for slope in each[1]] for each in found]
        made = torch.tensor(slopes, dtype=torch.float64).view(student.shape)
        return torch.tensor(value, dtype=torch.float64), made


DKD = Loss(
    dkd,
    dkd_reference,
    dkd_row,
    (
        {"temperature": 1.0, "alpha": 1.0, "beta": 8.0},
        {"temperature": 4.0, "alpha": 0.5, "beta": 2.0},
        {"temperature": 0.5, "alpha": 2.0, "beta": 0.0},
    ),
)
NKD = Loss(
    nkd,
    nkd_reference,
    nkd_row,
    (
        {"temperature": 1.0, "gamma": 1.5},
        {"temperature": 3.0, "gamma": 3.5},
        {"temperature": 0.5, "gamma": 0.0},
    ),
)
OFA = Loss(
    ofa,
    ofa_reference,
    ofa_row,
    (
        {"temperature": 1.0, "gamma": 1.0, "nontarget_power": True},
        {"temperature": 2.0, "gamma": 1.5, "nontarget_power": True},
        {"temperature": 4.0, "gamma": 1.5, "nontarget_power": False},
        {"temperature": 0.5, "gamma": 0.7, "nontarget_power": True},
    ),
)
LOSSES = (DKD, NKD, OFA)


def logits(*sizes, seed=0, spread=3.0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return (spread * torch.randn(*sizes, generator=generator, dtype=torch.float64)).to(dtype)


def problem(batch, classes, *, dtype=torch.float64, spread=3.0, unlabelled=()):
    """Draw a student, a teacher and class numbers, -1 at the rows `unlabelled`."""
    generator = torch.Generator().manual_seed(2)
    label = torch.randint(classes, (batch,), generator=generator)
    label[list(unlabelled)] = -1
    drawn = (logits(batch, classes, seed=seed, spread=spread, dtype=dtype) for seed in (0, 1))
    return *drawn, label


def agree(got, want, **tolerance):
    torch.testing.assert_close(got[0].double(), want[0], **tolerance)
    torch.testing.assert_close(got[1].double(), want[1], **tolerance)


def _sides(num_classes):
    side = st.lists(st.floats(-20, 20, width=32), min_size=num_classes, max_size=num_classes)
    return st.tuples(side, side, st.integers(0, num_classes - 1))


def _as_tensors(sides):
    student, teacher, label = sides
    double = torch.float64
    return (
        torch.tensor([student], dtype=double),
        torch.tensor([teacher], dtype=double),
        torch.tensor([label]),
    )


# a student, a teacher and a label, of one sample and few classes
rows = st.integers(1, 6).flatmap(_sides).map(_as_tensors)
