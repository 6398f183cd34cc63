"""The two small networks that steps are measured on."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from graphkd.component import register_model


class Staged(nn.Module):
    """Three stages and a head; the stages are its taps."""

    graphkd_taps: ClassVar = {"stage1": "stage1", "stage2": "stage2", "stage3": "stage3"}

    def __init__(self, stages: list[nn.Module], head: nn.Module) -> None:
        super().__init__()
        self.stage1, self.stage2, self.stage3 = stages
        self.head = head

    def forward(self, image: Tensor) -> Tensor:
        """Run all stages and the head.

        Args:
            image: "b c h w", normalized.

        Returns:
            "b c", logits.
        """
        logits: Tensor = self.head(self.stage3(self.stage2(self.stage1(image))))
        return logits


@register_model("bench_mlp")
def mlp(num_classes: int, in_chans: int, pixels: int = 64, width: int = 64) -> Staged:
    """Build three linear layers and a linear head."""
    sizes = ((in_chans * pixels, width), (width, width), (width, width))
    stages: list[nn.Module] = [nn.Sequential(nn.Linear(*size), nn.ReLU()) for size in sizes]
    return Staged(
        [nn.Sequential(nn.Flatten(), stages[0]), *stages[1:]], nn.Linear(width, num_classes)
    )


@register_model("bench_cnn")
def cnn(num_classes: int, in_chans: int, width: int = 8) -> Staged:
    """Build three strided convolutions with batch norm, a mean over the image and a linear head."""
    sizes = ((in_chans, width), (width, 2 * width), (2 * width, 4 * width))
    stages: list[nn.Module] = [
        nn.Sequential(nn.Conv2d(*size, 3, stride=2, padding=1), nn.BatchNorm2d(size[1]), nn.ReLU())
        for size in sizes
    ]
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4 * width, num_classes))
    return Staged(stages, head)
