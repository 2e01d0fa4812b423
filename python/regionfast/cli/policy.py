"""`regionfast policy`: whether a policy is sound, and whether it decides as its author expects."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import click

from regionfast.cli import claims, options, terminal
from regionfast.cli.exits import FALSE, USAGE, Failure, refusals
from regionfast.errors import PlanRefused, PolicyError
from regionfast.policy import Deployment, Finding, Policy
from regionfast.policy.cases import Case, read_cases
from regionfast.policy.document import read
from regionfast.regions import RegionError
from regionfast.types import Effect, Reason

if TYPE_CHECKING:
    from regionfast import Table


def text_of(path: Path) -> tuple[str, str]:
    """The text of a file or, for `-`, of stdin, and what errors call it."""
    if str(path) != "-":
        return read(path, PolicyError), str(path)
    try:
        return options.stdin().read().decode("utf-8-sig"), "stdin"
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"cannot read stdin: {error}", USAGE) from None


def load(path: Path, deployment: Path | None) -> Policy:
    """The policy, with its deployment."""
    enrolled = None if deployment is None else Deployment.load(deployment)
    text, source = text_of(path)
    return Policy.from_text(text, deployment=enrolled, source=source)


@click.group(no_args_is_help=False)
def command() -> None:
    """Check a policy, or test it with cases."""


@command.command(short_help="Say what is wrong with a policy.")
@click.argument("file", type=options.FILE)
@options.deployment
@options.at("Judge dates and groups as of then.  [default: now]")
@options.table_options
@options.as_json
@options.quiet
def check(
    file: Path,
    deployment: Path | None,
    at: datetime | None,
    *,
    as_json: bool,
    quiet: bool,
    **given: Unpack[options.Given],
) -> None:
    """Read FILE and say all that is wrong with it, or else what its author should know.

    Exit code 2 where anything is wrong: a key, a region, a date; an issuer who may not demand it; a
    region that the table cannot tell; lists that let in nobody. Warnings and notes are listed and
    change no exit code: orders that end soon, entries that add nothing, contested places that are
    left out.

    \b
    Examples:
      regionfast policy check policy.toml --deployment deployment.toml
      regionfast policy check policy.toml --database city.mmdb \\
          --level subdivision
    """
    at = at or datetime.now(UTC).replace(microsecond=0)
    with refusals(as_json=as_json):
        policy = load(file, deployment)
    table = options.opened(given, quiet=quiet)
    found = policy.findings(at, table)
    problems = [finding for finding in found if finding.severity == "problem"]
    for problem in problems:
        click.echo(f"Error: {terminal.printable(f'{file}: {problem}')}", err=True)
    if as_json:
        click.echo(json.dumps(as_object(policy, at, found, table)))
    else:
        said = [finding for finding in found if finding.severity != "problem"]
        click.echo(terminal.listing(in_words(file, policy, at, said, table, sound=not problems)))
    if problems:
        raise click.exceptions.Exit(USAGE)


def in_words(
    file: Path, policy: Policy, at: datetime, said: list[Finding], table: Table, *, sound: bool
) -> list[tuple[str, str]]:
    """What was checked, then what was found, by name and value."""
    in_force = sum(order.is_in_force(at) for order in policy.orders)
    return [
        ("policy", str(file)),
        ("sound", "yes" if sound else "no"),
        ("revision", policy.revision),
        ("orders", f"{len(policy.orders)}, {in_force} in force at {options.written(at)}"),
        ("rules", f"{len(policy.rules)}"),
        ("corrections", f"{len(policy.corrections)}"),
        ("exemptions", f"{len(policy.exemptions)}"),
        ("table", f"{claims.source(table.info)}, built {claims.built(table.info)}"),
        *((finding.severity, str(finding)) for finding in said),
    ]


def as_object(policy: Policy, at: datetime, found: tuple[Finding, ...], table: Table) -> dict[str, object]:
    """The same for programs."""
    return {
        "sound": all(finding.severity != "problem" for finding in found),
        "revision": policy.revision,
        "advisory": policy.is_advisory,
        "at": options.written(at),
        "orders": len(policy.orders),
        "in_force": [order.id for order in policy.orders if order.is_in_force(at)],
        "rules": len(policy.rules),
        "corrections": len(policy.corrections),
        "exemptions": len(policy.exemptions),
        "findings": [asdict(finding) for finding in found],
        "table": claims.as_object(table.info),
    }


@command.command(short_help="Say which cases are not as expected.")
@click.argument("file", type=options.FILE)
@click.argument("cases", type=options.FILE)
@options.deployment
@options.table_options
@options.as_json
@options.quiet
def test(
    file: Path,
    cases: Path,
    deployment: Path | None,
    *,
    as_json: bool,
    quiet: bool,
    **given: Unpack[options.Given],
) -> None:
    """Decide the CASES by the policy in FILE and say which are not as expected; exit code 1 then.

    CASES is TOML. A case has a name, a time, a meeting and what is expected. Where the policy has
    rules, it also says the account of its meeting; where the policy names series or roles, also
    those: "" is none. All else may be left out. Neither addresses nor participants are printed.

    \b
      [[case]]
      name = "a guest from Hong Kong"
      at = 2020-06-04T00:00:00Z
      meeting = "937-221-004"
      account = "acme"           # also series, role, participant
      address = "203.0.113.7"    # or addresses = [...]; none: it is missing
      effect = "admit"           # hold, deny; then also cause = "its id"
      reason = "elsewhere"       # optional

    \b
    Examples:
      regionfast policy test policy.toml cases.toml
      regionfast policy test policy.toml cases.toml --database country.mmdb
    """
    if str(file) == str(cases) == "-":
        raise click.UsageError("`-` can be given once")
    warnings: dict[str, None] = {}  # each once, in the order that they come
    with refusals():
        policy = load(file, deployment)
        text, source = text_of(cases)
        wanted = read_cases(text, policy=policy, source=source)
        table = options.opened(given, quiet=quiet)
        failed = [found for case in wanted if (found := run(table, policy, case, warnings)) is not None]
    terminal.notes(warnings, quiet=quiet)
    if as_json:
        result: dict[str, object] = {"cases": len(wanted), "failed": [asdict(found) for found in failed]}
        result |= {"revision": policy.revision, "table": claims.as_object(table.info)}
        click.echo(json.dumps(result))
    else:
        lines = [("failed", f"{found.name}: {found.difference()}: {found.explanation}") for found in failed]
        click.echo(terminal.listing([*lines, ("cases", f"{len(wanted)}, {len(failed)} failed")]))
    if failed:
        raise click.exceptions.Exit(FALSE)


@dataclass(frozen=True, slots=True)
class Unexpected:
    """A case that was decided otherwise."""

    name: str
    expected: dict[str, str | None]
    """Effect, cause and reason; `None`: whichever."""
    got: dict[str, str | None]
    explanation: str

    def difference(self) -> str:
        """What is not as expected, in words."""
        return ", ".join(
            f"{key} is {self.got[key] or 'none'}, not {wanted}"
            for key, wanted in self.expected.items()
            if wanted not in {None, self.got[key]}
        )


def run(table: Table, policy: Policy, case: Case, warnings: dict[str, None]) -> Unexpected | None:
    """Decide one case; `None` where it is as expected."""
    from regionfast.meetings.decide import decide_joins
    from regionfast.meetings.roster import Roster

    count = max(1, len(case.addresses))
    # All columns, so that a policy may ask for any; `None` where the case does not say.
    roster = Roster(
        [case.participant] * count,
        case.addresses or [None],
        meetings=[case.meeting] * count,
        accounts=[case.account] * count,
        series=[case.series] * count,
        roles=[case.role] * count,
        connections=["case"] * count,
    )
    try:
        decisions = decide_joins(table, policy, roster, at=case.at)
    except (PlanRefused, RegionError) as error:
        raise type(error)(f"{case.name}: {error}") from None
    warnings |= dict.fromkeys(decisions.warnings)
    expected = {
        "effect": str(case.effect),
        "cause": case.cause,
        "reason": None if case.reason is None else str(case.reason),
    }
    got = {
        "effect": str(Effect(int(decisions.effect[0]))),
        "cause": decisions.cause[0],
        "reason": str(Reason(int(decisions.reason[0]))),
    }
    if all(wanted in {None, got[key]} for key, wanted in expected.items()):
        return None
    return Unexpected(case.name, expected, got, decisions.explain(0))
