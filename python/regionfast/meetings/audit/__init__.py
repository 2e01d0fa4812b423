"""The audit: append-only records of what was done, verifiable by others, naming nobody."""

from regionfast.meetings.audit.chain import Chain, Head
from regionfast.meetings.audit.checkpoint import Checkpoint, read_checkpoints, sign_checkpoint
from regionfast.meetings.audit.erase import Erased, erase
from regionfast.meetings.audit.examine import ChainState, Finding
from regionfast.meetings.audit.keys import KeyStore
from regionfast.meetings.audit.outstanding import Outstanding, outstanding
from regionfast.meetings.audit.receipt import OpenedRow, Receipt, Row, open_receipt
from regionfast.meetings.audit.reconcile import Reconciliation, reconcile
from regionfast.meetings.audit.record import Record, records
from regionfast.meetings.audit.signing import load_private_key, new_private_key, public_bytes, verify_signature
from regionfast.meetings.audit.summary import Summary, SummaryRow, summary
from regionfast.meetings.audit.verify import UsedCheckpoint, Verification, verify

__all__ = [
    "Chain",
    "ChainState",
    "Checkpoint",
    "Erased",
    "Finding",
    "Head",
    "KeyStore",
    "OpenedRow",
    "Outstanding",
    "Receipt",
    "Reconciliation",
    "Record",
    "Row",
    "Summary",
    "SummaryRow",
    "UsedCheckpoint",
    "Verification",
    "erase",
    "load_private_key",
    "new_private_key",
    "open_receipt",
    "outstanding",
    "public_bytes",
    "read_checkpoints",
    "reconcile",
    "records",
    "sign_checkpoint",
    "summary",
    "verify",
    "verify_signature",
]
