"""The demo runs, and says what it should."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

DEMO = Path(__file__).parent.parent / "examples" / "demo.py"


def test_the_demo_fits_one_screen(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, DEMO],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={"COLUMNS": "80"},
        timeout=20,
    )
    assert ran.stderr == ""
    lines = ran.stdout.splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 80
    assert "\033" not in ran.stdout
    assert "never about a person" in ran.stdout
    rows = {
        line.split()[0]: line.split()[1:3]
        for line in lines
        if line.startswith(("114.", "203.", "202.", "168.", "::ffff"))
    }
    assert {address: row[0] for address, row in rows.items()} == {
        "114.114.114.114": "CN", "203.198.7.66": "HK", "202.175.3.3": "MO", "168.95.1.1": "TW",
        "::ffff:203.198.7.66": "HK",
    }  # fmt: skip
    assert "HK 11" in ran.stdout
