"""Files of JSON that pass through other hands: saved plans, approvals, receipts. Read strictly, or refused."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from typing import Final, NoReturn

from regionfast.errors import DocumentError
from regionfast.regions.error import shown

VERSION: Final = 1
"""Of the formats of all three."""
TIME: Final = "%Y-%m-%dT%H:%M:%SZ"
HASH: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
PSEUDONYM: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)
ANYTHING: Final = re.compile(r".*", re.DOTALL)
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)


def load(path: str | PathLike[str], *, largest: int) -> bytes:
    """The bytes of a file.

    Raises:
        DocumentError: It cannot be read, or has more bytes than `largest`.
    """
    try:
        with Path(path).open("rb") as file:
            text = file.read(largest + 1)
    except OSError as error:
        raise DocumentError(f"cannot read {path}: {error.strerror}") from None
    if len(text) > largest:
        raise DocumentError(f"{path}: is larger than {largest:,} bytes, as no such file is")
    return text


def save(path: str | PathLike[str], text: str) -> None:
    """Write a text in ASCII.

    Raises:
        DocumentError: It cannot be written.
    """
    try:
        Path(path).write_text(text, encoding="ascii")
    except OSError as error:
        raise DocumentError(f"cannot write {path}: {error.strerror}") from None


class Section:
    """An object of JSON that has some members and no others. What is wrong is said by name, never what stands there."""

    def __init__(self, found: object, names: Iterable[str], *, kind: str, source: str, place: str = "") -> None:
        """Take a value.

        Args:
            found: What was read.
            names: Its members.
            kind: What the document is, for errors.
            source: Its name, for errors.
            place: Where in the document the value is.

        Raises:
            DocumentError: It is no object, lacks a member, or has one too many.
        """
        self._place = f"{place}." if place else ""
        self._kind = kind
        self._source = source
        what = f"`{place}`" if place else "it"
        if not isinstance(found, dict):
            raise DocumentError(f"{source}: {what} is no object of JSON")
        for name in names:
            if name not in found:
                self.refuse(name, "is missing")
        for name in found:
            if name not in names:
                raise DocumentError(f"{source}: {what} has a key too many, {shown(name)}")
        self.values: Mapping[str, object] = found

    @classmethod
    def of(cls, text: str | bytes, names: Iterable[str], *, kind: str, source: str) -> Section:
        """The whole of a document, whose `version` is one that is read here.

        Raises:
            DocumentError: It is no JSON, says something twice, is of another version, or has other members.
        """
        try:
            found = json.loads(text, object_pairs_hook=_once, parse_constant=_refuse)
        except (ValueError, RecursionError):
            raise DocumentError(f"{source}: is no JSON, or says something twice") from None
        version = found.get("version") if isinstance(found, dict) else None
        if type(version) is not int or version != VERSION:
            raise DocumentError(f"{source}: is no {kind} of version {VERSION}, which is what this release reads")
        return cls(found, ("version", *names), kind=kind, source=source)

    def inside(self, name: str, names: Iterable[str]) -> Section:
        """A member that is an object itself."""
        return Section(self.values[name], names, kind=self._kind, source=self._source, place=f"{self._place}{name}")

    def items(self, name: str, names: Iterable[str]) -> list[Section]:
        """A member that is a list of objects."""
        found = self.values[name]
        if not isinstance(found, list):
            self.refuse(name, "is no list")
        names = tuple(names)
        return [
            Section(one, names, kind=self._kind, source=self._source, place=f"{self._place}{name}[{number}]")
            for number, one in enumerate(found)
        ]

    def text(self, name: str, form: re.Pattern[str] = ANYTHING) -> str:
        """A text of some form."""
        value = self.values[name]
        if not (isinstance(value, str) and form.fullmatch(value)):
            self.refuse_value(name)
        return value

    def text_or_none(self, name: str, form: re.Pattern[str] = ANYTHING) -> str | None:
        """A text of some form, or null."""
        return None if self.values[name] is None else self.text(name, form)

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts."""
        value = self.values[name]
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            self.refuse_value(name)
        return tuple(map(str, value))

    def moment(self, name: str) -> datetime:
        """A time as we write it, UTC in whole seconds."""
        try:
            return datetime.strptime(self.text(name, _MOMENT), TIME).replace(tzinfo=UTC)
        except ValueError as error:
            if isinstance(error, DocumentError):
                raise
            self.refuse(name, "is a time that there is not")

    def octets(self, name: str, size: int) -> bytes:
        """Some bytes in base64."""
        try:
            found = base64.b64decode(self.text(name), validate=True)
        except (ValueError, binascii.Error):
            found = b""
        # One value has one spelling.
        if len(found) != size or base64.b64encode(found).decode("ascii") != self.values[name]:
            self.refuse_value(name)
        return found

    def refuse_value(self, name: str) -> NoReturn:
        """Say that a member is not what it may be."""
        self.refuse(name, f"is not what {'an' if self._kind[0] in 'aeiou' else 'a'} {self._kind} has there")

    def refuse(self, name: str, why: str) -> NoReturn:
        """Say what is wrong with a member."""
        raise DocumentError(f"{self._source}: `{self._place}{name}` {why}")


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member twice")
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)
