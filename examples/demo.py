"""The story of 2020 on a table made up for it, then the bundled table at work on a million addresses.

Run it by `make demo`, or by any Python that has regionfast. It needs no network and no arguments. The files of the
story are in `story/`; nothing that is shown is written here, all of it is computed from them.
"""

from __future__ import annotations

import statistics
import textwrap
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from demo_acting import show_acting
from rich.console import Console
from rich.table import Table

import regionfast as rf

STORY = Path(__file__).parent / "story"
ORDER = "cn-2020-06-04"
AT = datetime(2020, 6, 4, 12, tzinfo=UTC)
TABLE_OF = datetime(2020, 6, 1, tzinfo=UTC)
"""A CSV file does not say when it was built."""
WIDTH = 80

MILLION = 1_000_000
MEETINGS = 10_000
ENTRIES = 500
"""Of orders, and of rules."""
SEED = 20200604


@dataclass(frozen=True, slots=True)
class Scene:
    """The files of the story, read."""

    table: rf.Table
    policy: rf.Policy
    roster: rf.Roster

    @classmethod
    def read(cls) -> Scene:
        """Read them."""
        return cls(
            rf.open(STORY / "table.csv", built_at=TABLE_OF),
            rf.Policy.load(STORY / "policy.toml", deployment=STORY / "deployment.toml"),
            rf.Roster.from_csv(STORY / "roster.csv", at=AT),
        )

    def plan(self, *, at: datetime = AT, witness: rf.Table | None = None) -> rf.Plan:
        """Whom the order would reach."""
        return rf.plan_ejections(self.table, self.policy, self.roster, by=ORDER, at=at, witness=witness)

    def hosts(self) -> list[int]:
        """Which connections are hosts, one a meeting."""
        assert self.roster.roles is not None
        return [index for index, role in enumerate(self.roster.roles) if role == "host"]


def counted(reasons: Iterable[rf.Reason]) -> str:
    """Reasons with how often they occur, the most first."""
    return ", ".join(f"{reason} {count}" for reason, count in Counter(reasons).most_common())


def grid(*columns: str, numbers: tuple[str, ...]) -> Table:
    """A table of plain columns, those of numbers to the right."""
    made = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
    for column in columns:
        made.add_column(column, justify="right" if column in numbers else "left")
    return made


def show_order(console: Console, scene: Scene) -> None:
    """What was demanded, and what all that follows is made of."""
    order, info = scene.policy.orders[0], scene.table.info
    console.print(
        "[bold]June 2020, told again: one government demands that four public meetings stop[/]\n"
        "Then: three ended, and hosts outside its territory suspended. Now: an order that reaches single connections "
        f"inside it ([bold]{order.territory}[/]), in these meetings, until {order.end:%Y-%m-%d}. "
        f"[dim]People, networks and the table of {info.built_at:%Y-%m-%d} are made up.[/]\n"
    )


def show_plan(console: Console, scene: Scene) -> None:
    """Who would leave, who stays and why, by meeting; then two of them in the plan's own words."""
    plan, roster = scene.plan(), scene.roster
    decisions = rf.decide_joins(scene.table, scene.policy, roster, at=AT)
    (correction,) = scene.policy.corrections
    leaves = [effect == rf.Effect.EJECT for effect in plan.effect]
    reasons = [rf.Reason(reason) for reason in plan.reason]
    hosts = scene.hosts()

    rows = grid("meeting", "host in", "present", "leave", "stay", "why they stay", numbers=("present", "leave", "stay"))
    for host in hosts:
        there = [index for index, meeting in enumerate(roster.meetings) if meeting == roster.meetings[host]]
        stay = [index for index in there if not leaves[index]]
        place = str(decisions.region[host])
        if reasons[host] is rf.Reason.CORRECTED:
            place = f"[yellow]{correction.region}, not {place}[/]"
        why = counted(reasons[index] for index in stay)
        if {reasons[index] for index in there} == {rf.Reason.ELSEWHERE}:
            why += ": nobody inside, untouched"
        leave = len(there) - len(stay)
        rows.add_row(
            roster.meetings[host],
            place,
            str(len(there)),
            f"[{'red' if leave else 'green'}]{leave}[/]",
            f"[green]{len(stay)}[/]",
            why,
        )
    console.print(rows)

    preview = plan.preview()
    go_on = sum(not leaves[host] for host in hosts)
    denied = int(np.count_nonzero(decisions.effect == rf.Effect.DENY))
    console.print(
        f"\n[bold]{preview.affected} of {preview.present} would leave. Outside the territory: "
        f"[green]{preview.outside}, checked[/].[/] At the door: {denied} denied.\n"
        f"Meetings that go on, each with its host: [bold green]{go_on} of {len(hosts)}[/]. In the plan's words:"
    )
    for index in (leaves.index(True), reasons.index(rf.Reason.CORRECTED)):
        text = textwrap.fill(
            plan.explain_connection(index),
            console.width,
            initial_indent="- ",
            subsequent_indent="  ",
            break_on_hyphens=False,
        )
        console.print(text, style="dim", markup=False)
    console.print()


def show_attempts(console: Console, scene: Scene) -> None:
    """What comes out where table, policy or time are others."""
    rows = grid("what if", "leave", "then", numbers=("leave",))
    before, regions = scene.plan(), rf.decide_joins(scene.table, scene.policy, scene.roster, at=AT).region
    (host,) = np.flatnonzero(before.reason == rf.Reason.CORRECTED).tolist()

    careless = replace(scene, policy=replace(scene.policy, corrections=()))
    plan = careless.plan()
    lost = ", ".join(plan.preview().without_host or ())
    rows.add_row("no correction", str(len(plan)), f"[red]{lost} would lose its host, misplaced in {regions[host]}[/]")

    plan = careless.plan(witness=rf.open(STORY / "witness.csv"))
    fate = "leaves" if plan.effect[host] == rf.Effect.EJECT else "stays"
    rows.add_row(
        "... but a witness", str(len(plan)), f"the host {fate}: {rf.Reason(plan.reason[host])} by a second table"
    )

    widened = rf.open(STORY / "table.csv", built_at=TABLE_OF, overrides=STORY / "overrides.csv")
    plan = replace(scene, table=widened).plan()
    moved = np.flatnonzero(plan.reason == rf.Reason.OVERRIDE)
    places = ", ".join(sorted({str(region) for region in regions[moved]}))
    same = "the same people" if np.array_equal(plan.effect, before.effect) else "[red]other people[/]"
    rows.add_row("insider's overrides", str(len(plan)), f"{same}; {len(moved)} moved from {places} to CN stay")

    foreign = (STORY / "policy.toml").read_text(encoding="utf-8").replace('"CN"', '"HK"')
    try:
        rf.Policy.from_text(foreign, deployment=scene.policy.deployment)
    except rf.PolicyError as error:
        rows.add_row("an order for HK", "refused", error.problems[0].message)

    plan = scene.plan(at=AT + timedelta(days=1))
    rows.add_row("a day later", str(len(plan)), plan.warnings[0].partition(": ")[2])
    console.print(rows)
    console.print()


def busy_policy(meetings: list[str], at: datetime) -> rf.Policy:
    """Orders for half of the meetings, some each, and rules for the accounts of the others."""
    texts = ["version = 1\n"]
    start, end = at - timedelta(days=1), at + timedelta(days=1)
    for index in range(ENTRIES):
        region = ("CN", "US", "DE", "BR", "IN")[index % 5]
        reached = ", ".join(f'"{meeting}"' for meeting in meetings[index :: ENTRIES * 2])
        texts.append(
            f'[[order]]\nid = "order-{index}"\nissuer = "authority-{region}"\nreference = "{index}"\n'
            f'law = "example"\ncontest = "https://appeals.example"\nstate = "active"\nterritory = "{region}"\n'
            f'regions = ["{region}"]\nmeetings = [{reached}]\nfrom = {start:%Y-%m-%dT%H:%M:%SZ}\n'
            f'until = {end:%Y-%m-%dT%H:%M:%SZ}\njoin = "deny"\npresent = "eject"\n'
            f'[[rule]]\nid = "rule-{index}"\naccount = "account-{index + ENTRIES}"\neffect = "deny"\n'
            f'regions = ["{region}"]\n'
        )
    return rf.Policy.from_text("".join(texts))


def timed(call: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def show_million(console: Console) -> None:
    """The bundled table: a million addresses looked up, then decided about, and how fast."""
    table = rf.open()
    info = table.info
    at = info.built_at
    assert at is not None
    random = np.random.default_rng(SEED)
    addresses = random.integers(0, 1 << 32, MILLION, dtype=np.uint32)
    meetings = [f"meeting-{index}" for index in range(MEETINGS)]
    owners = [f"account-{index % (ENTRIES * 2)}" for index in range(MEETINGS)]
    at_meeting = random.integers(0, MEETINGS, MILLION)
    roster = rf.Roster(
        [None] * MILLION,
        addresses,
        meetings=np.array(meetings)[at_meeting],
        accounts=np.array(owners)[at_meeting],
    )
    policy = busy_policy(meetings, at)

    looked_up = statistics.median(timed(lambda: table.lookup_many(addresses, threads=1)) for _ in range(9))
    decided = [timed(lambda: rf.decide_joins(table, policy, roster, at=at)) for _ in range(4)]
    again = statistics.median(decided[1:])
    decisions = rf.decide_joins(table, policy, roster, at=at)
    denied = int(np.count_nonzero(decisions.effect == rf.Effect.DENY))

    rows = grid(
        f"The bundled table of {at:%Y-%m-%d}, {info.ipv4_ranges + info.ipv6_ranges:,} ranges",
        "ms",
        "million/s",
        numbers=("ms", "million/s"),
    )
    for what, seconds in (
        (f"{MILLION:,} addresses looked up, on one core", looked_up),
        (f"{MILLION:,} connections of {MEETINGS:,} meetings decided, checked", again),
        ("the same the first time: looked up, policy compiled", decided[0]),
    ):
        rows.add_row(what, f"{seconds * 1e3:.1f}", f"{MILLION / seconds / 1e6:.1f}")
    console.print(rows)
    console.print(
        f"[dim]By {ENTRIES} orders and {ENTRIES} rules, made up; {denied:,} may not join.\n"
        "A table is evidence about an address, never about a person.[/]"
    )


def main() -> None:
    """Show it on two screens."""
    console = Console(highlight=False)
    console.width = min(console.width, WIDTH)
    scene = Scene.read()
    show_order(console, scene)
    show_plan(console, scene)
    show_attempts(console, scene)
    show_million(console)
    show_acting(console, scene.table, scene.roster, ORDER, AT)


if __name__ == "__main__":
    main()
