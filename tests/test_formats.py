"""The formats that others read: schemas, vectors, and a verifier that shares no code with the package.

`Verifier` is written from docs/formats/README.md, with the standard library and `cryptography` alone.
"""

from __future__ import annotations

import base64
import copy
import filecmp
import hashlib
import hmac
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from jsonschema import Draft202012Validator

ROOT = Path(__file__).parent.parent
FORMATS = ROOT / "docs" / "formats"
VECTORS = FORMATS / "vectors"
SCHEMAS = {path.name.removesuffix(".schema.json"): path for path in sorted(FORMATS.glob("*.schema.json"))}


class Broken(Exception):  # noqa: N818 - a verdict
    """Something is not as it was written."""


def canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode("ascii")


def mac(key: bytes, *message: Any) -> bytes:
    return hmac.digest(key, canonical(list(message)), "sha256")


def signed_by(public: str, signature: str, message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(base64.b64decode(public)).verify(base64.b64decode(signature), message)
    except InvalidSignature:
        return False
    return True


class Verifier:
    """Everything that somebody can verify who has the files of an audit."""

    def __init__(self, files: dict[str, str]) -> None:
        self.files = files
        self.public = json.loads(files["public-keys.json"])
        self.keys = {name: bytes.fromhex(text) for name, text in json.loads(files["keys.json"]).items()}
        self.chains = {writer: self.chain(writer, files[f"audit/{writer}.jsonl"]) for writer in ("act", "door")}

    def all(self) -> None:
        """Raises `Broken` at the first thing that is wrong."""
        self.checkpoint()
        self.plan()
        self.approvals()
        for name in ("receipt.json", "receipt-door.json"):
            self.receipt(json.loads(self.files[name]))
        self.seals()

    @staticmethod
    def chain(writer: str, text: str) -> list[dict[str, Any]]:
        previous = hashlib.sha256(f"regionfast chain 1 {writer}".encode()).hexdigest()
        found = []
        for number, line in enumerate(text.split("\n")[:-1]):
            record = json.loads(line)
            covered = previous + line[75:]
            if hashlib.sha256(covered.encode()).hexdigest() != record["hash"] or record["n"] != number:
                raise Broken(f"{writer}, record {number}")
            previous = record["hash"]
            found.append(record)
        return found

    def checkpoint(self) -> None:
        previous = None
        for line in self.files["audit/checkpoints.jsonl"].splitlines():
            found = json.loads(line)
            covered = {name: found[name] for name in ("at", "heads", "previous")}
            message = b"regionfast checkpoint 1\n" + canonical(covered)
            if found["previous"] != previous or not signed_by(self.public["auditor"], found["signature"], message):
                raise Broken("checkpoint")
            for writer, (number, known) in found["heads"].items():
                chain = self.chains[writer]
                if len(chain) <= number or chain[number]["hash"] != known:
                    raise Broken(f"{writer} was cut or written anew")
            previous = hashlib.sha256(line.encode()).hexdigest()

    def plan(self) -> None:
        plan = json.loads(self.files["plan.json"])
        seal = plan.pop("seal")
        if hashlib.sha256(canonical(plan["covered"])).hexdigest() != plan["hash"]:
            raise Broken("hash of the plan")
        if hashlib.sha256(canonical(plan)).hexdigest() != seal:
            raise Broken("seal of the plan")

    def approvals(self) -> None:
        plan = json.loads(self.files["plan.json"])
        names = set()
        for number in (1, 2):
            found = json.loads(self.files[f"approval-{number}.json"])
            covered = {name: found[name] for name in ("approver", "expires", "plan", "seal")}
            message = b"regionfast approval 1\n" + canonical(covered)
            public = self.public["approvers"][found["approver"]]
            is_for_plan = (found["plan"], found["seal"]) == (plan["hash"], plan["seal"])
            if not is_for_plan or not signed_by(public, found["signature"], message):
                raise Broken(f"approval {number}")
            names.add(found["approver"])
        (begun,) = (record for record in self.chains["act"] if record["kind"] == "plan")
        for approval in begun["approvals"]:
            covered = {
                "approver": approval["approver"],
                "expires": approval["expires"],
                "plan": begun["plan"],
                "seal": begun["seal"],
            }
            message = b"regionfast approval 1\n" + canonical(covered)
            if not signed_by(self.public["approvers"][approval["approver"]], approval["signature"], message):
                raise Broken("approval in the record")
        if {approval["approver"] for approval in begun["approvals"]} != names:
            raise Broken("approvers in the record")

    def receipt(self, receipt: dict[str, Any]) -> None:
        commitment = mac(base64.b64decode(receipt["row_key"]), "regionfast row 1", receipt["row"]).hex()
        name = ("by", "scope", "connection")
        for record in (record for chain in self.chains.values() for record in chain):
            if record["kind"] in {"intent", "join"} and record["commitment"] == commitment:
                if [record[key] for key in name] != [receipt[key] for key in name]:
                    raise Broken("receipt")
                if record.get("plan") != receipt["plan"]:
                    raise Broken("plan of the receipt")
                return
        raise Broken("no record fits the receipt")

    def seals(self) -> None:
        """With the keys: pseudonyms, row keys, commitments and seals follow from what is sealed."""
        for record in self.chains["act"]:
            if record["kind"] == "intent" and record["effect"] == "eject":
                key = self.keys[record["scope"]]
                value = self.opened(record)
                scope = mac(self.keys["index"], "regionfast pseudonym 1", "scope", record["by"], value["meeting"])
                named = mac(key, "regionfast pseudonym 1", "connection", value["connection"])
                row_key = mac(key, "regionfast key 1", "row", record["plan"], record["connection"])
                row = {name: value[name] for name in ("addresses", "connection", "meeting", "participant")}
                if (scope.hex()[:32], named.hex()[:32]) != (record["scope"], record["connection"]):
                    raise Broken("pseudonym")
                if mac(row_key, "regionfast row 1", row).hex() != record["commitment"]:
                    raise Broken("commitment")
            elif record["kind"] == "result" and record["sealed"] is not None:
                assert self.opened(record)["residue"].startswith("ban of ")

    def opened(self, record: dict[str, Any]) -> dict[str, Any]:
        key = mac(self.keys[record["scope"]], "regionfast key 1", "seal")
        data = base64.b64decode(record["sealed"])
        bound = f"{record['plan']}|{record['connection']}|{record['kind']}".encode()
        value: dict[str, Any] = json.loads(ChaCha20Poly1305(key).decrypt(data[:12], data[12:], bound))
        return value


def vectors() -> dict[str, str]:
    return {
        str(path.relative_to(VECTORS).as_posix()): path.read_text("ascii")
        for path in sorted(VECTORS.rglob("*"))
        if path.is_file()
    }


def test_the_vectors_verify_by_what_the_page_says() -> None:
    Verifier(vectors()).all()


def test_the_verifier_needs_nothing_of_ours() -> None:
    source = Path(__file__).read_text("utf-8")
    assert not re.search(r"^\s*(import|from) regionfast", source.partition("def test_the_package")[0], re.MULTILINE)


def edited(file: str, change: Callable[[str], str]) -> dict[str, str]:
    files = vectors()
    text = change(files[file])
    assert text != files[file]
    return files | {file: text}


def json_edited(file: str, change: Callable[[Any], object]) -> dict[str, str]:
    def as_text(text: str) -> str:
        value = json.loads(text)
        change(value)
        return json.dumps(value)

    return edited(file, as_text)


def swapped(text: str) -> str:
    lines = text.split("\n")
    lines[3], lines[4] = lines[4], lines[3]
    return "\n".join(lines)


def without_line(text: str, number: int) -> str:
    lines = text.split("\n")
    del lines[number]
    return "\n".join(lines)


TAMPERED: dict[str, Callable[[], dict[str, str]]] = {
    "a field of a record": lambda: edited("audit/act.jsonl", lambda text: text.replace('"done"', '"stale"', 1)),
    "the last record": lambda: edited("audit/door.jsonl", lambda text: text.replace('"deny"', '"hold"')),
    "a time": lambda: edited("audit/act.jsonl", lambda text: text.replace("12:00:00.000Z", "12:00:00.001Z", 1)),
    "two lines swapped": lambda: edited("audit/act.jsonl", swapped),
    "a line deleted": lambda: edited("audit/act.jsonl", lambda text: without_line(text, 5)),
    "the end cut off": lambda: edited("audit/act.jsonl", lambda text: without_line(text, 15)),
    "a line of another chain": lambda: edited(
        "audit/act.jsonl", lambda text: text + vectors()["audit/door.jsonl"].splitlines()[1] + "\n"
    ),
    "the head in a checkpoint": lambda: json_edited(
        "audit/checkpoints.jsonl", lambda found: found["heads"].update(door=[0, "0" * 64])
    ),
    "the key of checkpoints": lambda: json_edited(
        "public-keys.json", lambda found: found.update(auditor=found["approvers"]["legal-1"])
    ),
    "the expiry of an approval": lambda: edited("approval-1.json", lambda text: text.replace("T20", "T21")),
    "an approval by another": lambda: edited("approval-1.json", lambda text: text.replace("legal-1", "legal-2")),
    "a row of the plan": lambda: json_edited("plan.json", lambda found: found["rows"].pop()),
    "what the plan covers": lambda: json_edited("plan.json", lambda found: found["covered"].update(by="x")),
    "the address in a receipt": lambda: edited("receipt.json", lambda text: text.replace("36.1.2", "36.1.3")),
    "the key in a receipt": lambda: json_edited(
        "receipt.json", lambda found: found.update(row_key=base64.b64encode(bytes(32)).decode())
    ),
    "the plan in a receipt": lambda: json_edited("receipt.json", lambda found: found.update(plan="0" * 64)),
}


@pytest.mark.parametrize("tampered", TAMPERED.values(), ids=TAMPERED)
def test_what_was_tampered_with_is_found(tampered: Callable[[], dict[str, str]]) -> None:
    with pytest.raises((Broken, json.JSONDecodeError)):
        Verifier(tampered()).all()


# Schemas.


def documents() -> Iterator[tuple[str, str, Any]]:
    """Each document of the vectors: its schema, where it is, and what it says."""
    files = vectors()
    for writer in ("act", "door"):
        for number, line in enumerate(files[f"audit/{writer}.jsonl"].splitlines()):
            yield "audit-record", f"{writer} {number}", json.loads(line)
    for number, line in enumerate(files["audit/checkpoints.jsonl"].splitlines()):
        yield "checkpoint", f"checkpoint {number}", json.loads(line)
    for schema, name in (
        ("plan", "plan"),
        ("approval", "approval-1"),
        ("approval", "approval-2"),
        ("receipt", "receipt"),
        ("receipt", "receipt-door"),
    ):
        yield schema, name, json.loads(files[f"{name}.json"])


def validator(schema: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads(SCHEMAS[schema].read_text("utf-8")))


@pytest.mark.parametrize("name", SCHEMAS)
def test_schemas_are_schemas(name: str) -> None:
    Draft202012Validator.check_schema(json.loads(SCHEMAS[name].read_text("utf-8")))


@pytest.mark.parametrize(("schema", "found"), [one[::2] for one in documents()], ids=[one[1] for one in documents()])
def test_documents_are_as_their_schema_says_and_strictly(schema: str, found: dict[str, Any]) -> None:
    check = validator(schema)
    check.validate(found)
    assert not check.is_valid(found | {"also": 1})
    for name in found:
        less = copy.deepcopy(found)
        del less[name]
        assert not check.is_valid(less), name
        other = copy.deepcopy(found)
        other[name] = {"x": []}
        assert not check.is_valid(other), name


def test_a_kind_of_another_release_is_a_sound_member() -> None:
    record = {"hash": "0" * 64, "n": 0, "at": "2026-11-24T12:00:00.000Z", "kind": "later", "whatever": 1}
    assert validator("audit-record").is_valid(record)
    assert not validator("audit-record").is_valid(record | {"kind": "result"})


def test_every_kind_has_a_schema_and_most_are_in_the_vectors() -> None:
    from regionfast.meetings.audit.record import KINDS

    schema = json.loads(SCHEMAS["audit-record"].read_text("utf-8"))
    assert {one["$ref"].rpartition("/")[2] for one in schema["oneOf"]} == {*KINDS, "other"}
    seen = {found["kind"] for name, _, found in documents() if name == "audit-record"}
    assert seen == KINDS - {"destroyed", "torn"}


# What the package says of the same files.


def test_the_package_agrees(tmp_path: Path) -> None:
    from regionfast.meetings.act import Approval
    from regionfast.meetings.audit.receipt import Receipt, open_receipt
    from regionfast.meetings.audit.verify import verify
    from regionfast.meetings.saved import SavedPlan

    public = json.loads((VECTORS / "public-keys.json").read_text("ascii"))
    found = verify(VECTORS / "audit", checkpoint_key=base64.b64decode(public["auditor"]))
    assert found.is_sound
    assert json.loads(SavedPlan.load(VECTORS / "plan.json").to_json()) == json.loads(vectors()["plan.json"])
    assert Approval.load(VECTORS / "approval-1.json").approver == "legal-1"
    opened = open_receipt(VECTORS / "audit", Receipt.load(VECTORS / "receipt.json"))
    assert (opened.by, opened.effect, opened.outcome, opened.approvers) == (
        "cn-1", "eject", "done", ("legal-1", "legal-2"),
    )  # fmt: skip
    broken = tmp_path / "audit"
    broken.mkdir()
    for name, text in edited("audit/act.jsonl", lambda text: text.replace('"done"', '"stale"', 1)).items():
        if name.startswith("audit/"):
            (tmp_path / name).write_text(text, "ascii")
    assert not verify(broken).is_sound


def test_the_vectors_are_what_the_script_writes(tmp_path: Path) -> None:
    subprocess.run([sys.executable, ROOT / "scripts" / "make_format_vectors.py", tmp_path / "made"], check=True)
    made = sorted(path.relative_to(tmp_path / "made") for path in (tmp_path / "made").rglob("*") if path.is_file())
    assert [path.as_posix() for path in made] == sorted(vectors())
    _, differ, failed = filecmp.cmpfiles(VECTORS, tmp_path / "made", list(map(str, made)), shallow=False)
    assert (differ, failed) == ([], []), "run scripts/make_format_vectors.py, and say in CHANGELOG what changed"


def test_the_page_names_every_file() -> None:
    page = (FORMATS / "README.md").read_text("utf-8")
    for path in (*SCHEMAS.values(), *VECTORS.rglob("*")):
        if path.is_file():
            assert path.name in page, path.name
