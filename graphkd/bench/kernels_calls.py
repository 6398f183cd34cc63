"""Runs each kernel once on small inputs, for tools that watch a process, like compute-sanitizer.

python -m graphkd.bench.kernels_calls
"""

from __future__ import annotations

import torch

from graphkd.bench.kernels_cases import CASES, Case
from graphkd.bench.kernels_contestants import by_autograd
from graphkd.bench.kernels_ours import our_loss


def call(case: Case, device: str) -> None:
    """Compute a small version of a case on a device, in bfloat16."""
    small = case.small()
    inputs = small.make(torch.Generator(device).manual_seed(0), torch.bfloat16)
    by_autograd(our_loss(small), small.learners)(inputs)


if __name__ == "__main__":
    for case in CASES:
        call(case, "cuda")
        torch.cuda.synchronize()
        print(f"{case.number}: {case.operation}")
