"""`regionfast plan`: plans that wait for a second person, acting on them, and undoing it."""

from __future__ import annotations

import click

from regionfast.cli.plan import apply, key, save, show, sign, undo


@click.group(no_args_is_help=False)
def command() -> None:
    """Save a plan, approve it, act on it, undo it.

    One person alone cannot act. Somebody saves a plan; approvers look at it and sign it; then it is
    applied to whoever of its rows is still there and still reached.

    \b
    In their order:
      regionfast plan key ops-2.pem --as ops-2 --person "B. Second"
      regionfast plan save present.csv --policy policy.toml \\
          --deployment deployment.toml --database country.mmdb \\
          --by cn-1 -o cn-1.plan
      regionfast plan sign cn-1.plan --database country.mmdb \\
          --key ops-2.pem --as ops-2 -o b.json
      regionfast plan apply cn-1.plan present.csv --policy policy.toml \\
          --deployment deployment.toml --database country.mmdb \\
          --approval b.json --approval c.json --control server:control
    """


for _name, _module in {"key": key, "save": save, "show": show, "sign": sign, "apply": apply, "undo": undo}.items():
    command.add_command(_module.command, _name)
