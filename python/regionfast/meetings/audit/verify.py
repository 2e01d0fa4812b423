"""Whether the records are as they were written, as far as that can be told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from os import PathLike
from pathlib import Path

from regionfast.errors import AuditError, DocumentError
from regionfast.meetings.audit.checkpoint import Checkpoint, examine_all, read_checkpoints
from regionfast.meetings.audit.examine import ChainState, Finding, Findings
from regionfast.meetings.audit.record import CHECKPOINTS, files, is_there


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedCheckpoint:
    """The latest checkpoint that chains were held against."""

    path: Path
    at: datetime
    """When it was signed."""
    is_signature_verified: bool
    """Whether there was a key to verify it by; one that another key signed is a problem, and is not used."""
    is_beside: bool
    """Whether it lies beside the chains, where whoever cuts them can put an older one in its place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What was found in an audit directory."""

    chains: tuple[ChainState, ...]
    """By writer."""
    problems: tuple[Finding, ...]
    """What is wrong, at most 100 of it: checkpoints first, then the chains by writer, each in its order."""
    unlisted: int
    """How many problems there are beside these."""
    checkpoint: UsedCheckpoint | None
    """`None` where there was none that can be used."""

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong. What could not be found without a checkpoint, `warnings` say."""
        return not self.problems

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is no tampering, or could not be judged."""
        found = []
        if not self.chains:
            found.append("there are no chains")
        if self.checkpoint is None:
            found.append(
                "there was no checkpoint: that a chain was cut at its end, deleted or written anew as a whole was not "
                "looked for"
            )
        else:
            if self.checkpoint.is_beside:
                found.append("the checkpoint lies beside the chains, where both can be cut: give one kept elsewhere")
            if not self.checkpoint.is_signature_verified:
                found.append("the signature of the checkpoint was not verified: give the key of who signs")
        for chain in self.chains:
            if chain.torn_bytes:
                found.append(
                    f"{chain.writer}: {chain.torn_bytes:,} bytes of an unfinished record, as a crash leaves it"
                )
            if chain.backwards:
                found.append(
                    f"{chain.writer}: the times go back {chain.backwards:,} time{'s' * (chain.backwards != 1)}: the "
                    "clock was put back, or was false"
                )
            if chain.unknown_kinds:
                kinds = ", ".join(f"`{kind}`" for kind in chain.unknown_kinds)
                found.append(f"{chain.writer}: kinds that this release does not know: {kinds}")
        return tuple(found)


def verify(
    directory: str | PathLike[str],
    *,
    checkpoint: str | PathLike[str] | None = None,
    checkpoint_key: bytes | None = None,
) -> Verification:
    """Read all chains of an audit directory and say what is wrong with them.

    An edit, a deletion, an insertion, another order, lines of another chain are found by the chains alone. That a
    chain was cut at a line's end or written anew as a whole is found against checkpoints only: those of the directory,
    and the given ones. An unfinished last line is what a crash leaves, and no problem. Keys are not needed.

    What somebody who may write the directory adds at the end, or as a chain of its own, follows like all that is
    written; that those approved who are said to have, the signatures in records of kind `plan` show (`docs/formats`).

    Args:
        directory: The audit directory. Its chains may be open for writing.
        checkpoint: A file of one checkpoint or more that was kept elsewhere.
        checkpoint_key: Ed25519 public key, 32 bytes, of whoever signs checkpoints. Without it anybody may have made
            them, which is said.

    Cost: O(bytes), no matter how wrong they are; memory of some megabytes.

    Raises:
        AuditError: There is no such directory, or it cannot be read. Never for what is in its files.
        ImportError: `cryptography` is not installed, and there is a signature to verify.
    """
    directory = Path(directory)
    if not is_there(directory):
        raise AuditError(f"there is no directory {directory}")
    findings = Findings()
    own = directory / CHECKPOINTS
    beside = _read(own, findings, checkpoint_key, is_whole=True) if own in set(files(directory)) else ()
    given = () if checkpoint is None else _read(Path(checkpoint), findings, checkpoint_key, is_whole=False)
    states = examine_all(directory, (*beside, *given), findings)
    used = given or beside
    return Verification(
        chains=tuple(states),
        problems=tuple(findings.listed),
        unlisted=findings.unlisted,
        checkpoint=None
        if not used
        else UsedCheckpoint(
            path=own if checkpoint is None or not given else Path(checkpoint),
            at=used[-1].at,
            is_signature_verified=checkpoint_key is not None,
            is_beside=checkpoint is None or not given or Path(checkpoint).resolve().parent == directory.resolve(),
        ),
    )


def _read(path: Path, findings: Findings, key: bytes | None, *, is_whole: bool) -> tuple[Checkpoint, ...]:
    """The checkpoints of a file that are to be used; what is wrong with it or with others in it is found.

    Args:
        path: The file.
        findings: Takes what is wrong.
        key: Public key of who signs.
        is_whole: Whether it has all checkpoints from the first one on, not only some that were kept.
    """
    try:
        found = read_checkpoints(path)
    except DocumentError as error:
        findings.add(None, None, str(error))
        return ()
    if not found and not is_whole:
        findings.add(None, None, f"{path.name} holds no checkpoint")
    if found and is_whole and found[0].previous is not None:
        findings.add(None, None, f"{path.name} does not begin with the first checkpoint: lines are missing")
    signed = []
    for number, checkpoint in enumerate(found, 1):
        if key is None or checkpoint.is_signed_by(key):
            signed.append(checkpoint)
        else:
            findings.add(None, None, f"{path.name}, line {number} is not signed by the key of checkpoints")
    return tuple(signed)
