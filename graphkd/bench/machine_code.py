"""Compiles kernels for GPUs that are not there, and tells what the machine code looks like."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from multiprocessing import get_context
from typing import Any

import attrs

from graphkd.bench.machine_code_readers import read_amd, read_nvidia
from graphkd.errors import did_you_mean, mistake
from graphkd.kernels.infonce_tiling import Chip
from graphkd.kernels.launch import Launch


@attrs.frozen
class Target:
    """A kind of GPU to compile for.

    Attributes:
        name: `sm_90`, as the compiler calls it.
        backend: what Triton calls the maker's tools.
        arch: what Triton calls the GPU.
        warp_size: lanes of a warp.
        shared: bytes of shared memory that a program may have.
        clusters: whether several programs may share their shared memory.
        chip: what InfoNCE calls the GPU.
        gpus: some GPUs of the kind.
    """

    name: str
    backend: str
    arch: int | str
    warp_size: int
    shared: int
    clusters: bool
    chip: Chip
    gpus: str


TARGETS = {
    each.name: each
    for each in (
        Target("sm_80", "cuda", 80, 32, 166912, False, "ampere", "A100"),
        Target("sm_90", "cuda", 90, 32, 232448, True, "hopper", "H100, H200"),
        Target("sm_100", "cuda", 100, 32, 232448, True, "hopper", "B200"),
        Target("gfx942", "hip", "gfx942", 64, 65536, False, "amd", "MI300X"),
    )
}


MAIN = "sm_90"
"""The target that most configurations are compiled for."""
LOGITS = "KL + CE"
"""How the configurations over logits begin that stand for the rest."""
CLASSES = (" 1000 classes", " 16384 classes")
"""Sizes that the other sums of terms, and the other targets, are compiled for."""
CONTRAST = ("infonce one-sided, bf16, d 256", "infonce symmetric, bf16, d 512")
"""Those of InfoNCE that stand for the rest."""
MORE_CONTRAST = (
    "infonce one-sided, fp32, d 256",
    "infonce both gradients, bf16, d 256",
    # the tightest: the component's default at the widest tile
    "infonce symmetric, learnt scale, bf16, d 512",
)
"""Those that are compiled for the main target too."""


@attrs.frozen
class MachineCode:
    """What one launch became for one target.

    Attributes:
        configuration: what the launch is an example of.
        kernel: name of the kernel's function.
        target: name of the target.
        warps: warps of a program.
        registers: of a lane, at most 255 (512 on AMD).
        stack: bytes of a lane.
        spills: bytes of a lane that are stored for want of registers.
        shared: bytes of shared memory of a program.
        loads: number of instructions that read global memory, by their bytes.
        stores: number of instructions that write global memory, by their bytes.
        local: number of instructions that go to the stack.
        tma_loads: number of instructions that copy a tile into shared memory.
        product: instruction that multiplies matrices, empty when there is none.
        num_products: how many of them.
        exponentials: number of instructions that compute 2^x.
    """

    configuration: str
    kernel: str
    target: str
    warps: int
    registers: int
    stack: int
    spills: int
    shared: int
    loads: dict[int, int]
    stores: dict[int, int]
    local: int
    tma_loads: int
    product: str
    num_products: int
    exponentials: int

    def as_dict(self) -> dict[str, Any]:
        """Return the row as JSON types."""
        return attrs.asdict(self)


class _Absent:
    """Stands in for the driver of a GPU that is not there."""

    def __init__(self, target: Target) -> None:
        self.target = target

    def get_current_target(self) -> Any:
        from triton.backends.compiler import GPUTarget

        return GPUTarget(self.target.backend, self.target.arch, self.target.warp_size)

    def get_current_device(self) -> int:
        # Triton keeps what it compiled by the device's number, whatever the target
        return 1000 + list(TARGETS).index(self.target.name)

    def get_current_stream(self, device: int | None = None) -> int:
        return 0


def check_can_compile() -> None:
    """Refuse a process that has no compiler.

    Raises:
        BlueprintError: Triton is missing, or only interprets kernels in this process.
    """
    if find_spec("triton") is None:
        raise mistake("no Triton to compile kernels with; install it with: pip install triton")
    from triton import knobs

    if knobs.runtime.interpret:
        raise mistake("TRITON_INTERPRET is set, so that no kernel is compiled; unset it")


@contextmanager
def absent(target: Target) -> Iterator[None]:
    """Let Triton believe that there is such a GPU; as it was afterwards.

    Raises:
        BlueprintError: this process cannot compile.
    """
    check_can_compile()
    from triton.runtime import driver

    before = driver._active
    stub: Any = _Absent(target)
    driver.set_active(stub)
    try:
        yield
    finally:
        driver._active = before


def compile_launch(launch: Launch, target: Target, *, configuration: str = "") -> MachineCode:
    """Compile a launch, as it would be compiled when it starts, and read the machine code.

    Args:
        launch: its tensors may lie on the CPU; dtypes and alignments count, values do not.
        target: for which GPU.
        configuration: what the launch is an example of.

    Raises:
        BlueprintError: this process cannot compile.
    """
    with absent(target):
        made = launch.kernel.warmup(*launch.arguments, grid=launch.grid, **launch.constants)
    if target.backend == "cuda":
        assert isinstance(target.arch, int)
        fields = read_nvidia(made.asm, target.arch)
    else:
        fields = read_amd(made.asm)
    return MachineCode(
        configuration=configuration,
        kernel=made.metadata.name,
        target=target.name,
        warps=made.metadata.num_warps,
        shared=made.metadata.shared,
        **fields,
    )


@cache
def shipped(target: Target) -> dict[str, list[Launch]]:
    """List the launches of every configuration that the kernels choose among on a kind of GPU."""
    from graphkd.kernels import infonce_examples, logits_examples

    return {
        **logits_examples.example_launches(),
        **infonce_examples.example_launches(target.chip),
    }


def compile_shipped(targets: Sequence[str] = (), *, processes: int = 2) -> list[MachineCode]:
    """Compile the shipped configurations.

    Args:
        targets: names of `TARGETS`, for all configurations; empty for all targets and those
            configurations that `is_chosen`.
        processes: how many compile at the same time, at least 1.

    Returns:
        A row for each launch and target it is meant for, target by target.

    Raises:
        BlueprintError: there is no such target, or this process cannot compile.
    """
    for name in targets:
        if name not in TARGETS:
            raise mistake(f"no target '{name}'{did_you_mean(name, TARGETS)}")
    check_can_compile()
    wanted = [
        (configuration, number, target)
        for target in targets or TARGETS
        for configuration, launches in shipped(TARGETS[target]).items()
        if targets or is_chosen(configuration, target)
        for number, launch in enumerate(launches)
        if is_meant_for(launch, TARGETS[target])
    ]
    # a new interpreter each, since Triton has threads that a fork would lose
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        return list(pool.map(_compile_one, wanted, chunksize=4))


def is_chosen(configuration: str, target: str) -> bool:
    """Say whether a configuration is compiled for a target that nobody named.

    All of them for all targets would take minutes.
    """
    if configuration in CONTRAST:
        return True
    on_main = target == MAIN
    if configuration.startswith("infonce"):
        return on_main and configuration in MORE_CONTRAST
    typical = configuration.startswith(LOGITS)
    if configuration.endswith("float32"):
        return typical and on_main
    of_size = any(size in configuration for size in CLASSES)
    return typical or of_size if on_main else typical and of_size


def is_meant_for(launch: Launch, target: Target) -> bool:
    """Say whether the launch of a kernel would ever be chosen on such a GPU."""
    return target.clusters or launch.constants.get("num_ctas", 1) == 1


def _compile_one(wanted: tuple[str, int, str]) -> MachineCode:
    configuration, number, target = wanted
    launch = shipped(TARGETS[target])[configuration][number]
    return compile_launch(launch, TARGETS[target], configuration=configuration)
