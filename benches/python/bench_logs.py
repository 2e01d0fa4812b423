"""Every case of `logs_cases` through pytest-benchmark, its answers compared first.

The logs have 20 MB; REGIONFAST_LOG_BYTES=1000000000 makes them as large as those of the record.
"""

from __future__ import annotations

import os
from typing import Any

import pytest
from cases import Case, Codes, agreement
from logs_cases import QUICK, logs

EXPECTED: dict[str, Codes] = {}


@pytest.mark.parametrize(
    "case",
    list(logs(int(os.environ.get("REGIONFAST_LOG_BYTES", QUICK)))),
    ids=lambda case: f"{case.group} · {case.engine}",
)
def test_log(case: Case, benchmark: Any) -> None:
    benchmark.group = case.group
    found = agreement(case, EXPECTED.get(case.group))
    if case.ours and case.answers is not None:
        EXPECTED[case.group] = case.answers(case.call())
    benchmark.extra_info.update(engine=case.engine, rows=case.rows, digest=found and found.digest)
    benchmark.pedantic(case.call, rounds=5, warmup_rounds=1)
    benchmark.extra_info["ns a line"] = round(benchmark.stats.stats.median / case.rows * 1e9, 2)
