"""Ways to call the command: in this process, in one of its own, and on a terminal."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from typing import Any

from click.testing import CliRunner, Result

from regionfast.cli import main


def run(*words: object, stdin: str | bytes | None = None) -> Result:
    """Run in this process."""
    return CliRunner().invoke(main, [str(word) for word in words], input=stdin)


def shell(*words: object, **options: Any) -> subprocess.CompletedProcess[bytes]:
    """Run in a process of its own."""
    command = [sys.executable, "-m", "regionfast.cli", *map(str, words)]
    return subprocess.run(command, capture_output=True, check=False, timeout=60, **options)


def on_terminal(*words: object, columns: int = 80, **environment: str) -> str:
    """What a person sees in a terminal of this width."""
    main_end, process_end = pty.openpty()
    whole = os.environ | {"COLUMNS": str(columns), "TERM": "xterm"} | environment
    command = [sys.executable, "-m", "regionfast.cli", *map(str, words)]
    with subprocess.Popen(command, stdout=process_end, stdin=subprocess.DEVNULL, env=whole) as process:
        os.close(process_end)
        shown = b""
        while True:
            try:
                chunk = os.read(main_end, 65536)
            except OSError:  # how Linux says that the other end is closed
                break
            if not chunk:
                break
            shown += chunk
        process.wait(timeout=60)
    os.close(main_end)
    return shown.decode().replace("\r\n", "\n")
