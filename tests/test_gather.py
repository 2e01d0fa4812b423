"""`gather` against NumPy's indexing with arrays."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regionfast._lib import gather

U32: Any = np.uint32


def each(cells: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    """As many groups as rows, each with its own row."""
    return np.arange(cells.shape[0], dtype=np.uint32)


def matrix(height: int, width: int) -> npt.NDArray[np.uint32]:
    """A matrix whose cells all differ."""
    return np.arange(height * width, dtype=np.uint32).reshape(height, width) * np.uint32(2_654_435_761)


@given(st.integers(1, 50), st.integers(1, 300), st.integers(0, 9000), st.sampled_from([np.uint16, np.uint32]))
@settings(max_examples=80, deadline=None)
def test_cells_are_those_of_fancy_indexing(height: int, width: int, pairs: int, kind: Any) -> None:
    random = np.random.default_rng(height * 1000 + width)
    cells = matrix(height, width)
    rows = random.integers(0, height, pairs, dtype=np.uint32)
    columns = random.integers(0, width, pairs).astype(kind)
    found = gather(cells, each(cells), rows, columns)
    assert found.dtype == np.uint32
    assert found.flags.c_contiguous
    assert np.array_equal(found, cells[rows, columns])


@given(st.integers(1, 50), st.integers(1, 60), st.integers(0, 9000))
@settings(max_examples=40, deadline=None)
def test_each_group_has_a_row(height: int, groups: int, pairs: int) -> None:
    random = np.random.default_rng(height * 1000 + groups)
    cells = matrix(height, 7)
    row_of = random.integers(0, height, groups, dtype=np.uint32)
    of, columns = random.integers(0, groups, pairs, dtype=np.uint32), random.integers(0, 7, pairs, dtype=np.uint32)
    assert np.array_equal(gather(cells, row_of, of, columns), cells[row_of[of], columns])


def test_any_layout_answers_alike() -> None:
    random = np.random.default_rng(1)
    cells = matrix(40, 30)
    rows, columns = random.integers(0, 40, 5000, dtype=np.uint32), random.integers(0, 30, 5000, dtype=np.uint32)
    expected = cells[rows, columns]
    unaligned = np.frombuffer(b"\0" + cells.tobytes(), np.uint8)[1:].view(np.uint32).reshape(40, 30)
    for other in (
        np.asfortranarray(cells),
        np.repeat(cells, 2, axis=1)[:, ::2],
        cells[::-1][::-1],
        unaligned,
        cells.astype(">u4"),
    ):
        assert np.array_equal(gather(other, each(other), rows, columns), expected)
    assert np.array_equal(gather(cells, each(cells), np.repeat(rows, 3)[::3], columns), expected)
    assert np.array_equal(gather(cells, each(cells), rows[::-1], columns[::-1]), expected[::-1])
    assert np.array_equal(gather(cells, each(cells), rows.astype(">u4"), columns.astype(">u2")), expected)


@pytest.mark.parametrize("kind", [np.uint16, np.uint32])
def test_the_bounds(kind: Any) -> None:
    cells = matrix(7, 5)
    corners = gather(cells, each(cells), np.array([0, 6, 0, 6], U32), np.array([0, 4, 4, 0], kind))
    assert corners.tolist() == [cells[0, 0], cells[6, 4], cells[0, 4], cells[6, 0]]
    for row, column in [(7, 0), (0, 5), (7, 5), (2**32 - 1, 0), (0, np.iinfo(kind).max)]:
        for at in (0, 5000, 9999):
            rows, columns = np.zeros(10_000, U32), np.zeros(10_000, kind)
            rows[at], columns[at] = row, column
            with pytest.raises(ValueError, match=r"out of bounds: the cells are of shape \[7, 5\]"):
                gather(cells, each(cells), rows, columns)


def test_a_group_beyond_the_rows() -> None:
    cells = matrix(7, 5)
    for row_of, group in ((np.array([6], U32), 1), (np.array([7], U32), 0), (np.zeros(0, U32), 0)):
        with pytest.raises(ValueError, match="a group, row or column is out of bounds"):
            gather(cells, row_of, np.array([group], U32), np.zeros(1, U32))


def test_nothing() -> None:
    none = np.zeros(0, U32)
    for cells in (matrix(3, 4), np.zeros((0, 4), U32), np.zeros((4, 0), U32), np.zeros((0, 0), U32)):
        assert gather(cells, each(cells), none, none).tolist() == []
    for cells in (np.zeros((0, 4), U32), np.zeros((4, 0), U32), np.zeros((0, 0), U32)):
        with pytest.raises(ValueError, match="out of bounds"):
            gather(cells, each(cells), np.zeros(1, U32), np.zeros(1, U32))


@pytest.mark.parametrize("at", range(4))
@pytest.mark.parametrize("kind", [np.int32, np.int64, np.uint64, np.uint8, np.float32, np.bool_, object, "U4"])
def test_other_types_are_refused(at: int, kind: Any) -> None:
    arguments: list[Any] = [matrix(2, 2), np.zeros(2, U32), np.zeros(3, U32), np.zeros(3, U32)]
    arguments[at] = arguments[at].astype(kind)
    with pytest.raises(TypeError, match=f"`{('cells', 'row_of', 'groups', 'columns')[at]}` is of dtype .*, not uint"):
        gather(*arguments)


def test_other_shapes_are_refused() -> None:
    cells, three = matrix(2, 2), np.zeros(3, U32)
    for wrong in (
        (three, three, three, three),
        (cells, cells, three, three),
        (cells, three, cells, three),
        (cells, three, three, cells),
        (cells[None], three, three, three),
    ):
        with pytest.raises(ValueError, match="of shape"):
            gather(*wrong)
    with pytest.raises(ValueError, match="3 `groups` and 2 `columns`"):
        gather(cells, each(cells), three, three[:2])
    with pytest.raises(TypeError):
        gather([[1]], three, three, three)  # type: ignore[arg-type]


def test_indices_that_change_meanwhile_never_lead_outside() -> None:
    cells = matrix(64, 64)
    rows, columns = np.zeros(200_000, U32), np.zeros(200_000, U32)
    known, stop = set(cells.ravel().tolist()), threading.Event()

    def disturb() -> None:
        while not stop.is_set():
            rows[::3] = 2**31
            rows[::3] = 63

    disturber = threading.Thread(target=disturb)
    disturber.start()
    try:
        for _ in range(100):
            try:
                found = gather(cells, each(cells), rows, columns)
            except ValueError as error:
                assert "out of bounds" in str(error)
            else:
                assert set(np.unique(found).tolist()) <= known
    finally:
        stop.set()
        disturber.join()
