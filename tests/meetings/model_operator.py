"""What an operator has: a table of the model's networks, a deployment, and the keys of those who approve."""

from __future__ import annotations

import base64
from datetime import datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import regionfast as rf
from meetings.model import BUILT, NETWORKS
from regionfast.meetings.act.approval import Approval
from regionfast.policy.deployment import Deployment

KEYS: Final = tuple(Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32) for number in (1, 2, 3))
"""Of `legal-0`, `legal-1` and `legal-2`, who are three persons."""


@cache
def table() -> rf.Table:
    """The networks of the model as the engine has them."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "networks.csv")
        path.write_text("".join(f"{network},{region}\n" for network, region in NETWORKS.items()), "utf-8")
        return rf.open(path, built_at=BUILT)


def deployment(audit: Path, keys: Path, *, limits: str = "[limits]\npeople = 1000\nshare = 1\n") -> Deployment:
    """With issuers for the orders of the model, and limits that do not matter where nothing else is said."""
    text = "".join(f'[[issuer]]\nid = "authority-{code.lower()}"\njurisdiction = "{code}"\n' for code in ("CN", "HK"))
    for number, key in enumerate(KEYS):
        public = base64.b64encode(key.public_key().public_bytes_raw()).decode()
        text += f'[[approver]]\nid = "legal-{number}"\nperson = "approver-{number}"\nkey = "{public}"\n'
    return Deployment.from_text(f'{text}{limits}[audit]\ndirectory = "{audit}"\nkeys = "{keys}"\n')


def approve(what: Any, expires: datetime) -> list[Approval]:
    """Two persons sign."""
    return [
        Approval.sign(what, key, approver=f"legal-{number}", expires=expires) for number, key in enumerate(KEYS[:2])
    ]
