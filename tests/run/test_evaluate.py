import pytest
import torch

from graphkd.run import metrics
from graphkd.run.evaluate import evaluate, guides, models_of
from graphkd.run.source import divide, evaluation_batches, open_splits
from tests.run.small import SMALL, begin

# 300 samples for the test: a batch of 256 and one of 44
MANY = SMALL.replace("samples: 40", "samples: 1500").replace(
    "flows:",
    """\
  fidelity: {type: agreement, input: [student.logits, teacher.logits]}
  embedded: {type: agreement, input: [student.embedding, student.embedding]}
  again: {type: call, of: student}
flows:
  - {from: teacher.logits, to: again.logits, loss: kl}""",
)


@pytest.fixture(scope="module")
def measured():
    """A session, the test samples in one batch, and what was measured on them."""
    session = begin(MANY)
    blueprint = session.schedule.blueprint
    parts = divide(blueprint, open_splits(blueprint), seed=0).parts
    batches = evaluation_batches(parts.test, blueprint.data)
    assert [len(batch["label"]) for batch in batches.epoch(0)] == [256, 44]
    for part in session.parts.values():
        if isinstance(part, torch.nn.Module):
            part.train()
    found = evaluate(session.schedule, session.parts, batches, device=session.device)
    whole = {
        key: torch.cat([batch[key] for batch in batches.epoch(0)]) for key in ("image", "label")
    }
    return session, whole, found


def logits_of(session, name, image):
    spec = session.schedule.graph.graph["data_spec"].image
    mean, std = (torch.tensor(each).view(1, -1, 1, 1) for each in (spec.mean, spec.std))
    with torch.no_grad():
        return session.parts[name].eval()((image - mean) / std)


def test_each_sample_counts_once(measured):
    session, whole, found = measured
    student, teacher = (logits_of(session, n, whole["image"]) for n in ("student", "teacher"))
    label = whole["label"]
    expected = metrics.quality(student, label)
    expected["agreement/teacher"] = metrics.agreement(student, teacher)
    expected["predictive_kl/teacher"] = metrics.predictive_kl(student, teacher)
    expected["gap/teacher"] = metrics.accuracy(teacher, label) - metrics.accuracy(student, label)
    # sums over batches of another size round differently
    assert found.models["student"] == pytest.approx(expected, rel=1e-5)
    assert found.models["teacher"] == pytest.approx(metrics.quality(teacher, label), rel=1e-5)


def test_classes_are_counted_one_by_one(measured):
    session, whole, found = measured
    label, right = whole["label"], logits_of(session, "student", whole["image"]).argmax(1)
    counts = [int((label == each).sum()) for each in range(len(found.classes.counts))]
    assert found.classes.counts == counts and sum(counts) == len(label)
    for each, share in enumerate(found.classes.models["student"]):
        hits = right[label == each] == each
        assert share == (pytest.approx(float(hits.double().mean())) if counts[each] else None)


def test_a_probe_is_the_mean_over_the_samples(measured):
    session, whole, found = measured
    student, teacher = (logits_of(session, n, whole["image"]) for n in ("student", "teacher"))
    mean = (student.argmax(1) == teacher.argmax(1)).double().mean().item()
    parts = [(student[:256], teacher[:256]), (student[256:], teacher[256:])]
    unweighted = sum(metrics.agreement(*each) for each in parts) / 2
    assert mean != pytest.approx(unweighted)
    assert found.probes == {"fidelity": pytest.approx(mean), "embedded": 1.0}


def test_a_second_call_is_no_model_of_its_own(measured):
    session, _, found = measured
    assert list(found.models) == models_of(session.schedule) == ["teacher", "student"]


def test_guides_are_in_the_order_of_the_flows(measured):
    session, _, _ = measured
    assert guides(session.schedule)["student"] == ("teacher",)


def test_some_models_alone(measured):
    session, _, found = measured
    blueprint = session.schedule.blueprint
    parts = divide(blueprint, open_splits(blueprint), seed=0).parts
    alone = evaluate(
        session.schedule,
        session.parts,
        evaluation_batches(parts.test, blueprint.data),
        device=session.device,
        only=["student"],
    )
    assert list(alone.models) == ["student"]
    assert alone.probes == {}
    assert alone.models["student"]["top1"] == found.models["student"]["top1"]
    # with nobody to compare with
    assert "agreement/teacher" not in alone.models["student"]


def test_no_hook_is_left_behind(measured):
    session, _, _ = measured
    for name in ("teacher", "student"):
        for each in session.parts[name].modules():
            assert not each._forward_hooks
            assert not each._forward_pre_hooks
