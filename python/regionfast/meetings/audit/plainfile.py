"""Opening files in directories that others may write to: only files, never a pipe that is waited for without end."""

from __future__ import annotations

import os
import stat
from io import FileIO
from pathlib import Path

from regionfast.errors import AuditError


def open_file(path: Path, flags: int = os.O_RDONLY) -> FileIO:
    """Open a file, or what a symbolic link to one leads to; made, where `flags` say so, for its owner only.

    Raises:
        OSError: It cannot be opened; it is a directory.
        AuditError: It is a pipe or a device.
    """
    # Without waiting: opening a pipe would wait for somebody at its other end, and a device can have no end at all.
    flags |= getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
    file = FileIO(path, "r+b" if flags & os.O_RDWR else "rb", opener=lambda name, _: os.open(name, flags, 0o600))
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return file
    file.close()
    raise AuditError(f"{path} is no file, but a pipe or a device: take it away")
