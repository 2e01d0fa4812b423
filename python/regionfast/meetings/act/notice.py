"""What a person is told who may not stay or join: who demands it, by which law, on what evidence, and until when."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

from regionfast.meetings.audit.document import TIME
from regionfast.policy.model import Entry, Order
from regionfast.types import TableInfo


def about(entry: Entry) -> dict[str, str | None]:
    """What is told of an order or rule wherever it acts: to approvers, to the person, and in the audit.

    `type`, `issuer` (of a rule the account that owns the meetings), `reference` (of a rule its reason), `law` and
    `contest`, where to contest it (both empty of a rule), and `until`, when an order ends at the latest.
    """
    if isinstance(entry, Order):
        return {
            "type": "order",
            "issuer": entry.issuer,
            "reference": entry.reference,
            "law": entry.law,
            "contest": entry.contest,
            "until": entry.end.strftime(TIME),
        }
    return {
        "type": "rule",
        "issuer": entry.account,
        "reference": entry.reason,
        "law": "",
        "contest": "",
        "until": None,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """The explanation that RFC 7725 section 3 asks for: demanding party, law, and whom and what it applies to."""

    by: str
    """Id of the order or rule."""
    demanded_by: str
    """The issuer of an order; of a rule the account that owns the meeting."""
    reference: str
    law: str
    contest: str
    """Where to contest it; empty for a rule."""
    until: datetime | None
    """When it ends at the latest; `None` for a rule."""
    meeting: str
    region: str | None
    """Where the table places the address. That is a claim of the table, not of where the person is."""
    table: str
    """The table that claims it."""
    table_date: datetime | None
    blocked_by: str
    """Who runs the system that acts: the link relation `blocked-by` of RFC 7725 section 4; empty where not said."""

    @classmethod
    def of(cls, entry: Entry, meeting: str, region: str | None, table: TableInfo, blocked_by: str) -> Notice:
        """For one connection that an entry reaches."""
        said = about(entry)
        return cls(
            by=entry.id,
            demanded_by=said["issuer"] or "",
            reference=said["reference"] or "",
            law=said["law"] or "",
            contest=said["contest"] or "",
            until=entry.end if isinstance(entry, Order) else None,
            meeting=meeting,
            region=region,
            table=table.kind,
            table_date=table.built_at,
            blocked_by=blocked_by,
        )

    def to_dict(self) -> dict[str, object]:
        """As plain values, for JSON; times are UTC as in `2020-06-05T00:00:00Z`."""
        found: dict[str, object] = asdict(self)
        for name in ("until", "table_date"):
            at = getattr(self, name)
            found[name] = None if at is None else at.strftime(TIME)
        return found

    def to_http(self) -> tuple[int, dict[str, str], dict[str, object]]:
        """The answer of a server that speaks HTTP: status 451 (RFC 7725), headers, and the body as plain values."""
        link = {"Link": f'<{self.blocked_by}>; rel="blocked-by"'} if self.blocked_by else {}
        return 451, link, self.to_dict()
