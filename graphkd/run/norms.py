"""Batch norm over the samples of all processes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from graphkd.compile.plan import Schedule
from graphkd.errors import mistake
from graphkd.run.session import Session


def share_statistics(session: Session) -> None:
    """Turn the batch norms of all nodes that learn into synchronized ones, each in its place.

    Raises:
        BlueprintError: they are not on GPUs, or one is of a kind that cannot be synchronized.
    """
    schedule, kinds = session.schedule, _kinds()
    place = schedule.blueprint.place("train", "sync_batchnorm")
    if session.device.type != "cuda":
        text = "train: sync_batchnorm needs GPUs, and this run is on the CPU"
        raise mistake(f"{text}; write false, or take models without batch norm", place)
    for name, norm in _norms(schedule, session.parts):
        if type(norm) not in kinds:
            text = f"train: sync_batchnorm knows no {type(norm).__name__}, which '{name}' has"
            raise mistake(f"{text}; write false", place)
        # not another module: networks may share this one, and readers hold it
        norm.__class__ = kinds[type(norm)]
        norm.process_group = None


def _norms(schedule: Schedule, parts: Mapping[str, Any]) -> list[tuple[str, Any]]:
    trained = dict.fromkeys(name for plan in schedule.phases for name in plan.trained)
    return [
        (name, module)
        for name in trained
        if isinstance(part := parts.get(name), nn.Module)
        for module in part.modules()
        if isinstance(module, _BatchNorm) and not isinstance(module, nn.SyncBatchNorm)
    ]


def _kinds() -> dict[type, type]:
    from timm.layers import BatchNormAct2d
    from timm.layers.norm_act import SyncBatchNormAct

    plain: tuple[type, ...] = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
    return {**dict.fromkeys(plain, nn.SyncBatchNorm), BatchNormAct2d: SyncBatchNormAct}
