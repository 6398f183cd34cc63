"""What a fidelity study shows: tables, figures, files that stand alone."""

import csv
import json
import math
import re
import warnings
import xml.etree.ElementTree as ET

import attrs
import pytest

from graphkd.errors import BlueprintError
from graphkd.inspect.comparison.data import Origin
from graphkd.inspect.study import files as study_page
from graphkd.inspect.study.data import Row, Study, columns, study_data
from graphkd.inspect.study.files import FIGURES, FILES, study_csv, study_html, write_study
from graphkd.inspect.study.plots import pictures
from graphkd.inspect.study.tables import caption, grids

QUALITY = {"top1": 0.9, "nll": 0.3, "ece": 0.05}
LEARNT = {"train_loss": 0.25, "lr": 0.004, "steps": 30.0}


def row(part, name, seed, split, **values):
    return Row(part, name, seed, split, {"images": 20.0, **values})


def rows(seed):
    """One seed's rows; numbers move with the seed so that there is a spread."""
    shift = seed / 100
    alike = {"cka_stage1": 0.875, "cka_stage2": 0.5}
    for split in ("train", "test"):
        yield row("teacher", "teacher", seed, split, **QUALITY, other_agreement=0.8 + shift)
    for name in ("baseline", "mixup<1>"):
        for split in ("train", "distil", "test"):
            own = {"agreement": 0.9 + shift, "predictive_kl": 0.1, "other_agreement": 0.85}
            more = alike if split == "test" else {}
            yield row("policy", name, seed, split, **own, **QUALITY, **LEARNT, **more)
    for split in ("train", "distil", "test"):
        own = {"agreement": 0.91, "predictive_kl": 0.2, "other_agreement": 0.7 + 2 * shift}
        yield row("control", "control", seed, split, **own, **QUALITY, **LEARNT)
        for share in ("0", "0.5"):
            own = {"agreement": 0.8, "predictive_kl": 0.2, "share": float(share)}
            yield row("near", share, seed, split, **own, **QUALITY, **LEARNT)


@pytest.fixture(scope="module")
def found():
    return Study(
        blueprint="small",
        about="About <this> & that",
        seeds=(0, 2),
        policies={"baseline": "as it is", "mixup<1>": "mixed"},
        shares=(0.0, 0.5),
        rows=(*rows(0), *rows(2)),
        dataset="fake",
        images={"train": 20, "test": 20},
        parameters=1234,
        remarks=(),
        origin=Origin("graphkd study fidelity", "2026-01-02", "a CPU", {"torch": "2"}),
    )


@pytest.fixture(scope="module")
def drawn(found):
    return pictures(found)


@pytest.fixture
def undrawn(monkeypatch):
    """Draw no figures, which takes seconds."""
    monkeypatch.setattr(study_page, "pictures", lambda found: [])


def table(found, title):
    (grid,) = [each for each in grids(found) if each.title == title]
    return [dict(zip(grid.head, line, strict=True)) for line in grid.lines]


def test_excess_is_taken_seed_by_seed(found):
    # 0.90 - 0.70 and 0.92 - 0.74
    assert found.excess("test") == pytest.approx([0.2, 0.18])
    lines = {line["pair"]: line["test agreement %"] for line in table(found, "Control student")}
    assert lines == {
        "t and s": "91.0 ± 1.4",
        "t and s'": "72.0 ± 2.8",
        "t' and s'": "91.0 ± 0.0",
        "t' and s": "85.0 ± 0.0",
        "t and t'": "81.0 ± 1.4",
        "excess, points": "19.0 ± 1.4",
    }


def test_tables_show_mean_and_spread(found):
    teachers = table(found, "Teachers")
    assert teachers[0]["split"] == "train"
    assert (teachers[0]["top-1 %"], teachers[0]["ECE"]) == ("90.0 ± 0.0", "0.050 ± 0.000")
    policies = table(found, "Distillation data")
    assert [line["policy"] for line in policies] == ["baseline", "mixup<1>"]
    assert policies[0]["test agreement %"] == "91.0 ± 1.4"
    assert policies[0]["test KL, nats"] == "0.1000 ± 0.0000"
    near = table(found, "Start near the teacher")
    assert [(line["share"], line["learning rate"]) for line in near] == [
        ("0", "0.004"),
        ("0.5", "0.004"),
    ]
    inside = table(found, "Alike inside")
    assert inside[0] == {"student": "baseline", "stage1": "0.875", "stage2": "0.500"}
    assert inside[2] == {"student": "control, with t'", "stage1": "", "stage2": ""}


def test_one_seed_has_no_spread(found):
    one = attrs.evolve(found, seeds=(0,), rows=tuple(rows(0)))
    assert table(one, "Teachers")[1]["agrees with t' %"] == "80.0"
    assert "One seed: nothing tells" in study_html(one, ())


def test_without_students_that_start_near_their_part_is_left_out(found):
    plain = attrs.evolve(found, shares=(), rows=tuple(r for r in found.rows if r.part != "near"))
    assert [each.title for each in grids(plain)] == [
        "Teachers",
        "Distillation data",
        "Control student",
    ]
    assert [each.name for each in pictures(plain)] == [
        "agreement_accuracy",
        "train_test_agreement",
        "kl_ece",
        "control",
    ]


def test_the_caption_says_what_was_measured(found):
    assert caption(found) == (
        "small on fake: teachers of 20 images, students of 1.23 k parameters and 30 steps, "
        "measured with their last weights on 20 test images; mean ± sd over seeds 0, 2."
    )


def test_a_line_of_the_sheet_for_each_row(found):
    lines = list(csv.DictReader(study_csv(found).splitlines()))
    assert len(lines) == len(found.rows)
    assert lines[0]["top1"] == "0.9"
    assert lines[0]["agreement"] == ""
    assert columns(found.rows)[:3] == ["agreement", "predictive_kl", "top1"]


def test_numbers_that_json_does_not_know_are_texts(found, tmp_path, undrawn):
    broken = row(
        "near", "0.5", 0, "test", agreement=0.8, predictive_kl=math.inf, cka_stage1=math.nan
    )
    odd = attrs.evolve(found, rows=(*found.rows, broken))
    write_study(odd, tmp_path)
    data = json.loads((tmp_path / "study.json").read_text())
    assert (data["rows"][-1]["predictive_kl"], data["rows"][-1]["cka_stage1"]) == ("inf", "nan")
    assert study_data(found)["excess"]["test"] == pytest.approx([0.2, 0.18])


def test_the_files_stand_alone(found, tmp_path):
    files = write_study(found, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted([*FILES, FIGURES])
    assert all(path.is_file() for path in files)
    page = (tmp_path / "out" / "report.html").read_text()
    assert "About &lt;this&gt; &amp; that" in page
    assert "mixup&lt;1&gt;" in page
    assert page.count("<svg") == 5
    # nothing is fetched: no links but into the page's own drawings
    links = re.findall(r'(?:href|src)="([^"]*)"', page)
    assert all(link.startswith("#") for link in links)
    assert not re.search(r"url\((?!#)|@import", page)
    defined = set(re.findall(r'\bid="([^"]+)"', page))
    assert {link[1:] for link in links} | set(re.findall(r"url\(#([^)]+)\)", page)) <= defined
    for path in (tmp_path / "out" / FIGURES).iterdir():
        assert path.read_bytes().startswith(b"\x89PNG")


def test_figures_name_their_axes_and_what_is_drawn(drawn):
    texts = {}
    for each in drawn:
        root = ET.fromstring(each.svg)
        texts[each.name] = {node.text for node in root.iter("{http://www.w3.org/2000/svg}text")}
    scatter = texts["agreement_accuracy"]
    assert {
        "student's test accuracy, % (the scale widens towards 100)",
        "test agreement with the teacher, %",
    } <= scatter
    assert {"baseline", "mixup<1>"} <= scatter
    assert {"KL(teacher ‖ student), nats", "expected calibration error"} <= texts["kl_ece"]
    assert {"t and s", "t and s'", "t and t'", "test agreement, %"} <= texts["control"]
    assert "share of the teacher's weights at the start" in texts["start_near"]


def test_a_teacher_far_off_the_students_stays_inside_the_figure(found):
    """What is written outside would leave no room for the axes."""
    rows = [
        attrs.evolve(row, values={**row.values, "ece": 0.9}) if row.part == "teacher" else row
        for row in found.rows
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert pictures(attrs.evolve(found, rows=tuple(rows)))


def test_equal_studies_give_equal_figures(found, drawn):
    assert pictures(found) == drawn


def test_a_place_that_cannot_be_written(found, tmp_path, undrawn):
    (tmp_path / "report.html").mkdir()
    with pytest.raises(BlueprintError) as caught:
        write_study(found, tmp_path)
    assert str(caught.value) == f"{tmp_path}/report.html: cannot be written: Is a directory"
