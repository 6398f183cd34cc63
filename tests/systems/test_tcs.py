"""TCS as blueprints: one pass of the teacher, one linear layer in the end."""

import json

import pytest
import timm
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from graphkd.blueprint import load
from graphkd.compile import compile_blueprint
from graphkd.compile.instructions import Fit, Forward
from graphkd.errors import BlueprintError
from graphkd.run import train
from graphkd.run.again import open_run
from graphkd.run.deliver import PASSPORT, make_again
from tests.systems.short import short


def test_3_the_teacher_runs_in_the_survey_alone():
    look, survey, learn = compile_blueprint(load("tcs")).phases
    assert "teacher" not in [each.node for each in learn.instructions if hasattr(each, "node")]
    assert [each.node for each in survey.instructions if isinstance(each, Fit)] == ["axes", "code"]
    # two views of an image, one network
    calls = [each for each in look.instructions if isinstance(each, Forward)]
    assert [each.module for each in calls if each.node in ("one", "two")] == ["teacher"] * 2


@pytest.mark.parametrize("name", ["tcs", "tcs_fewshot"])
def test_5_what_is_handed_back_is_the_student_with_one_linear_layer(name, tmp_path):
    train(short(name), out=tmp_path / "run")
    file = tmp_path / "run" / "student.safetensors"
    with safe_open(file, "pt") as opened:
        model = make_again(json.loads(opened.metadata()[PASSPORT]))
    assert isinstance(model, type(timm.create_model("test_resnet")))
    model.load_state_dict(load_file(file), strict=True)
    session = open_run(tmp_path / "run")
    head, student = session.parts["head"].eval(), session.parts["student"].eval()
    image = torch.rand(4, 1, 32, 32)
    (embedding,) = student.reader(["embedding"])(image)
    (logits,) = head.reader(["logits"])(embedding)
    torch.testing.assert_close(model.eval()(image), logits, rtol=1e-5, atol=1e-5)


def test_fewer_samples_than_directions_are_refused_before_anything_runs():
    with pytest.raises(BlueprintError) as caught:
        compile_blueprint(load("tcs_fewshot", ["nodes.axes.directions=60"]))
    (said,) = map(str, caught.value.problems)
    assert said.endswith(
        "phase 'survey': coordinates 'axes' needs 61 samples or more, and the phase shows 50 at "
        "most; ask less of 'axes', or show more of the data in this phase"
    )


def test_two_equal_views_are_refused():
    with pytest.raises(BlueprintError) as caught:
        compile_blueprint(load("tcs", ["data.augment=[]"]))
    assert "is the same as data.image in phase 'look'" in str(caught.value)
