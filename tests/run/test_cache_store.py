"""A store gives back what was first written into it, whoever writes, and never what is damaged."""

import multiprocessing
import os

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graphkd.blueprint import Cache
from graphkd.component import Socket
from graphkd.errors import BlueprintError
from graphkd.run.cache import store as store_module
from graphkd.run.cache.layout import Layout
from graphkd.run.cache.manifest import key_of
from graphkd.run.cache.store import Store

ROWS, CLASSES = 23, 5
CONTENT = {"anything": 1}
TAPS = {
    "logits": Socket("b c", (2, CLASSES)),
    "layer.1": Socket("b c h w", (2, 2, 3, 1)),
}


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    """Let a few rows fill a shard."""
    monkeypatch.setattr(store_module, "SHARD_BYTES", 200)


def opened(folder, cache=None, taps=TAPS):
    layout = Layout(cache or Cache(), taps)
    return Store(folder / key_of(CONTENT), CONTENT, layout, rows=ROWS)


def values_of(rows, seed=0):
    """Make values that depend on the rows and the seed."""
    generator = torch.Generator().manual_seed(seed)
    whole = [torch.randn(ROWS, *each.shape[1:], generator=generator) for each in TAPS.values()]
    return [each[torch.tensor(rows)] for each in whole]


batches = st.lists(st.integers(0, ROWS - 1), min_size=1, max_size=9, unique=True)


@settings(max_examples=25)
@given(steps=st.lists(st.tuples(batches, st.integers(0, 3), st.booleans()), max_size=8))
def test_a_store_is_a_dictionary_in_which_the_first_value_of_a_row_stays(tmp_path_factory, steps):
    folder = tmp_path_factory.mktemp("store")
    store, known = opened(folder), {}
    for rows, seed, again in steps:
        if again:
            store = opened(folder)
        made = values_of(rows, seed)
        assert store.has(np.array(rows)).tolist() == [row in known for row in rows]
        store.write(np.array(rows), made)
        for place, row in enumerate(rows):
            known.setdefault(row, [each[place] for each in made])
        for read in (store.read(np.array(rows)), opened(folder).read(np.array(rows))):
            for tap, value in enumerate(read):
                assert torch.equal(value, torch.stack([known[row][tap] for row in rows]))
    assert len(store) == len(known)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_shorter_types_round_once(tmp_path, dtype):
    rows = np.arange(ROWS)
    made = values_of(rows)
    store = opened(tmp_path, Cache(dtype=dtype))
    store.write(rows, made)
    for value, before in zip(store.read(rows), made, strict=True):
        assert torch.equal(value, before.to(getattr(torch, dtype)).float())
    assert store.bytes == 2 * (CLASSES + 6) + 4


def test_too_large_a_value_is_refused_not_made_infinite(tmp_path):
    store = opened(tmp_path, Cache(dtype="float16"))
    made = values_of([0])
    made[0][0, 0] = 1e6
    with pytest.raises(BlueprintError, match="'logits' has values beyond 65504; write dtype: bfl"):
        store.write(np.array([0]), made)
    assert len(store) == 0


def test_the_largest_logits_stay_and_the_others_share_their_mass(tmp_path):
    # softmax of log(1, 2, 3, 4, 6): 6 and 4 of 16 stay, the mass of 1 + 2 + 3 is spread evenly
    logits = torch.tensor([[1.0, 6.0, 3.0, 2.0, 4.0]]).log()
    taps = {"logits": TAPS["logits"]}
    store = opened(tmp_path, Cache(top=2), taps)
    store.write(np.array([3]), [logits])
    (found,) = store.read(np.array([3]))
    torch.testing.assert_close(found.exp(), torch.tensor([[2.0, 6.0, 2.0, 2.0, 4.0]]))
    assert torch.equal(found[0, [1, 4]], logits[0, [1, 4]])
    # two logits, two classes, the rest and a checksum
    assert store.bytes == 2 * 4 + 2 * 4 + 4 + 4


def test_a_row_that_changed_on_the_disk_is_named_and_not_read(tmp_path):
    store = opened(tmp_path)
    rows = np.arange(ROWS)
    store.write(rows, values_of(rows))
    shard = store.folder / "0001.npy"
    content = bytearray(shard.read_bytes())
    content[-10] ^= 4
    shard.write_bytes(content)
    again = opened(tmp_path)
    # 200 bytes hold four rows of 48
    again.read(np.array([0, 8]))
    with pytest.raises(BlueprintError) as caught:
        again.read(np.array([0, 7]))
    assert str(caught.value) == (
        f"{shard}: the cache is damaged (row 7 changed); remove the folder {store.folder}, and its "
        "values are computed anew"
    )


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


def without_row(path):
    content = bytearray(path.read_bytes())
    content[3] = 7
    path.write_bytes(content)


DAMAGE = {
    "cut shard": ("0000.npy", cut),
    "lost shard": ("0000.npy", os.unlink),
    "another shard": ("0000.npy", lambda path: np.save(path, np.zeros(4))),
    "cut map of rows": ("valid", cut),
    "spoilt map of rows": ("valid", without_row),
    "cut manifest": ("manifest.json", cut),
    "another manifest": ("manifest.json", lambda path: path.write_text('{"anything": 2}')),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_file_is_named(tmp_path, case):
    name, damage = DAMAGE[case]
    store = opened(tmp_path)
    store.write(np.array([0, 1]), values_of([0, 1]))
    if name == "manifest.json" and damage is cut:
        # what is cut is a line break
        cut(store.folder / name)
    damage(store.folder / name)
    with pytest.raises(BlueprintError, match=f"{name}: the .*damaged.*remove the folder"):
        opened(tmp_path).read(np.array([0, 1]))


def test_a_byte_that_promises_an_absent_row_is_found_out(tmp_path):
    store = opened(tmp_path)
    store.write(np.array([0]), values_of([0]))
    content = bytearray((store.folder / "valid").read_bytes())
    content[1] = 1
    (store.folder / "valid").write_bytes(content)
    with pytest.raises(BlueprintError, match="row 1 changed"):
        opened(tmp_path).read(np.array([0, 1]))


def test_a_write_that_was_killed_before_its_last_byte_leaves_no_row(tmp_path, monkeypatch):
    store = opened(tmp_path)
    real = store_module._put

    def killed(stream, offset, content):
        if content == b"\1":
            raise KeyboardInterrupt
        real(stream, offset, content)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(store_module, "_put", killed)
        store.write(np.array([0, 1]), values_of([0, 1]))
    again = opened(tmp_path)
    assert not again.has(np.array([0, 1])).any()
    again.write(np.array([0, 1]), values_of([0, 1], seed=1))
    assert torch.equal(again.read(np.array([1]))[0], values_of([1], seed=1)[0])


def write_all(folder, seed, start, queue):
    """Write all rows in an order of its own; the child of a test."""
    torch.set_num_threads(1)
    store = opened(folder)
    order = np.random.RandomState(seed).permutation(ROWS)
    start.wait()
    seen = {}
    for rows in np.array_split(order, 8):
        store.write(rows, values_of(rows.tolist(), seed))
        logits = store.read(rows)[0]
        seen |= dict(zip(rows.tolist(), logits.tolist(), strict=True))
    queue.put(seen)


def test_two_processes_that_write_at_once_read_the_same(tmp_path):
    context = multiprocessing.get_context("fork")
    start, queue = context.Barrier(2), context.Queue()
    children = [
        context.Process(target=write_all, args=(tmp_path, seed, start, queue)) for seed in (1, 2)
    ]
    for child in children:
        child.start()
    one, other = queue.get(timeout=60), queue.get(timeout=60)
    for child in children:
        child.join()
        assert child.exitcode == 0
    assert one == other
    # each row is one of the two, as it was written
    candidates = [values_of(range(ROWS), seed)[0].tolist() for seed in (1, 2)]
    assert all(one[row] in [each[row] for each in candidates] for row in range(ROWS))
