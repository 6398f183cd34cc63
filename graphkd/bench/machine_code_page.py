"""The machine code of the shipped kernels, as a table and as a page."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version

from graphkd.bench.machine_code import MAIN, TARGETS, MachineCode

_HEAD = ("configuration", "kernel", "target", "warps", "registers", "spills", "shared", "loads")
_MORE = ("stores", "products", "exp2")
_READING = """\
Every kernel is compiled, with no GPU, by the compiler that would compile it on one, for an example
of each configuration that is chosen among. Read a line so:

- **registers** a lane holds, and **spills**, the bytes of a lane that do not fit and go to memory;
  0 is right. A multiprocessor has 65536 registers: with 128 a lane it runs 16 warps at a time.
- **shared** is the shared memory of a program in bytes; the limits are {limits}.
- **loads** and **stores** are instructions that reach global memory, by the bytes a lane moves:
  `16 B x 4` is four of the widest. Single narrow ones read a label or write a sum; rows must not
  be read in 2 bytes. A warp of `gfx942` has 64 lanes, each with half as much of a row.
  `TMA x 2` copies whole tiles.
- **products** is the instruction that multiplies matrices: `HGMMA` on Hopper and `UTCHMMA` on
  Blackwell read shared memory, `HMMA` reads registers and is slower there.
- **exp2** is the number of exponentials in the code, loops counted once.

How many instructions there are is no measure of time; nothing here was timed.

All configurations for all targets would take minutes. Compiled are KL + CE of 1000 and 16384
classes in half precision, one-sided InfoNCE of width 256 and symmetric InfoNCE of width 512; for
`{main}` also the other sums of terms, further sizes and types, and further forms of InfoNCE.
`--target NAME` compiles all configurations for one."""


def table(rows: Sequence[MachineCode]) -> str:
    """Write rows as a Markdown table."""
    lines = [(*_HEAD, *_MORE), tuple("---" for _ in (*_HEAD, *_MORE))]
    lines += [_cells(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in lines)


def _cells(row: MachineCode) -> tuple[str, ...]:
    loads = _widths(row.loads)
    if row.tma_loads:
        loads = ", ".join(filter(None, (f"TMA x {row.tma_loads}", loads)))
    return (
        row.configuration,
        row.kernel,
        row.target,
        str(row.warps),
        str(row.registers),
        str(row.spills),
        str(row.shared),
        loads,
        _widths(row.stores),
        f"{row.product} x {row.num_products}" if row.product else "",
        str(row.exponentials or ""),
    )


def _widths(counts: dict[int, int]) -> str:
    return ", ".join(f"{width} B x {count}" for width, count in counts.items())


def page(rows: Sequence[MachineCode]) -> str:
    """Write a Markdown page: how to read the table, the table, and with what it was made."""
    names = [name for name in TARGETS if any(row.target == name for row in rows)]
    targets = [TARGETS[name] for name in names]
    limits = ", ".join(f"{each.shared} on {each.name}" for each in targets)
    gpus = ", ".join(f"`{each.name}` ({each.gpus})" for each in targets)
    return "\n\n".join(
        (
            "# The machine code of the kernels",
            "Written by `graphkd bench machine-code --out FILE`, for "
            f"{gpus}, by torch {version('torch')} and triton {version('triton')}.",
            _READING.format(limits=limits, main=MAIN),
            table(rows),
        )
    )
