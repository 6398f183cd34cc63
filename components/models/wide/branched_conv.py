"""A 3x3 convolution that trains as several branches and runs as one kernel."""

from __future__ import annotations

import math

import torch
from einops import einsum, rearrange
from torch import Tensor, nn
from torch.nn import functional as F

# of the branches in their order: from random weights, and from a layer that is to stay as it is
_SCRATCH = (0.25, 0.25, 0.0, 0.5, 0.05, 0.5)
_EXACT = (1.0, 0.0, 0.0, 0.0, 0.0, 0.0)
_MULTIPLIER = 8


class BranchedConv2d(nn.Module):
    """The sum of up to six linear branches, each with a scale s_m for every output channel.

    kernel[o,i,h,w] = sum over m of s_m[o] W_m[o,i,h,w], with

    | m | W_m                                  | tensors                                 |
    |---|--------------------------------------|-----------------------------------------|
    | 0 | W[o,i,h,w]                           | `weight`, the layer's own               |
    | 1 | A[o,i] / 9                           | `average`                               |
    | 2 | P[o,i] F[o,h,w]                      | `frequency`; F is fixed                 |
    | 3 | sum_t K2[o,t,h,w] (I + D)[t,i]       | `after` is K2, `delta` is D, 0 at first |
    | 4 | W'[o,i,h,w]                          | `second`                                |
    | 5 | sum_{e<8} pw[o,8i+e] dw[8i+e,h,w]    | `point`, `depth`                        |

    F[o,h,w] is cos(pi (h+1/2)(o+1)/3) for o < c/2, else cos(pi (w+1/2)(o+1-c/2)/3). In a depthwise
    layer i is 0 alone and t is o. New tensors start Kaiming-uniform. There is a bias only where
    the layer had one: before a batch norm a bias cancels, and so the merged layer has the plain
    layer's keys (the published blocks all gain one).

    Source: "Gap Preserving Distillation by Building Bidirectional Mappings with A Dynamic
    Teacher", 2024, arXiv 2410.04140, and its official code; the blocks are those of Hu et al.,
    "Online Convolutional Re-parameterization", 2022, arXiv 2204.00826.

    Args:
        conv: see `branchable`; its weight and bias are taken over, not copied.
        branches: M, 1 to 6: the first M of the table.
        exact: the scales start at 1 for W and 0 for the others, so that the layer stays what it
            was; else at 0.25, 0.25, 0, 0.5, 0.05, 0.5.
    """

    average: nn.Parameter
    frequency: nn.Parameter
    after: nn.Parameter
    delta: nn.Parameter
    second: nn.Parameter
    depth: nn.Parameter
    point: nn.Parameter
    prior: Tensor
    identity: Tensor

    def __init__(self, conv: nn.Conv2d, *, branches: int, exact: bool) -> None:
        super().__init__()
        assert branchable(conv)
        self.in_channels, self.out_channels = conv.in_channels, conv.out_channels
        self.kernel_size, self.stride, self.padding = (3, 3), (1, 1), (1, 1)
        self.dilation, self.groups = (1, 1), conv.groups
        self.branches = branches
        self.weight = conv.weight
        self._add_branches(like=conv.weight)
        scales = torch.tensor(_EXACT if exact else _SCRATCH)[:branches]
        scales = scales.to(conv.weight).repeat(self.out_channels, 1).T.contiguous()
        self.scales = nn.Parameter(scales)
        self.bias = conv.bias
        self.train(conv.training)

    def _add_branches(self, *, like: Tensor) -> None:
        out, into = like.shape[:2]
        shapes = {
            "average": (1, (out, into, 1, 1)),
            "frequency": (2, (out, into, 1, 1)),
            "after": (3, (out, into, 3, 3)),
            "delta": (3, (self.in_channels, into)),
            "second": (4, (out, into, 3, 3)),
            "depth": (5, (_MULTIPLIER * self.in_channels, 1, 3, 3)),
            "point": (5, (out, _MULTIPLIER * into)),
        }
        for name, (branch, shape) in shapes.items():
            if branch >= self.branches:
                continue
            tensor = torch.zeros(shape, device=like.device, dtype=like.dtype)
            if name != "delta":
                nn.init.kaiming_uniform_(tensor)
            self.register_parameter(name, nn.Parameter(tensor))
        prior = frequency_prior(out) if self.branches > 2 else torch.empty(0)
        self.register_buffer("prior", prior.to(like), persistent=False)
        identity = torch.empty(0, 0)
        if self.branches > 3:
            identity = torch.ones(out, 1) if self.depthwise else torch.eye(into)
        self.register_buffer("identity", identity.to(like), persistent=False)

    @property
    def depthwise(self) -> bool:
        """Whether each channel has a kernel of its own."""
        return self.groups > 1

    def kernel(self) -> Tensor:
        """Merge the branches: "o i h w", with gradient into each of their tensors."""
        scaled = [
            rearrange(self.scales[index], "o -> o 1 1 1") * self.branch_kernel(index)
            for index in range(self.branches)
        ]
        return torch.stack(scaled).sum(0)

    def branch_kernel(self, index: int) -> Tensor:
        """Give the 3x3 kernel of a branch: "o i h w", not scaled."""
        match index:
            case 0:
                return self.weight
            case 1:
                return (self.average / 9).expand(-1, -1, 3, 3)
            case 2:
                return self.frequency * self.prior
            case 3 if self.depthwise:
                return self.after * rearrange(self.identity + self.delta, "o i -> o i 1 1")
            case 3:
                before = self.identity + self.delta
                return einsum(self.after, before, "o t h w, t i -> o i h w")
            case 4:
                return self.second
        group = "o" if self.depthwise else "i"
        depth = rearrange(self.depth, "(i e) 1 h w -> i e h w", e=_MULTIPLIER)
        point = rearrange(self.point, "o (i e) -> o i e", e=_MULTIPLIER)
        return einsum(point, depth, f"o i e, {group} e h w -> o i h w")

    def forward(self, image: Tensor) -> Tensor:
        """Convolve once with the merged kernel: "b c h w" to "b c h w", the same h and w."""
        return F.conv2d(image, self.kernel(), self.bias, padding=1, groups=self.groups)

    @torch.no_grad()
    def merged(self) -> nn.Conv2d:
        """Give the plain layer with the merged kernel, as it is now."""
        conv = nn.Conv2d(
            self.in_channels,
            self.out_channels,
            3,
            padding=1,
            groups=self.groups,
            bias=self.bias is not None,
            device="meta",
        )
        conv.weight = nn.Parameter(self.kernel(), self.weight.requires_grad)
        if self.bias is not None:
            conv.bias = nn.Parameter(self.bias.detach().clone(), self.bias.requires_grad)
        return conv


def branchable(module: nn.Module) -> bool:
    """Whether a layer can have branches: a plain 3x3, stride 1, padding 1, dense or depthwise."""
    return (
        type(module) is nn.Conv2d
        and (module.kernel_size, module.stride, module.dilation) == ((3, 3), (1, 1), (1, 1))
        and module.padding in ((1, 1), "same")
        and module.padding_mode == "zeros"
        and (module.groups == 1 or module.groups == module.in_channels == module.out_channels)
    )


def frequency_prior(channels: int) -> Tensor:
    """Give the fixed kernels F of branch 2: "c 1 3 3", waves along h, then along w."""
    phase = math.pi / 3 * (torch.arange(3) + 0.5)
    half = channels / 2
    number = torch.arange(channels) + 1.0
    first = number < half + 1
    waves = torch.cos(phase * torch.where(first, number, number - half).unsqueeze(1))
    along_h = waves[:, :, None].expand(-1, 3, 3)
    along_w = waves[:, None, :].expand(-1, 3, 3)
    return torch.where(first[:, None, None], along_h, along_w).unsqueeze(1)
