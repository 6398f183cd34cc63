import json
import shutil
import socket
import sys
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from sklearn.datasets import load_digits
from timm.data import resolve_model_data_config
from torch import nn

from graphkd.blueprint import loads
from graphkd.cli import main
from graphkd.component import register_model
from graphkd.errors import BlueprintError
from graphkd.run import train
from graphkd.run.again import open_run
from graphkd.run.export import export_run
from graphkd.run.formats import Format, Student, write
from tests.run.test_deliver import TWO_FLOWS, assert_same_state, build, passport_of

# two learners that only have to exist; a torchvision model is trained for a moment
TWO_STUDENTS = """\
blueprint: pair
data: {dataset: digits, batch_size: 8}
nodes:
  seen: {type: student, model: torchvision/mobilenet_v3_small}
  own: {type: student, model: tiny}
flows:
  - {from: data.label, to: seen.logits, loss: cross_entropy}
  - {from: data.label, to: own.logits, loss: cross_entropy}
train: {steps: 2, lr: 1e-3}
deliver: [seen, own]
"""
TWO_SEEDS = """\
blueprint: seeds
data: {dataset: digits, batch_size: 8}
nodes: {student: {type: student, model: tiny}}
flows: [{from: data.label, to: student.logits, loss: cross_entropy}]
train: {steps: 1, seeds: [3, 4]}
"""


@register_model("branching")
class Branching(nn.Module):
    """Its forward asks for a value, which no exporter can follow."""

    def __init__(self, num_classes, in_chans):
        super().__init__()
        self.fc = nn.Linear(in_chans, num_classes)

    def forward(self, x):
        logits = self.fc(x.mean((2, 3)))
        return logits if logits.sum() > 0 else -logits


@register_model("attentive")
class Attentive(nn.Module):
    """A layer with two ways to compute the same."""

    def __init__(self, num_classes, in_chans):
        super().__init__()
        self.stem = nn.Conv2d(in_chans, 64, 4, stride=4)
        self.layer = nn.TransformerEncoderLayer(64, 4, 128, batch_first=True)
        self.fc = nn.Linear(64, num_classes)

    def forward(self, x):
        return self.fc(self.layer(self.stem(x).flatten(2).mT).mean(1))


@register_model("forgetful")
class Forgetful(nn.Module):
    """What it drew when it was made is not among its weights."""

    def __init__(self, num_classes, in_chans):
        super().__init__()
        self.fc = nn.Linear(in_chans, num_classes)
        self.register_buffer("drawn", torch.randn(num_classes), persistent=False)

    def forward(self, x):
        return self.fc(x.mean((2, 3))) + self.drawn


def run_of(text, folder):
    train(loads(text), out=folder)
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return run_of(TWO_FLOWS, tmp_path_factory.mktemp("runs") / "two")


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    return run_of(TWO_STUDENTS, tmp_path_factory.mktemp("runs") / "pair")


@pytest.fixture(scope="module")
def seeds(tmp_path_factory):
    return run_of(TWO_SEEDS, tmp_path_factory.mktemp("runs") / "seeds")


@pytest.fixture
def copied(run, tmp_path):
    return Path(shutil.copytree(run, tmp_path / "copied"))


def digits(note):
    """Bring real digits to what the text beside an export asks for."""
    pixels = torch.from_numpy(load_digits().images).float()[:200, None] / 16
    pixels = F.interpolate(pixels, size=note["size"], mode="bilinear", antialias=True)
    pixels = pixels.expand(-1, note["channels"], -1, -1)
    mean, std = (torch.tensor(note[key]).view(1, -1, 1, 1) for key in ("mean", "std"))
    return (pixels - mean) / std


def trained(run, node="student"):
    return open_run(run).parts[node].deliverable().eval()


def refused(*args, **settings):
    with pytest.raises(BlueprintError) as caught:
        export_run(*args, **settings)
    return str(caught.value)


def everything_in(folder):
    return sorted(str(each.relative_to(folder)) for each in folder.rglob("*"))


def test_safetensors_are_those_of_the_run(copied):
    (path,) = export_run(copied)
    assert path == copied / "export" / "student.safetensors"
    assert passport_of(path) == passport_of(copied / "student.safetensors")
    assert_same_state(load_file(path), load_file(copied / "student.safetensors"))


def test_timm_makes_the_model_of_a_folder_without_a_network(run, tmp_path, monkeypatch):
    monkeypatch.setattr(socket.socket, "connect", None)
    assert export_run(run, format="timm", out=tmp_path / "hub") == [tmp_path / "hub"]
    assert everything_in(tmp_path) == ["hub", "hub/config.json", "hub/model.safetensors"]
    model = timm.create_model(f"local-dir:{tmp_path / 'hub'}", pretrained=True).eval()
    ours = trained(run)
    assert_same_state(ours.state_dict(), model.state_dict())
    images = torch.rand(2, 1, 32, 32)
    assert torch.equal(ours(images), model(images))
    assert resolve_model_data_config(model) == {
        "input_size": (1, 32, 32),
        "interpolation": "bilinear",
        "mean": [0.3049],
        "std": [0.3238],
        "crop_pct": 1.0,
        "crop_mode": "squash",
    }
    assert model.num_classes == model.pretrained_cfg["num_classes"] == 10
    # its head can be changed, as that of any model of timm's hub
    wider = timm.create_model(f"local-dir:{tmp_path / 'hub'}", pretrained=True, num_classes=7)
    assert torch.equal(wider.conv1[0].weight, ours.conv1[0].weight)
    assert wider(images).shape == (2, 7)


def test_timm_form_of_a_model_of_fixed_size(tmp_path):
    network = build("timm/test_vit")
    write(Student.of("student", network), "timm", tmp_path / "vit")
    model = timm.create_model(f"local-dir:{tmp_path / 'vit'}", pretrained=True).eval()
    assert model.patch_embed.img_size == (32, 32)
    images = torch.rand(3, 3, 32, 32)
    assert torch.equal(network.deliverable()(images), model(images))


def test_pt2_computes_the_same_on_real_images(run, tmp_path, capfd):
    files = export_run(run, format="pt2", out=tmp_path / "net.pt2")
    assert files == [tmp_path / "net.pt2", tmp_path / "net.pt2.json"]
    assert everything_in(tmp_path) == ["net.pt2", "net.pt2.json"]
    note = json.loads(files[1].read_text())
    assert note == {
        **passport_of(run / "student.safetensors"),
        "channels": 1,
        "classes": 10,
        "input": "b c h w, float32: pixels in [0, 1], resized to size, minus mean, over std",
        "output": "b c, logits",
        "largest_difference": 0.0,
    }
    images = digits(note)
    model, program = trained(run), torch.export.load(files[0]).module()
    with torch.no_grad():
        for batch in (images[:1], images):
            assert torch.equal(program(batch), model(batch))
    assert capfd.readouterr() == ("", "")


def test_onnx_computes_the_same_on_real_images(run, tmp_path, capfd):
    onnxruntime = pytest.importorskip("onnxruntime")
    path = tmp_path / "net.onnx"
    with pytest.raises(SystemExit) as left:
        main(["export", str(run), "--format", "onnx", "--out", str(path)])
    assert left.value.code == 0
    assert capfd.readouterr() == (f"{path}\n{path}.json\n", "")
    note = json.loads((tmp_path / "net.onnx.json").read_text())
    images = digits(note)
    session = onnxruntime.InferenceSession(path)
    assert [each.shape for each in session.get_inputs()] == [["batch", 1, 32, 32]]
    assert [each.shape for each in session.get_outputs()] == [["batch", 10]]
    with torch.no_grad():
        expected = trained(run)(images).numpy()
    for count in (1, len(images)):
        (found,) = session.run(["logits"], {"image": images[:count].numpy()})
        # another runtime: its float32 sums have another order, a few 1e-7 on these logits
        assert np.abs(found - expected[:count]).max() < 1e-4
        assert (found.argmax(1) == expected[:count].argmax(1)).all()


def test_several_models_are_called_by_their_nodes(pair, tmp_path):
    folder = tmp_path / "out"
    files = export_run(pair, format="pt2", out=folder)
    assert [each.name for each in files] == [
        "own.pt2",
        "own.pt2.json",
        "seen.pt2",
        "seen.pt2.json",
    ]
    for name in ("seen", "own"):
        images = digits(json.loads((folder / f"{name}.pt2.json").read_text()))[:5]
        program = torch.export.load(folder / f"{name}.pt2").module()
        with torch.no_grad():
            assert torch.equal(program(images), trained(pair, name)(images))
    export_run(pair, out=folder)
    for name in ("seen", "own"):
        written = load_file(folder / f"{name}.safetensors")
        assert_same_state(written, load_file(pair / f"{name}.safetensors"))


def test_only_timm_models_have_timm_form(pair, tmp_path):
    assert refused(pair, format="timm", out=tmp_path) == (
        "seen: only timm's models have timm's form, not torchvision/mobilenet_v3_small; "
        "write --format safetensors, pt2 or onnx"
    )
    with pytest.raises(BlueprintError) as caught:
        write(Student.of("student", build("tiny")), "timm", tmp_path / "tiny")
    assert str(caught.value) == (
        "student: only timm's models have timm's form, not tiny; "
        "write --format safetensors, pt2 or onnx"
    )
    assert everything_in(tmp_path) == []


def test_the_first_seed_unless_another_is_asked_for(seeds):
    (first,) = export_run(seeds)
    (other,) = export_run(seeds, seed=4)
    assert first == seeds / "seed-3" / "export" / "student.safetensors"
    assert other == seeds / "seed-4" / "export" / "student.safetensors"
    for path in (first, other):
        assert_same_state(load_file(path), load_file(path.parents[1] / "student.safetensors"))
    assert not torch.equal(load_file(first)["fc.weight"], load_file(other)["fc.weight"])
    assert refused(seeds, seed=5) == f"{seeds}: no seed 5 in this run (has 3, 4)"


def test_exported_models_carry_nothing_of_ours(run):
    network = open_run(run).parts["student"].train()
    student = Student.of("student", network)
    for module in student.model.modules():
        assert type(module).__module__.split(".")[0] in ("torch", "timm")
        assert not module._forward_hooks and not module._forward_pre_hooks
        assert not module.training
    # the network itself stays as it was
    assert network.training and network.deliverable() is not student.model


def test_attention_is_compared_off_its_fast_path(tmp_path):
    # only without gradients nn.MultiheadAttention takes it, and then adds in another order
    network = build("attentive")
    write(Student.of("student", network), "pt2", tmp_path / "net.pt2")
    assert torch.backends.mha.get_fastpath_enabled()


def test_memory_format_does_not_change_an_export(tmp_path):
    network = build("tiny").to(memory_format=torch.channels_last)
    student = Student.of("student", network)
    write(student, "safetensors", tmp_path / "w.safetensors")
    write(student, "pt2", tmp_path / "w.pt2")


def test_what_lies_there_is_replaced_only_when_forced(copied):
    formats: tuple[Format, ...] = ("safetensors", "timm")
    for format, name in zip(formats, ("student.safetensors", "student-timm"), strict=True):
        (path,) = export_run(copied, format=format)
        assert refused(copied, format=format) == (
            f"{path}: exists already; choose another --out, or --force to replace it"
        )
        marked = path / "config.json" if path.is_dir() else path
        marked.write_text("{}")
        assert export_run(copied, format=format, force=True) == [path]
        assert path.name == name and marked.stat().st_size > 2
    assert everything_in(copied / "export") == [
        "student-timm",
        "student-timm/config.json",
        "student-timm/model.safetensors",
        "student.safetensors",
    ]


def test_a_note_that_lies_there_is_kept(run, tmp_path):
    (tmp_path / "net.pt2.json").write_text("mine")
    assert refused(run, format="pt2", out=tmp_path / "net.pt2") == (
        f"{tmp_path}/net.pt2.json: exists already; choose another --out, or --force to replace it"
    )


def test_force_replaces_nothing_foreign(run, pair, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "text").write_text("")
    (tmp_path / "own.pt2").mkdir()
    assert refused(run, format="timm", out=tmp_path / "thesis", force=True) == (
        f"{tmp_path / 'thesis'}: is no timm folder, so --force does not replace it"
    )
    assert refused(pair, format="pt2", out=tmp_path, force=True) == (
        f"{tmp_path / 'own.pt2'}: is a folder, so --force does not replace it"
    )
    assert everything_in(tmp_path) == ["own.pt2", "thesis", "thesis/text"]


def test_where_a_file_cannot_go(run, tmp_path):
    assert refused(run, format="pt2", out=tmp_path) == (
        f"{tmp_path}: is no path of a .pt2 file; write --out {tmp_path}/student.pt2"
    )
    assert refused(run, out=tmp_path / "net.pt") == (
        f"{tmp_path}/net.pt: is no path of a .safetensors file; "
        f"write --out {tmp_path}/net.pt.safetensors"
    )
    (tmp_path / "file").write_text("")
    target = tmp_path / "file" / "net.pt2"
    assert refused(run, format="pt2", out=target) == f"{target}: cannot be written: File exists"


def test_what_is_no_finished_run(copied, tmp_path, capsys):
    assert refused(tmp_path / "none") == f"{tmp_path / 'none'}: no such folder"
    assert refused(tmp_path) == (
        f"{tmp_path}: is no run of graphkd (it holds no blueprint.yaml); "
        "name the folder that 'graphkd train' printed"
    )
    unfinished = f"{copied}: the run is not finished; go on with: graphkd resume {copied}"
    # the checkpoint after the first of two phases is left, then none
    first, last = sorted((copied / "checkpoints").iterdir())
    shutil.rmtree(last)
    assert refused(copied) == unfinished
    shutil.rmtree(first)
    assert refused(copied) == unfinished
    assert not (copied / "export").exists()
    with pytest.raises(SystemExit) as left:
        main(["export", str(copied)])
    assert left.value.code == 1
    assert capsys.readouterr().err == f"graphkd: {unfinished}\n"


def test_unknown_format(run):
    assert refused(run, format="onx") == "no format 'onx'; did you mean 'onnx'?"


@pytest.mark.parametrize("package", ["onnx", "onnxscript", "onnxruntime"])
def test_onnx_needs_its_packages(run, package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    assert refused(run, format="onnx") == (
        f"--format onnx needs the package {package}; get it with: pip install 'graphkd[onnx]'"
    )


def test_a_model_that_cannot_be_followed(tmp_path, capfd):
    with pytest.raises(BlueprintError) as caught:
        write(Student.of("student", build("branching")), "pt2", tmp_path / "net.pt2")
    text = str(caught.value)
    # the reason between is torch's own text
    assert text.startswith("student: torch.export cannot follow branching (GuardOnDataDependent")
    assert text.endswith("; write --format safetensors") and "\n" not in text
    assert capfd.readouterr() == ("", "")


def test_nothing_is_written_that_computes_something_else(tmp_path):
    text = TWO_SEEDS.replace("tiny", "forgetful").replace("[3, 4]", "[3]")
    folder = run_of(text, tmp_path / "run")
    found = refused(folder)
    assert found.startswith("student.safetensors: does not compute what forgetful does (logits ")
    assert found.endswith(" on 1 images), so it was not written")
    assert everything_in(folder / "export") == []
