"""Private keys of approvers and of whoever signs checkpoints: which file, and the passphrase."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from regionfast.cli import options
from regionfast.cli.exits import USAGE, Failure

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PASSPHRASE: Final = "REGIONFAST_PASSPHRASE"  # noqa: S105 - where it stands, not what it is
"""The environment variable of the passphrase: an option would show it to everybody on the machine."""

option = click.option(
    "--key",
    metavar="FILE",
    type=options.FILE,
    required=True,
    help=f"Ed25519 private key, PEM; its passphrase from {PASSPHRASE}, or asked for.",
)


def load(path: Path) -> Ed25519PrivateKey:
    """The key in a file. To be called within `refusals`."""
    from regionfast.meetings.audit.signing import load_private_key

    return load_private_key(path, passphrase(path))


def passphrase(path: Path) -> bytes | None:
    """What opens the key, where it is encrypted: PEM says so in its first line (RFC 7468 section 11)."""
    try:
        is_encrypted = b"-----BEGIN ENCRYPTED PRIVATE KEY-----" in path.read_bytes()
    except OSError:
        is_encrypted = False  # whoever loads the key says what is wrong
    if not is_encrypted:
        return None
    given = os.environ.get(PASSPHRASE)
    if given:
        return given.encode()
    if sys.stdin is None or not sys.stdin.isatty():
        raise Failure(f"{path}: the key has a passphrase: set {PASSPHRASE}, there is no terminal to ask on", USAGE)
    asked: str = click.prompt(f"Passphrase of {path}", hide_input=True, err=True)
    return asked.encode()
