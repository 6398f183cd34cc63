"""Loops that a careful person writes for a GPU, without graphkd's schedule."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence

import attrs
import torch
import torch.nn.functional as F
from timm.task import LogitDistillationTask
from torch import Tensor, nn

from graphkd.bench.cases import HARD, LR, MOMENTUM, SOFT, TEMPERATURE
from graphkd.run.backwards import Batch
from graphkd.run.session import Session


@attrs.frozen
class Eager:
    """What differs between such loops.

    Attributes:
        loss: from images in [0, 1] and labels to the weighted sum of all losses.
        learns: what the optimizer moves.
        state: gives what it has learnt, `node.tensor`.
    """

    loss: Callable[[Tensor, Tensor], Tensor]
    learns: Iterable[nn.Parameter]
    state: Callable[[], Mapping[str, Tensor]]


Writer = Callable[[Session], Eager]
"""Takes networks and weights out of a session, and nothing else of graphkd."""


class ByHand:
    """One eager step after the other."""

    def __init__(self, session: Session, writer: Writer) -> None:
        recipe = session.schedule.phases[0].recipe
        self.eager = writer(session)
        self.learns = list(self.eager.learns)
        self.clip = recipe.clip_grad
        half = recipe.precision == "bfloat16"
        self.precision = torch.autocast(session.device.type, torch.bfloat16, enabled=half)
        self.optimizer = torch.optim.SGD(self.learns, lr=LR, momentum=MOMENTUM, nesterov=True)
        self.total = torch.zeros(())

    def run(self, batches: Sequence[Batch]) -> None:
        """Do one optimizer step for each batch."""
        for batch in batches:
            with self.precision:
                loss = self.eager.loss(batch["image"], batch["label"])
            loss.backward()  # type: ignore[no-untyped-call]
            if self.clip:
                nn.utils.clip_grad_norm_(self.learns, self.clip)
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)
            self.total = loss.detach()

    def loss(self) -> Tensor:
        """Return the weighted sum of losses of the last step."""
        return self.total

    def state(self) -> Mapping[str, Tensor]:
        """Return what it has learnt, `node.tensor`."""
        return self.eager.state()


def by_logits(session: Session) -> Eager:
    """Write distillation by logits."""
    teacher, student = frozen_copy(session, "teacher"), plain_copy(session, "student")
    normalize = normalizer(session, "student")

    def loss(image: Tensor, label: Tensor) -> Tensor:
        image = normalize(image)
        with torch.no_grad():
            knowledge = teacher(image).float()
        logits = student(image).float()
        log_student = F.log_softmax(logits / TEMPERATURE, dim=-1)
        softened = F.softmax(knowledge / TEMPERATURE, dim=-1)
        soft = F.kl_div(log_student, softened, reduction="batchmean") * TEMPERATURE**2
        return HARD * F.cross_entropy(logits, label) + SOFT * soft

    return learning(loss, {"student": student})


def by_task(session: Session) -> Eager:
    """Write distillation by logits with timm's task."""
    teacher, student = frozen_copy(session, "teacher"), plain_copy(session, "student")
    normalize = normalizer(session, "student")
    task = LogitDistillationTask(
        student,
        teacher,
        criterion=nn.CrossEntropyLoss(),
        distill_loss_weight=SOFT,
        task_loss_weight=HARD,
        temperature=TEMPERATURE,
        device=session.device,
        verbose=False,
    )

    def loss(image: Tensor, label: Tensor) -> Tensor:
        found: Tensor = task(normalize(image), label)["loss"]
        return found

    return learning(loss, {"student": student})


def learning(loss: Callable[[Tensor, Tensor], Tensor], nodes: Mapping[str, nn.Module]) -> Eager:
    """Say what learns where that is modules, under the names that nodes have."""
    modules = nn.ModuleDict(nodes)
    return Eager(loss, modules.parameters(), modules.state_dict)


def plain_copy(session: Session, name: str) -> nn.Module:
    """Copy a network in training mode, without anything of graphkd around it."""
    network: nn.Module = copy.deepcopy(session.parts[name].deliverable())
    return network.train()


def frozen_copy(session: Session, name: str) -> nn.Module:
    """Copy a network that does not learn."""
    return plain_copy(session, name).eval().requires_grad_(False)


def normalizer(session: Session, name: str) -> Callable[[Tensor], Tensor]:
    """Make what brings images in [0, 1] to the statistics of a network."""
    image = session.parts[name].image
    mean, std = (
        torch.tensor(each, device=session.device).view(1, -1, 1, 1)
        for each in (image.mean, image.std)
    )
    return lambda pixels: (pixels - mean) / std
