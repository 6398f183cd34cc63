"""Which nodes are cached in which phases, what then runs, and what is refused."""

import pytest

from graphkd.blueprint import Cache, dumps, loads
from graphkd.compile import compile_blueprint
from graphkd.compile.instructions import Cached, Convert, Forward
from graphkd.errors import BlueprintError
from graphkd.inspect import explain

pytestmark = pytest.mark.usefixtures("weights")

HEAD = """\
blueprint: test
data: {dataset: fake, size: 16, samples: 100}
train: {epochs: 3}
"""
TEXT = (
    HEAD
    + """\
nodes:
  teacher: {type: teacher, model: tiny, size: 8, weights: W3.safetensors, cache: true}
  student: {type: student, model: tiny}
flows:
  - {from: data.label, to: student.logits, loss: cross_entropy}
  - {from: teacher.logits, to: student.logits, loss: kl, weight: 0.9}
"""
)
TAUGHT = TEXT + "  - {from: data.label, to: teacher.logits, loss: cross_entropy, phases: [teach]}\n"
PHASES = "phases: [{name: teach, train: teacher}, {name: distil, train: student}]\n"


FLIPS = "augment: [random_flip]"


def with_data(text, settings):
    """Add data settings."""
    return text.replace("samples: 100", f"samples: 100, {settings}") if settings else text


def plan_of(text, number=-1, data="", *, without=()):
    return compile_blueprint(loads(with_data(text, data)), without=without).phases[number]


def ran(plan):
    """Name what computes, with the body of what is cached in brackets."""
    found = []
    for each in plan.instructions:
        if isinstance(each, Cached):
            found.append([one.node for one in each.body])
        elif isinstance(each, (Convert, Forward)):
            found.append(each.node)
    return found


def refused(text):
    with pytest.raises(BlueprintError) as caught:
        compile_blueprint(loads(text))
    return [str(each) for each in caught.value.problems]


def test_a_frozen_teacher_and_its_conversion_run_only_on_a_miss():
    plan = plan_of(TEXT)
    assert ran(plan) == [["teacher_input", "teacher"], "student_input", "student"]
    (each,) = (one for one in plan.instructions if isinstance(one, Cached))
    assert [read.value for read in each.reads] == ["data.row", "data.image"]
    assert each.makes == ("teacher.logits",)
    assert each.forward.frees == ("teacher_input",)
    assert not each.forward.gradient


def test_a_conversion_that_the_student_reads_too_runs_in_every_step():
    plan = plan_of(TEXT.replace(", size: 8", ""))
    assert ran(plan) == ["teacher_input", ["teacher"], "student"]


def test_without_the_pass_all_is_computed_on_the_same_pixels():
    text = TEXT.replace("cache: true", "cache: {views: 3}")
    cached, plain = plan_of(text, 0, FLIPS), plan_of(text, 0, FLIPS, without=("cache",))
    assert ran(plain) == ["teacher_input", "teacher", "student_input", "student"]
    assert cached.views == plain.views == 3
    # nothing is replayed where nobody asks for it
    assert plan_of(text.replace(", cache: {views: 3}", ""), 0, FLIPS).views == 0


def test_a_teacher_that_learns_first_is_cached_when_it_is_frozen():
    text = TAUGHT + PHASES
    assert ran(plan_of(text, 0)) == ["teacher_input", "teacher"]
    assert ran(plan_of(text, 1))[0] == ["teacher_input", "teacher"]
    assert plan_of(text, 0).views == 0


def test_explain_says_what_is_kept_and_why_not():
    text = (TAUGHT + PHASES).replace("cache: true", "cache: {views: 2, dtype: float16, top: 4}")
    found = explain(compile_blueprint(loads(with_data(text, FLIPS))))
    assert "not cached: teacher: it learns there" in found
    # 4 logits of 2 bytes, 4 classes and the rest of 4 each, and a checksum
    assert "cached: teacher: 100 images x 2 views x 32 B = 6.4 kB" in found
    assert "replayed: 2 augmentations of each image" in found


def test_equal_calls_that_are_kept_otherwise_are_not_merged():
    nodes = "  again: {type: call, of: teacher, cache: {dtype: float16}}\n  student:"
    text = TEXT.replace("  student:", nodes, 1)
    text += "  - {from: again.logits, to: student.logits, loss: mse}\n"
    assert ran(plan_of(text)).count(["teacher_input", "teacher"]) == 1
    assert ["teacher_input", "again"] in ran(plan_of(text))


DROP = "; drop cache"
REFUSED = {
    "it learns": (
        TAUGHT.replace(", phases: [teach]", "")
        + "phases: [{name: all, train: [teacher, student]}]",
        "",
        f"node 'teacher': nothing of it can be cached: it learns there{DROP}",
    ),
    "what it is made of learns": (
        TEXT.replace("teacher.logits, to", "shadow.logits, to").replace(
            "teacher: {type: teacher, model: tiny, size: 8, weights: W3.safetensors,",
            "shadow: {type: call, of: student,",
        ),
        "",
        f"node 'shadow': nothing of it can be cached: it learns there{DROP}",
    ),
    "mixed batches": (
        TEXT,
        "mixup: 0.2, cutmix: 1",
        "node 'teacher': nothing of it can be cached: mixup mixes images anew in every epoch; "
        "drop mixup and cutmix, or drop cache",
    ),
    "augmentation": (
        TEXT,
        FLIPS,
        "node 'teacher': nothing of it can be cached: images are augmented anew in every epoch; "
        "write cache: {views: 4}, which replays 4 augmentations of each image, or drop cache",
    ),
    "further data": (
        TEXT,
        "extra: [fake]",
        "node 'teacher': nothing of it can be cached: batches hold images of extra, which have no "
        "place in the cache; drop extra, or drop cache",
    ),
    "no images": (
        TEXT.replace(
            "size: 8, weights: W3", "channels: 4, input: other.stage1, weights: W4"
        ).replace(
            "nodes:\n", "nodes:\n  other: {type: teacher, model: tiny, weights: W3.safetensors}\n"
        ),
        "",
        "node 'teacher': nothing of it can be cached: it reads other.stage1, not the data's "
        f"images alone{DROP}",
    ),
    "no model": (
        TEXT.replace(", cache: true", "")
        .replace(
            "  student:",
            "  mean: {type: ensemble, input: [teacher.logits], cache: true}\n  student:",
        )
        .replace("from: teacher.logits", "from: mean"),
        "",
        "node 'mean': nothing of it can be cached: only models are cached; write cache at the "
        "model that it reads, or drop cache",
    ),
    "several phases": (
        TAUGHT + PHASES,
        "mixup: 0.2",
        "node 'teacher': nothing of it can be cached: it learns there (phase 'teach'); mixup mixes "
        "images anew in every epoch (phase 'distil'); drop mixup, or drop cache",
    ),
    "other views": (
        TEXT.replace("cache: true", "cache: {views: 2}").replace(
            "  student:",
            "  second: {type: teacher, model: tiny, weights: W3.safetensors, cache: {views: 3}}\n"
            "  student:",
        )
        + "  - {from: second.logits, to: student.logits, loss: kl}\n",
        FLIPS,
        "node 'second': cache: views is 3, but that of 'teacher' is 2, and phase 'train' shows all "
        "nodes the same images; write views: 2",
    ),
    "no logits": (
        TEXT.replace("cache: true", "cache: {top: 3}").replace(
            "{from: teacher.logits, to: student.logits, loss: kl",
            "{from: teacher.stage1, to: student.stage1, via: {type: resize, on: from}, loss: mse",
        ),
        "",
        "node 'teacher': cache: top keeps logits, and nobody reads teacher.logits; drop top",
    ),
    "all logits": (
        TEXT.replace("cache: true", "cache: {top: 10}"),
        "",
        "node 'teacher': cache: top is 10, and there are 10 classes; drop top",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_cached_is_refused(case):
    text, data, message = REFUSED[case]
    text = with_data(text, data)
    (found,) = refused(text)
    place, _, said = found.partition(": ")
    assert said == message
    line, column = map(int, place.split(":")[1:])
    assert text.splitlines()[line - 1][column - 1 :].startswith(("true", "{", "2", "3", "10"))


def test_the_setting_is_written_as_it_was():
    for written in ("true", "{views: 2, dtype: float16, top: 3}"):
        blueprint = loads(TEXT.replace("cache: true", f"cache: {written}"))
        assert f", cache: {written}}}" in dumps(blueprint)
        assert loads(dumps(blueprint)) == blueprint
    assert loads(TEXT).nodes["teacher"].caching == Cache()
    assert loads(TEXT.replace("true", "false")).nodes["teacher"].caching is None


MISTAKES = {
    "{view: 2}": "node 'teacher': unknown key 'view'; did you mean 'views'?",
    "{views: 0}": "node 'teacher': views is 0, not at least 1",
    "{dtype: float8}": "node 'teacher': dtype is 'float8', not one of float32, float16, bfloat16; "
    "did you mean 'float32'?",
}


@pytest.mark.parametrize("written", MISTAKES)
def test_a_misspelt_setting_is_named(written):
    (found,) = refused(TEXT.replace("cache: true", f"cache: {written}"))
    assert found.partition(": ")[2] == MISTAKES[written]


def test_a_node_that_sees_unmixed_views_is_cached_beside_mixed_images():
    text = TEXT.replace("size: 8,", "size: 8, input: data.view1,")
    assert ran(plan_of(text, 0, "mixup: 0.2"))[0] == ["teacher_input", "teacher"]
