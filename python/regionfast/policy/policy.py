"""A policy: what a file says, with the authority that a deployment gives it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from datetime import UTC, date, datetime
from enum import Enum
from os import PathLike
from types import MappingProxyType
from typing import Final

import numpy as np
import numpy.typing as npt

from regionfast.errors import PolicyError, Problem
from regionfast.policy.deployment import Deployment
from regionfast.policy.document import VERSION, entry_id, nearest, read
from regionfast.policy.findings import Finding, findings
from regionfast.policy.model import Correction, Defaults, Entry, Exemption, Order, Rule, State
from regionfast.policy.parse import parse
from regionfast.policy.tells import TellsRegions, Told, untold
from regionfast.regions.error import shown
from regionfast.types import Effect


@dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False, weakref_slot=True)
class Policy:
    """Orders, rules and what is stronger than they are. Made by `load` or `from_text`; can be pickled.

    Two policies are equal where revision and deployment are.
    """

    orders: tuple[Order, ...] = ()
    rules: tuple[Rule, ...] = ()
    corrections: tuple[Correction, ...] = ()
    exemptions: tuple[Exemption, ...] = ()
    defaults: Defaults | None = None
    """What allow-only rules do with those they cannot place; `None` where there is no such rule and it is not said."""
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Own groups of regions, by name, for rules and exemptions."""
    deployment: Deployment | None = None
    """Where the issuers of its orders are enrolled; `None`: nobody has checked them."""
    revision: str = field(init=False)
    """SHA-256 of the canonical form, hexadecimal: equal revisions decide alike.

    The canonical form is JSON without blanks and in ASCII, the keys of each object sorted: `version` (1), `orders`,
    `rules`, `corrections`, `exemptions` (lists in the order of the file, since the first of equals explains),
    `defaults` and `groups`. Each entry has all fields of its class in `model`, defaults written out, but for
    `Order.spared`, which follows from the rest and the region data. `Order.jurisdiction` is among them: with another
    jurisdiction an order may reach other people. Region codes are canonical; the lists inside an entry are
    alternatives and are sorted, each item once; times are UTC as in `2020-06-03T00:00:00Z`, with six digits of a
    second where it is not whole; dates are ISO 8601; networks are text; effects and states are lower-case words; what
    is absent is null. Comments, the order of keys and the form of the file thus do not matter.
    """
    numbers: Mapping[str, int] = field(init=False)
    """Of each of `entries` its place there, by its id."""
    digests: npt.NDArray[np.uint64] = field(init=False)
    """Of each of `entries` SHA-256 of its canonical form, `(entries, 4)`: equal ones say the same."""
    _spans: npt.NDArray[np.float64] = field(init=False)
    """From when and until before when each of `entries` acts on who is inside, `(2, entries)`; NaN: never."""

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "groups", MappingProxyType(dict(self.groups)))
        forms = [_JSON(_plain(entry)) for entry in self.entries]
        put(self, "revision", hashlib.sha256(self._canonical(forms).encode("ascii")).hexdigest())
        # A monitor compares policies often, and to look at a thousand entries takes longer than all the rest.
        digests = b"".join(hashlib.sha256(form.encode("ascii")).digest() for form in forms)
        put(self, "digests", np.frombuffer(digests, np.uint64).reshape(-1, 4))
        put(self, "numbers", {entry.id: number for number, entry in enumerate(self.entries)})
        spans = np.array([_span(entry) for entry in self.entries], np.float64).reshape(-1, 2).T
        put(self, "_spans", spans)

    @classmethod
    def load(cls, path: str | PathLike[str], *, deployment: Deployment | str | PathLike[str] | None = None) -> Policy:
        """Read a policy file, UTF-8.

        Args:
            path: The file.
            deployment: The operator's deployment, or its file. Without one the issuers of orders are unchecked and
                what the policy decides is advisory.

        Raises:
            PolicyError: The file cannot be read, or anything in it is wrong; holds all problems, each with its place.
            DeploymentError: The same of the deployment's file.
        """
        if not isinstance(deployment, Deployment) and deployment is not None:
            deployment = Deployment.load(deployment)
        return cls.from_text(read(path, PolicyError), deployment=deployment, source=str(path))

    @classmethod
    def from_text(
        cls,
        toml: str,
        *,
        deployment: Deployment | str | PathLike[str] | None = None,
        source: str | None = None,
    ) -> Policy:
        """Read a policy from text. `source` is what errors call it; the rest is as in `load`."""
        if not isinstance(deployment, Deployment) and deployment is not None:
            deployment = Deployment.load(deployment)
        return cls(**parse(toml, deployment=deployment, source=source), deployment=deployment)

    @property
    def is_advisory(self) -> bool:
        """Whether no deployment has vouched for the issuers of the orders."""
        return self.deployment is None

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Orders, then rules, each in the order of the file."""
        return self.orders + self.rules

    def entry(self, name: str) -> Entry:
        """The order or rule with that id.

        Raises:
            PolicyError: There is none.
        """
        number = self.numbers.get(name)
        if number is not None:
            return self.orders[number] if number < len(self.orders) else self.rules[number - len(self.orders)]
        near = nearest(name, [entry.id for entry in self.entries])
        raise PolicyError([Problem("", f"{shown(name)} is the id of no order and of no rule", near)])

    def acting(self, at: datetime) -> npt.NDArray[np.bool_]:
        """Which of `entries` act on who is inside at a moment: orders in force and rules that do not keep him."""
        moment = at.timestamp()
        acts: npt.NDArray[np.bool_] = (self._spans[0] <= moment) & (moment < self._spans[1])
        return acts

    def without(self, name: str) -> Policy:
        """The policy without one order or rule; the same where it has none of that id."""
        return replace(
            self,
            orders=tuple(order for order in self.orders if order.id != name),
            rules=tuple(rule for rule in self.rules if rule.id != name),
        )

    def bind(self, table: TellsRegions) -> Policy:
        """The policy itself, where the table can tell all its regions.

        A table of countries cannot tell `UA-43`, nor what is left of `UA` where that is spared: such an order would do
        nothing, such a rule would hold. A region where the table has no address at all is no problem.

        Raises:
            PolicyError: What it cannot tell, by place in the file, and what would do.
        """
        told = Told(table.regions)
        # An order was checked at its beginning: its groups are known to be recorded then.
        at = table.info.built_at or datetime.now(UTC)
        asked: list[tuple[str, Entry | Exemption, datetime]] = [
            *((f"order[{index}]", order, order.start) for index, order in enumerate(self.orders)),
            *((f"rule[{index}]", rule, at) for index, rule in enumerate(self.rules)),
            *((f"exemption[{index}]", exemption, at) for index, exemption in enumerate(self.exemptions)),
        ]
        problems = [
            Problem(f"{place}.{problem.place}", problem.message, problem.suggestions, _id_of(entry))
            for place, entry, moment in asked
            for problem in untold(entry, moment, told, self.groups)
        ]
        if problems:
            raise PolicyError(problems)
        return self

    def findings(self, at: datetime, table: TellsRegions | None = None) -> tuple[Finding, ...]:
        """What an author should know of it at a moment, with a table also what that cannot tell: see `findings`.

        Raises:
            ValueError: A time without its offset.
        """
        return findings(self, at, table)

    def _canonical(self, entries: list[str]) -> str:
        """The form that `revision` describes, from those of the entries."""
        parts = {
            "corrections": _JSON([_plain(correction) for correction in self.corrections]),
            "defaults": _JSON(_plain(self.defaults)),
            "exemptions": _JSON([_plain(exemption) for exemption in self.exemptions]),
            "groups": _JSON({name: _plain(members) for name, members in self.groups.items()}),
            "orders": f"[{','.join(entries[: len(self.orders)])}]",
            "rules": f"[{','.join(entries[len(self.orders) :])}]",
            "version": _JSON(VERSION),
        }
        return "{" + ",".join(f'"{name}":{part}' for name, part in parts.items()) + "}"

    # Caches hold policies as keys, and to hash all entries takes longer than to decide by them.
    def __hash__(self) -> int:
        return hash(self.revision)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Policy):
            return NotImplemented
        return (self.revision, self.deployment) == (other.revision, other.deployment)

    def __reduce__(self) -> tuple[object, ...]:
        # A mapping proxy cannot be pickled, and the revision is made anew.
        given = {part.name: getattr(self, part.name) for part in fields(self) if part.init}
        return _restored, (given | {"groups": dict(self.groups)},)

    def __repr__(self) -> str:
        orders = f"{len(self.orders)} order{'' if len(self.orders) == 1 else 's'}"
        rules = f"{len(self.rules)} rule{'' if len(self.rules) == 1 else 's'}"
        return f"<Policy of {orders}, {rules}, revision {self.revision[:4]}…>"


_JSON: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode


def _span(entry: Entry) -> tuple[float, float]:
    """From when and until before when an entry acts on who is inside, in seconds since 1970; NaN: never."""
    if entry.present is Effect.KEEP:
        return np.nan, np.nan
    if not isinstance(entry, Order):
        return -np.inf, np.inf
    if entry.state is not State.ACTIVE:
        return np.nan, np.nan
    return entry.since.timestamp(), entry.end.timestamp()


def _id_of(entry: Entry | Exemption) -> str | None:
    return None if isinstance(entry, Exemption) else entry_id(entry.id)


def _restored(given: dict[str, object]) -> Policy:
    return Policy(**given)  # type: ignore[arg-type]  # what `__reduce__` took from a policy


def _plain(value: object) -> object:
    """A value of `model` as JSON has it."""
    if is_dataclass(value):
        return {part.name: _plain(getattr(value, part.name)) for part in fields(value) if part.name != "spared"}
    if isinstance(value, Enum):
        return value.name.lower()
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, tuple):
        return sorted({str(item) for item in value})
    return value
