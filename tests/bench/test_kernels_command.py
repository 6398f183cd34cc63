"""`graphkd bench` prints, writes, and refuses what it would not use."""

import json
import xml.etree.ElementTree as ElementTree

import pytest

from graphkd.cli import main


def main_exits(status, *words):
    try:
        main(words)
    except SystemExit as left:
        assert left.code == status
    else:
        assert status == 0


def test_the_command_prints_a_table_and_that_there_is_no_gpu(tiny, capsys):
    main_exits(0, "bench", "kernels", "--case", "1")
    shown = capsys.readouterr()
    assert shown.err == (
        "graphkd: no GPU found: the kernels were not run; measured are the references, on the CPU\n"
    )
    assert shown.out.splitlines()[0].split() == ["case", "contestant", "CPU", "ms", "ratio"]
    assert "CPU only: " in shown.out


def test_the_command_writes_page_numbers_and_picture(tiny, tmp_path, capsys):
    folder = tmp_path / "new" / "gpu"
    main_exits(0, "bench", "kernels", "--case", "1", "--out", str(folder), "--json")
    shown = capsys.readouterr()
    names = ["bench-kernels.json", "bench-kernels.md", "bench-kernels.svg"]
    assert sorted(path.name for path in folder.iterdir()) == names
    written = json.loads((folder / names[0]).read_text(encoding="utf-8"))
    assert written == json.loads(shown.out)
    assert list(written) == ["device", "processor", "versions", "rates", "rows"]
    assert list(written["rows"][0]) == [
        *("case", "operation", "shape", "contestant", "note"),
        *("device_ms", "host_ms", "share", "goal_ms", "ratio"),
    ]
    assert written["device"] is None
    ElementTree.parse(folder / names[2])
    (folder / names[0]).unlink()
    main_exits(1, "bench", "kernels", "--out", str(folder))
    assert capsys.readouterr().err == (
        f"graphkd: {folder}/bench-kernels.md: exists already; choose another --out, "
        "or --force to replace it\n"
    )
    main_exits(0, "bench", "kernels", "--case", "1", "--out", str(folder), "--force")


def test_a_file_is_no_folder(tiny, tmp_path, capsys):
    path = tmp_path / "file"
    path.write_text("")
    main_exits(1, "bench", "kernels", "--out", str(path))
    assert capsys.readouterr().err == f"graphkd: {path}: cannot be made: File exists\n"


WRONG = {
    ("kernels", "--repeats", "3"): "bench kernels takes no --repeats; leave it out",
    ("step", "--case", "3"): "bench step takes no --case; leave it out",
    ("kernels", "--target", "sm_90"): "bench kernels takes no --target; leave it out",
    ("machine-code", "--target", "sm_9"): "no target 'sm_9'; did you mean 'sm_90'?",
}


@pytest.mark.parametrize("words", WRONG, ids=" ".join)
def test_a_setting_that_would_go_unused_is_refused(words, capsys):
    main_exits(1, "bench", *words)
    assert capsys.readouterr().err == f"graphkd: {WRONG[words]}\n"
