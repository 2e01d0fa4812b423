"""The command `regionfast`: the only part of the package that prints."""

from __future__ import annotations

from importlib import import_module

import click

from regionfast import __version__
from regionfast.cli.exits import exit_codes

NAMES = ("lookup", "classify", "table", "decide", "preview", "explain", "policy", "plan", "audit", "census", "doctor")
"""The subcommands, one module each with its `command`."""


class Commands(click.Group):
    """Subcommands that are imported when asked for, and the one place where errors become exit codes.

    Errors are caught here rather than around `main`, so that every way of calling it, tests included, ends alike.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """In the order of a newcomer's questions, not of the alphabet."""
        return list(NAMES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import one subcommand."""
        if cmd_name not in NAMES:
            return None
        command = import_module(f"regionfast.cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse what stands before the subcommand. Without any word, help is what was wanted."""
        with exit_codes():
            return super().parse_args(ctx, args or ["--help"])

    def invoke(self, ctx: click.Context) -> object:
        """Parse the rest and run the subcommand."""
        with exit_codes():
            return super().invoke(ctx)


@click.command(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="""\b
Exit codes:
  0    done; also for an empty result or plan, any status, a closed pipe
  1    what was asked is not so: a case of `policy test`, equal digests,
       or that plans explain every ejection
  2    wrong usage, a wrong policy, or the only input cannot be read
  3    the output or a part of the input is missing: disk full, ...; more
       lines are rejected than may be; rows of a plan are left to be done
  4    the database cannot be used
  5    refused for safety, or the audit is broken
  130  interrupted""",
)
@click.version_option(__version__, message="%(prog)s %(version)s", prog_name="regionfast")
def main() -> None:
    """Say which region network addresses belong to by a table.

    A table is evidence about an address, never about a person.

    \b
    Examples:
      regionfast lookup 8.8.8.8 2400:3200::1
      regionfast lookup --json - < addresses.txt
      regionfast classify access.log --by day
      regionfast policy check policy.toml
      regionfast plan show cn-1.plan
      regionfast audit verify audit/
      regionfast table build GeoLite2-Country.mmdb -o country.rft
      regionfast doctor
    """
