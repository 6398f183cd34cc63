"""The same computation by torchdistill, an optional dependency."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from graphkd.bench.cases import HARD, HINT, LR, MOMENTUM, SOFT, STAGES, TEMPERATURE, Start
from graphkd.run.backwards import Batch


class Torchdistill:
    """The box of torchdistill (Matsubara 2021, arXiv 2011.12913), with its hooks on the taps."""

    def __init__(self, start: Start) -> None:
        from torchdistill.core.distillation import DistillationBox  # pyright: ignore[reportMissingImports]

        self.student = start.network("student")
        self.mean, self.std = start.statistics()
        self.total = torch.zeros(())
        self.box: Any = DistillationBox(
            start.network("teacher").eval(),
            self.student,
            dataset_dict={},
            train_config=_config(hints=start.hints),
            device=torch.device("cpu"),
            device_ids=None,
            distributed=False,
            lr_factor=1,
        )
        self.box.pre_epoch_process(epoch=0)

    def run(self, batches: Sequence[Batch]) -> None:
        """Do one optimizer step for each batch."""
        box, mean, std = self.box, self.mean, self.std
        for batch in batches:
            image = (batch["image"] - mean) / std
            loss = box.forward_process(image, batch["label"])
            box.post_forward_process(loss)
            self.total = loss

    def loss(self) -> Tensor:
        """Return the weighted sum of losses of the last step."""
        return self.total.detach()


def _config(*, hints: bool) -> dict[str, Any]:
    taps = {"forward_hook": {"input": [], "output": list(STAGES)}} if hints else {}
    terms = {"kd": _logits(), **({tap: _hint(tap) for tap in STAGES} if hints else {})}
    optimizer = {"lr": LR, "momentum": MOMENTUM, "nesterov": True}
    return {
        "num_epochs": 1,
        "teacher": {"forward_proc": "forward_batch_only", "requires_grad": False, **taps},
        "student": {"forward_proc": "forward_batch_only", **taps},
        "optimizer": {"key": "SGD", "kwargs": optimizer},
        "criterion": {"key": "WeightedSumLoss", "kwargs": {"sub_terms": terms}},
    }


def _logits() -> dict[str, Any]:
    places = {
        "student_module_path": ".",
        "student_module_io": "output",
        "teacher_module_path": ".",
        "teacher_module_io": "output",
    }
    settings = {"temperature": TEMPERATURE, "alpha": HARD, "beta": SOFT}
    return {"criterion": {"key": "KDLoss", "kwargs": {**places, **settings}}, "weight": 1.0}


def _hint(tap: str) -> dict[str, Any]:
    sides = {
        side: {"is_from_teacher": side == "target", "module_path": tap, "io": "output"}
        for side in ("input", "target")
    }
    return {
        "criterion": {"key": "MSELoss", "kwargs": {}},
        "criterion_wrapper": {"key": "SimpleLossWrapper", "kwargs": sides},
        "weight": HINT,
    }
