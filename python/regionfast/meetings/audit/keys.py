"""The keys of pseudonyms: one for each order and meeting, each of which can be destroyed alone."""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import secrets
import threading
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Final

from regionfast.errors import AuditError
from regionfast.meetings.audit.plainfile import open_file
from regionfast.meetings.audit.signing import missing
from regionfast.meetings.audit.sync import sync_names
from regionfast.pseudonym import KEY_BYTES, PSEUDONYM_DIGITS, canonical, derive, new_key, pseudonym

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

_NONCE_BYTES: Final = 12
"""Of ChaCha20-Poly1305 (RFC 8439)."""
_BLOCK: Final = 512
"""Bytes of which sealed texts are multiples. Nearly all intents have less."""
_SCOPE: Final = re.compile(rf"[0-9a-f]{{{PSEUDONYM_DIGITS}}}", re.ASCII)


class KeyStore:
    """Keys in a directory, readable by their owner only; may be used by several threads and processes."""

    def __init__(self, directory: str | PathLike[str]) -> None:
        """Take a directory, which is made when the first key is."""
        self._directory = Path(directory)
        self._keys: dict[str, bytes] = {}
        self._scopes: dict[tuple[str, str], str] = {}
        self._lock = threading.Lock()

    def scope(self, by: str, meeting: str) -> str:
        """The pseudonym of an order or rule and a meeting, by the index key: what the key of both is called.

        Raises:
            AuditError: The index key cannot be read or made, or is missing where there are other keys.
        """
        found = self._scopes.get((by, meeting))
        if found is None:
            found = self._scopes[by, meeting] = pseudonym(self._index(), "scope", by, meeting)
        return found

    def key(self, scope: str) -> bytes:
        """The key of a scope, made where there is none, 32 bytes.

        Raises:
            AuditError: It was destroyed, or cannot be read or made.
        """
        is_destroyed = self.is_destroyed(scope)
        if not is_destroyed:
            with self._lock:
                found = self._keys.get(scope)
            if found is not None:
                return found
            found = self._made(scope)
            # Asked again: another process may have destroyed it while it was made here, and not seen it.
            if not self.is_destroyed(scope):
                return found
            self.destroy(scope)
        raise AuditError(f"the key of scope {scope} was destroyed: nothing more can be recorded under it")

    def scopes(self) -> set[str]:
        """The scopes that there are keys of, and those whose keys were destroyed.

        Raises:
            AuditError: The directory cannot be read.
        """
        try:
            return {
                path.stem
                for path in self._directory.iterdir()
                if path.suffix in {".key", ".destroyed"} and _SCOPE.fullmatch(path.stem)
            }
        except FileNotFoundError:
            return set()
        except OSError as error:
            raise AuditError(f"cannot read {self._directory}: {error.strerror}") from None

    def existing(self, scope: str) -> bytes | None:
        """The key of a scope; `None` where it was destroyed or never made.

        Raises:
            AuditError: It cannot be read.
        """
        if self.is_destroyed(scope):
            return None
        with self._lock:
            found = self._keys.get(scope)
        if found is None:
            found = self._read(scope)
            if found is not None and self.is_destroyed(scope):  # overwritten while it was read
                return None
        return found

    def is_destroyed(self, scope: str) -> bool:
        """Whether the key of a scope was destroyed. Asks the disk each time: another process may have done it.

        Raises:
            AuditError: That cannot be seen.
        """
        try:
            found = self._tombstone(scope).exists()
        except OSError as error:
            raise AuditError(f"cannot read {self._directory}: {error.strerror}") from None
        if found:
            self._forget(scope)
        return found

    def destroy(self, scope: str) -> None:
        """Overwrite and delete the key of a scope, so that nobody in its records can be linked or read again.

        It never comes back. A second time does nothing. What copies of the disk hold is not reached.

        Raises:
            AuditError: It cannot be destroyed.
        """
        path = self._path(scope)
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            # The mark comes first: after a crash in between the key is no longer used, and can be destroyed again.
            if not self._tombstone(scope).exists():
                now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
                self._put(self._tombstone(scope), f"{now}\n".encode("ascii"))
            # In place, so that a second name of the file, which a crash while it was made can leave, holds nothing too.
            with suppress(FileNotFoundError), path.open("r+b") as file:
                file.write(secrets.token_bytes(KEY_BYTES))
                file.flush()
                os.fsync(file.fileno())
            path.unlink(missing_ok=True)
            sync_names(self._directory)
        except OSError as error:
            raise AuditError(f"cannot destroy the key of scope {scope}: {error.strerror}") from None
        finally:
            self._forget(scope)

    def seal(self, scope: str, plan: str, connection: str, what: str, value: Mapping[str, object]) -> str:
        """Encrypt a value for the record of a row: base64 of nonce and ChaCha20-Poly1305 (RFC 8439) of its JSON.

        Blanks are put behind the JSON, up to a multiple of 512 bytes: how long somebody's name is would be a mark by
        which records of two meetings are joined, also when the keys are gone.

        Args:
            scope: Whose key seals.
            plan: Hash of the plan.
            connection: Pseudonym of the connection.
            what: `intent` or `result`. The three are bound to the text, so that it cannot stand in another record.
            value: What is sealed.
        """
        nonce = secrets.token_bytes(_NONCE_BYTES)
        text = canonical(value)
        text += b" " * (-len(text) % _BLOCK)
        sealed = self._cipher(self.key(scope)).encrypt(nonce, text, _bound(plan, connection, what))
        return base64.b64encode(nonce + sealed).decode("ascii")

    def open(self, scope: str, plan: str, connection: str, what: str, sealed: str) -> dict[str, object] | None:
        """What was sealed; `None` where the key was destroyed.

        Raises:
            AuditError: The text was sealed under another key or for another record, or was changed.
        """
        key = self.existing(scope)
        if key is None:
            return None
        try:
            from cryptography.exceptions import InvalidTag
        except ImportError:
            raise missing() from None
        try:
            data = base64.b64decode(sealed, validate=True)
            text = self._cipher(key).decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], _bound(plan, connection, what))
            value = json.loads(text)
        except (binascii.Error, ValueError, InvalidTag):
            raise AuditError(f"a sealed {what} of scope {scope} cannot be opened by the key of that scope") from None
        if not isinstance(value, dict):
            raise AuditError(f"a sealed {what} of scope {scope} holds something else")
        return value

    @staticmethod
    def _cipher(key: bytes) -> ChaCha20Poly1305:
        try:
            from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
        except ImportError:
            raise missing() from None
        return ChaCha20Poly1305(derive(key, "seal"))

    def _index(self) -> bytes:
        """The index key, which is made before any other one and never again.

        By another one all orders and meetings would be new, and those whose keys were destroyed could be acted on.
        """
        found = self._read("index")
        # Read again: whoever made the others since then made it before them.
        if found is None and self.scopes():
            found = self._read("index")
            if found is None:
                raise AuditError(
                    f"{self._path('index')} is missing, and other keys are there: restore it from a copy of the keys"
                )
        return self._made("index") if found is None else found

    def _made(self, name: str) -> bytes:
        found = self._read(name)
        if found is not None:
            return found
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._put(self._path(name), new_key())
        except OSError as error:
            raise AuditError(f"cannot make a key in {self._directory}: {error.strerror}") from None
        found = self._read(name)  # ours, or that of who was quicker
        if found is None:
            raise AuditError(f"the key `{name}` was destroyed while it was made")
        return found

    def _read(self, name: str) -> bytes | None:
        with self._lock:
            found = self._keys.get(name)
        if found is not None:
            return found
        try:
            with open_file(self._path(name)) as file:
                size = os.fstat(file.fileno()).st_size
                found = file.read(KEY_BYTES)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise AuditError(f"cannot read a key in {self._directory}: {error.strerror}") from None
        if not size == len(found) == KEY_BYTES:
            raise AuditError(f"{self._path(name)} is no key: it has {size} bytes, not {KEY_BYTES}")
        with self._lock:
            self._keys[name] = found
        return found

    def _forget(self, name: str) -> None:
        with self._lock:
            self._keys.pop(name, None)

    def _put(self, path: Path, content: bytes) -> None:
        """A file that is there whole or not at all; the first one stays."""
        part = path.with_name(f".{secrets.token_hex(8)}.part")
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with open(descriptor, "wb") as file:  # noqa: PTH123 - of a descriptor
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(part, path)  # which, unlike renaming, replaces nothing
            except FileExistsError:
                return
            sync_names(self._directory)
        finally:
            part.unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self._directory / f"{name}.key"

    def _tombstone(self, scope: str) -> Path:
        # Scopes come out of receipts and chains too, so they could be paths to anywhere.
        if not _SCOPE.fullmatch(scope):
            raise AuditError("what is given as a scope is none: it has 32 hexadecimal digits")
        return self._directory / f"{scope}.destroyed"


def _bound(plan: str, connection: str, what: str) -> bytes:
    return f"{plan}|{connection}|{what}".encode("ascii")
