"""Machine code is read right: kernels that spill, or load in small pieces, are told."""

import json
import os
import subprocess
import sys
from pathlib import Path

import attrs
import pytest

pytest.importorskip("triton")

from graphkd.bench import machine_code
from graphkd.bench.machine_code import TARGETS, MachineCode, absent, is_chosen, is_meant_for
from graphkd.bench.machine_code_page import page, table
from graphkd.bench.machine_code_readers import amd_instructions, nvidia_instructions
from graphkd.errors import BlueprintError
from graphkd.kernels.launch import Launch

SMALL_KERNELS = Path(__file__).parent / "small_kernels.py"
SASS = """\
        /*0000*/                   LDC R1, c[0x0][0x28] ;     /* 0x00000a00ff017b82 */
        /*00c0*/              @!P0 LDG.E.128 R4, desc[UR4][R12.64] ;   /* 0x000000040c048981 */
        /*00d0*/              @!UP1 LDGSTS.E.BYPASS.128 [R4], desc[UR4][R12.64] ;   /* 0x0 */
        /*00e0*/                   LDG.E.U16.CONSTANT R4, desc[UR4][R12.64] ;   /* 0x0 */
        /*00f0*/                   LDG.E R4, desc[UR4][R12.64] ;   /* 0x0 */
        /*0180*/                   MUFU.EX2 R9, R9 ;          /* 0x0000000900097308 */
        /*0190*/                   MUFU.RCP R9, R9 ;          /* 0x0000000900097308 */
        /*0200*/                   UTMALDG.2D [UR8], [UR4] ;  /* 0x0000000900097308 */
        /*0210*/                   HGMMA.64x128x16.F32 R24, gdesc[UR4], R24 ;  /* 0x0 */
        /*0220*/                   STL.64 [R1+0x8], R4 ;      /* 0x0 */
        /*0230*/                   LDL R4, [R1+0x8] ;         /* 0x0 */
        /*0290*/                   STG.E.64 desc[UR4][R12.64], R4 ;    /* 0x0 */
"""
AMD = """\
\t.short\t2
kernel:
\tbuffer_load_dwordx4 v[0:3], v2, s[0:3], 0 offen
\tglobal_load_ushort v1, v2, s[0:1]
\tglobal_load_dword v1, v2, s[0:1]
\tv_exp_f32_e32 v1, v2
\tv_mfma_f32_32x32x8_bf16_1k a[0:15], v[0:1], v[2:3], a[0:15]
\tscratch_store_dword off, v1, s0
\ts_load_dwordx4 s[4:7], s[0:1], 0x8
\tbuffer_store_dwordx2 v[0:1], v2, s[4:7], 0 offen
"""
ROW = MachineCode(
    configuration="kl, 1000 classes",
    kernel="logit_rows_kernel",
    target="sm_90",
    warps=4,
    registers=40,
    stack=0,
    spills=0,
    shared=64,
    loads={16: 2, 4: 1},
    stores={16: 1},
    local=0,
    tma_loads=0,
    product="",
    num_products=0,
    exponentials=16,
)


def test_nvidia_instructions_by_hand():
    assert nvidia_instructions(SASS) == {
        "loads": {16: 2, 4: 1, 2: 1},
        "stores": {8: 1},
        "local": 2,
        "tma_loads": 1,
        "product": "HGMMA",
        "num_products": 1,
        "exponentials": 1,
    }


def test_amd_instructions_by_hand():
    assert amd_instructions(AMD) == {
        "loads": {16: 1, 4: 1, 2: 1},
        "stores": {8: 1},
        "local": 1,
        "tma_loads": 0,
        "product": "MFMA",
        "num_products": 1,
        "exponentials": 1,
    }


@pytest.fixture(scope="module")
def small():
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    words = [sys.executable, str(SMALL_KERNELS), "sm_90", "gfx942"]
    made = subprocess.run(words, capture_output=True, text=True, env=environment)
    assert made.returncode == 0, made.stderr
    return {(row["configuration"], row["target"]): row for row in json.loads(made.stdout)}


def test_wide_access_needs_rows_of_a_known_multiple(small):
    assert small["even", "sm_90"]["loads"] == {"16": 1}
    assert small["even", "sm_90"]["stores"] == {"16": 1}
    assert set(small["odd", "sm_90"]["loads"]) == {"2"}
    assert set(small["odd", "sm_90"]["stores"]) == {"2"}
    assert set(small["odd", "gfx942"]["loads"]) == {"2"}


def test_exponentials_are_counted(small):
    # 1024 columns by 128 lanes; an AMD warp has 64
    assert small["even", "sm_90"]["exponentials"] == 8
    assert small["even", "gfx942"]["exponentials"] == 4


def test_spills_are_found(small):
    fits, spills = small["fits", "sm_90"], small["spills", "sm_90"]
    assert (fits["spills"], fits["stack"], fits["local"]) == (0, 0, 0)
    assert spills["spills"] > 0
    assert spills["stack"] > 0
    assert spills["local"] > 0


def test_products_are_named(small):
    assert small["product", "sm_90"]["product"] == "HGMMA"
    assert small["product", "gfx942"]["product"] == "MFMA"
    assert small["even", "sm_90"]["product"] == ""


def test_shared_memory_is_told(small):
    # two 128 x 128 tiles in bfloat16
    assert small["product", "sm_90"]["shared"] == 2 * 128 * 128 * 2


def test_an_interpreting_process_is_refused(monkeypatch):
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    with pytest.raises(BlueprintError) as caught, absent(TARGETS["sm_90"]):
        pass
    assert str(caught.value) == "TRITON_INTERPRET is set, so that no kernel is compiled; unset it"


def test_a_process_without_triton_is_refused(monkeypatch):
    monkeypatch.setattr(machine_code, "find_spec", lambda name: None)
    with pytest.raises(BlueprintError) as caught, absent(TARGETS["sm_90"]):
        pass
    assert str(caught.value) == (
        "no Triton to compile kernels with; install it with: pip install triton"
    )


def test_an_unknown_target_is_refused():
    with pytest.raises(BlueprintError) as caught:
        machine_code.compile_shipped(["sm_9"])
    assert str(caught.value) == "no target 'sm_9'; did you mean 'sm_90'?"


def test_the_driver_comes_back(monkeypatch):
    from triton.runtime import driver

    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    before = driver._active
    with absent(TARGETS["sm_80"]):
        assert driver.active.get_current_target().arch == 80
        first = driver.active.get_current_device()
        with absent(TARGETS["gfx942"]):
            # else what was compiled for the one would be taken for the other
            assert driver.active.get_current_device() != first
        assert driver.active.get_current_target().arch == 80
    assert driver._active is before


def test_clusters_are_compiled_where_there_are_any():
    alone, cluster = (Launch(None, (1,), (), {"num_ctas": number}) for number in (1, 4))
    assert all(is_meant_for(alone, target) for target in TARGETS.values())
    meant = [name for name, target in TARGETS.items() if is_meant_for(cluster, target)]
    assert meant == ["sm_90", "sm_100"]


def test_typical_configurations_are_compiled_for_all_targets():
    names = (
        "KL + CE, 10 classes, bfloat16",
        "KL + CE, 10 classes, float32",
        "JS, 1000 classes, bfloat16",
        "JS, 1000 classes, float32",
        "JS, 10 classes, bfloat16",
        "infonce one-sided, bf16, d 256",
        "infonce one-sided, fp32, d 256",
        "infonce one-sided, fp32, d 512",
    )
    chosen = {target: [is_chosen(name, target) for name in names] for target in TARGETS}
    assert chosen["sm_90"] == [True, True, True, False, False, True, True, False]
    assert chosen["gfx942"] == [False, False, False, False, False, True, False, False]


def test_the_table_shows_each_row():
    tile = attrs.evolve(
        ROW, target="gfx942", tma_loads=2, product="HGMMA", num_products=8, exponentials=0
    )
    lines = table([ROW, tile]).splitlines()
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    start = ["kl, 1000 classes", "logit_rows_kernel"]
    assert cells[0] == [
        *("configuration", "kernel", "target", "warps", "registers", "spills", "shared"),
        *("loads", "stores", "products", "exp2"),
    ]
    assert cells[2:] == [
        [*start, "sm_90", "4", "40", "0", "64", "16 B x 2, 4 B x 1", "16 B x 1", "", "16"],
        [
            *(*start, "gfx942", "4", "40", "0", "64"),
            *("TMA x 2, 16 B x 2, 4 B x 1", "16 B x 1", "HGMMA x 8", ""),
        ],
    ]


def test_the_page_holds_the_table_and_its_targets():
    text = page([ROW])
    assert table([ROW]) in text
    assert "for `sm_90` (H100, H200), by torch" in text
    assert "232448 on sm_90." in text
