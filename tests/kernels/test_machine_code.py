"""The shipped kernels compile for each kind of GPU, and to the instructions that they are about.

Nothing here needs a GPU. Where TRITON_INTERPRET is set, as for the other tests, nothing can be
compiled, so that a process of its own does it.
"""

import json
import os
import re
import subprocess
import sys

import pytest

pytest.importorskip("triton")

from graphkd.bench.machine_code import (
    CONTRAST,
    MAIN,
    MORE_CONTRAST,
    TARGETS,
    is_chosen,
    is_meant_for,
    shipped,
)

NVIDIA = [name for name, target in TARGETS.items() if target.backend == "cuda"]


@pytest.fixture(scope="module")
def rows():
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    words = [sys.executable, "-m", "graphkd", "bench", "machine-code", "--json"]
    made = subprocess.run(words, capture_output=True, text=True, env=environment)
    assert made.returncode == 0, made.stderr
    return json.loads(made.stdout)


def of_logits(row):
    return "classes" in row["configuration"]


def told(rows):
    """Name rows, as a failure is to show them."""
    return [(row["configuration"], row["kernel"], row["target"]) for row in rows]


def test_every_configuration_compiles_for_the_targets_it_is_meant_for(rows):
    assert told(rows) == [
        (configuration, launch.kernel.__name__, name)
        for name, target in TARGETS.items()
        for configuration, launches in shipped(target).items()
        if is_chosen(configuration, name)
        for launch in launches
        if is_meant_for(launch, target)
    ]
    assert {row["target"] for row in rows} == set(TARGETS)
    # each name that is listed there is one of a configuration
    assert {*CONTRAST, *MORE_CONTRAST} <= {row["configuration"] for row in rows}


def test_shared_memory_is_within_the_limit(rows):
    assert told([row for row in rows if row["shared"] > TARGETS[row["target"]].shared]) == []


def test_logits_never_spill(rows):
    assert told([row for row in rows if of_logits(row) and row["spills"]]) == []


def num_classes(row):
    """List the classes of a configuration's students."""
    found = re.search(r"([0-9][0-9a-z ]*) classes", row["configuration"])
    return [int(each) for each in re.findall("[0-9]+", found[1])] if found else []


def test_rows_of_1000_classes_are_read_in_16_bytes(rows):
    chosen = [row for row in rows if num_classes(row) == [1000] and row["target"] in NVIDIA]
    assert {row["target"] for row in chosen} == set(NVIDIA)
    assert told([row for row in chosen if "16" not in row["loads"]]) == []
    assert told([row for row in chosen if "16" not in row["stores"]]) == []


def test_rows_are_never_read_class_by_class(rows):
    # an odd row begins anywhere; else what is narrow is the label's own logit, of both sides
    chosen = [
        row
        for row in rows
        if row["target"] == MAIN
        and of_logits(row)
        and all(classes % 8 == 0 for classes in num_classes(row))
    ]
    assert len(chosen) > 10
    assert told([row for row in chosen if row["loads"].get("2", 0) > 2]) == []


def test_infonce_multiplies_by_the_units_of_hopper(rows):
    multiply = [row for row in rows if not of_logits(row) and row["num_products"]]
    kinds = {(row["target"], row["product"]) for row in multiply if "bf16" in row["configuration"]}
    assert kinds == {
        ("sm_80", "HMMA"),
        ("sm_90", "HGMMA"),
        ("sm_100", "UTCHMMA"),
        ("gfx942", "MFMA"),
    }


def test_infonce_spills_nowhere_on_nvidia_but_where_it_is_known_to(rows):
    spilt = [row for row in rows if row["target"] in NVIDIA and row["spills"]]
    # two exponentials beside a result of 64 x 512: known, and to be weighed on a GPU
    known = ("infonce symmetric, learnt scale, bf16, d 512", "weigh_kernel", "sm_90")
    other = [row for row in spilt if (row["configuration"], row["kernel"], row["target"]) != known]
    assert told(other) == []
    assert all(row["spills"] <= 64 for row in spilt)
