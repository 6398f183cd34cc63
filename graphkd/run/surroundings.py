"""What decides about the last bits of a result beside software and hardware."""

from __future__ import annotations

import platform
from pathlib import Path

import torch


def surroundings(device: torch.device) -> dict[str, str]:
    """Say how this process computes: what another start may find otherwise.

    Args:
        device: on which it trains.

    Returns:
        Plain data, for a checkpoint.
    """
    found = {"deterministic": "on" if torch.are_deterministic_algorithms_enabled() else "off"}
    if device.type == "cuda":
        cudnn = torch.backends.cudnn
        found["cudnn"] = str(cudnn.version())  # type: ignore[no-untyped-call]
        found["cudnn.benchmark"] = "on" if cudnn.benchmark else "off"
        found["cudnn.deterministic"] = "on" if cudnn.deterministic else "off"
        found["matmul"] = torch.backends.cuda.matmul.fp32_precision
    else:
        # a sum is divided among the threads, and so is rounded otherwise
        found["threads"] = str(torch.get_num_threads())
        found["processor"] = f"{_processor()}, {torch.backends.cpu.get_cpu_capability()}"
        found["matmul"] = torch.backends.mkldnn.matmul.fp32_precision  # type: ignore[attr-defined]
    return found


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    named = (line.partition(":")[2].strip() for line in text.splitlines() if "model name" in line)
    return next(named, "") or platform.processor() or platform.machine()
