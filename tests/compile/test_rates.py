"""A learning rate or weight decay that no weight would follow is told."""

import pytest

from graphkd.blueprint import load
from graphkd.compile import compile_blueprint
from graphkd.errors import BlueprintError


@pytest.mark.parametrize("key", ["lr", "weight_decay"])
def test_a_dynamic_teacher_learns_at_the_rate_of_its_student(key):
    told = f"node 'dynamic': {key} does nothing: all weights of 'dynamic' are those of 'student'"
    with pytest.raises(BlueprintError, match=told) as caught:
        compile_blueprint(load("gpd_scratch", [f"nodes.dynamic.{key}=0.1"]))
    assert str(caught.value).endswith(f"write {key} there")


def test_the_student_and_what_has_weights_of_its_own_have_rates_of_their_own():
    compile_blueprint(load("gpd", ["nodes.student.lr=0.1", "nodes.teacher.weight_decay=0"]))
    compile_blueprint(load("tas", ["nodes.assistant.lr=0.1"]))
