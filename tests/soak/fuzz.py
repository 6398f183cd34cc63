"""Mutated blueprints: whatever becomes of one, checking it succeeds or says what is wrong.

    python -m tests.soak.fuzz --cases 100000 --seed 0

counts what happened, prints each case that ended in a traceback, a hang or an attempt to run
something, and ends with 1 if there was one; `--jobs N` takes so many processes.
"""

from __future__ import annotations

import argparse
import copy
import platform
import random
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import attrs
import torch

from graphkd.blueprint import load, loads, shipped
from graphkd.blueprint.read import read_text
from graphkd.blueprint.yaml12 import write
from graphkd.compile import compile_blueprint
from graphkd.component import KINDS, names
from graphkd.errors import BlueprintError

PAGE = """\
# Mutated blueprints

Blueprints whose text or structure was changed at random, most of them a small one of many parts,
the others those that come with graphkd, were loaded and compiled. Each is either fine or told to be
wrong (`told`) with place and message; a traceback, more than 5 seconds, or an attempt to start a
program or to connect would be counted by its own name. `make soak` does it again.
"""
LIMIT = 5.0
"""Seconds of the processor after which a case hangs."""
PART = 500
"""Cases that one process takes at a time."""

TINY = """\
blueprint: tiny
data: {dataset: fake, size: 8, samples: 40, batch_size: 16, classes: 4, augment: [random_flip]}
train: {epochs: 2, lr: 3e-3, device: cpu, schedule: cosine, warmup_epochs: 1, clip_grad: 1.0}
nodes:
  teacher: {type: teacher, model: tiny, args: {width: 6}}
  assistant: {type: assistant, model: tiny, ema: 0.9, seed: 3}
  student: {type: student, model: tiny, args: {width: 4, dropout: 0.1}}
  again: {type: call, of: student, input: [data.view1]}
  both: {type: ensemble, input: [teacher.logits, assistant.logits]}
  same: {type: agreement, with: {student: student.logits, teacher: teacher.logits}}
flows:
  - {from: data.label, to: teacher.logits, loss: cross_entropy, phases: [teach]}
  - {from: data.label, to: student.logits, loss: cross_entropy, weight: 0.1}
  - {from: teacher.logits, to: assistant.logits, loss: kl, temperature: 2, every: 2}
  - {from: both, to: student.logits, loss: dkd, weight: {start: 0, end: 1, epochs: 1}}
  - {from: teacher.stage2, to: student.stage2, loss: mse, via: conv1x1, into: [student], name: hint}
  - {from: again.stage3, to: student.stage3, loss: infonce,
     via: [{type: pool, on: to}, {type: pool, on: from}]}
phases:
  - {name: teach, train: [teacher], lr: 0.01, data: {labels_per_class: null}}
  - {name: distil, train: [student, assistant], epochs: 1}
deliver: [student]
"""
ODD: tuple[Any, ...] = (
    *(None, True, 0, -1, 1, 3, 10**6, 2**40, 2**62, 10**400),
    *(1e400, float("nan"), 0.5, -0.5, 1e-300),
    *(
        "",
        "x",
        "a.b",
        "data.label",
        "student.logits",
        "teacher",
        "é\u202e",
        "a\nb",
        "null",
        "../..",
    ),
    *("os.system", "timm/resnet18", "timm/nothing", "tiny", "../../etc/passwd", "torch.nn:Linear"),
    *("__import__('os').system('true')", "!!python/object/apply:os.system ['true']", "${HOME}"),
    *([], {}, [[]], {"x": 1}, {"type": 3}, ["student"], {"start": 1, "end": 0, "epochs": 1}),
)
SIGNS = (
    *"{}[]:,-?&*!|>'\"%@`#\n\t ~<=.\x00\x85\ufeffé",
    "<<: *a",
    "&a ",
    "*a",
    "!!python/x ",
    "- ",
)
_GUARDED = {"os.system", "os.exec", "os.posix_spawn", "subprocess.Popen", "socket.connect"}


class Forbidden(Exception):
    """A blueprint made something run or connect."""


class Hang(Exception):
    """A case took too long."""


def texts() -> dict[str, str]:
    """Return what is mutated: a small blueprint of many parts, and those that come with graphkd."""
    found = {name: path.read_text(encoding="utf-8") for name, path in shipped().items()}
    # so that no case waits for imports
    compile_blueprint(load("hinton"))
    return {"tiny": TINY, **found}


def mutated(text: str, chance: random.Random) -> str:
    """Change a blueprint's text in some places, its structure more often than its signs."""
    if chance.random() < 0.2:
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(text) + 1)
            text = text[:at] + chance.choice(SIGNS) + text[at + chance.choice((0, 1, 3)) :]
        return text
    value = read_text(text, "base").value
    for _ in range(chance.choice((1, 1, 2, 4))):
        if spots := list(_spots(value)):
            _mutate(*chance.choice(spots), spots, chance)
    return write(value)


def _spots(value: Any) -> Iterator[tuple[Any, Any]]:
    """Go through every place of plain data, as holder and key."""
    for key, each in value.items() if isinstance(value, dict) else enumerate(value):
        yield value, key
        if isinstance(each, (dict, list)):
            yield from _spots(each)


def _mutate(holder: Any, key: Any, spots: list[tuple[Any, Any]], chance: random.Random) -> None:
    other, place = chance.choice(spots)
    match chance.randrange(7):
        case 0:
            # a later change of it must not reach other cases
            holder[key] = copy.deepcopy(chance.choice(ODD))
        case 1:
            del holder[key]
        case 2:
            kind = chance.choice(KINDS)
            holder[key] = chance.choice([*names(kind), "x"])
        case 3 if isinstance(holder, dict):
            holder[chance.choice([f"{key}x", "type", "loss", "data", "name"])] = holder.pop(key)
        case 4 if isinstance(holder, list):
            holder.append(holder[key])
        case 5 if isinstance(other, dict) and not isinstance(other.get(place), (dict, list)):
            holder[key] = other.get(place)
        case _:
            holder[key] = [holder[key]]


def outcome(text: str) -> str:
    """Check a blueprint: `fine`, or `told` for mistakes that were said.

    Raises:
        Exception: of any other kind than a user's mistake.
    """
    try:
        with _guarded():
            blueprint = loads(text, name="fuzz.yaml")
            compile_blueprint(blueprint)
    except BlueprintError as error:
        assert error.problems and str(error)
        return "told"
    return "fine"


_watching = False


def _audit(event: str, arguments: Any) -> None:
    if _watching and event in _GUARDED:
        raise Forbidden(f"{event} {arguments}")


sys.addaudithook(_audit)


@contextmanager
def _guarded() -> Iterator[None]:
    """Let nothing run or connect, and end what hangs."""
    global _watching

    def late(number: int, frame: Any) -> None:
        raise Hang(f"more than {LIMIT} s")

    before = signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, LIMIT)
    _watching = True
    try:
        yield
    finally:
        _watching = False
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def case(seed: int, known: dict[str, str]) -> tuple[str, str]:
    """Make the case of a number: the name of what is mutated, and its text."""
    chance = random.Random(seed)
    # the small one is checked ten times as fast
    name = "tiny" if chance.random() < 0.9 else chance.choice(sorted(known))
    return name, mutated(known[name], chance)


@attrs.frozen
class Found:
    """What came of some cases.

    Attributes:
        counts: cases by outcome; an exception by its name.
        slowest: seconds of the processor that the slowest took.
        traces: of what went wrong, with the blueprint.
    """

    counts: Counter[str]
    slowest: float
    traces: tuple[str, ...]

    def __add__(self, other: Found) -> Found:
        """Count both."""
        slowest = max(self.slowest, other.slowest)
        return Found(self.counts + other.counts, slowest, (*self.traces, *other.traces))


def try_cases(seeds: range) -> Found:
    """Check the cases of some numbers."""
    global _known
    import tests.conftest  # noqa: F401

    _known = _known or texts()
    counts, slowest, traces = Counter[str](), 0.0, []
    for seed in seeds:
        name, text = case(seed, _known)
        start = time.process_time()
        try:
            counts[outcome(text)] += 1
        except Exception as error:
            counts[type(error).__name__] += 1
            traces.append(f"case {seed} ({name}):\n{text}\n{traceback.format_exc()}")
        slowest = max(slowest, time.process_time() - start)
    return Found(counts, slowest, tuple(traces))


_known: dict[str, str] = {}


def main() -> int:
    """Run many cases, and print what came of them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    end = given.seed + given.cases
    parts = [range(at, min(at + PART, end)) for at in range(given.seed, end, PART)]
    found = Found(Counter(), 0.0, ())
    with ProcessPoolExecutor(given.jobs, mp_context=get_context("spawn")) as processes:
        for part in processes.map(try_cases, parts):
            for trace in part.traces:
                print(trace, flush=True)
            found += part
    said = ", ".join(f"{count} {name}" for name, count in found.counts.most_common())
    line = f"{given.cases} cases from seed {given.seed} on: {said}"
    line += f"; slowest {found.slowest:.2f} s of CPU"
    print(line)
    if given.out:
        versions = f"Python {platform.python_version()}, PyTorch {torch.__version__}"
        date = f"{datetime.now(UTC):%Y-%m-%d}"
        given.out.write_text(f"{PAGE}\n{date}, {versions}: {line}.\n", encoding="utf-8")
    return 0 if set(found.counts) <= {"fine", "told"} else 1


if __name__ == "__main__":
    sys.exit(main())
