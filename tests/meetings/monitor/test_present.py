"""Who joins, who is held as present, and what becomes of it."""

from __future__ import annotations

import random
import threading
import tracemalloc
from datetime import datetime, timedelta

import numpy as np
import pytest

import regionfast as rf
from meetings.monitor.watch import (
    AT,
    CORRECTION,
    EXEMPTION,
    INSIDE,
    NONE,
    ORDER,
    OUTSIDE,
    POLICY,
    RULE,
    Clock,
    join,
    rows,
)
from regionfast.meetings import check_joins, check_plan
from regionfast.meetings.monitor import Monitor
from regionfast.policy import Policy

NETWORK = """
[[{kind}]]
networks = ["1.0.0.0/24", "2400::/32"]
reason = "r"
"""
BY_NETWORK = "author = 'x'\ndate = 2020-06-02\n"


@pytest.mark.parametrize(
    "more",
    [
        CORRECTION,
        EXEMPTION,
        EXEMPTION.replace("participants", "roles").replace("u-a", "host"),
        EXEMPTION.replace("participants", "meetings").replace("u-a", "m1"),
        EXEMPTION.replace("participants", "series").replace("u-a", "s1"),
        EXEMPTION.replace("participants", "accounts").replace("u-a", "acme"),
        NETWORK.format(kind="exemption"),
        NETWORK.format(kind="correction") + BY_NETWORK,
        NETWORK.format(kind="correction") + BY_NETWORK + "region = 'US'\n",
    ],
)
@pytest.mark.parametrize("address", [INSIDE, "1.9.0.1", OUTSIDE, "2400::1", "::ffff:1.0.0.1", "10.0.0.1"])
def test_the_short_way_heeds_corrections_and_exemptions(
    tables: tuple[rf.Table, rf.Table], address: str, more: str
) -> None:
    """Whom a correction moves is admitted by one rule and refused by the next, so neither may be passed over."""
    for effect, place in [("allow-only", "CN"), ("allow-only", "US"), ("deny", "CN"), ("deny", "US")]:
        text = RULE.replace("allow-only", effect).replace('["US"]', f'["{place}"]')
        policy = Policy.from_text("version = 1\n" + text.replace("[groups]", more + "[groups]"))
        found = Monitor(tables[0], policy, clock=Clock()).join(
            "a", "u-a", address, meeting="m1", account="acme", series="s1", role="host"
        )
        roster = rf.Roster(
            ["u-a"], [address], meetings=["m1"], accounts=["acme"], series=["s1"], roles=["host"], connections=["a"]
        )
        expected = rf.decide_joins(tables[0], policy, roster, at=AT)
        assert (found.effect, found.cause, found.reason) == (
            expected.effect[0],
            expected.cause[0],
            expected.reason[0],
        )


def test_who_rejoins_takes_his_own_place(tables: tuple[rf.Table, rf.Table]) -> None:
    monitor = Monitor(tables[0], ORDER, clock=Clock())
    join(monitor, "a")
    join(monitor, "a", "2.0.0.9")
    assert len(monitor) == 1
    assert monitor.roster().v4.tolist() == [0x02000009]
    # Who stands at the door is not inside.
    assert join(monitor, "a", INSIDE) is rf.Effect.DENY
    assert len(monitor) == 0
    assert join(monitor, "a", meeting="m2") is join(monitor, "a", meeting="m3") is rf.Effect.ADMIT
    assert len(monitor) == 2  # an id is of one meeting


def test_a_meeting_has_one_account(tables: tuple[rf.Table, rf.Table]) -> None:
    monitor = Monitor(tables[0], NONE, clock=Clock())
    monitor.join("a", "u", OUTSIDE, meeting="m1", account="acme")
    for account, series in [("other", None), (None, None), ("acme", "s1")]:
        with pytest.raises(rf.RosterError, match="meeting `m1` has another `(account|series)`"):
            monitor.join("b", "u", OUTSIDE, meeting="m1", account=account, series=series)
    both = rf.Roster(["u", "v"], [OUTSIDE] * 2, meetings=["m0", "m1"], accounts=["acme", "x"], connections=["1", "2"])
    for many in (monitor.joins, monitor.enter):
        with pytest.raises(rf.RosterError, match="m1"):
            many(both)
    assert len(monitor) == 1
    monitor.leave("m1", "a")
    monitor.joins(both)  # nobody is there any more who says otherwise
    assert len(monitor) == 2


def test_names_are_one_form(tables: tuple[rf.Table, rf.Table]) -> None:
    monitor = Monitor(tables[0], ORDER, clock=Clock())
    found = monitor.join(" a ", "Jose\u0301", INSIDE, meeting=" m1 ")
    assert found.cause == "cn"
    monitor.join(" a ", "Jose\u0301", OUTSIDE, meeting=" m1 ")
    assert list(monitor.roster().participants) == ["Jos\u00e9"]
    assert monitor.leave("m1", "a")


@pytest.mark.parametrize("effect", ["deny", "hold"])
def test_nobody_is_refused_unchecked(
    tables: tuple[rf.Table, rf.Table], monkeypatch: pytest.MonkeyPatch, effect: str
) -> None:
    def disagree(*_: object) -> int:
        raise rf.PlanRefused("the checker disagrees")

    policy = Policy.from_text(POLICY.replace('join = "deny"', f'join = "{effect}"'))
    monitor = Monitor(tables[0], policy, clock=Clock())
    join(monitor, "a")
    monkeypatch.setattr("regionfast.meetings.decide.check_joins", disagree)
    for refused in (lambda: join(monitor, "a", INSIDE), lambda: monitor.change("m1", "a", INSIDE)):
        with pytest.raises(rf.PlanRefused):
            refused()
    assert monitor.roster().v4.tolist() == [0x02000001]
    monkeypatch.setattr("regionfast.meetings.decide.check_joins", check_joins)
    monkeypatch.setattr("regionfast.meetings.plan.check_plan", disagree)
    with pytest.raises(rf.PlanRefused):
        monitor.update(table=tables[1])
    assert monitor.table is tables[0]  # nothing changed
    assert join(monitor, "b") is rf.Effect.ADMIT
    monkeypatch.setattr("regionfast.meetings.plan.check_plan", check_plan)
    assert sorted(rows(monitor.update(table=tables[1]))["cn"], key=str) == ["a", "b"]


def test_only_who_is_admitted_by_one_slot_takes_the_short_way(
    tables: tuple[rf.Table, rf.Table], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def counting(*arguments: object, **options: object) -> rf.Decisions:
        calls.append(arguments)
        return rf.decide_joins(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("regionfast.meetings.monitor.door.decide_joins", counting)
    monitor = Monitor(tables[0], ORDER, clock=Clock())
    for address in (OUTSIDE, "2600::1", None, "x", "10.0.0.1"):
        assert join(monitor, "a", address) is rf.Effect.ADMIT
    assert not calls
    join(monitor, "a", INSIDE)
    monitor.join("b", "u", [OUTSIDE, INSIDE], meeting="m1")
    assert len(calls) == 2


def test_what_is_no_call(tables: tuple[rf.Table, rf.Table]) -> None:
    monitor = Monitor(tables[0], ORDER, clock=Clock())
    with pytest.raises(rf.RosterError, match="no `meeting`"):
        monitor.join("a", "u", OUTSIDE, meeting="")
    with pytest.raises(rf.RosterError, match="no `connection`"):
        monitor.join(" ", "u", OUTSIDE, meeting="m1")
    with pytest.raises(rf.RosterError, match="`participant` is of type `int`"):
        monitor.join("a", 7, OUTSIDE, meeting="m1")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no offset"):
        monitor.join("a", "u", OUTSIDE, meeting="m1", at=datetime(2020, 6, 4))  # noqa: DTZ001
    with pytest.raises(ValueError, match="before 2020-06-04T00:00:00Z"):
        monitor.changes(at=AT - timedelta(seconds=1))
    with pytest.raises(rf.RosterError, match="no column `connections`"):
        monitor.joins(rf.Roster(["u"], [OUTSIDE], meetings=["m1"]))
    with pytest.raises(rf.RosterError, match="connection 1 of the roster has no id"):
        monitor.enter(rf.Roster(["u", "v"], [OUTSIDE] * 2, meetings=["m1"] * 2, connections=["a", None]))
    with pytest.raises(TypeError, match="`policy` is of type `str`"):
        monitor.update(policy=POLICY)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="`table` is of type `str`"):
        Monitor("table", ORDER)  # type: ignore[arg-type]
    assert len(monitor) == 0


def test_it_names_nobody(tables: tuple[rf.Table, rf.Table]) -> None:
    monitor = Monitor(tables[0], ORDER, clock=Clock())
    found = monitor.join("secret-connection", "secret-person", INSIDE, meeting="m1")
    monitor.join("secret-connection", "secret-person", OUTSIDE, meeting="m1")
    monitor.change("m1", "secret-connection", INSIDE)
    texts = [repr(found), found.explain(), repr(monitor), repr(monitor.changes()), repr(monitor.roster())]
    for text in texts:
        assert "secret" not in text
        assert INSIDE not in text


def test_joins_and_leaves_leave_no_memory_behind(tables: tuple[rf.Table, rf.Table]) -> None:
    monitor = Monitor(tables[0], ORDER, clock=Clock())
    drawn = random.Random(7)
    present: list[tuple[str, str]] = []

    def churn(first: int, count: int) -> None:
        for number in range(first, first + count):
            key = (f"m{number // 50}", f"c{number}")  # meetings come and go as well
            addresses = [OUTSIDE, "2600::1", f"9.{number % 200}.0.1"][: 3 if drawn.random() < 0.05 else 1]
            if monitor.join(key[1], f"u{number}", addresses, meeting=key[0]).effect is rf.Effect.ADMIT:
                present.append(key)
            if len(present) > 500:
                place = drawn.randrange(len(present))
                present[place], present[-1] = present[-1], present[place]
                assert monitor.leave(*present.pop())

    tracemalloc.start()
    try:
        churn(0, 3_000)
        held, _ = tracemalloc.get_traced_memory()
        churn(3_000, 8_000)
        now, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(monitor) == 500
    assert now < held * 1.15, (held, now)


def test_threads_may_call_everything(tables: tuple[rf.Table, rf.Table]) -> None:
    monitor = Monitor(tables[0], ORDER, clock=Clock())
    wrong: list[BaseException] = []

    def work(name: str) -> None:
        try:
            for number in range(200):
                is_in = join(monitor, f"{name}{number}") is rf.Effect.ADMIT
                if number % 3 == 0:
                    assert monitor.leave("m1", f"{name}{number}") == is_in
                elif number % 7 == 0 and is_in:
                    monitor.change("m1", f"{name}{number}", "2.0.0.7")
        except BaseException as error:  # noqa: BLE001 - shown by the test
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for number in range(20):
        monitor.update(table=tables[number % 2])
        monitor.roster()
    for thread in threads:
        thread.join()
    assert not wrong
    # At the second table some may have been denied; whoever was is not held.
    roster = monitor.roster()
    assert len(roster) == len(monitor) <= 4 * 133
    assert np.isin(roster.v4, [0x02000001, 0x02000007]).all()
