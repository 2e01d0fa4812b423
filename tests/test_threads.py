"""Threads on one table, threads that change what is looked up, and processes."""

from __future__ import annotations

import ipaddress
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import regionfast as rf

MANY = 400_000


@contextmanager
def meanwhile(work: Callable[[int], None]) -> Iterator[None]:
    """Another thread does the work over and over, with the number of its round."""
    stop = threading.Event()
    failures: list[BaseException] = []

    def repeat() -> None:
        number = 0
        try:
            while not stop.is_set():
                work(number)
                number += 1
        except BaseException as error:  # noqa: BLE001  # raised again where the test sees it
            failures.append(error)

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    assert not failures, failures


@pytest.fixture(scope="module")
def batches() -> dict[str, Any]:
    """The same addresses in each form whose rows are read without the interpreter."""
    numbers = np.random.default_rng(4).integers(0, 1 << 32, MANY, dtype=np.uint32)
    texts = [str(ipaddress.IPv4Address(number)) for number in numbers.tolist()]
    return {
        "uint32": numbers,
        "(n, 16)": np.hstack(
            [
                np.tile(np.frombuffer(bytes(10) + b"\xff\xff", np.uint8), (MANY, 1)),
                numbers.byteswap().view(np.uint8).reshape(-1, 4),
            ]
        ),
        "S": np.array(texts, dtype="S"),
        "U": np.array(texts),
        "arrow": pa.array(texts),
        "list": texts,
    }


def test_threads_on_one_table_answer_as_one(table: rf.Table, batches: dict[str, Any]) -> None:
    expected = table.lookup_many(batches["uint32"], threads=1).slots
    jobs = [(name, threads) for name in batches for threads in (1, 3)] * 2
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(lambda job: table.lookup_many(batches[job[0]], threads=job[1]), jobs)
        for job, where in zip(jobs, answers, strict=True):
            assert np.array_equal(where.slots, expected), job


def test_threads_on_one_answer(table: rf.Table, batches: dict[str, Any]) -> None:
    where = table.lookup_many(batches["(n, 16)"])
    expected = (where.to_list(), where.counts(), where.isin(["US"]).tolist(), where.unwrapped.tolist())

    def ask(_: int) -> tuple[Any, ...]:
        return (where.to_list(), where.counts(), where.isin(["US"]).tolist(), where.unwrapped.tolist())

    with ThreadPoolExecutor(4) as pool:
        assert all(said == expected for said in pool.map(ask, range(8)))


def test_a_new_table_is_asked_by_all_threads_at_once() -> None:
    # What a table makes when it is first asked for (regions, base) is made once, whoever asks first.
    for _ in range(5):
        table = rf.open()
        gate = threading.Barrier(6)

        def ask(_: int, table: rf.Table = table, gate: threading.Barrier = gate) -> tuple[int, int, object]:
            gate.wait()
            return id(table.regions), id(table.base), table.lookup("8.8.8.8").region

        with ThreadPoolExecutor(6) as pool:
            assert len(set(pool.map(ask, range(6)))) == 1


@pytest.mark.parametrize("form", ["uint32", "(n, 16)", "S", "U", "arrow", "list"])
def test_the_interpreter_is_free_during_a_batch(table: rf.Table, batches: dict[str, Any], form: str) -> None:
    """Another thread gets the interpreter lock between entering and leaving `lookup_many`.

    A thread that waits for the lock gets it only when the holder lets go, since the interval after which it
    would have to is set to a minute. So where the lock is held throughout, no attempt ever sees a round of the
    other thread, and one attempt that does is proof.
    """
    rounds = 0

    def wait(_: int) -> None:
        nonlocal rounds
        time.sleep(0.0001)  # lets go of the lock, and takes it again
        rounds += 1

    interval = sys.getswitchinterval()
    sys.setswitchinterval(60)
    try:
        with meanwhile(wait):
            for _ in range(200):
                before = rounds
                table.lookup_many(batches[form], threads=1)
                if rounds > before:
                    return
        pytest.fail("no other thread ran during 200 batches")
    finally:
        sys.setswitchinterval(interval)


def test_a_list_that_changes_while_it_is_read(table: rf.Table) -> None:
    known = {"8.8.8.8": "US", "114.114.114.114": "CN", "203.198.7.66": "HK", "10.0.0.1": None, "x": None}
    texts = list(known)
    full = [texts[index % len(texts)] for index in range(200_000)]
    batch = full.copy()

    def change(number: int) -> None:
        match number % 5:
            # Refilled in one step: an empty list is looked up in no time, so that all rounds of the lookup would pass
            # before it is filled again.
            case 0:
                batch.extend(full)
            case 1:
                batch[:] = full
            case 2:
                del batch[:: 3 + number % 7]
            case 3:
                batch[:100_000] = [texts[number % len(texts)]] * 100_000
            case _:
                batch.reverse()

    lengths: set[int] = set()
    with meanwhile(change):
        # Which thread runs is the system's choice: more rounds, until the other one was seen to have run.
        rounds, until = 0, time.monotonic() + 30
        while rounds < 25 or (len(lengths) == 1 and time.monotonic() < until):
            rounds += 1
            where = table.lookup_many(batch)
            lengths.add(len(where))
            assert set(where.to_list()) <= set(known.values())
            assert set(where.counts()) <= {"US", "CN", "HK", "private", "invalid"}
    assert len(lengths) > 1, "the list never changed: the test shows nothing"


@pytest.mark.parametrize("dtype", ["uint32", "(n, 16)", "S15", "U15"])
def test_an_array_that_changes_while_it_is_read(table: rf.Table, dtype: str) -> None:
    if dtype == "uint32":
        batch: Any = np.zeros(MANY, np.uint32)
        values: list[Any] = [0x08080808, 0x72727272]
    elif dtype == "(n, 16)":
        batch = np.zeros((MANY, 16), np.uint8)
        values = [np.frombuffer(ipaddress.ip_address(a).packed, np.uint8) for a in ("2400:3200::1", "::ffff:8.8.8.8")]
    else:
        batch = np.zeros(MANY, dtype)
        values = [text.encode() if dtype[0] == "S" else text for text in ("8.8.8.8", "114.114.114.114")]

    def change(number: int) -> None:
        batch[:] = values[number % 2]

    with meanwhile(change):
        for threads in (1, 2) * 6:
            where = table.lookup_many(batch, threads=threads)
            assert len(where) == MANY
            # A row seen half-way answers for an address of two halves, but it always answers.
            assert int(where.slots.max()) < len(table.regions)
            assert sum(where.counts().values()) == MANY


def run(tmp_path: Path, program: str) -> None:
    """Run a program in a fresh interpreter, so that no thread of the test run is in the way of a fork.

    Python warns of a fork beside any thread, those of NumPy's BLAS too.
    """
    warnings = ["-W", "error", "-W", "ignore:This process:DeprecationWarning"]
    path = tmp_path / "program.py"
    path.write_text(program, encoding="utf-8")
    ran = subprocess.run([sys.executable, *warnings, path], capture_output=True, text=True, check=False, timeout=60)
    assert (ran.returncode, ran.stdout.strip()) == (0, "same"), ran.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_table_survives_fork(tmp_path: Path) -> None:
    run(
        tmp_path,
        """
import os, sys
import numpy as np
import regionfast as rf

table = rf.open()
batch = np.random.default_rng(1).integers(0, 1 << 32, 300_000, dtype=np.uint32)
expected = table.lookup_many(batch, threads=2).slots  # threads have run before the fork
texts = ["8.8.8.8", "2400:3200::1", "x", None] * 50_000
said = table.lookup_many(texts, threads=2).counts()
child = os.fork()
if child:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
same = np.array_equal(table.lookup_many(batch, threads=2).slots, expected)
same = same and table.lookup_many(texts, threads=2).counts() == said
same = same and table.lookup("8.8.8.8").region == rf.Region("US")
print("same" if same else "another answer", flush=True)
os._exit(0)
""",
    )


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_table_is_sent_to_processes(tmp_path: Path, method: str) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system cannot start processes by {method}")
    run(
        tmp_path,
        f"""
import multiprocessing
import regionfast as rf

def answer(job):
    table, texts = job
    where = table.lookup_many(texts)
    return table.info.digest, table.base.info.digest, where.to_list(), where.slots.tolist()

def main():
    import pathlib, tempfile
    with tempfile.TemporaryDirectory() as folder:
        own = pathlib.Path(folder, "own.csv")
        own.write_text("8.8.8.0/24,relay\\n10.0.0.0/8,DE\\n")
        table = rf.open(overrides=own)
    texts = ["8.8.8.8", "10.1.1.1", "114.114.114.114", "::ffff:8.8.4.4", "x", None]
    with multiprocessing.get_context({method!r}).Pool(2) as pool:
        said = pool.map(answer, [(table, texts)] * 4)
    assert said == [answer((table, texts))] * 4, said
    print("same")

if __name__ == "__main__":
    main()
""",
    )


def test_pickles_carry_content_and_digest(table: rf.Table) -> None:
    data = pickle.dumps(table)
    again = pickle.loads(data)  # noqa: S301
    assert again.info.digest == table.info.digest
    assert again.info.source is None
    broken = bytearray(data)
    broken[len(broken) // 2] ^= 1
    with pytest.raises(rf.DatabaseError, match="digest"):
        pickle.loads(bytes(broken))  # noqa: S301
