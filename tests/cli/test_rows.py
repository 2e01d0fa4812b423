"""The forms in which rows are written."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet
import pytest

from cli.calls import on_terminal, shell
from cli.scene import ROSTER, Scene, objects
from regionfast.cli import rows


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_csv_and_files_have_the_same_rows(scene: Scene) -> None:
    found = objects(scene.run("decide joins", "--json"))
    text = scene.run("decide joins", "--csv").stdout
    assert [{k: v or None for k, v in row.items()} for row in csv.DictReader(io.StringIO(text))] == [
        {k: None if v is None else str(v) for k, v in row.items()} for row in found
    ]
    for suffix in ("csv", "json", "jsonl", "parquet"):
        path = scene.folder / f"out.{suffix}"
        wrote = scene.run("decide joins", "-o", path)
        assert (wrote.exit_code, wrote.stdout) == (0, "")
    assert (scene.folder / "out.csv").read_text("utf-8") == text
    assert (scene.folder / "out.json").read_bytes() == (scene.folder / "out.jsonl").read_bytes()
    assert [json.loads(line) for line in (scene.folder / "out.json").read_text("utf-8").splitlines()] == found
    table = pyarrow.parquet.read_table(scene.folder / "out.parquet")
    assert table.to_pylist() == found
    assert json.loads(table.schema.metadata[b"regionfast"])["at"] == "2020-06-04T00:00:00Z"
    plan = scene.folder / "plan.json"
    assert scene.run("decide ejections", "--output", plan).exit_code == 0
    assert json.loads(plan.read_text("utf-8")) == objects(scene.run("decide ejections", "--json"))[0]
    assert sorted(path.name for path in scene.folder.iterdir() if path.name.startswith(".")) == []


def test_a_roster_without_rows_has_no_rows_in_any_form(scene: Scene) -> None:
    empty = scene.put("empty.csv", ROSTER.splitlines()[0] + "\n")
    assert scene.run("decide joins", "--json", roster=empty).stdout == ""
    assert scene.run("decide joins", "--csv", roster=empty).stdout == "row,effect,reason,region,meeting,cause\n"
    assert len(scene.run("decide joins", roster=empty).stdout.splitlines()) == 1
    assert objects(scene.run("decide ejections", "--json", roster=empty))[0]["rows"] == []
    assert scene.run("preview", roster=empty).exit_code == 0
    assert scene.run("explain", roster=empty).exit_code == 2
    out = scene.folder / "x.parquet"
    assert scene.run("decide joins", "-o", out, "--reveal", "x", roster=empty).exit_code == 0
    assert pyarrow.parquet.read_table(out).num_rows == 0


def half_of_it(*_: object) -> Iterator[str]:
    """What a disk that fills up takes."""
    yield "half\n"
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize(
    ("suffix", "writer"), [("csv", "csv_lines"), ("json", "json_lines"), ("parquet", "write_parquet")]
)
def test_a_file_is_written_whole_or_not_at_all(
    scene: Scene, suffix: str, writer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = scene.put(f"out.{suffix}", "before")
    before = sorted(scene.folder.iterdir())
    broken = half_of_it
    if suffix == "parquet":
        broken = lambda file, *_: file.writelines(part.encode() for part in half_of_it())  # noqa: E731
    monkeypatch.setattr(rows, writer, broken)
    failed = scene.run("decide joins", "-o", path)
    assert failed.exit_code == 3
    assert f"cannot write {path}: No space left on device" in failed.stderr
    assert path.read_text("utf-8") == "before"
    assert sorted(scene.folder.iterdir()) == before


def test_a_link_to_the_output_stays_a_link(scene: Scene) -> None:
    target, link = scene.put("target.csv", "before"), scene.folder / "link.csv"
    link.symlink_to(target)
    assert scene.run("decide joins", "-o", link).exit_code == 0
    assert link.is_symlink()
    assert target.read_text("utf-8").startswith("row,")


def test_the_output_replaces_no_input(scene: Scene) -> None:
    before = scene.roster.read_bytes(), scene.database.read_bytes()
    assert scene.run("decide joins", "-o", scene.roster).exit_code == 2
    assert scene.run("preview", "-o", scene.database).exit_code == 2
    assert (scene.roster.read_bytes(), scene.database.read_bytes()) == before


@pytest.mark.parametrize("command", ["decide joins", "decide ejections", "preview"])
@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--json", "--csv"], 2),
        (["--json", "-o", "x.json"], 2),
        (["-o", "x.txt"], 2),
        (["-o", "-"], 2),
        (["-o", "no/such/folder/x.csv"], 3),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_exit_codes_of_output(scene: Scene, command: str, words: list[str], code: int) -> None:
    ended = scene.run(command, *words)
    assert (ended.exit_code, ended.stdout) == (code, "")
    assert ended.stderr


def test_long_cells_are_whole_on_lines_of_their_own(scene: Scene) -> None:
    meeting, person = "m" * 70, "p" * 60
    path = scene.put("long.csv", f"participant,address,meeting,account\n{person},1.3.2.3,{meeting},z\nq,1.3.2.3,m1,z\n")
    shown = on_terminal(*scene.words("decide joins", "--reveal", "x", roster=path), NO_COLOR="1")
    assert max(map(len, shown.splitlines())) <= 80
    assert meeting in shown
    assert person in shown
    piped = scene.run("decide joins", "--reveal", "x", roster=path).stdout.splitlines()
    assert len(piped) == 3
    assert piped[0].index("cause") == piped[2].index("cn-1")


def test_colour_is_for_terminals_that_want_it(scene: Scene) -> None:
    shown = on_terminal(*scene.words("decide joins"))
    assert "\033[31mdeny" in shown
    assert "\033" not in on_terminal(*scene.words("decide joins"), NO_COLOR="1")
    assert b"\033" not in shell(*scene.words("decide joins")).stdout


def test_rows_without_an_answer_need_neither_pyarrow_nor_a_frame(scene: Scene) -> None:
    program = (
        "import sys\nfrom regionfast.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "finally: print(*sorted({'pyarrow', 'polars', 'pandas', 'duckdb', 'rich'} & set(sys.modules)), file=sys.stderr)"
    )
    words = scene.words("decide joins", "--quiet")
    ended = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, check=True, timeout=60)
    assert ended.stderr == b"\n"
