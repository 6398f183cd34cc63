"""Class means: fitted batch by batch, given out by label; and the blueprint that uses them."""

import pytest
import torch

from graphkd.blueprint import loads, shipped
from graphkd.component import Site, Socket, find
from graphkd.components.transforms import ClassMeans
from graphkd.run import train
from graphkd.run.again import open_run


def table(classes=3, width=4):
    inputs = {
        "input": (Socket("b d", (2, width)),),
        "label": (Socket("b", (2,), "int64", classes=classes),),
    }
    return ClassMeans().build(Site(inputs=inputs, classes=classes))


def samples(count=50):
    generator = torch.Generator().manual_seed(0)
    label = torch.randint(-1, 3, (count,), generator=generator)
    return torch.randn(count, 4, generator=generator), label


def fitted(batch, made=None):
    made = table() if made is None else made
    made.begin()
    for values, label in zip(*(each.split(batch) for each in samples()), strict=True):
        made.update(values, label)
    made.finish()
    return made


def test_registered():
    assert find("transform", "class_means") is ClassMeans


def test_by_hand():
    made = table(classes=2, width=1)
    made.begin()
    made.update(torch.tensor([[1.0], [3.0], [10.0], [99.0]]), torch.tensor([0, 0, 1, -1]))
    made.finish()
    # (1 + 3) / 2, 10, and none
    got = made(torch.tensor([1, 0, -1]))
    assert got.tolist() == [[10.0], [2.0], [0.0]]
    # a quarter of one and three quarters of the other
    assert made(torch.tensor([[0.25, 0.75]])).tolist() == [[8.0]]


@pytest.mark.parametrize("batch", [1, 7, 50])
def test_5_means_do_not_depend_on_the_batches(batch):
    values, label = samples()
    expected = torch.stack([values[label == each].mean(dim=0) for each in range(3)])
    torch.testing.assert_close(fitted(batch).mean, expected, atol=1e-5, rtol=0)


def test_6_one_hot_labels_give_what_numbers_give():
    made = fitted(10)
    label = torch.tensor([2, 0, 1])
    soft = torch.nn.functional.one_hot(label, 3).float()
    torch.testing.assert_close(made(soft), made(label))


def test_fitting_again_starts_anew():
    made = fitted(10)
    once = made.mean.clone()
    torch.testing.assert_close(fitted(10, made).mean, once)


def test_class_without_sample_is_an_error():
    made = table()
    made.begin()
    made.update(torch.zeros(2, 4), torch.tensor([1, -1]))
    with pytest.raises(ValueError) as caught:
        made.finish()
    assert str(caught.value) == (
        "class_means saw no labelled sample of class 0, 2; fit it on samples of every class, "
        "as with data: {labels_per_class: null} in that phase"
    )


SHORT = ("{epochs: 10, lr: 4e-3}", "{steps: 4, lr: 4e-3}")


def shortened():
    text = shipped()["nd"].read_text().replace(*SHORT).replace("epochs: 20}", "steps: 4}")
    return loads(text, name="nd")


def test_8_the_student_goes_without_head_and_table(tmp_path):
    train(shortened(), out=tmp_path / "run")
    session = open_run(tmp_path / "run")
    # what the survey found is there, and not what the student is made of
    assert session.parts["centres"].mean.norm(dim=1).min() > 0
    from safetensors.torch import load_file

    weights = load_file(tmp_path / "run" / "student.safetensors")
    plain = session.parts["student"].deliverable().state_dict()
    assert set(weights) == set(plain)


def student_after(text, folder):
    train(loads(text, name="nd"), out=folder)
    return open_run(folder).parts["student"].deliverable().state_dict()


def test_7_without_weight_it_is_the_host_method_bit_for_bit(tmp_path):
    text = shipped()["nd"].read_text().replace(*SHORT).replace("epochs: 20}", "steps: 4}")
    idle = text.replace("centre: centres}, weight: 2}", "centre: centres}, weight: 0}")
    host = "\n".join(
        line
        for line in text.splitlines()
        if not any(word in line for word in ("nd_head", "class_means", "survey"))
    )
    assert idle != text
    one, two = student_after(idle, tmp_path / "idle"), student_after(host, tmp_path / "host")
    assert all(torch.equal(one[name], two[name]) for name in one)
