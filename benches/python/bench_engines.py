"""Every case through pytest-benchmark, its answers compared with ours first. Run it by `make bench`."""

from __future__ import annotations

from typing import Any

import pytest
from cases import Case, Codes, agreement, cases

EXPECTED: dict[str, Codes] = {}


@pytest.mark.parametrize("case", list(cases()), ids=lambda case: f"{case.group} · {case.engine}")
def test_engine(case: Case, benchmark: Any) -> None:
    benchmark.group = case.group
    found = agreement(case, None if case.ours else EXPECTED.get(case.group))
    if case.ours and case.answers is not None:
        EXPECTED[case.group] = case.answers(case.call())
    benchmark.extra_info.update(
        engine=case.engine,
        rows=case.rows,
        digest=found and found.digest,
        agrees=found and found.share,
    )
    benchmark.pedantic(case.call, rounds=9, warmup_rounds=1)
    benchmark.extra_info["ns a row"] = round(benchmark.stats.stats.median / case.rows * 1e9, 2)
