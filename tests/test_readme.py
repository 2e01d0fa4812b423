"""The README says only what runs."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from databases import country, write_mmdb
from regionfast.cli import main

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_python_blocks_run_in_order() -> None:
    found = blocks("python")
    assert len(found) >= 3
    names: dict[str, object] = {}
    for block in found:
        exec(compile(block, "README.md", "exec"), names)  # noqa: S102


def test_commands_exist() -> None:
    commands = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("regionfast ")]
    assert commands
    for line in commands:
        words = [word for word in shlex.split(line, comments=True)[1:] if word not in {"<", ">", "|"}]
        command: click.Command = main
        for word in words:
            if not isinstance(command, click.Group):
                break
            found = command.get_command(click.Context(command), word)
            assert found is not None, line
            command = found
        options = {option for parameter in command.params for option in parameter.opts}
        for word in words:
            if word.startswith("-") and len(word) > 1:
                assert word.partition("=")[0] in options, line


def test_commands_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One after the other, where the files that they name are."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "examples", "examples")
    Path("addresses.txt").write_text("8.8.8.8\n2404:c800::1\n", encoding="utf-8")
    shutil.copy(ROOT / "tests" / "logs" / "golden" / "x-forwarded-for.log", "access.log")
    write_mmdb(Path("GeoLite2-City.mmdb"), {"8.0.0.0/8": country("US", None, "CA")}, kind="GeoLite2-City")
    for line in "\n".join(blocks("sh")).splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] == ["regionfast"]:
            command, _, source = " ".join(words[1:]).partition(" < ")
            stdin = Path(source).read_bytes() if source else None
            ran = CliRunner().invoke(main, command.split(), input=stdin)
            assert ran.exit_code == 0, (line, ran.output)
            assert ran.output, line


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for target in set(re.findall(r"`make ([a-z-]+)`|^make ([a-z-]+)", README, re.MULTILINE)):
        name = target[0] or target[1]
        assert re.search(rf"^{name}:", makefile, re.MULTILINE), name


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#]+)\)", README))))
def test_links_lead_somewhere(link: str) -> None:
    assert (ROOT / link).exists() or link.startswith("https://")
