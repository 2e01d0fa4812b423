"""Threads, processes, and memory that changes under a batch."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.context import BaseContext

import numpy as np
import pytest

import regionfast as rf

NUMBERS = np.random.default_rng(5).integers(0, 1 << 32, 300_000, dtype=np.uint32)


def test_many_threads_on_one_table(table: rf.Table) -> None:
    expected = table.lookup_many(NUMBERS).slots
    texts = [f"{n >> 24}.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}" for n in NUMBERS[:20_000].tolist()]

    def work(index: int) -> bool:
        if index % 2:
            return np.array_equal(table.lookup_many(texts).slots, expected[:20_000])
        return np.array_equal(table.lookup_many(NUMBERS, threads=2).slots, expected)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(32)))


def test_the_interpreter_runs_on_during_a_batch(table: rf.Table) -> None:
    big = np.resize(NUMBERS, 60_000_000)
    stop = threading.Event()
    ticks = 0

    def tick() -> None:
        nonlocal ticks
        while not stop.is_set():
            ticks += 1

    # Were the lock held, the other thread would stand still from call to return, however long that takes.
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    thread = threading.Thread(target=tick)
    thread.start()
    try:
        before = ticks
        table.lookup_many(big, threads=1)
        during = ticks - before
    finally:
        stop.set()
        thread.join()
        sys.setswitchinterval(interval)
    assert during > 1000


def answer(table: rf.Table) -> list[str | None]:
    """What a child process says."""
    return table.lookup_many(["8.8.8.8", "114.114.114.114", "10.0.0.1"]).to_list()


# Python 3.12 and newer warn of any fork beside threads, such as those that NumPy starts.
FORKS = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


@FORKS
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_child_processes_answer_alike(table: rf.Table, method: str) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system has no {method}")
    table.lookup_many(NUMBERS, threads=2)  # a pool of threads would be lost in the child, and it would wait for ever
    context: BaseContext = multiprocessing.get_context(method)
    with context.Pool(2) as pool:
        assert pool.map_async(answer, [table] * 2).get(timeout=60) == [["US", "CN", None]] * 2


@FORKS
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_uses_its_copy(table: rf.Table) -> None:
    expected = table.lookup_many(NUMBERS, threads=2).slots
    child = os.fork()
    if child == 0:
        same = np.array_equal(table.lookup_many(NUMBERS, threads=2).slots, expected)
        os._exit(0 if same else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_pickles_carry_content_and_digest(table: rf.Table) -> None:
    data = pickle.dumps(table)
    again = pickle.loads(data)  # noqa: S301
    assert again.info.digest == table.info.digest
    assert again.info.source is None
    broken = bytearray(data)
    broken[len(broken) // 2] ^= 1
    with pytest.raises(rf.DatabaseError, match="digest"):
        pickle.loads(bytes(broken))  # noqa: S301


def test_a_list_that_changes_meanwhile(table: rf.Table) -> None:
    addresses: list[str | None] = ["8.8.8.8", "114.114.114.114"] * 200_000
    stop = threading.Event()

    def disturb() -> None:
        while not stop.is_set():
            addresses.append("77.88.8.8")
            addresses.pop()
            addresses[len(addresses) // 2] = None
            addresses[len(addresses) // 2] = "8.8.8.8"
            del addresses[-10:]
            addresses.extend(["8.8.8.8"] * 10)

    thread = threading.Thread(target=disturb)
    thread.start()
    try:
        for _ in range(5):
            assert set(table.lookup_many(addresses).to_list()) <= {"US", "CN", "RU", None}
    finally:
        stop.set()
        thread.join()


def test_an_array_that_is_written_meanwhile(table: rf.Table) -> None:
    numbers = np.full(2_000_000, 0x08080808, np.uint32)
    stop = threading.Event()

    def disturb() -> None:
        while not stop.is_set():
            numbers[::3] = 0x72727272
            numbers[::3] = 0x08080808

    thread = threading.Thread(target=disturb)
    thread.start()
    try:
        for _ in range(5):
            assert set(table.lookup_many(numbers, threads=2).counts()) <= {"US", "CN"}
    finally:
        stop.set()
        thread.join()
