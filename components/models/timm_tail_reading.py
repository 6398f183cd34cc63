"""One forward of a timm model from the beginning of a stage on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn

from graphkd.components.models.timm_anatomy import Anatomy
from graphkd.components.models.timm_course import Course
from graphkd.components.models.timm_network import TimmNetwork, TimmReading


class TailReading(TimmReading):
    """One forward from the beginning of a stage as far as needed, then the head.

    What it calls its image is the stage's input.

    Args:
        network: whose modules run.
        course: which of them.
        taps: in the order of the answer.
        stop: leave out what lies behind the deepest of them.
        tracking: whether running statistics follow what passes through.
    """

    def __init__(
        self,
        network: TimmNetwork,
        course: Course,
        taps: Sequence[str],
        *,
        stop: bool,
        tracking: bool,
    ) -> None:
        super().__init__(network, taps, stop=stop)
        self.course = course
        # the model's own forward begins with the image
        self.plain = False
        norms = () if tracking else network.model.modules()
        self.norms: list[Any] = [each for each in norms if hasattr(each, "track_running_stats")]

    def __call__(self, model: nn.Module, image: Tensor) -> tuple[Tensor, ...]:
        """Run from the stage on, and leave running statistics that are not to move."""
        moving = [each for each in self.norms if each.training and each.track_running_stats]
        for each in moving:
            each.track_running_stats = False
        try:
            return super().__call__(model, image)
        finally:
            for each in moving:
                each.track_running_stats = True

    def _features(self, model: Any, image: Tensor) -> tuple[Any, list[Tensor]]:
        value = enter(self.anatomy, model, image)
        found = []
        for index, paths in self.course.steps:
            value = _run(model, paths, value)
            if index in self.indices:
                found.append(leave(self.anatomy, value))
            if not self.final and index == self.indices[-1]:
                return None, found
        return _run(model, self.course.finish, value), found


def _run(model: nn.Module, paths: Sequence[str], value: Tensor) -> Tensor:
    for path in paths:
        value = model.get_submodule(path)(value)
    return value


def enter(anatomy: Anatomy, model: Any, stage: Tensor) -> Tensor:
    """Bring a stage's input from the layout of the taps into that of the model's blocks."""
    if anatomy.channels_last:
        return rearrange(stage, "b c h w -> b h w c").contiguous()
    if anatomy.prefix:
        return torch.cat((_prefix(model, len(stage)), stage), dim=1)
    return stage


def leave(anatomy: Anatomy, value: Tensor) -> Tensor:
    """Bring what passes between the model's blocks into the layout of the taps."""
    if anatomy.channels_last:
        return rearrange(value, "b h w c -> b c h w").contiguous()
    return value[:, anatomy.prefix :] if anatomy.prefix else value


def _prefix(model: Any, batch: int) -> Tensor:
    """Give the class tokens, with their positions, as they enter the model's first block."""
    names = ("cls_token", "dist_token", "reg_token")
    tokens = [token for name in names if (token := getattr(model, name, None)) is not None]
    prefix = torch.cat(tokens, dim=1)
    if model.pos_embed is not None and not model.no_embed_class:
        prefix = prefix + model.pos_embed[:, : prefix.shape[1]]
    ready: Tensor = model.norm_pre(model.pos_drop(prefix.expand(batch, -1, -1)))
    return ready
