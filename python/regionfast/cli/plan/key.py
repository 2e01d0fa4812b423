"""`regionfast plan key`: the key of an approver."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import click

from regionfast.cli import keys, options, terminal
from regionfast.cli.exits import INCOMPLETE, Failure, refusals


@click.command(short_help="Make a key, or show what to enroll of it.")
@click.argument("file", type=options.FILE)
@click.option("--as", "approver", metavar="ID", default="…", help="The approver's id, for the lines to enroll.")
@click.option("--person", metavar="NAME", default="…", help="Whose key it is, for the lines to enroll.")
@options.as_json
@options.quiet
def command(file: Path, approver: str, person: str, *, as_json: bool, quiet: bool) -> None:
    """Make a private key in FILE, or show the public half of the one that is there.

    FILE is never overwritten, and only its owner can read it. It is not encrypted; one that
    `openssl genpkey -algorithm ed25519 -aes256` makes is, and can be used as well.

    Prints the lines that the operator adds to the deployment file. The private key stays where it is.

    \b
    Examples:
      regionfast plan key ops-2.pem --as ops-2 --person "B. Second"
    """
    is_new = not file.exists()
    with refusals():
        from regionfast.meetings.audit.signing import new_private_key, public_bytes

        try:
            private = new_private_key(file) if is_new else keys.load(file)
        except OSError as error:
            raise Failure(f"cannot write {file}: {error.strerror or 'it fails'}", INCOMPLETE) from None
        public = base64.b64encode(public_bytes(private)).decode("ascii")
    terminal.notes([f"made a new key in {file}: keep it to yourself"] if is_new else [], quiet=quiet)
    if as_json:
        click.echo(json.dumps({"file": str(file), "public": public, "is_new": is_new}))
    else:
        lines = {"id": approver, "key": public, "person": person}
        # A basic string of TOML escapes as JSON does.
        text = "\n".join(f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in lines.items())
        click.echo(terminal.encodable(f"[[approver]]\n{text}"))
