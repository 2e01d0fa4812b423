"""`regionfast table`: what a table is, making one, checking one."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Literal, Unpack

import click

from regionfast.cli import claims, compare, options, terminal
from regionfast.cli.exits import FALSE, INCOMPLETE, Failure


@click.group(no_args_is_help=False)
def command() -> None:
    """Describe, make or check tables."""


@command.command(short_help="Say what a table is and claims.")
@click.argument("file", required=False, type=options.FILE)
@options.table_options
@options.as_json
@options.quiet
def info(
    file: Path | None,
    *,
    as_json: bool,
    quiet: bool,
    **given: Unpack[options.Given],
) -> None:
    """Say what FILE is and claims: a database, a compiled table, or without FILE the bundled table.

    \b
    Examples:
      regionfast table info
      regionfast table info GeoLite2-City.mmdb --level subdivision --json
    """
    if file is not None:
        if given["database"] is not None:
            raise click.UsageError("give FILE or --database, not both")
        given["database"] = file
    table = options.opened(given, quiet=quiet)
    if as_json:
        click.echo(json.dumps(claims.as_object(table.info)))
    else:
        click.echo(terminal.listing(claims.in_words(table.info)))


@command.command(short_help="Compile a database to a table.")
@click.argument("database", type=options.FILE)
@click.option("-o", "--output", required=True, metavar="OUT", type=options.FILE, help="The file to write.")
@options.level
@click.option(
    "--field",
    multiple=True,
    metavar="PATH",
    help="Where a record has the region, `geo.cc`; twice for country and subdivision.  [default: known shapes]",
)
@click.option("--registered", is_flag=True, help="Take the registered country where there is no other.")
@options.overrides
@click.option("--attribution", default="", metavar="TEXT", help="Credit that the database's licence asks for.")
@click.option(
    "--built-at", metavar="TIME", type=options.moment, help="When DATABASE was built, where it does not say: CSV."
)
@click.option("--no-unwrap", is_flag=True, help="Judge IPv4 inside IPv6 as the IPv6 address that it is in.")
@click.option(
    "--nat64",
    multiple=True,
    metavar="PREFIX",
    help="An own NAT64 prefix (RFC 6052) to unwrap; can be repeated.",
)
@options.as_json
@options.quiet
def build(
    database: Path,
    output: Path,
    level: Literal["country", "subdivision"] | None,
    field: tuple[str, ...],
    overrides: Path | None,
    attribution: str,
    built_at: datetime | None,
    nat64: tuple[str, ...],
    *,
    registered: bool,
    no_unwrap: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Compile DATABASE (.mmdb or CSV) to a table that opens in milliseconds.

    The same database and options give the same bytes. OUT appears whole or not at all.

    \b
    Examples:
      regionfast table build GeoLite2-Country.mmdb -o country.rft
      regionfast table build dbip-city.mmdb -o states.rft --level subdivision \\
          --field country_code --field state1 \\
          --attribution "IP Geolocation by DB-IP"
    """
    if output.exists() and database.exists() and output.samefile(database):
        raise click.UsageError("OUT is the database itself")
    table = options.open_table(
        database,
        quiet=quiet,
        level=level,
        field=fields(field),
        registered=registered,
        overrides=overrides,
        unwrap=False if no_unwrap else None,
        nat64=nat64 or None,
        attribution=attribution,
        built_at=built_at,
    )
    try:
        table.save(output)
    except OSError as error:
        raise Failure(str(error), INCOMPLETE) from None
    size = output.stat().st_size
    if as_json:
        click.echo(json.dumps(claims.as_object(table.info) | {"output": str(output), "output_bytes": size}))
    else:
        wrote = [("wrote", f"{output}, {size:,} bytes"), *claims.identity(table.info)]
        click.echo(terminal.listing(wrote))


def fields(paths: tuple[str, ...]) -> tuple[str] | tuple[str, str] | None:
    """The paths of region, or of country and subdivision."""
    match paths:
        case ():
            return None
        case (region,):
            return (region,)
        case (country, subdivision):
            return (country, subdivision)
    raise click.UsageError("--field is given once, or twice for country and subdivision")


@command.command(short_help="Read and validate a whole table.")
@click.argument("file", type=options.FILE)
@click.option(
    "--against",
    metavar="DATABASE",
    type=options.FILE,
    help="Compile DATABASE as FILE says it was and compare the digests; exit code 1 where they differ.",
)
@options.as_json
@options.quiet
def verify(file: Path, against: Path | None, *, as_json: bool, quiet: bool) -> None:
    """Read and validate the whole of FILE; exit code 4 where it is not sound.

    A damaged compiled table is always found, by its digest. An .mmdb has none: there, sound means that
    the whole tree and all its records can be read.

    --against takes level, unwrapping, NAT64 prefixes and attribution from FILE. A table that was made
    with --field, --registered or --overrides cannot be compared.

    \b
    Examples:
      regionfast table verify country.rft
      regionfast table verify country.rft --against GeoLite2-Country.mmdb
    """
    table = options.open_table(file, quiet=quiet)
    found = table.info
    if against is not None:
        other = options.open_table(
            against,
            quiet=True,
            level="subdivision" if found.level == "subdivision" else "country",
            unwrap=found.unwrap,
            nat64=found.nat64,
            attribution=found.attribution,
        )
        if other.info.digest != found.digest:
            raise Failure(f"{file}: the digest is not that of the table that {against} gives", FALSE)
    if as_json:
        click.echo(json.dumps({"sound": True, **claims.as_object(found)}))
    else:
        click.echo(terminal.listing([("file", str(file)), ("sound", "yes"), *claims.identity(found)]))


command.add_command(compare.command, "compare")
