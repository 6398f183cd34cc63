"""The same computation in plain PyTorch, written by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from graphkd.bench.cases import HARD, HINT, LR, MOMENTUM, SOFT, TEMPERATURE, Start
from graphkd.run.backwards import Batch


class Plain:
    """What a careful person writes by hand.

    The stages are called one by one, so that the taps cost nothing.
    """

    def __init__(self, start: Start) -> None:
        self.teacher, self.student = start.network("teacher").eval(), start.network("student")
        self.mean, self.std = start.statistics()
        self.optimizer = torch.optim.SGD(
            self.student.parameters(), lr=LR, momentum=MOMENTUM, nesterov=True
        )
        self.total = torch.zeros(())
        self.train: Callable[[Sequence[Batch]], None] = (
            self._logits_and_taps if start.hints else self._logits
        )

    def run(self, batches: Sequence[Batch]) -> None:
        """Do one optimizer step for each batch."""
        self.train(batches)

    def loss(self) -> Tensor:
        """Return the weighted sum of losses of the last step."""
        return self.total.detach()

    def _logits(self, batches: Sequence[Batch]) -> None:
        teacher, student, optimizer = self.teacher, self.student, self.optimizer
        mean, std = self.mean, self.std
        for batch in batches:
            image = (batch["image"] - mean) / std
            with torch.no_grad():
                knowledge = teacher(image)
            logits = student(image)
            hard = F.cross_entropy(logits, batch["label"])
            loss = HARD * hard + SOFT * _kl(logits, knowledge)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            self.total = loss

    def _logits_and_taps(self, batches: Sequence[Batch]) -> None:
        teacher, student, optimizer = self.teacher, self.student, self.optimizer
        mean, std = self.mean, self.std
        for batch in batches:
            image = (batch["image"] - mean) / std
            with torch.no_grad():
                known1 = teacher.stage1(image)
                known2 = teacher.stage2(known1)
                known3 = teacher.stage3(known2)
                knowledge = teacher.head(known3)
            learnt1 = student.stage1(image)
            learnt2 = student.stage2(learnt1)
            learnt3 = student.stage3(learnt2)
            logits = student.head(learnt3)
            loss = HARD * F.cross_entropy(logits, batch["label"])
            loss = loss + SOFT * _kl(logits, knowledge)
            loss = loss + HINT * F.mse_loss(learnt1, known1)
            loss = loss + HINT * F.mse_loss(learnt2, known2)
            loss = loss + HINT * F.mse_loss(learnt3, known3)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            self.total = loss


def _kl(student: Tensor, teacher: Tensor) -> Tensor:
    log_student = F.log_softmax(student / TEMPERATURE, dim=-1)
    softened = F.softmax(teacher / TEMPERATURE, dim=-1)
    return F.kl_div(log_student, softened, reduction="batchmean") * TEMPERATURE**2
