"""Private keys in files, and signatures."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, x25519
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from regionfast.errors import DocumentError
from regionfast.meetings.audit.signing import load_private_key, new_private_key, public_bytes, verify_signature


def pem(key: Ed25519PrivateKey | ec.EllipticCurvePrivateKey | x25519.X25519PrivateKey) -> bytes:
    plain = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)


def test_a_new_key_is_the_one_that_loads(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    key = new_private_key(path)
    assert public_bytes(load_private_key(path)) == public_bytes(key)
    assert path.read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----\n")
    assert public_bytes(new_private_key(tmp_path / "other.pem")) != public_bytes(key)


@pytest.mark.skipif(os.name != "posix", reason="other systems have no modes of files")
def test_only_the_owner_may_read(tmp_path: Path) -> None:
    mask = os.umask(0)
    try:
        new_private_key(tmp_path / "key.pem")
    finally:
        os.umask(mask)
    assert (tmp_path / "key.pem").stat().st_mode & 0o777 == 0o600


def test_no_file_is_written_over(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(b"mine")
    (tmp_path / "link.pem").symlink_to(tmp_path / "nowhere")
    for taken in (path, tmp_path / "link.pem"):
        with pytest.raises(DocumentError, match="is there already: a key is never written over"):
            new_private_key(taken)
    assert path.read_bytes() == b"mine"
    assert not (tmp_path / "nowhere").exists()
    with pytest.raises(FileNotFoundError):
        new_private_key(tmp_path / "no" / "key.pem")


def test_a_full_disk_leaves_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left on device"):
        new_private_key(tmp_path / "key.pem")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("password", [None, b"secret"])
def test_keys_of_openssl(tmp_path: Path, password: bytes | None) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    path = tmp_path / "key.pem"
    cipher = [] if password is None else ["-aes256", "-pass", f"pass:{password.decode()}"]
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", *cipher, "-out", path], check=True)
    key = load_private_key(path, password)
    assert verify_signature(public_bytes(key), key.sign(b"message"), b"message")


def test_what_is_no_key(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    good = pem(Ed25519PrivateKey.generate())
    other_kinds = [pem(ec.generate_private_key(ec.SECP256R1())), pem(x25519.X25519PrivateKey.generate())]
    for content in other_kinds:
        path.write_bytes(content)
        with pytest.raises(DocumentError, match="no Ed25519 key: make one by `regionfast plan key FILE`"):
            load_private_key(path)
    public = Ed25519PrivateKey.generate().public_key()
    spki = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    for content in (b"", b"\0" * 100, b"\xff", b"x" * (1 << 20), good[:60], good.replace(b"M", b"N", 1), spki):
        path.write_bytes(content)
        with pytest.raises(DocumentError, match=r"key\.pem: no private key in PEM"):
            load_private_key(path)
    with pytest.raises(DocumentError, match="cannot read"):
        load_private_key(tmp_path)
    with pytest.raises(DocumentError, match="cannot read"):
        load_private_key(tmp_path / "nothing")


def test_passwords(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    key = Ed25519PrivateKey.generate()
    sealed = serialization.BestAvailableEncryption(b"right")
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, sealed))
    assert public_bytes(load_private_key(path, b"right")) == public_bytes(key)
    with pytest.raises(DocumentError, match="or another password"):
        load_private_key(path, b"wrong")
    for nothing in (None, b""):
        with pytest.raises(DocumentError, match="the key has a password"):
            load_private_key(path, nothing)
    path.write_bytes(pem(key))
    assert public_bytes(load_private_key(path, b"")) == public_bytes(key)
    with pytest.raises(DocumentError, match="has no password, and one was given"):
        load_private_key(path, b"right")


def test_signatures() -> None:
    key = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
    public, signature = public_bytes(key), key.sign(b"message")
    assert verify_signature(public, signature, b"message")
    assert not verify_signature(public, signature, b"massage")
    assert not verify_signature(public_bytes(Ed25519PrivateKey.generate()), signature, b"message")
    for place in range(64):
        changed = signature[:place] + bytes([signature[place] ^ 1]) + signature[place + 1 :]
        assert not verify_signature(public, changed, b"message")
    for other in (b"", signature[:-1], signature + b"\0"):
        assert not verify_signature(public, other, b"message")
    for other in (b"", public[:-1], public + b"\0"):
        assert not verify_signature(other, signature, b"message")


def test_a_known_answer() -> None:
    """RFC 8032, section 7.1, test 2."""
    secret = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
    public = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
    signature = bytes.fromhex(
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )
    assert public_bytes(Ed25519PrivateKey.from_private_bytes(secret)) == public
    assert verify_signature(public, signature, b"\x72")


def test_without_cryptography(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("cryptography.exceptions", "cryptography.hazmat.primitives.asymmetric.ed25519"):
        monkeypatch.setitem(sys.modules, name, None)
    for call in (
        lambda: load_private_key(tmp_path / "key.pem"),
        lambda: new_private_key(tmp_path / "key.pem"),
        lambda: verify_signature(b"", b"", b""),
    ):
        with pytest.raises(ImportError, match=r"acting needs cryptography: install `regionfast\[act\]`"):
            call()
    assert list(tmp_path.iterdir()) == []
