"""Ed25519 keys (RFC 8032) of approvers and of whoever signs checkpoints."""

from __future__ import annotations

import os
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Final

from regionfast.errors import DocumentError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_LARGEST: Final = 1 << 16
"""Bytes of a key file; such a key has some hundred."""


def missing(package: str = "cryptography") -> ImportError:
    """What is raised where a package of the extra is not installed."""
    return ImportError(f"acting needs {package}: install `regionfast[act]`")


def load_private_key(path: str | PathLike[str], password: bytes | None = None) -> Ed25519PrivateKey:
    """Read a private key: PEM, PKCS #8 (RFC 5958), as `openssl genpkey -algorithm ed25519` writes it.

    Raises:
        DocumentError: The file cannot be read, is no such key, or needs another password.
        ImportError: `cryptography` is not installed.
    """
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
    except ImportError:
        raise missing() from None
    try:
        with Path(path).open("rb") as file:
            text = file.read(_LARGEST)
    except OSError as error:
        raise DocumentError(f"cannot read {path}: {error.strerror}") from None
    try:
        key = load_pem_private_key(text, password or None)
    except TypeError:
        how = "has a password" if not password else "has no password, and one was given"
        raise DocumentError(f"{path}: the key {how}") from None
    except (ValueError, UnsupportedAlgorithm):
        raise DocumentError(f"{path}: no private key in PEM, or another password") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise DocumentError(f"{path}: no Ed25519 key: make one by `regionfast plan key FILE`")
    return key


def new_private_key(path: str | PathLike[str]) -> Ed25519PrivateKey:
    """Make a key and write it, readable by its owner only. It is not encrypted; `openssl genpkey -aes256` makes such.

    Raises:
        DocumentError: The file is there already, which is never written over.
        OSError: It cannot be written; no part of it is left.
        ImportError: `cryptography` is not installed.
    """
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
    except ImportError:
        raise missing() from None
    key = Ed25519PrivateKey.generate()
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise DocumentError(f"{path} is there already: a key is never written over") from None
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - of a descriptor
            file.write(text)
            file.flush()
            os.fsync(descriptor)
    except BaseException:
        Path(path).unlink()
        raise
    return key


def public_bytes(key: Ed25519PrivateKey) -> bytes:
    """The public half, 32 bytes, as deployments enroll it."""
    return key.public_key().public_bytes_raw()


def verify_signature(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether a signature is of a message by the key.

    Raises:
        ImportError: `cryptography` is not installed.
    """
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError:
        raise missing() from None
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
