"""What importing the package loads, and which way imports go."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "python" / "regionfast"
LATE = (
    *("click", "cryptography", "duckdb", "filelock", "hypothesis", "numpy.ma.core", "pandas", "polars", "pyarrow"),
    "rich",
)


def modules_after(program: str) -> set[str]:
    """The modules that a fresh interpreter has loaded after a program."""
    ran = subprocess.run(
        [sys.executable, "-c", f"{program}\nimport sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(ran.stdout.split())


def test_import_loads_numpy_and_nothing_else() -> None:
    before = modules_after("import numpy")
    third = {name.partition(".")[0] for name in modules_after("import numpy, regionfast") - before}
    assert {name for name in third if name not in sys.stdlib_module_names} == {"regionfast"}


def test_the_main_job_loads_no_more() -> None:
    loaded = modules_after(
        "import numpy, regionfast as rf\n"
        "t = rf.open()\n"
        "t.lookup_many(['8.8.8.8', None]).counts()\n"
        "t.lookup_many(numpy.zeros(3, numpy.uint32)).isin(['CN'])"
    )
    assert not loaded & {*LATE, "regionfast.regions"}


def imports(path: Path) -> set[str]:
    """The modules of ours that a file imports, by their full names."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in names if name.startswith("regionfast")}


ALLOWED = {  # part of the package: what it may import of ours
    "types": set(),
    "errors": set(),
    "names": set(),
    "regions": {"regions", "errors"},
    "policy": {"policy", "regions", "errors", "names", "types"},
    "meetings": {"meetings", "policy", "regions", "exports", "pseudonym", "tables", "_lib", "errors", "names", "types"},
    "logs": {"logs", "regions", "exports", "pseudonym", "whole", "tables", "_lib", "errors", "types"},
    "pseudonym": set(),
    "exports": {"errors", "types"},
    "tables": {"_lib", "types", "errors"},
    "_lib": {"types"},
}


SOURCES = sorted([*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.pyi")])


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_one_way(path: Path) -> None:
    part = path.relative_to(PACKAGE).parts[0].partition(".")[0]
    allowed = ALLOWED.get(part)
    for name in imports(path):
        target = name.split(".")[1] if "." in name else ""
        if allowed is not None:
            assert target in allowed, f"{path.name} imports {name}"
        elif part not in {"cli", "__init__"}:
            # The engines, `logs`, and what computes beside the table.
            assert target not in {"cli", "meetings", "policy"}, f"{path.name} imports {name}"


def test_the_core_knows_nothing_of_python_or_of_meetings() -> None:
    rust = Path(__file__).parent.parent / "rust"
    core = {path: path.read_text("utf-8").lower() for path in (rust / "regionfast-core" / "src").rglob("*.rs")}
    assert core
    for path, text in core.items():
        assert "pyo3" not in text, path
    for path in rust.rglob("src/**/*.rs"):
        text = path.read_text("utf-8").lower()
        assert "eject" not in text.replace("reject", ""), path
