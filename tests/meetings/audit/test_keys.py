"""The keys of pseudonyms: whole or not at all, one for all processes, and gone for ever once destroyed."""

from __future__ import annotations

import base64
import errno
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from regionfast.errors import AuditError
from regionfast.meetings.audit.keys import KeyStore
from regionfast.pseudonym import derive, pseudonym

SCOPE: Final = "0123456789abcdef" * 2
OTHER: Final = "f" * 32
PLAN: Final = "a" * 64
PERSON: Final = "b" * 32


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "keys"


@pytest.fixture
def store(folder: Path) -> KeyStore:
    return KeyStore(folder)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_key_is_made_once(store: KeyStore, folder: Path) -> None:
    assert not folder.exists()
    assert store.existing(SCOPE) is None
    key = store.key(SCOPE)
    assert len(key) == 32
    assert store.key(SCOPE) == key == store.existing(SCOPE) == KeyStore(folder).existing(SCOPE)
    assert store.key(OTHER) != key
    assert names(folder) == [f"{SCOPE}.key", f"{OTHER}.key"]
    assert (folder / f"{SCOPE}.key").read_bytes() == key


def test_scopes_are_pseudonyms_under_the_index_key(store: KeyStore, folder: Path, tmp_path: Path) -> None:
    found = store.scope("cn-1", "937-221-004")
    assert found == KeyStore(folder).scope("cn-1", "937-221-004")
    assert found == pseudonym((folder / "index.key").read_bytes(), "scope", "cn-1", "937-221-004")
    assert len({found, store.scope("cn-1", "m"), store.scope("cn", "1m"), store.scope("cn-2", "937-221-004")}) == 4
    assert KeyStore(tmp_path / "other").scope("cn-1", "937-221-004") != found
    assert names(folder) == ["index.key"]  # a name alone makes no key


@pytest.mark.skipif(os.name != "posix", reason="other systems have no modes of files")
def test_only_the_owner_may_read(store: KeyStore, folder: Path) -> None:
    mask = os.umask(0)
    try:
        store.scope("a", "b")
        store.key(SCOPE)
        store.destroy(OTHER)
    finally:
        os.umask(mask)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [path.stat().st_mode & 0o777 for path in folder.iterdir()] == [0o600] * 3


def test_its_repr_shows_no_key(store: KeyStore) -> None:
    key = store.key(SCOPE)
    assert key.hex() not in repr(store)
    assert repr(key) not in repr(store)


# Destroying.


def test_a_destroyed_key_never_comes_back(store: KeyStore, folder: Path) -> None:
    key = store.key(SCOPE)
    sealed = store.seal(SCOPE, PLAN, PERSON, "intent", {"meeting": "m"})
    kept = os.open(folder / f"{SCOPE}.key", os.O_RDONLY)  # what somebody still has open is overwritten too
    store.destroy(SCOPE)
    try:
        assert key not in os.read(kept, 100)
    finally:
        os.close(kept)
    for one in (store, KeyStore(folder)):
        assert one.is_destroyed(SCOPE)
        assert one.existing(SCOPE) is None
        assert one.open(SCOPE, PLAN, PERSON, "intent", sealed) is None
        with pytest.raises(AuditError, match=f"the key of scope {SCOPE} was destroyed"):
            one.key(SCOPE)
        with pytest.raises(AuditError, match="was destroyed"):
            one.seal(SCOPE, PLAN, PERSON, "intent", {})
        one.destroy(SCOPE)
    assert names(folder) == [f"{SCOPE}.destroyed"]
    text = (folder / f"{SCOPE}.destroyed").read_text(encoding="ascii")
    assert text.endswith("Z\n")
    assert not store.is_destroyed(OTHER)
    assert key not in b"".join(path.read_bytes() for path in folder.iterdir())


def test_what_was_never_made_can_be_destroyed(store: KeyStore) -> None:
    store.destroy(SCOPE)
    with pytest.raises(AuditError, match="was destroyed"):
        store.key(SCOPE)


def test_another_process_destroys(store: KeyStore, folder: Path) -> None:
    store.key(SCOPE)
    KeyStore(folder).destroy(SCOPE)
    assert store.existing(SCOPE) is None
    assert store._keys == {}  # not in memory either
    with pytest.raises(AuditError, match="was destroyed"):
        store.key(SCOPE)


def test_another_process_destroys_while_a_key_is_made(
    store: KeyStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At each point of making it."""
    real: Callable[..., None] = os.link

    def before(*names: object) -> None:
        KeyStore(folder).destroy(SCOPE)
        monkeypatch.setattr(os, "link", real)
        real(*names)

    def after(source: Path, target: Path) -> None:
        real(source, target)
        monkeypatch.setattr(os, "link", real)
        KeyStore(folder).destroy(OTHER)

    # The tombstone is put by a link as well, so the real one is back while it is.
    def once(hook: Callable[..., None]) -> Callable[..., None]:
        def call(*names: object) -> None:
            monkeypatch.setattr(os, "link", real)
            hook(*names)

        return call

    monkeypatch.setattr(os, "link", once(before))
    with pytest.raises(AuditError, match="destroyed"):
        store.key(SCOPE)
    monkeypatch.setattr(os, "link", once(after))
    with pytest.raises(AuditError, match="destroyed"):
        store.key(OTHER)
    assert names(folder) == [f"{SCOPE}.destroyed", f"{OTHER}.destroyed"]


@pytest.mark.parametrize("step", ["link", "fsync", "unlink"])
def test_a_crash_while_a_key_is_destroyed(
    store: KeyStore, folder: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    key = store.key(SCOPE)

    def crash(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if step == "unlink":
            patch.setattr(Path, "unlink", crash)
        else:
            patch.setattr(os, step, crash)
        with pytest.raises(KeyboardInterrupt):
            store.destroy(SCOPE)
    again = KeyStore(folder)
    # Either it was not destroyed, and is whole, or it is destroyed for all who ask.
    assert again.existing(SCOPE) == (None if again.is_destroyed(SCOPE) else key)
    again.destroy(SCOPE)
    assert again.is_destroyed(SCOPE)
    assert key not in b"".join(path.read_bytes() for path in folder.iterdir())


# Making.


@pytest.mark.parametrize("step", ["link", "fsync"])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_a_key_is_there_whole_or_not_at_all(
    store: KeyStore, folder: Path, monkeypatch: pytest.MonkeyPatch, step: str, error: BaseException
) -> None:
    def fails(*_: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(os, step, fails)
        with pytest.raises(KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else AuditError):
            store.key(SCOPE)
    assert names(folder) == []
    assert len(store.key(SCOPE)) == 32


def test_what_a_crash_leaves_of_a_key_is_no_key(store: KeyStore, folder: Path) -> None:
    folder.mkdir()
    (folder / ".0123456789abcdef.part").write_bytes(b"half")
    key = store.key(SCOPE)
    assert KeyStore(folder).existing(SCOPE) == key


def test_two_processes_make_one_key(folder: Path) -> None:
    program = (
        "import sys; from regionfast.meetings.audit.keys import KeyStore\n"
        "store = KeyStore(sys.argv[1]); print('ready', flush=True); sys.stdin.readline()\n"
        "for number in range(200):\n"
        "    print(store.scope('a', str(number)), store.key(f'{number:032x}').hex())"
    )
    command = [sys.executable, "-c", program, str(folder)]
    both = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for one in both:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
    for one in both:
        assert one.stdin is not None
        one.stdin.write("\n")
        one.stdin.flush()
    first, second = (one.communicate()[0] for one in both)
    assert first == second
    assert len(set(first.split())) == 400
    assert len(names(folder)) == 201


def test_many_threads_make_one_key(store: KeyStore) -> None:
    found: list[bytes] = []
    gate = threading.Barrier(8)

    def make() -> None:
        gate.wait()
        found.extend(store.key(f"{number:032x}") for number in range(50))

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 400
    assert len(set(found)) == 50


# What is no key, and no scope.


@pytest.mark.parametrize("content", [b"", b"k" * 31, b"k" * 33])
def test_a_damaged_key_is_not_used(store: KeyStore, folder: Path, content: bytes) -> None:
    folder.mkdir()
    (folder / f"{SCOPE}.key").write_bytes(content)
    with pytest.raises(AuditError, match=f"is no key: it has {len(content)} bytes, not 32"):
        store.key(SCOPE)
    assert (folder / f"{SCOPE}.key").read_bytes() == content  # nothing new in its place
    store.destroy(SCOPE)
    assert store.is_destroyed(SCOPE)


@pytest.mark.parametrize("scope", ["", "index", "../index", "/etc/passwd", "A" * 32, "a" * 31, "a" * 32 + "\n", "a\0"])
def test_what_is_no_scope(store: KeyStore, folder: Path, scope: str) -> None:
    store.scope("a", "b")
    for call in (store.key, store.existing, store.is_destroyed, store.destroy):
        with pytest.raises(AuditError, match="what is given as a scope is none"):
            call(scope)
    assert names(folder) == ["index.key"]


def test_a_directory_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    store = KeyStore(tmp_path / "file")
    for call in (store.key, store.existing, store.destroy):
        with pytest.raises(AuditError, match="cannot"):
            call(SCOPE)
    with pytest.raises(AuditError, match="cannot"):
        store.scope("a", "b")


# Sealing.

VALUE: Final = {"meeting": "937", "addresses": ["192.0.2.1"], "region": None, "account": "é"}


def test_what_was_sealed_opens(store: KeyStore, folder: Path) -> None:
    sealed = store.seal(SCOPE, PLAN, PERSON, "intent", VALUE)
    assert KeyStore(folder).open(SCOPE, PLAN, PERSON, "intent", sealed) == VALUE
    assert store.seal(SCOPE, PLAN, PERSON, "intent", VALUE) != sealed  # another nonce
    assert sealed.isascii()
    data = base64.b64decode(sealed)
    for part in (b"937", b"192.0.2.1"):
        assert part not in data


def test_it_is_sealed_as_it_is_described(store: KeyStore) -> None:
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    data = base64.b64decode(store.seal(SCOPE, PLAN, PERSON, "result", {"residue": "ban-1"}))
    cipher = ChaCha20Poly1305(derive(store.key(SCOPE), "seal"))
    text = cipher.decrypt(data[:12], data[12:], f"{PLAN}|{PERSON}|result".encode())
    assert text == b'{"residue":"ban-1"}' + b" " * (512 - 19)


def test_a_seal_stands_for_its_record_alone(store: KeyStore) -> None:
    sealed = store.seal(SCOPE, PLAN, PERSON, "intent", VALUE)
    store.key(OTHER)
    for scope, plan, person, what in (
        (OTHER, PLAN, PERSON, "intent"),
        (SCOPE, "c" * 64, PERSON, "intent"),
        (SCOPE, PLAN, "c" * 32, "intent"),
        (SCOPE, PLAN, PERSON, "result"),
        (SCOPE, PLAN, "é", "intent"),
    ):
        with pytest.raises(AuditError, match="cannot be opened by the key of that scope"):
            store.open(scope, plan, person, what, sealed)


def test_a_changed_seal_does_not_open(store: KeyStore) -> None:
    data = base64.b64decode(store.seal(SCOPE, PLAN, PERSON, "intent", VALUE))
    for place in range(len(data)):
        changed = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        with pytest.raises(AuditError, match="cannot be opened"):
            store.open(SCOPE, PLAN, PERSON, "intent", base64.b64encode(changed).decode())
    for text in ("", "x", "é", "====", base64.b64encode(data[:20]).decode(), " " + base64.b64encode(data).decode()):
        with pytest.raises(AuditError, match="cannot be opened"):
            store.open(SCOPE, PLAN, PERSON, "intent", text)


def test_of_a_key_that_never_was_nothing_opens(store: KeyStore) -> None:
    assert store.open(SCOPE, PLAN, PERSON, "intent", "x") is None


def test_without_cryptography(store: KeyStore, monkeypatch: pytest.MonkeyPatch) -> None:
    sealed = store.seal(SCOPE, PLAN, PERSON, "intent", VALUE)
    for name in ("cryptography.exceptions", "cryptography.hazmat.primitives.ciphers.aead"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=r"acting needs cryptography: install `regionfast\[act\]`"):
        store.seal(SCOPE, PLAN, PERSON, "intent", VALUE)
    with pytest.raises(ImportError, match=r"acting needs cryptography: install `regionfast\[act\]`"):
        store.open(SCOPE, PLAN, PERSON, "intent", sealed)
