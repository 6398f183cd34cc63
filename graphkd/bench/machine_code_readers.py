"""Read what a compiler made: registers, spills, and which instructions, from its own tools."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

_INSTRUCTION = re.compile(r"^\s*/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\w+\s+)?([A-Z][A-Z0-9_.]*)", re.M)
_RESOURCES = re.compile(r"REG:(\d+) STACK:(\d+)")
_SPILLS = re.compile(r"(\d+) bytes spill stores, (\d+) bytes spill loads")
_AMD_INSTRUCTION = re.compile(r"^\t([a-z]\w+)", re.M)
# the products of matrices, the one with the largest tiles first
_PRODUCTS = ("UTCHMMA", "UTCQMMA", "HGMMA", "HMMA", "QMMA")
_WIDTHS = {"U8": 1, "S8": 1, "U16": 2, "S16": 2, "64": 8, "128": 16, "256": 32}
_AMD_WIDTHS = {"dwordx4": 16, "dwordx3": 12, "dwordx2": 8, "dword": 4, "short": 2, "ushort": 2}
_AMD_GLOBAL = ("global", "buffer", "flat")


def read_nvidia(asm: Any, arch: int) -> dict[str, Any]:
    """Read a compiled kernel for an NVIDIA GPU.

    Args:
        asm: the compiled kernel's `asm`, with `ptx` and `cubin`.
        arch: compute capability times 10.

    Returns:
        Fields of `MachineCode`.
    """
    from triton import knobs

    cuobjdump = knobs.nvidia.cuobjdump.path
    with tempfile.TemporaryDirectory() as folder:
        cubin = Path(folder) / "kernel.cubin"
        cubin.write_bytes(asm["cubin"])
        text = _output(cuobjdump, "-res-usage", "-sass", str(cubin))
        resources = _RESOURCES.search(text)
        assert resources is not None
        registers, stack = map(int, resources.groups())
        # a spill goes over the stack, so that without one there is nothing to ask for
        spills = _nvidia_spills(asm["ptx"], arch, Path(folder)) if stack else 0
    return {
        "registers": registers,
        "stack": stack,
        "spills": spills,
        **nvidia_instructions(text),
    }


def _nvidia_spills(ptx: str, arch: int, folder: Path) -> int:
    """Compile once more, asking how many bytes are stored for want of registers."""
    from triton import knobs

    tool = knobs.nvidia.ptxas if arch < 90 else knobs.nvidia.ptxas_blackwell
    source = folder / "kernel.ptx"
    source.write_text(ptx, encoding="utf-8")
    name = re.search(r"^\.target (\w+)", ptx, flags=re.M)
    assert name is not None
    words = ("-v", f"--gpu-name={name[1]}", str(source), "-o", str(folder / "again.cubin"))
    return sum(int(stores) for stores, _ in _SPILLS.findall(_output(tool.path, *words)))


def _output(*words: str) -> str:
    made = subprocess.run(words, capture_output=True, text=True, check=True)
    return made.stdout + made.stderr


def nvidia_instructions(text: str) -> dict[str, Any]:
    """Count the instructions that tell whether a kernel is as fast as it may be.

    Args:
        text: what `cuobjdump -sass` prints.

    Returns:
        Fields of `MachineCode`.
    """
    found = Counter(_INSTRUCTION.findall(text))
    kinds: Counter[str] = Counter()
    for name, count in found.items():
        kinds[name.split(".")[0]] += count
    product = next((name for name in _PRODUCTS if kinds[name]), "")
    return {
        "loads": _by_width(found, ("LDG", "LDGSTS")),
        "stores": _by_width(found, ("STG",)),
        "local": kinds["LDL"] + kinds["STL"],
        "tma_loads": kinds["UTMALDG"],
        "product": product,
        "num_products": kinds[product],
        "exponentials": sum(n for name, n in found.items() if name.startswith("MUFU.EX2")),
    }


def _by_width(found: Counter[str], kinds: tuple[str, ...]) -> dict[int, int]:
    """Count accesses to global memory by their bytes, the widest first."""
    widths: Counter[int] = Counter()
    for name, count in found.items():
        kind, *parts = name.split(".")
        if kind in kinds:
            widths[next((_WIDTHS[part] for part in parts if part in _WIDTHS), 4)] += count
    return dict(sorted(widths.items(), reverse=True))


def read_amd(asm: Any) -> dict[str, Any]:
    """Read a compiled kernel for an AMD GPU.

    Args:
        asm: the compiled kernel's `asm`, with `amdgcn`.

    Returns:
        Fields of `MachineCode`.
    """
    text = asm["amdgcn"]
    spilled = _amd_number(text, "vgpr_spill_count") + _amd_number(text, "sgpr_spill_count")
    return {
        "registers": _amd_number(text, "vgpr_count"),
        "stack": _amd_number(text, "private_segment_fixed_size"),
        "spills": 4 * spilled,
        **amd_instructions(text),
    }


def _amd_number(text: str, name: str) -> int:
    found = re.search(rf"^\s*\.{name}:\s+(\d+)", text, flags=re.M)
    assert found is not None, name
    return int(found[1])


def amd_instructions(text: str) -> dict[str, Any]:
    """Count the instructions that tell whether a kernel is as fast as it may be.

    Args:
        text: the assembly that Triton keeps as `amdgcn`.

    Returns:
        Fields of `MachineCode`.
    """
    found = Counter(_AMD_INSTRUCTION.findall(text))
    products = sum(n for name, n in found.items() if name.startswith("v_mfma"))
    return {
        "loads": _amd_by_width(found, "load"),
        "stores": _amd_by_width(found, "store"),
        "local": sum(n for name, n in found.items() if name.startswith("scratch_")),
        "tma_loads": 0,
        "product": "MFMA" if products else "",
        "num_products": products,
        "exponentials": sum(n for name, n in found.items() if name.startswith("v_exp_f32")),
    }


def _amd_by_width(found: Counter[str], what: str) -> dict[int, int]:
    widths: Counter[int] = Counter()
    for name, count in found.items():
        kind, *parts = name.split("_")
        if kind in _AMD_GLOBAL and what in parts:
            width = next((_AMD_WIDTHS[part] for part in parts if part in _AMD_WIDTHS), 1)
            widths[width] += count
    return dict(sorted(widths.items(), reverse=True))
