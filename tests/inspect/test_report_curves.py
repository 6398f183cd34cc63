"""Curves of a run: nothing that the eye would see is left out, and all find their chart."""

from hypothesis import given
from hypothesis import strategies as st

from graphkd.inspect.report.curves import charts
from graphkd.inspect.report.files import read_run
from graphkd.inspect.report.thin import thinned

values = st.one_of(st.none(), st.floats(-1e6, 1e6))


@given(st.lists(values, max_size=300), st.integers(5, 60))
def test_thinning_keeps_extremes_ends_and_breaks(found, most):
    points = list(enumerate(found))
    kept = thinned(points, most=most)
    assert kept == sorted(set(kept), key=lambda each: each[0])
    assert set(kept) <= set(points)
    assert len(kept) <= most
    assert kept[:1] == points[:1] and kept[-1:] == points[-1:]
    finite = [value for value in found if value is not None]
    left = [value for _, value in kept if value is not None]
    if finite:
        assert (min(left), max(left)) == (min(finite), max(finite))
    assert (None in found) == any(value is None for _, value in kept)


def drawn(folder, text):
    (folder / "metrics.jsonl").write_text(text)
    found = charts(read_run(folder))
    return {each.key: {c.name: c.points for c in each.curves} for each in found}


def test_every_number_finds_its_chart(tmp_path):
    text = """{"step": 1, "phase": "a", "lr": 0.1, "loss/x->y/kl": 2.0, "epoch": 0}
{"step": 2, "phase": "a", "lr/x": 0.1, "lr/y": 0.2, "loss/x->y/kl": "nan"}
{"step": 2, "phase": "a", "validation/y/top1": 0.5, "validation/y/agreement/x": 0.25}
{"step": 2, "phase": "a", "validation/y/gap/x": -0.1, "validation/y/predictive_kl/x": 0.5}
{"step": 2, "phase": "a", "validation/y/ema/top1": 0.75, "validation/cka": 0.5}
{"step": 2, "phase": "test", "test/y/top1": 0.1}
"""
    (tmp_path / "speed.jsonl").write_text(
        '{"step": 2, "samples_per_second": 10.0, "memory_bytes": 1073741824, "device": "cpu"}'
    )
    assert drawn(tmp_path, text) == {
        "loss": {"x->y/kl": ((1, 2.0), (2, None))},
        "top1": {"y": ((2, 50.0),), "y, averaged weights": ((2, 75.0),)},
        "gap": {"y behind x": ((2, -10.0),)},
        "agreement": {"y and x": ((2, 25.0),)},
        "predictive_kl": {"y from x": ((2, 0.5),)},
        "lr": {"all nodes": ((1, 0.1),), "x": ((2, 0.1),), "y": ((2, 0.2),)},
        "probe": {"cka": ((2, 0.5),)},
        "samples_per_second": {"cpu": ((2, 10.0),)},
        "memory_bytes": {"cpu": ((2, 1.0),)},
    }
