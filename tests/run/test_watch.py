"""A process that does not answer is found by those that wait for it, and no other is."""

import time

import pytest
from torch.distributed import HashStore  # type: ignore[attr-defined]

from graphkd.errors import BlueprintError
from graphkd.run import signs, watch
from graphkd.run.signs import Watch
from graphkd.run.watch import come_on, limit_of, taking_long
from graphkd.run.world import World

LIMIT = 0.4


@pytest.fixture
def left(monkeypatch):
    """What processes say that leave."""
    found = []
    monkeypatch.setattr(signs, "_print", found.append)
    monkeypatch.setattr(signs.os, "_exit", lambda status: found.append(status))
    return found


@pytest.fixture
def three(left):
    store = HashStore()
    made = [Watch(World(rank, 3), store, LIMIT) for rank in range(3)]
    for each in made:
        each.say(meeting=True, place="reading data", long="")
    yield made
    for each in made:
        each.close()


def patiently(left, *, times=4.0):
    end = time.monotonic() + times * LIMIT
    # what it says comes a moment before its status
    while len(left) < 2 and time.monotonic() < end:
        time.sleep(LIMIT / 8)
    return left[:2]


def test_a_process_that_does_not_come_on_is_named(three, left):
    three[0].say(meeting=True, place="taking the step after 3")
    three[2].say(meeting=True, place="taking the step after 3")
    said, status = patiently(left, times=20)
    assert said.startswith(
        "process 1 did not answer for 0.4 s: it does not come on, and was last reading data; "
        "process "
    )
    assert "taking the step after 3; go on with graphkd resume; GRAPHKD_TIMEOUT" in said
    assert status == 1


def test_a_process_that_takes_long_is_waited_for(three, left):
    three[0].say(meeting=True)
    three[1].say(meeting=False, long="writing a checkpoint")
    # waits for the same
    three[2].say(meeting=True)
    assert not patiently(left)
    # as long as it lives
    three[1].close()
    said, _ = patiently(left, times=20)
    text = "process 1 did not answer for 0.4 s: it gives no sign of life"
    assert said.startswith(f"{text}, and was last writing a checkpoint")


def test_a_process_that_has_more_to_do_than_others_is_waited_for(three, left, monkeypatch):
    """Several batches to measure, where the others have one."""
    monkeypatch.setattr(watch, "_watch", three[1])
    for each in (three[0], three[2]):
        each.say(meeting=True, place="measuring models")
    for _ in range(30):
        come_on()
        time.sleep(LIMIT / 8)
    assert not left
    said, _ = patiently(left, times=20)
    assert "process 1 did not answer" in said


def test_after_a_wait_the_work_around_it_still_takes_long(three, monkeypatch):
    monkeypatch.setattr(watch, "_watch", three[1])
    with taking_long("writing the student"):
        with taking_long("writing a checkpoint"):
            assert three[1].long == "writing a checkpoint"
        assert three[1].long == "writing the student"
    assert not three[1].long


def test_nobody_is_to_blame_where_all_do_the_same(three, left):
    assert not patiently(left)


@pytest.mark.parametrize("text", ["0", "-3", "soon", "inf", "nan"])
def test_how_long_to_wait_is_a_number_above_0(text):
    with pytest.raises(BlueprintError) as error:
        limit_of({"GRAPHKD_TIMEOUT": text})
    said = f"GRAPHKD_TIMEOUT={text}: is no number of seconds above 0; write one, like 600"
    assert str(error.value) == said
    assert limit_of({"GRAPHKD_TIMEOUT": "2.5"}) == 2.5
    assert limit_of({}) == limit_of({"GRAPHKD_TIMEOUT": ""}) == 600
