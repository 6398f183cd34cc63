"""Whatever becomes of a blueprint, checking it succeeds or says what is wrong."""

import pytest

from tests.soak import fuzz

CASES, GROUPS = 2000, 20


@pytest.fixture(scope="module")
def texts():
    return fuzz.texts()


@pytest.mark.parametrize("group", range(GROUPS))
def test_mutated_blueprints_are_fine_or_told(group, texts):
    size = CASES // GROUPS
    for seed in range(group * size, (group + 1) * size):
        name, text = fuzz.case(seed, texts)
        try:
            fuzz.outcome(text)
        except Exception as error:
            error.add_note(f"case {seed}, mutated from {name}:\n{text}")
            raise


def test_what_runs_something_is_caught(monkeypatch):
    import subprocess

    monkeypatch.setattr(fuzz, "loads", lambda text, name: subprocess.run(["true"], check=True))
    with pytest.raises(fuzz.Forbidden):
        fuzz.outcome("")


def test_what_hangs_is_caught(monkeypatch):
    def spin(text, name):
        while True:
            pass

    monkeypatch.setattr(fuzz, "LIMIT", 0.2)
    monkeypatch.setattr(fuzz, "loads", spin)
    with pytest.raises(fuzz.Hang):
        fuzz.outcome("")
