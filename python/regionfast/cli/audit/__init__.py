"""`regionfast audit`: what was done, whether the records of it are whole, and whose they are."""

from __future__ import annotations

import click

from regionfast.cli.audit import checkpoint, erase, reconcile, summary, verify
from regionfast.cli.audit import open as opening


@click.group(no_args_is_help=False)
def command() -> None:
    """Verify, sum up, open or erase the records of what was done.

    Each process that acts writes a chain of records in a directory that the deployment file names.
    People stand in it under pseudonyms; the keys of those lie elsewhere and can be destroyed.
    """


_MODULES = {
    "verify": verify,
    "checkpoint": checkpoint,
    "reconcile": reconcile,
    "summary": summary,
    "open": opening,
    "erase": erase,
}
for _name, _module in _MODULES.items():
    command.add_command(_module.command, _name)
