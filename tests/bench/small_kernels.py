"""Kernels with known machine code; run as a program, they are compiled and printed as JSON."""

import json
import sys

import torch
import triton
import triton.language as tl

from graphkd.bench.machine_code import TARGETS, compile_launch
from graphkd.kernels.launch import Launch


@triton.jit
def copy(source, sink, num_columns, PAD: tl.constexpr):
    columns = tl.arange(0, PAD)
    row = tl.program_id(0).to(tl.int64) * num_columns
    x = tl.load(source + row + columns, mask=columns < num_columns, other=0.0)
    tl.store(sink + row + columns, tl.exp2(x.to(tl.float32)).to(x.dtype), columns < num_columns)


@triton.jit
def hold(source, sink, PAD: tl.constexpr):
    columns = tl.arange(0, PAD)
    x = tl.load(source + columns).to(tl.float32)
    for _ in range(4):
        x = x / tl.sum(x)
    tl.store(sink + columns, x.to(tl.bfloat16))


@triton.jit
def multiply(left, right, sink, SIZE: tl.constexpr):
    rows = tl.arange(0, SIZE)
    tile = rows[:, None] * SIZE + rows[None, :]
    product = tl.dot(tl.load(left + tile), tl.load(right + tile))
    tl.store(sink + tile, product.to(tl.bfloat16))


def launches():
    even, odd = (torch.empty(4 * size, dtype=torch.bfloat16) for size in (1024, 1000))
    large = torch.empty(32768, dtype=torch.bfloat16)
    square = torch.empty(128 * 128, dtype=torch.bfloat16)
    options = {"num_warps": 4, "enable_fp_fusion": True}
    one = (1, 1, 1)
    return {
        "even": Launch(copy, one, (even, even, 1024), {"PAD": 1024, **options}),
        "odd": Launch(copy, one, (odd, odd, 1000), {"PAD": 1024, **options}),
        "fits": Launch(hold, one, (even, even), {"PAD": 4096, **options}),
        "spills": Launch(hold, one, (large, large), {"PAD": 32768, **options}),
        "product": Launch(multiply, one, (square, square, square), {"SIZE": 128, **options}),
    }


if __name__ == "__main__":
    rows = [
        compile_launch(launch, TARGETS[target], configuration=name).as_dict()
        for name, launch in launches().items()
        for target in sys.argv[1:]
    ]
    print(json.dumps(rows))
