import json

import pytest
import timm
import torch
import torchvision
from safetensors import safe_open
from safetensors.torch import load_file

from graphkd.blueprint import loads
from graphkd.compile import compile_blueprint
from graphkd.component import ImageSpec, Site
from graphkd.components.models import Student
from graphkd.errors import BlueprintError
from graphkd.run import train
from graphkd.run.again import open_run
from graphkd.run.deliver import PASSPORT, deliver, make_again, total_parameters, write_weights
from graphkd.run.session import start_session

SMALL = "model: timm/test_resnet, args: {channels: [8, 12, 16, 24], stem_width: 8}"
TWO_FLOWS = f"""\
blueprint: two
data: {{dataset: digits, batch_size: 64}}
nodes:
  teacher: {{type: teacher, {SMALL}}}
  student: {{type: student, {SMALL}}}
flows:
  - {{from: data.label, to: teacher.logits, loss: cross_entropy}}
  - {{from: data.label, to: student.logits, loss: cross_entropy, weight: 0.1}}
  - {{from: teacher.logits, to: student.logits, loss: kl, temperature: 4, weight: 0.9}}
phases: [{{name: teach, train: [teacher]}}, {{name: distil, train: [student]}}]
train: {{epochs: 1, lr: 4e-3}}
"""


def passport_of(path):
    with safe_open(path, framework="pt") as file:
        return json.loads(file.metadata()[PASSPORT])


def build(model, *, channels=3):
    image = ImageSpec(channels, 32, 32, (0.5,) * channels, (0.25,) * channels)
    torch.manual_seed(0)
    return Student(model=model).build(Site(image=image, classes=10)).eval()


def assert_same_state(ours, theirs):
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(value, theirs[key]) for key, value in ours.items())


def assert_same_logits(ours, theirs, images):
    with torch.no_grad():
        assert torch.equal(ours(images), theirs.eval()(images))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "two"
    train(loads(TWO_FLOWS), out=folder)
    return folder


def test_a_run_hands_back_what_plain_timm_loads(run):
    path = run / "student.safetensors"
    passport = passport_of(path)
    assert passport == {
        "library": "timm",
        "model": "test_resnet",
        "args": {
            "num_classes": 10,
            "in_chans": 1,
            "channels": [8, 12, 16, 24],
            "stem_width": 8,
        },
        "mean": [0.3049],
        "std": [0.3238],
        "size": [32, 32],
    }
    model = timm.create_model(passport["model"], **passport["args"])
    model.load_state_dict(load_file(path), strict=True)
    session = open_run(run)
    ours = session.parts["student"].deliverable()
    assert_same_state(ours.state_dict(), model.state_dict())
    assert_same_logits(ours.eval(), model, torch.rand(2, 1, 32, 32))


def test_a_run_hands_back_its_best_weights(run):
    best = open_run(run).best["student"].weights["student"]
    written = load_file(run / "student.safetensors")
    assert_same_state({f"model.{key}": value for key, value in written.items()}, best)


def test_a_second_blueprint_takes_the_student_up(run):
    text = TWO_FLOWS.replace("{type: teacher,", f'{{type: teacher, weights: "run:{run}",')
    text = text.replace("phases: [{name: teach, train: [teacher]}, ", "phases: [")
    text = text.replace("  - {from: data.label, to: teacher.logits, loss: cross_entropy}\n", "")
    session = start_session(compile_blueprint(loads(text)), seed=5, device=torch.device("cpu"))
    teacher = session.parts["teacher"].deliverable().state_dict()
    assert_same_state(teacher, load_file(run / "student.safetensors"))


def test_a_student_that_was_let_diverge_is_handed_back_all_the_same(tmp_path):
    text = """\
blueprint: diverged
data: {dataset: fake, size: 16, samples: 24, batch_size: 8, classes: 4}
train: {epochs: 1, optimizer: sgd, lr: 1e18, device: cpu, nonfinite: ignore}
nodes:
  student: {type: student, model: tiny}
  wide: {type: dynamic_teacher, of: student}
flows:
  - {from: data.label, to: student.logits, loss: cross_entropy}
  - {from: data.label, to: wide.logits, loss: cross_entropy}
"""
    train(loads(text), out=tmp_path / "run")
    state = load_file(tmp_path / "run" / "student.safetensors")
    assert any(value.isnan().any() for value in state.values())


def test_what_plain_torchvision_loads(tmp_path):
    network = build("torchvision/mobilenet_v3_small")
    write_weights(network, tmp_path / "w.safetensors")
    passport = passport_of(tmp_path / "w.safetensors")
    assert (passport["library"], passport["args"]) == ("torchvision", {"num_classes": 10})
    model = torchvision.models.get_model(passport["model"], **passport["args"])
    model.load_state_dict(load_file(tmp_path / "w.safetensors"), strict=True)
    assert_same_logits(network, model, torch.rand(2, 3, 32, 32))


@pytest.mark.parametrize("model", ["tiny", "timm/test_vit", "torchvision/shufflenet_v2_x0_5"])
def test_a_passport_makes_the_model_again(model, tmp_path):
    network = build(model)
    write_weights(network, tmp_path / "w.safetensors")
    again = make_again(passport_of(tmp_path / "w.safetensors"))
    assert again is not None
    again.load_state_dict(load_file(tmp_path / "w.safetensors"), strict=True)
    assert_same_logits(network, again, torch.rand(2, 3, 32, 32))


def test_another_origin_cannot_be_made_again():
    assert make_again({"library": "elsewhere", "model": "net", "args": {}}) is None


def test_a_file_is_whole_and_can_be_read_like_any_other(tmp_path):
    path = tmp_path / "w.safetensors"
    path.write_text("an older file")
    write_weights(build("tiny"), path)
    (tmp_path / "other").write_text("")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["other", "w.safetensors"]
    assert path.stat().st_mode == (tmp_path / "other").stat().st_mode


def test_tensors_are_written_as_they_are(tmp_path):
    network = build("tiny").to(memory_format=torch.channels_last)
    write_weights(network, tmp_path / "w.safetensors")
    written = load_file(tmp_path / "w.safetensors")
    assert all(each.is_contiguous() for each in written.values())
    assert_same_state(network.deliverable().state_dict(), written)


def test_several_models_are_called_by_their_nodes(tmp_path):
    schedule = compile_blueprint(
        loads("""\
blueprint: two
data: {dataset: fake, size: 16}
nodes: {one: {type: student, model: tiny}, two: {type: student, model: tiny, args: {width: 8}}}
flows:
  - {from: data.label, to: one.logits, loss: cross_entropy}
  - {from: data.label, to: two.logits, loss: cross_entropy}
deliver: [two, one]
""")
    )
    session = start_session(schedule, seed=0, device=torch.device("cpu"))
    files = deliver(schedule, session.parts, tmp_path)
    assert files == [tmp_path / "two.safetensors", tmp_path / "one.safetensors"]
    assert passport_of(files[0])["args"] == {"num_classes": 10, "in_chans": 3, "width": 8}
    for name, file in zip(("two", "one"), files, strict=True):
        assert_same_state(session.parts[name].deliverable().state_dict(), load_file(file))


def test_parameters_are_counted_by_hand():
    # 3 convolutions 3->4->8->16 of 3x3, two batch norms, a linear layer 16->10
    convolutions = (3 * 4 + 4 * 8 + 8 * 16) * 9 + 4 + 8 + 16
    assert total_parameters(build("tiny")) == convolutions + 2 * (4 + 8) + 16 * 10 + 10


def test_a_run_without_a_student_file_is_named(tmp_path):
    text = TWO_FLOWS.replace("{type: teacher,", "{type: teacher, weights: run:nowhere,")
    with pytest.raises(BlueprintError) as caught:
        compile_blueprint(loads(text))
    assert "'nowhere/student.safetensors' does not exist" in str(caught.value)
