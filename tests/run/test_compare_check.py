"""What forbids a comparison, or is told beside it."""

import attrs
import pytest

from graphkd.blueprint import loads
from graphkd.errors import BlueprintError
from graphkd.run.compare_check import check_contender, check_same_test
from tests.run.test_compare import ALONE, TAUGHT, refused, run


def test_other_data_is_refused_whatever_is_allowed(tmp_path):
    other = TAUGHT.replace("size: 8", "size: 16")
    for allow in (False, True):
        assert refused(tmp_path / "out", ALONE, other, allow_unequal=allow) == (
            'alone and taught have the data sets fake {"classes": 4, "size": 8, "samples": 40} and '
            'fake {"classes": 4, "size": 16, "samples": 40}; compare needs the same'
        )


def test_another_budget_is_refused_or_told(tmp_path):
    other = TAUGHT.replace("train: {epochs: 1", "train: {epochs: 3").replace(
        "classes: 4", "classes: 4, mixup: 0.2"
    )
    third = ALONE.replace("blueprint: alone", "blueprint: third")
    assert refused(tmp_path / "out", ALONE, other, third) == (
        "2 problems\n"
        "  the students differ in optimizer steps: 3 (alone, third), 6 (taught); make them equal, "
        "or add --allow-unequal\n"
        "  the students differ in mixup: 0.0 (alone, third), 0.2 (taught); make them equal, "
        "or add --allow-unequal"
    )
    found = run(tmp_path / "out", ALONE, other, third, allow_unequal=True)
    assert found.unequal == (
        "optimizer steps: 3 (alone, third), 6 (taught)",
        "mixup: 0.0 (alone, third), 0.2 (taught)",
    )
    page = (tmp_path / "out" / "comparison.md").read_text()
    assert "\nData or budget differ: optimizer steps: 3 (alone, third), 6 (taught); mixup" in page


def test_accumulated_batches_are_one_step(tmp_path):
    """Batches of 8, two to a step, are the budget of batches of 16."""
    other = TAUGHT.replace("batch_size: 16", "batch_size: 8").replace(
        "train: {epochs: 1", "train: {epochs: 1, accumulate: 2"
    )
    found = run(tmp_path / "out", ALONE, other)
    assert found.unequal == ()


def test_one_model_is_measured(tmp_path):
    other = TAUGHT.replace("blueprint", "deliver: [student, teacher]\nblueprint")
    assert refused(tmp_path / "out", ALONE, other) == (
        "taught: hands back student, teacher; compare measures one model: write 'deliver: NAME'"
    )


def test_other_test_images_are_refused():
    """Equal data sets may lie in different folders."""
    one, other = (check_contender(loads(text), 0) for text in (ALONE, TAUGHT))
    check_same_test([one, other])
    for labels in (one.labels.flip(0), one.labels[:4], None):
        with pytest.raises(BlueprintError) as caught:
            check_same_test([one, attrs.evolve(other, labels=labels)])
        assert str(caught.value) == (
            "alone and taught have different test images; compare needs the same"
        )


def test_mistakes_of_all_blueprints_come_at_once(tmp_path):
    one = ALONE.replace("student.logits", "student.logit")
    other = TAUGHT.replace("lr: 3e-3", "lr: 3e-3, optimizer: adamq")
    said = refused(tmp_path / "out", one, other)
    assert said == (
        "2 problems\n"
        "  blueprint:4:32: flow 1: no tap 'logit' on 'student' (has logits, embedding, "
        "stage1…stage3, or a module path); did you mean 'logits'?\n"
        "  blueprint:10:41: train: no optimizer 'adamq'; did you mean 'adam'?"
    )


@pytest.mark.parametrize(
    ("texts", "settings", "said"),
    [
        (
            (ALONE,),
            {},
            "compare takes two blueprints or more, like: graphkd compare hinton takd",
        ),
        (
            (ALONE, TAUGHT, ALONE),
            {},
            "2 blueprints are called 'alone'; give each another name behind 'blueprint:', like "
            "'alone-2'",
        ),
        (
            (ALONE, TAUGHT),
            {"metric": "top2"},
            "--metric top2: no measure 'top2'; did you mean 'top5'?",
        ),
        (
            (ALONE, TAUGHT),
            {"metric": "speed"},
            "--metric speed: no measure 'speed' (has top1, top5, nll, ece)",
        ),
        (
            (ALONE, TAUGHT),
            {"baseline": "tought"},
            "--baseline tought: no blueprint 'tought'; did you mean 'taught'?",
        ),
    ],
)
def test_wrong_questions(tmp_path, texts, settings, said):
    assert refused(tmp_path / "out", *texts, **settings) == said
