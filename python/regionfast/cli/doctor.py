"""`regionfast doctor`: what is installed here, what it will use, and what is wrong."""

from __future__ import annotations

import json
import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Unpack

import click

import regionfast
from regionfast._lib import cpu_features, kernels, usable_threads
from regionfast.cli import claims, options, terminal

KERNEL_VARIABLE = "REGIONFAST_KERNEL"
OPTIONAL = ("pyarrow", "polars", "pandas", "duckdb")
"""Packages whose columns are taken as they are."""


def installed(package: str) -> str | None:
    """The version of a package, without importing it; `None` where it is absent."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def machine() -> str:
    """Processor and system, as bug reports need them."""
    return f"{platform.machine()} {platform.system()}"


def free_threaded() -> bool:
    """Whether threads run Python at once: the interpreter may be built for it and still have the lock on."""
    return not getattr(sys, "_is_gil_enabled", lambda: True)()  # of Python 3.13 and newer


@click.command(short_help="Say what is installed, and whether the table is sound.")
@options.table_options
@options.threads
@options.as_json
@options.quiet
def command(
    threads: int | None,
    *,
    as_json: bool,
    quiet: bool,
    **given: Unpack[options.Given],
) -> None:
    """Say what is installed, what a batch will use, and whether the table is sound and of what age.

    With a damaged table all else is still said, and the exit code is 4.

    \b
    Examples:
      regionfast doctor
      regionfast doctor --database GeoLite2-Country.mmdb --json
    """
    forced = os.environ.get(KERNEL_VARIABLE)
    info, refused = None, None
    try:
        info = options.opened(given, quiet=quiet).info
    except click.ClickException as error:
        refused = error
    if as_json:
        report = {
            "regionfast": regionfast.__version__,
            "python": platform.python_version(),
            "free_threaded": free_threaded(),
            "numpy": installed("numpy"),
            "optional": {package: installed(package) for package in OPTIONAL},
            "machine": machine(),
            "cpu_features": cpu_features(),
            "kernels": kernels(),
            "kernel": info.kernel if info else None,
            "kernel_variable": forced,
            "threads": threads or usable_threads(),
            "table": claims.as_object(info) if info else None,
            "error": refused.message if refused else None,
        }
        click.echo(json.dumps(report))
    else:
        lock = "free-threaded" if free_threaded() else "with the global lock"
        pairs = [
            ("regionfast", regionfast.__version__),
            ("Python", f"{platform.python_version()}, {lock}"),
            ("NumPy", installed("numpy") or "absent"),
            *((package, installed(package) or "absent") for package in OPTIONAL),
            ("machine", machine()),
            ("CPU features", " ".join(cpu_features()) or "none that a kernel uses"),
            ("kernel", f"{info.kernel if info else 'none'}; this machine has {', '.join(kernels())}"),
            ("forced", f"{KERNEL_VARIABLE}={forced}" if forced else ""),
            ("threads", f"{threads or usable_threads()}"),
            ("table", claims.source(info) if info else "cannot be used"),
        ]
        if info:
            pairs += [("kind", info.kind), ("built", claims.built(info)), ("digest", info.digest)]
        click.echo(terminal.listing(pairs))
    if refused:
        raise refused
