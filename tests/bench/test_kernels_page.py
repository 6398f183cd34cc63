"""The table, the page and the picture show what was found."""

import xml.etree.ElementTree as ElementTree

import attrs

from graphkd.bench.kernels_contestants import EAGER, OURS
from graphkd.bench.kernels_page import page, rich_table, svg, table
from graphkd.bench.kernels_rows import Found, Rates, Row

ON_GPU = Found(
    "a GPU",
    "a CPU",
    {"python": "3.12", "torch": "2.15"},
    Rates(copy=4.3e12, product=7.9e14),
    [
        Row("1", "KL", "8 x 10", OURS, "", 0.01, 0.05, 0.9, 0.008, 1.0),
        Row("1", "KL", "8 x 10", EAGER, "", 0.4, 0.6, 0.0225, 0.008, 40.0),
        Row("1", "KL", "8 x 10", "Liger-Kernel", "not installed", goal_ms=0.008),
    ],
)


def test_the_table_on_a_gpu():
    cells = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in table(ON_GPU).splitlines()
    ]
    head = ["case", "contestant", "device ms", "share", "host ms", "ratio", "goal ms"]
    assert cells[0] == head
    assert cells[2:] == [
        ["1: KL, 8 x 10", "graphkd", "0.01", "90%", "0.05", "1.00", "0.008"],
        ["1: KL, 8 x 10", "PyTorch eager", "0.4", "2%", "0.6", "40.00", ""],
        ["1: KL, 8 x 10", "Liger-Kernel", "", "", "", "not installed", ""],
    ]
    text = page(ON_GPU, date="2026-01-31")
    assert f"{table(ON_GPU)}\n\n![time over that of graphkd](bench-kernels.svg)" in text
    assert "Without a GPU" not in text.split("## How")[0]
    assert (
        "Measured on 2026-01-31. a GPU (copies 4.30 TB/s, multiplies 790 TFLOP/s), a CPU, "
        "python 3.12, torch 2.15." in text
    )


def test_the_page_without_a_gpu_says_so():
    rows = [attrs.evolve(row, device_ms=None, share=None) for row in ON_GPU.rows]
    text = page(attrs.evolve(ON_GPU, device=None, rates=None, rows=rows), date="2026-01-31")
    assert "## On a GPU\n\nNot yet measured. With one: `make gpu`" in text
    assert "CPU only: a CPU, python 3.12, torch 2.15." in text


def test_the_picture_has_a_bar_for_each_time():
    root = ElementTree.fromstring(svg(ON_GPU))
    bars = root.findall("{http://www.w3.org/2000/svg}rect[@class='other']")
    ours = root.findall("{http://www.w3.org/2000/svg}rect[@class='ours']")
    # 40 times slower is drawn as 20 times
    assert [float(bar.get("width")) for bar in ours] == [13.0]
    assert [float(bar.get("width")) for bar in bars] == [260.0]


def test_the_table_for_the_terminal_has_all_rows():
    assert rich_table(ON_GPU).row_count == 3
