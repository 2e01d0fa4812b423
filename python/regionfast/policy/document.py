"""A TOML file that people write, read strictly: everything that is wrong at once, each with its place.

What is wrong is noted and a stand-in of the right type is handed back, so that reading goes on. Nothing that holds a
stand-in may leave: whoever reads a document ends with `Document.finish`, which raises where anything was noted.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time
from os import PathLike
from pathlib import Path as FilePath
from typing import Final, TypeAlias, TypeVar

from regionfast import regions
from regionfast.errors import Problem
from regionfast.names import plain
from regionfast.regions import RegionError
from regionfast.regions.error import shown

T = TypeVar("T")
Path: TypeAlias = "tuple[str | int, ...]"
Refusal: TypeAlias = Callable[[Sequence[Problem], str | None], Exception]
"""What makes an exception of problems and the name of a file."""

VERSION: Final = 1
"""Of the format of both files."""
STAND_IN: Final = datetime(1970, 1, 1, tzinfo=UTC)

_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}", re.ASCII)
# Other keys are not repeated: in quotes, a key may be any text, an address too.
_KEY: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,40}", re.ASCII)
# Of messages of `tomllib`, which may quote a key.
_QUOTED: Final = re.compile(r"'[^']*\w[^']*'|\"[^\"]*\w[^\"]*\"")
_NEAR: Final = 0.6
"""`difflib`'s own measure of what is near; options are few here and unlike each other."""
_LONGEST: Final = 64
"""Longer text is no misspelt word."""

_KINDS: Final[tuple[tuple[type, str], ...]] = (  # the first that fits: `bool` is an `int`, `datetime` is a `date`
    (str, "a text"),
    (bool, "true or false"),
    (int, "a number"),
    (float, "a number"),
    (datetime, "a time"),
    (date, "a date"),
    (time, "a time of day"),
    (list, "a list"),
    (dict, "a table"),
)


def nearest(word: str, options: Iterable[str]) -> tuple[str, ...]:
    """The option that is spelt most like a word, where one is near."""
    if len(word) > _LONGEST:
        return ()
    return tuple(difflib.get_close_matches(word.strip().lower().replace("_", "-"), list(options), n=1, cutoff=_NEAR))


def _kind(value: object) -> str:
    return next(name for kind, name in _KINDS if isinstance(value, kind))


def entry_id(text: str) -> str | None:
    """The id of an entry as messages may repeat it: one that looks like an address is none."""
    return text if _ID.fullmatch(text) and shown(text) == f"`{text}`" else None


class Document:
    """One file: what it says, and what is wrong with it."""

    def __init__(self, toml: str, refusal: Refusal, source: str | None) -> None:
        """Parse the text.

        Raises:
            Exception: The refusal, where the text is no TOML; then nothing else can be said.
        """
        self._refusal = refusal
        self._source = source
        self._noted: list[tuple[Path, Problem]] = []
        try:
            toml.encode("utf-8")  # a text that no file can hold
            self.values: dict[str, object] = tomllib.loads(toml)
        except UnicodeEncodeError:
            raise refusal([Problem("", "is no text of Unicode")], source) from None
        except RecursionError:
            raise refusal([Problem("", "is no TOML: nested too deeply")], source) from None
        except ValueError as error:  # also of numbers with thousands of digits
            text = _QUOTED.sub("this", str(error))
            raise refusal([Problem("", f"is no TOML: {text[:1].lower()}{text[1:]}")], source) from None

    def note(self, path: Path, message: str, suggestions: tuple[str, ...] = ()) -> None:
        """Something is wrong at a place."""
        self._noted.append((path, Problem(place(path), message, suggestions, self._entry(path))))

    def _entry(self, path: Path) -> str | None:
        """The id of the order or rule that a place is in, where it has a sound one."""
        match path:
            case ("order" | "rule" as kind, int(index), *rest) if rest[:1] != ["id"]:
                tables = self.values[kind]
                values = tables[index] if isinstance(tables, list) else None
                found = values.get("id") if isinstance(values, dict) else None
                return entry_id(found) if isinstance(found, str) else None
        return None

    def check_unique(self, sections: Iterable[Section], key: str) -> None:
        """Note each table that has the same text under a key as one before it."""
        seen: dict[str, str] = {}
        for section in sections:
            value = section.get(key)
            if isinstance(value, str) and section.is_sound(key):
                if value in seen:
                    section.note(key, f"is the same as that of `{seen[value]}`")
                seen.setdefault(value, section.place)

    def finish(self) -> None:
        """Raise the refusal with all that was noted, in the order of the file; tables of one name stand together."""
        if self._noted:
            self._noted.sort(key=lambda noted: self._position(noted[0]))
            raise self._refusal([problem for _, problem in self._noted], self._source)

    def _position(self, path: Path) -> list[int]:
        found: object = self.values
        position = []
        for part in path:
            if isinstance(part, int):
                position.append(part)
                found = found[part] if isinstance(found, list) else None
            elif isinstance(found, dict) and part in found:
                position.append(list(found).index(part))
                found = found[part]
            else:  # missing, and said at the end of what lacks it
                position.append(len(found) if isinstance(found, dict) else 0)
                found = None
        return position


def place(path: Path) -> str:
    """A path as text, `order[0].regions[1]`, up to the first key that may not be repeated."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif _KEY.fullmatch(part):
            text += f".{part}" if text else part
        else:
            break
    return text


class Section:
    """One table of a document, read key by key. Keys that it may not have are noted at once."""

    def __init__(
        self, document: Document, values: Mapping[str, object], path: Path = (), *, keys: Sequence[str] | None
    ) -> None:
        """Of the keys it may have; `None`: any, as in a table that its author fills with names."""
        self._document = document
        self._values = values
        self._path = path
        self._wrong: set[tuple[str, int | None]] = set()
        if keys is not None:
            for key in values:
                if key not in keys:
                    self._unknown(key, keys)

    def _unknown(self, key: str, keys: Sequence[str]) -> None:
        if _KEY.fullmatch(key):
            self.note(key, "is no key that may stand here", nearest(key, keys))
        else:
            self._document.note(self._path, "has a key that may not stand here: a key is a plain word")

    def check_version(self, *, required: bool) -> None:
        """Note a version of the format that this release does not read."""
        value = self.value("version", required=False)
        if value is None and required:
            self.note("version", f"is missing: write `version = {VERSION}`")
        if value is not None and (type(value) is not int or value != VERSION):
            self.note("version", f"is not known: this release reads `version = {VERSION}`")

    @property
    def place(self) -> str:
        """Where it stands in the file: `order[0]`."""
        return place(self._path)

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that are there, in the order of the file."""
        return tuple(self._values)

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def note(self, key: str, message: str, suggestions: tuple[str, ...] = (), *, index: int | None = None) -> None:
        """Something is wrong with a key, or with an item of its list."""
        self._wrong.add((key, index))
        path = (*self._path, key) if index is None else (*self._path, key, index)
        self._document.note(path, message, suggestions)

    def note_whole(self, message: str) -> None:
        """Something is wrong with the table as a whole."""
        self._document.note(self._path, message)

    def is_sound(self, *keys: str) -> bool:
        """Whether nothing was noted of some keys so far, so that what they say together can be judged."""
        return not any(key in keys for key, _ in self._wrong)

    def is_sound_item(self, key: str, index: int) -> bool:
        """The same for one item of a list."""
        return (key, index) not in self._wrong

    def get(self, key: str) -> object | None:
        """What stands there, whatever it is, without judging it."""
        return self._values.get(key)

    def value(self, key: str, *, required: bool) -> object | None:
        """Whatever stands there; `None` where nothing does, noted where something must."""
        found = self._values.get(key)
        if found is None and required:
            self.note(key, "is missing")
        return found

    def text(self, key: str, *, required: bool = True) -> str:
        """A text that is not empty; `""` where there is none."""
        value = self.value(key, required=required)
        return "" if value is None else self._text(value, key)

    def _text(self, value: object, key: str, index: int | None = None) -> str:
        if not isinstance(value, str):
            hint = ": write it in quotes" if isinstance(value, int | float) else ""
            self.note(key, f"is {_kind(value)}, not a text{hint}", index=index)
        elif not value.strip():
            self.note(key, "is an empty text", index=index)
        else:
            return plain(value)
        return ""

    def id(self, key: str = "id") -> str:
        """A name that other files and reports use: short and without blanks."""
        found = self.text(key)
        if found and not _ID.fullmatch(found):
            self.note(key, "has at most 128 of the letters A to Z, a to z, digits, `.`, `_`, `:` and `-`")
        return found

    def items(self, key: str, *, required: bool = False) -> list[object]:
        """A list of at least one item; empty where there is none."""
        value = self.value(key, required=required)
        if value is None:
            return []
        if not isinstance(value, list):
            hint = ": write it in brackets" if isinstance(value, str) else ""
            self.note(key, f"is {_kind(value)}, not a list{hint}")
            return []
        if not value:
            self.note(key, "is an empty list: name at least one" if required else "is an empty list: leave it out")
        return value

    def texts(self, key: str, *, required: bool = False) -> tuple[str, ...]:
        """A list of texts that are not empty; empty where there is none."""
        return tuple(self._text(value, key, index) for index, value in enumerate(self.items(key, required=required)))

    def choice(self, key: str, options: Mapping[str, T], default: T | None = None) -> T:
        """What one of a few words stands for; without a default the key must be there."""
        stand_in = next(iter(options.values())) if default is None else default
        value = self.text(key, required=default is None)
        if value in options:
            return options[value]
        if value:
            self.note(key, f"{shown(value)} is none of {', '.join(options)}", nearest(value, options))
        return stand_in

    def flag(self, key: str) -> bool:
        """True or false; false where there is none."""
        value = self.value(key, required=False)
        if value is None or isinstance(value, bool):
            return value is True
        self.note(key, f"is {_kind(value)}: write true or false, without quotes")
        return False

    def whole(self, key: str, default: int, *, least: int) -> int:
        """A whole number of at least so much."""
        value = self.value(key, required=False)
        if value is None:
            return default
        if type(value) is not int:  # true and false are whole numbers to Python
            self.note(key, f"is {_kind(value)}, not a whole number" if type(value) is not float else "is not whole")
        elif value < least:
            self.note(key, f"is less than {least}")
        else:
            return value
        return default

    def moment(self, key: str, *, required: bool = True) -> datetime | None:
        """A time with its offset, as UTC; `None` where there is none and need not be."""
        value = self.value(key, required=required)
        if value is None:
            return STAND_IN if required else None
        if not isinstance(value, datetime):
            self.note(key, f"is {_kind(value)}: write a time with its offset, `2020-06-03T00:00:00Z`, without quotes")
        elif value.utcoffset() is None:
            self.note(key, "has no offset from UTC: write `Z` or one such as `+08:00` after it")
        elif value.microsecond:
            self.note(key, "has a fraction of a second: decisions are made for whole seconds")
        else:
            try:
                return value.astimezone(UTC)
            except OverflowError:
                self.note(key, "is before the year 1 or after the year 9999 in UTC")
        return STAND_IN

    def day(self, key: str) -> date:
        """A date without a time."""
        value = self.value(key, required=True)
        if value is None:
            return STAND_IN.date()
        if isinstance(value, date) and not isinstance(value, datetime):
            return value
        self.note(key, f"is {_kind(value)}: write a date, `2020-06-02`, without quotes")
        return STAND_IN.date()

    def region(self, key: str) -> str | None:
        """One region code, canonical; `None` where there is none."""
        text = self.text(key, required=False)
        if not text:
            return None
        try:
            return regions.parse(text)
        except RegionError as error:
            self.note(key, error.message, error.suggestions)
            return None

    def place_name(self, key: str, own: Iterable[str] = ()) -> str:
        """One region code, canonical, or the name of one of our groups, never an own one."""
        value = self.value(key, required=True)
        return "" if value is None else self._place_name(value, key, None, own, may_be_own=False)

    def place_names(
        self, key: str, own: Iterable[str] = (), *, may_be_own: bool, required: bool = True
    ) -> tuple[str, ...]:
        """A list of region codes, canonical, of names of our groups and, where they may be, of own ones."""
        return tuple(
            self._place_name(value, key, index, own, may_be_own=may_be_own)
            for index, value in enumerate(self.items(key, required=required))
        )

    def _place_name(self, value: object, key: str, index: int | None, own: Iterable[str], *, may_be_own: bool) -> str:
        text = self._text(value, key, index)
        if not text or regions.is_group(text):
            return text
        if text in own:
            if not may_be_own:
                message = f"{shown(text)} is a group of this file: name regions of ISO 3166, or a group such as `EU`"
                self.note(key, message, index=index)
            return text
        try:
            return regions.parse(text)
        except RegionError as error:
            suggestions = error.suggestions or (nearest(text, own) if may_be_own else ())
            self.note(key, error.message, suggestions, index=index)
            return text

    def section(self, key: str, keys: Sequence[str] | None) -> Section | None:
        """The table of that name; `None` where there is none."""
        value = self.value(key, required=False)
        if value is None:
            return None
        if not isinstance(value, dict):
            brackets = " with single brackets" if isinstance(value, list) else ""
            self.note(key, f"is {_kind(value)}, not a table: write `[{key}]`{brackets}")
            return None
        return Section(self._document, value, (*self._path, key), keys=keys)

    def sections(self, key: str, keys: Sequence[str]) -> list[Section]:
        """The tables of that name, in the order of the file; an empty list of them is as good as none."""
        value = self.value(key, required=False)
        if value is None:
            return []
        if not isinstance(value, list):
            self.note(key, f"is {_kind(value)}, not a list of tables: write `[[{key}]]` before each")
            return []
        found = []
        for index, item in enumerate(value):
            if isinstance(item, dict):
                found.append(Section(self._document, item, (*self._path, key, index), keys=keys))
            else:
                self.note(key, f"is {_kind(item)}, not a table: write `[[{key}]]`", index=index)
        return found


def read(path: str | PathLike[str], refusal: Refusal) -> str:
    """The text of a file, with or without a byte-order mark.

    Raises:
        Exception: The refusal, where there is no such file, or it is not UTF-8.
    """
    try:
        return FilePath(path).read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise refusal([Problem("", f"cannot be read: {error.strerror or 'no such file'}")], str(path)) from None
    except UnicodeDecodeError as error:
        raise refusal([Problem("", f"is not UTF-8: see byte {error.start}")], str(path)) from None
