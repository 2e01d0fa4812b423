"""The worked cases of `docs/policy.md`, run as they stand there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

import regionfast as rf

PAGE = (Path(__file__).parents[2] / "docs" / "policy.md").read_text("utf-8")
AT = datetime(2020, 6, 4, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Case:
    """One section: its blocks by their info strings, and the rows of its table by the names of the columns."""

    name: str
    blocks: dict[str, str]
    rows: list[dict[str, str]]


def blocks_of(text: str) -> dict[str, str]:
    return dict(re.findall(r"^```(.*)\n((?:.*\n)*?)```$", text, re.MULTILINE))


def cases() -> list[Case]:
    found = []
    for section in re.split(r"^### ", PAGE, flags=re.MULTILINE)[1:]:
        name = section.partition("\n")[0]
        lines = [
            [cell.strip() for cell in line.strip("|").split("|")]
            for line in section.splitlines()
            if line.startswith("|") and "---" not in line
        ]
        found.append(Case(name, blocks_of(section), [dict(zip(lines[0], row, strict=True)) for row in lines[1:]]))
    return found


def policy_of(case: Case) -> rf.Policy:
    intro = PAGE.partition("## Ten worked cases")[2].partition("### 1.")[0]
    order = blocks_of(intro)["toml order"]
    ((info, entries),) = [item for item in case.blocks.items() if item[0].startswith("toml policy")]
    changes = info.partition("order: ")[2]
    for change in re.findall(r'[a-z]+ = (?:"[^"]*"|\[[^]]*\])', changes):
        key = change.partition(" = ")[0]
        order, count = re.subn(rf"^{key} = .*$", change, order, flags=re.MULTILINE)
        assert count == 1, key
    return rf.Policy.from_text(f"version = 1\n[[order]]\n{order}\n{entries}")


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_worked_case(case: Case, tmp_path: Path) -> None:
    files = {"table": blocks_of(PAGE)["csv"]} | {
        kind: case.blocks[f"csv {kind}"] for kind in ("overrides", "witness") if f"csv {kind}" in case.blocks
    }
    for kind, text in files.items():
        (tmp_path / kind).write_text(text, "utf-8")
    overrides = tmp_path / "overrides" if "overrides" in files else None
    table = rf.open(tmp_path / "table", level="subdivision", overrides=overrides)
    witness = rf.open(tmp_path / "witness", level="subdivision") if "witness" in files else None

    people, addresses, meetings, accounts, roles, connections = [], [], [], [], [], []
    for number, row in enumerate(case.rows):
        for address in row["addresses"].split(" "):
            people.append(row.get("participant", f"p{number}"))
            addresses.append(address)
            meetings.append(row["meeting"])
            accounts.append(row.get("account", "zenith"))
            roles.append(row.get("role", "guest"))
            connections.append(str(number))
    roster = rf.Roster(people, addresses, meetings=meetings, accounts=accounts, roles=roles, connections=connections)
    decisions = rf.decide_joins(table, policy_of(case), roster, at=AT, witness=witness)
    found = [
        {"effect": str(rf.Effect(effect)), "reason": str(rf.Reason(reason)), "cause": cause or ""}
        for effect, reason, cause in zip(decisions.effect, decisions.reason, decisions.cause, strict=True)
    ]
    assert found == [{key: row[key] for key in ("effect", "reason", "cause")} for row in case.rows]
    for index, row in enumerate(case.rows):
        sentence = decisions.explain(index)
        assert row["cause"] in sentence
        assert f"meeting {row['meeting']}" in sentence
        assert not any(address and address in sentence for address in row["addresses"].split(" "))


def test_there_are_ten() -> None:
    assert len(cases()) == 10
    assert sum(len(case.rows) for case in cases()) > 50
