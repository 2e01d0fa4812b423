"""A policy, a database and a roster that the tests of several commands ask about."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.feather
import pyarrow.ipc
import pyarrow.parquet
from click.testing import Result

from cli.calls import run

POLICY = """
version = 1
[[order]]
id = "cn-1"
issuer = "cn-authority"
reference = "r-77"
law = "Law on X, article 12"
contest = "https://court.example/contest"
state = "active"
territory = "CN"
regions = ["CN"]
meetings = ["m1", "m3"]
from = 2020-06-03T00:00:00Z
until = 2020-06-05T00:00:00Z
join = "deny"
present = "eject"
[[rule]]
id = "staff"
account = "acme"
effect = "allow-only"
regions = ["EU", "CH"]
meetings = ["m2"]
present = "eject"
[[correction]]
networks = ["1.1.1.0/24"]
region = "HK"
reason = "moved"
author = "ops"
date = 2020-06-02
[[exemption]]
participants = ["u17"]
reason = "interprets"
[defaults]
not-located = "hold"
"""
DATABASE = "1.0.0.0/8,CN\n8.8.0.0/16,US\n9.0.0.0/8,HK\n2400::/12,CN\n2a00::/12,DE\n"
ROSTER = """participant,address,meeting,account,role
alice,1.3.2.3,m1,z,host
bob,1.1.1.1,m1,z,
carol,2400::1,m1,z,
dave,,m1,z,
erin,8.8.1.1,m2,acme,host
u17,9.9.9.9,m2,acme,
frank,2a00::1,m2,acme,
grace,192.168.0.1,m2,acme,
heidi,4.4.4.4,m4,other,
"""
PEOPLE = ("alice", "bob", "carol", "dave", "erin", "u17", "frank", "grace", "heidi")
ADDRESSES = ("1.3.2.3", "1.1.1.1", "2400::1", "8.8.1.1", "9.9.9.9", "2a00::1", "192.168.0.1", "4.4.4.4")
AT = ("--at", "2020-06-04T00:00:00Z")
COMMANDS = ("decide joins", "decide ejections", "preview", "explain")


class Scene:
    """A policy, a database and a roster in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.policy = self.put("policy.toml", POLICY)
        self.database = self.put("table.csv", DATABASE)
        self.roster = self.put("roster.csv", ROSTER)

    def put(self, name: str, text: str) -> Path:
        """Write a file."""
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def words(self, command: str, *words: object, roster: Path | str | None = None, row: object = 1) -> list[str]:
        """The words of a command about the roster."""
        by = ["--by", "cn-1"] if command in {"decide ejections", "preview"} else []
        position = [row] if command == "explain" else []
        given = ["--policy", self.policy, "--database", self.database, *([] if "--at" in words else AT)]
        return list(map(str, (*command.split(), roster or self.roster, *position, *by, *given, *words)))

    def run(
        self,
        command: str,
        *words: object,
        roster: Path | str | None = None,
        row: object = 1,
        stdin: bytes | None = None,
    ) -> Result:
        """Run in this process."""
        return run(*self.words(command, *words, roster=roster, row=row), stdin=stdin)


def objects(result: Result) -> list[dict[str, Any]]:
    """JSON Lines."""
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def arrow_of(text: str) -> pa.Table:
    """A roster in CSV as a table of Arrow."""
    rows = list(csv.DictReader(io.StringIO(text)))
    return pa.table({name: pa.array([row[name] or None for row in rows]) for name in rows[0]})


def write_ipc(path: Path, text: str, new: Callable[[str, pa.Schema], Any]) -> None:
    """A file or a stream of Arrow."""
    table = arrow_of(text)
    with new(str(path), table.schema) as file:
        file.write_table(table)


WRITERS: dict[str, Callable[[Path, str], object]] = {
    "r.csv.gz": lambda path, text: path.write_bytes(gzip.compress(text.encode())),
    "r.CSV": lambda path, text: path.write_bytes(text.encode("utf-8-sig")),
    "r.txt": lambda path, text: path.write_text(text.replace(",", "\t"), encoding="utf-8"),
    "r.parquet": lambda path, text: pyarrow.parquet.write_table(arrow_of(text), path),
    "r.feather": lambda path, text: pyarrow.feather.write_feather(arrow_of(text), str(path)),
    "r.arrow": lambda path, text: write_ipc(path, text, pyarrow.ipc.new_file),
    "stream.arrow": lambda path, text: write_ipc(path, text, pyarrow.ipc.new_stream),
}
"""How a file of each name is made from a roster in CSV."""
