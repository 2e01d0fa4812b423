"""`regionfast classify`: the lines of logs by region, as counts, rows, lines and a report."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, Unpack

import click

from regionfast import __version__
from regionfast.cli import claims, counted, options, outputs, terminal
from regionfast.cli.exits import INCOMPLETE, USAGE, Failure, refusals, say_each, without_addresses
from regionfast.cli.progress import Bar
from regionfast.errors import AddressError, LogError
from regionfast.logs.formats import FORMATS
from regionfast.logs.pseudonyms import read_key, shows_address
from regionfast.logs.write import KINDS

if TYPE_CHECKING:
    import pyarrow as pa

    from regionfast import TableInfo
    from regionfast.logs.counts import Counts, Series
    from regionfast.logs.run import Opened, Piece, Run

WORDS: Final = "regionfast.cli.classify.words"
"""Where a call keeps its words."""
OPTION: Final = re.compile(
    r"(?<!column )(?<!field )`(by|column|field_path|format|forwarded|keep|not_|on_invalid|only|separator|time|trusted)`"
)
"""An option as errors of the library name it."""


class Remembering(click.Command):
    """A command that knows the words it was called with: a report says how it was made."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep the words, then parse them."""
        ctx.meta[WORDS] = tuple(args)
        return super().parse_args(ctx, args)


class Most(NamedTuple):
    """How many lines may be rejected."""

    limit: Decimal
    is_share: bool

    def allows(self, counts: Counts) -> bool:
        """Whether so many may."""
        if self.is_share:
            return counts.rejected * 100 <= self.limit * (counts.rows + counts.unparsed)
        return counts.rejected <= self.limit

    def __str__(self) -> str:
        return f"{self.limit}{'%' * self.is_share}"


def most(text: str) -> Most:
    """A number of lines, or a share of them."""
    found = re.fullmatch(r"([0-9]{1,18}(?:\.[0-9]{1,9})?)(%?)", text, re.ASCII)
    limit = Decimal(found[1]) if found else Decimal(-1)
    if found is None or (found[2] and limit > 100) or (not found[2] and "." in text):  # noqa: PLR2004 - percent
        raise click.BadParameter("write a number of lines, `100`, or a share of them, `0.5%`")
    return Most(limit, is_share=bool(found[2]))


class Given(options.Given):
    """How the files are read, what is made of them, and the table."""

    format: str
    field_path: str | None
    column: str | None
    separator: str | None
    time: str | None
    forwarded: str | None
    trusted: tuple[str, ...]
    only: tuple[str, ...]
    not_: tuple[str, ...]
    output: Path | None
    keep: tuple[str, ...]
    pseudonymise: Path | None
    rejects: Path | None
    report: Path | None
    min_count: int | None
    force: bool


@click.command(cls=Remembering, short_help="Count the lines of logs by region.")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=options.INPUT)
@click.option("--format", metavar="FORMAT", default="auto", help=f"One of {', '.join(FORMATS)}.  [default: auto]")
@click.option("--field-path", metavar="PATH", help="JSON Lines: where the address is, `request.remote_ip`.")
@click.option("--column", metavar="NAME", help="Tables and W3C: the column of the address.")
@click.option("--separator", metavar="CHAR", help="CSV: what stands between cells.")
@click.option("--time", metavar="FIELD", help="JSON Lines and tables: where the time is.")
@click.option("--forwarded", metavar="FIELD", help="Where X-Forwarded-For or Forwarded is.")
@click.option("--trusted", metavar="NETWORK", multiple=True, help="Own proxies: who they forward for is the client.")
@click.option("--by", type=click.Choice(["hour", "day", "status"]), help="What to count by.  [default: region]")
@click.option("--only", metavar="REGION", multiple=True, help="Choose rows of this region, group or status.")
@click.option("--not", "not_", metavar="REGION", multiple=True, help="Choose rows that are not of it.")
@click.option("--output", "-o", metavar="FILE", type=options.FILE, help=f"Write chosen rows: {', '.join(KINDS)}.")
@click.option("--keep", metavar="FIELD", multiple=True, help="Write this too: address, line, or a field of the log.")
@click.option("--pseudonymise", metavar="KEYFILE", type=options.FILE, help="Write keyed pseudonyms of addresses.")
@click.option(
    "--on-invalid",
    type=click.Choice(["keep", "drop", "fail"]),
    default="keep",
    help="Rows without a sound address: write them, or not, or stop there.  [default: keep]",
)
@click.option("--max-invalid", metavar="N|P%", type=most, help="End with 3 if more lines are rejected.")
@click.option("--rejects", metavar="FILE", type=options.FILE, help="Write which lines are rejected and why, CSV.")
@click.option("--report", metavar="FILE", type=options.FILE, help="Write a page to look at and send.")
@click.option("--min-count", metavar="N", type=click.IntRange(min=1), help="In the report, fewer are `other`.")
@click.option("--force", is_flag=True, help="Replace files that are there.")
@options.table_options
@options.threads
@options.as_json
@options.quiet
@click.pass_context
def command(
    ctx: click.Context,
    files: tuple[Path, ...],
    by: Literal["hour", "day", "status"] | None,
    on_invalid: Literal["keep", "drop", "fail"],
    max_invalid: Most | None,
    threads: int | None,
    *,
    as_json: bool,
    quiet: bool,
    **given: Unpack[Given],
) -> None:
    """Count the lines of logs by region, and on the way enrich, filter or report them.

    Formats are recognised by the first lines, gzip and zstd by content; `-` is stdin. `extract`, the
    first address of each line of any text, is never guessed: sshd prints user names, which strangers
    choose, so that the first address may be theirs.

    Counts are of all lines. --only, --not and --on-invalid choose what is written: rows with line,
    time, region and status to --output, or with `--keep line` alone the lines themselves, as they
    are, to stdout. Rows show addresses only where --keep or --pseudonymise asks for it.

    `rejected` are lines that have not the form of the format and rows whose address is none.
    --trusted, --only, --not and --keep can be given more than once.

    Files with addresses or lines can be read by their owner only.

    With --json: one object with lines, rows, unparsed, skipped, regions, status, files, span, table,
    seconds, and with --by hour or day series.

    \b
    Examples:
      regionfast classify access.log
      regionfast classify access.log* --by day --report visitors.html
      regionfast classify caddy.jsonl --field-path request.remote_ip --json
      regionfast classify access.log --trusted 10.0.0.0/8
      regionfast classify access.log --only EU --keep line | wc -l
      regionfast classify access.log -o rows.parquet --keep user-agent
      journalctl -u ssh | regionfast classify --format extract -
    """
    check(files, given, as_json=as_json)
    streams = given["output"] is None and "line" in given["keep"]
    with refusals(), in_words_of_options():
        from regionfast.logs.formats import Reading
        from regionfast.logs.run import Run

        key = None
        if given["pseudonymise"] is not None:
            key = read_key(given["pseudonymise"])
            if os.name == "posix" and given["pseudonymise"].stat().st_mode & 0o077:
                terminal.notes([f"others may read the key {given['pseudonymise']}: `chmod 600` it"], quiet=quiet)
        reading = Reading(
            format=given["format"],
            field_path=given["field_path"],
            column=given["column"],
            separator=given["separator"],
            time=given["time"],
            forwarded=given["forwarded"],
            trusted=given["trusted"],
        )
        table = options.opened(given, quiet=quiet)
        run = Run(
            list(map(str, files)),
            table=table,
            reading=reading,
            by=by,
            keep=given["keep"] if key is None else ("address", *given["keep"]),
            only=given["only"],
            not_=given["not_"],
            on_invalid=on_invalid,
            rows=given["output"] is not None,
            lines=streams,
            rejects=given["rejects"] is not None,
            times=given["report"] is not None,
            threads=threads,
        )
        counts = passed(run, table.info, given, key, words=ctx.meta[WORDS], streams=streams, quiet=quiet)
    if counts.unparsed and not counts.rows:
        terminal.notes(["no line has the form of the format: give another --format"], quiet=quiet)
    terminal.notes(counts.warnings, quiet=quiet)
    if as_json:
        for part in counted.in_json(counts):
            click.echo(part, nl=False)
        click.echo()
    elif not (streams and quiet):
        click.echo("\n".join(counted.lines(counts, on_stdout=not streams)), err=streams)
    wrong = failures(counts)
    if max_invalid is not None and not max_invalid.allows(counts):
        wrong.append(f"{counts.rejected:,} lines are rejected, more than the {max_invalid} of --max-invalid")
    if wrong:
        say_each(wrong)
        raise click.exceptions.Exit(INCOMPLETE)


@contextmanager
def in_words_of_options() -> Iterator[None]:
    """Name what the library takes as the command does: `--field-path`, not `field_path`."""
    try:
        yield
    except LogError as error:
        raise LogError(as_options(str(error))) from None


def as_options(message: str) -> str:
    """An error of the library in the words of the command."""
    head, found, names = message.partition("found: ")  # columns of a file may be called like an option
    return OPTION.sub(lambda name: f"--{name[1].strip('_').replace('_', '-')}", head) + found + names


def check(files: tuple[Path, ...], given: Given, *, as_json: bool) -> None:
    """Refuse what cannot be meant, before anything is opened."""
    if files.count(Path("-")) > 1:
        raise click.UsageError("`-` can be given once")
    if given["output"] is None:
        if given["pseudonymise"] is not None:
            raise click.UsageError("--pseudonymise is of --output")
        if set(given["keep"]) - {"line"}:
            raise click.UsageError("--keep is of --output, but for `--keep line`, which prints lines")
        if given["keep"] and as_json:
            raise click.UsageError("--json and the lines of `--keep line` are both for stdout: give --output")
    elif given["output"].suffix.lower() not in KINDS:
        raise click.UsageError(f"the suffix of --output says what is written: {', '.join(KINDS)}")
    if given["min_count"] is not None and given["report"] is None:
        raise click.UsageError("--min-count is of --report")
    outputs.refuse_clashes(
        {f"--{name}": given[name] for name in ("output", "rejects", "report")},
        [
            *(("FILE", file) for file in files),
            *((f"--{name}", given[name]) for name in ("pseudonymise", "database", "overrides")),
        ],
        force=given["force"],
    )


def passed(
    run: Run, info: TableInfo, given: Given, key: bytes | None, *, words: tuple[str, ...], streams: bool, quiet: bool
) -> Counts:
    """Read the files and write what is wanted of them; it appears when this is done."""
    from regionfast.logs.run import REASONS, Lines, Opened, Progress, Rejects, Rows

    rows: Callable[[int, pa.RecordBatch], None] | None = None
    rejects = report = None
    told = None
    with ExitStack() as files:
        files.enter_context(outputs.ended_by_sigterm())
        if given["output"] is not None:
            named = not {"address", "line"}.isdisjoint(given["keep"])
            rows = files.enter_context(
                outputs.rows(given["output"], run, info, key, private=named, force=given["force"], quiet=quiet)
            )
        if given["rejects"] is not None:
            rejects = files.enter_context(outputs.whole(given["rejects"], force=given["force"]))
            rejects(outputs.REJECTS)
        if given["report"] is not None:
            report = files.enter_context(outputs.whole(given["report"], force=given["force"]))
        # Lines in a pipe come to somebody who writes to the same terminal: `less`.
        is_shown = not (quiet or (streams and not outputs.is_file(sys.stdout)))
        with Bar(run.paths, shown=is_shown) as bar, closing(pieces(run)) as found:
            for piece in found:
                match piece:
                    case Opened():
                        if key is not None:
                            refuse_addresses(piece, given["keep"])
                        if given["format"] == "auto" and piece.layout.title != told:
                            told = piece.layout.title
                            bar.note(f"{piece.path}: {told}", quiet=quiet)
                    case Progress():
                        bar.move(piece.file, piece.position, run.lines)
                    case Rows() if rows:
                        rows(piece.file, piece.batch)
                    case Lines():
                        outputs.lines(piece.data)
                    case Rejects() if rejects:
                        for part in outputs.rejects(piece, REASONS):
                            rejects(part)
        counts = run.counts()
        told_files = (replace(file, failure=file.failure and as_options(file.failure)) for file in counts.files)
        counts = replace(counts, files=tuple(told_files))
        if not any(file.format for file in counts.files):
            say_each(failures(counts))
            raise click.exceptions.Exit(USAGE)
        if report is not None:
            report(outputs.encoded(page(counts, run.series(), words, given["min_count"])))
    return counts


def refuse_addresses(opened: Opened, keep: tuple[str, ...]) -> None:
    """Refuse to write addresses beside their pseudonyms."""
    for name in keep:
        if shows_address(opened.layout, name):
            raise LogError(f"{opened.path}: --pseudonymise is in vain with `--keep {name}`, which shows addresses")


def pieces(run: Run) -> Generator[Piece]:
    """The pieces of a run. An error of the input is told here, so that it is not taken for one of an output."""
    try:
        yield from run
    except AddressError as error:
        raise Failure(str(error), INCOMPLETE) from None
    except OSError as error:
        raise Failure(f"{error.filename}: {error.strerror}" if error.filename else str(error), USAGE) from None


def failures(counts: Counts, name: Callable[[str], str] = str) -> list[str]:
    """Which files were not read to their end, and why."""
    return [f"{name(file.path)}: {file.failure}" for file in counts.files if file.failure is not None]


FROM_ROOT: Final = re.compile(r"(--[a-z-]+=|-o)?(/.*)", re.DOTALL)
"""A word of a command that is a path from the root, or an option with one."""


def without_folders(word: str) -> str:
    """A word of a command, of a path from the root its last name: `--report=/home/a/b.html` is `--report=b.html`."""
    found = FROM_ROOT.fullmatch(word)
    return word if found is None else (found[1] or "") + (Path(found[2]).name or found[2])


def page(counts: Counts, series: Series | None, words: tuple[str, ...], min_count: int | None) -> str:
    """The report, with the words that made it, but for addresses and for where files are."""
    from regionfast.logs.report import ReportData, html

    info = counts.table
    return html(
        ReportData(
            title="Log lines by region",
            lines=counts.lines,
            rows=counts.rows,
            unparsed=counts.unparsed,
            skipped=counts.skipped,
            status=counts.status,
            regions=counts.regions,
            series=series if series is not None and counts.first is not None else (),
            bucket="day" if counts.by == "day" else "hour",
            first=counts.first,
            last=counts.last,
            undated=counts.undated,
            database=claims.source(info) if claims.is_bundled(info) else Path(info.source or "").name,
            kind=info.kind,
            built_at=info.built_at,
            digest=info.digest,
            attribution=info.attribution,
            warnings=[*info.warnings, *counts.warnings, *failures(counts, lambda path: Path(path).name)],
            command=without_addresses(shlex.join(["regionfast", "classify", *map(without_folders, words)])),
            files=[Path(file.path).name for file in counts.files],
            formats=list(dict.fromkeys(file.title for file in counts.files if file.title is not None)),
            generated_at=datetime.now(UTC),
            version=__version__,
            min_count=min_count,
        )
    )
