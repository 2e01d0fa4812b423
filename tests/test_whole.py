"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from regionfast.whole import whole_file


def test_a_file_appears_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "x"
    with whole_file(path) as file:
        file.write(b"new")
        assert not path.exists()
    assert path.read_bytes() == b"new"
    assert [found.name for found in tmp_path.iterdir()] == ["x"]


@pytest.mark.parametrize("error", [ValueError, OSError, KeyboardInterrupt])
def test_after_an_error_all_is_as_before(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"old")

    def half_of_it() -> None:
        with whole_file(path) as file:
            file.write(b"half")
            raise error

    with pytest.raises(error):
        half_of_it()
    assert path.read_bytes() == b"old"
    assert [found.name for found in tmp_path.iterdir()] == ["x"]


def raced(path: Path) -> None:
    """Somebody else makes the file while it is written."""

    def late() -> None:
        with whole_file(path, replace=False) as file:
            file.write(b"new")
            path.write_bytes(b"another's")

    with pytest.raises(FileExistsError):
        late()


def test_a_file_that_is_there_is_safe(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"old")
    with pytest.raises(FileExistsError), whole_file(path, replace=False):
        pytest.fail("there is nothing to be done")
    path.unlink()
    raced(path)
    assert path.read_bytes() == b"another's"
    assert [found.name for found in tmp_path.iterdir()] == ["x"]


def test_without_second_names_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    path = tmp_path / "x"
    with whole_file(path, replace=False) as file:
        file.write(b"new")
    assert path.read_bytes() == b"new"
    raced(tmp_path / "y")
    assert sorted(found.name for found in tmp_path.iterdir()) == ["x", "y"]


def test_what_a_link_points_to_is_replaced(tmp_path: Path) -> None:
    target, link, dangling = tmp_path / "target", tmp_path / "link", tmp_path / "dangling"
    target.write_bytes(b"old")
    link.symlink_to(target)
    dangling.symlink_to(tmp_path / "new")
    for path in (link, dangling):
        with whole_file(path) as file:
            file.write(b"new")
        assert path.is_symlink()
    assert target.read_bytes() == (tmp_path / "new").read_bytes() == b"new"


@pytest.mark.skipif(sys.platform == "win32", reason="has neither pipes nor devices with names in directories")
def test_only_files_are_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (tmp_path, pipe, Path(os.devnull)):
        with pytest.raises(OSError, match="directory|is no file"), whole_file(path):
            pytest.fail("it cannot be written")
    assert pipe.is_fifo()


@pytest.mark.skipif(sys.platform == "win32", reason="has no such permissions")
def test_a_private_file_is_its_owners(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        for private, mode in ((True, 0o600), (False, 0o644)):
            with whole_file(tmp_path / "x", private=private):
                pass
            assert (tmp_path / "x").stat().st_mode & 0o777 == mode
    finally:
        os.umask(before)
