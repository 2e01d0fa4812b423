"""Files that appear when all of them is there, or not at all."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def whole_file(path: Path, *, private: bool = False, replace: bool = True) -> Iterator[BinaryIO]:
    """Write a file beside its place, and put it there when the block ends without an error.

    What is there already stays as it is until then, and for good after an error, Ctrl-C included. The content is on
    disk before it gets the name, so that a crash of the machine leaves the old file or the new one. A link stays a
    link: what it points to is replaced.

    Args:
        path: The file.
        private: Whether only its owner may read it.
        replace: Whether a file that is there already is replaced. Where it is not, one that comes to be while the
            block runs is safe as well.

    Raises:
        FileExistsError: There is such a file, and it is not to be replaced.
        OSError: It cannot be written, or its name belongs to what is no file: a directory, a device, a pipe.
    """
    path = Path(os.path.realpath(path))  # `Path.resolve` has an error of its own for links that go round in a circle
    refuse_taken(path, replace=replace)
    part = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if private else 0o666)
        with open(descriptor, "wb") as file:  # noqa: PTH123 - of a descriptor
            yield file
            file.flush()
            os.fsync(descriptor)
        if replace:
            part.replace(path)
        else:
            _give_free_name(part, path)
    finally:
        part.unlink(missing_ok=True)


def refuse_taken(path: Path, *, replace: bool) -> None:
    """Raise what `whole_file` raises where something has the name: to be known before hours of work."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not path.exists():
        return
    if not path.is_file():
        raise OSError(errno.EINVAL, "it is no file, but a device or a pipe", str(path))
    if not replace:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))


def _give_free_name(part: Path, path: Path) -> None:
    """Rename where nothing has the name. A second name for the same file, since renaming itself would replace."""
    try:
        os.link(part, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without second names
        refuse_taken(path, replace=False)
        part.replace(path)
