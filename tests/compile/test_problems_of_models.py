"""Models that cannot be built or run as they are described, and passes that there are not."""

import attrs
import pytest

from graphkd.blueprint import Ref, loads
from graphkd.compile import compile_blueprint
from graphkd.component import Port, find
from graphkd.errors import BlueprintError
from tests.compile.problems import HEAD, LABELS, STUDENT, begun, problems

REFUSED = {
    "missing weights file": (
        """\
nodes:
  teacher: {type: teacher, model: tiny, weights: nowhere.safetensors}
  student: {type: student, model: tiny}
flows:
  - {from: teacher.logits, to: student.logits, loss: kl}
""",
        ["t.yaml:4:50: node 'teacher': weights file 'nowhere.safetensors' does not exist"],
    ),
    "model too deep for the images": (
        f"""\
nodes:
  student: {{type: student, model: timm/test_vit, args: {{patch_size: 32, img_size: 16}}}}
{LABELS}""",
        [
            "t.yaml:4:12: node 'student': timm/test_vit cannot run on 'b c=3 h=16 w=16': "
            "Input height (16) should be divisible by patch size (32); "
            "change its parameters or what it reads"
        ],
    ),
    "channels that no conversion makes": (
        f"""\
nodes:
  student: {{type: student, model: tiny, channels: 1}}
{LABELS}""",
        [
            "t.yaml:4:51: node 'student': 'data.image' has 3 channels, but the model takes 1; "
            "write channels: 3"
        ],
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_told_with_place_and_what_to_write(name):
    text, said = REFUSED[name]
    assert problems(text) == said


def test_model_name_and_its_arguments():
    found = problems("""\
nodes:
  one: {type: student, model: timm/resnet81}
  two: {type: student, model: tiny, args: {widht: 4}}
flows:
  - {from: data.label, to: one.logits, loss: cross_entropy}
  - {from: data.label, to: two.logits, loss: cross_entropy}
deliver: one
""")
    assert [line.split(": ", 1)[0] for line in found] == ["t.yaml:4:31", "t.yaml:5:43"]
    assert "resnet81" in found[0] and "did you mean 'timm/resnet" in found[0]
    assert "'widht'" in found[1] and "did you mean 'width'?" in found[1]


def test_a_mistake_in_code_keeps_its_type_and_says_where():
    @attrs.frozen
    class Faulty:
        """Fails when it is built, or else when it runs."""

        component_name = "faulty"
        component_kind = "transform"
        ports = (Port("input", "b c"),)
        built: bool

        def build(self, site):
            return (lambda values: {}["values"]) if self.built else {}["site"]

    for built, note in [
        (False, "while building node 'faulty' for input b c=10"),
        (True, "while running node 'faulty' on 'b c=10'"),
    ]:
        blueprint, student = begun()
        blueprint.node("faulty", Faulty(built), input=student.logits)
        blueprint.flow(Ref("faulty"), student.logits, find("loss", "kl")())
        with pytest.raises(KeyError) as raised:
            compile_blueprint(blueprint)
        assert raised.value.__notes__ == [note]


def test_unknown_pass_to_leave_out():
    for name, said in [
        ("infer", "--without infer: no optional pass 'infer' (always runs)"),
        ("prun", "--without prun: no optional pass 'prun'; did you mean 'prune'?"),
    ]:
        with pytest.raises(BlueprintError) as raised:
            compile_blueprint(loads(HEAD + STUDENT + LABELS), without=[name])
        assert str(raised.value) == said


def test_sizes_that_no_memory_has_are_a_mistake_of_the_node():
    head = HEAD.replace("dataset: fake", f"dataset: fake, classes: {2**62}")
    (said,) = problems(STUDENT + LABELS, head)
    assert "node 'student': is too large for any memory: " in said
