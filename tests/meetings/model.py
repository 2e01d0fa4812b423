"""What is true in the model of meetings: where addresses are, and whom an order reaches when; it shares no code."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

NETWORKS: Final = {
    "36.0.0.0/8": "CN",
    "2400:c800::/32": "CN",
    "24.0.0.0/8": "US",
    "14.0.0.0/8": "HK",
    "5.0.0.0/8": "A1",
}
REGION_OF: Final = {
    "36.20.9.77": "CN",
    "36.20.9.78": "CN",
    "36.20.10.79": "CN",
    "2400:C800:1:0::7": "CN",  # not as `ipaddress` writes it
    "36.99.0.4": "corrected",
    "24.3.17.9": "US",
    "24.3.17.10": "US",
    "14.0.128.5": "HK",
    "5.5.5.55": "relay",
    "45.45.45.45": None,
    "10.1.2.34": None,
    "fe80::1%eth0": None,
    "no-address": None,
    "": None,
}
"""Every address that anybody shows, and where it is."""
CORRECTED_PERSON: Final = "person-corrected"
EXEMPT_PERSON: Final = "person-exempt"


def written(addresses: Iterable[str]) -> tuple[str, ...]:
    """Those that are addresses, in one spelling, without zones, sorted."""
    found = set()
    for text in addresses:
        try:
            found.add(str(ipaddress.ip_address(text.partition("%")[0])))
        except ValueError:
            continue
    return tuple(sorted(found))


def is_inside(region: str, participant: str, addresses: Iterable[str]) -> bool:
    """Whether an order for a region may reach somebody: by the sentence of promise 2, and by nothing else."""
    regions = [REGION_OF[text] for text in addresses]
    located = {where for where in regions if where is not None}
    return participant != CORRECTED_PERSON and located == {region}


# --- orders ---------------------------------------------------------------------------------------------------------

START: Final = datetime(2026, 11, 24, 12, tzinfo=UTC)
BUILT: Final = datetime(2026, 11, 10, tzinfo=UTC)
MEETINGS: Final = ("meeting-vigil", "meeting-lecture")
PEOPLE: Final = (
    *("person-wang", "person-lind", "person-okoro", "person-perez", "person-sato"),
    *(CORRECTED_PERSON, EXEMPT_PERSON),
)
ACCOUNT: Final = "account-acme"


@dataclass(frozen=True, slots=True)
class Entry:
    """An order or rule of the model."""

    id: str
    region: str
    meetings: tuple[str, ...]
    join: str
    present: str
    exemptions: bool = False
    is_rule: bool = False


ENTRIES: Final = (
    Entry("cn-eject", "CN", MEETINGS[:1], "deny", "eject"),
    Entry("cn-hold", "CN", MEETINGS, "hold", "hold", exemptions=True),
    Entry("hk-eject", "HK", MEETINGS, "deny", "eject"),
    Entry("us-rule", "US", MEETINGS, "deny", "eject", exemptions=True, is_rule=True),
)
LAST: Final = START + timedelta(days=30)
UNTIL: Final = {"cn-eject": START + timedelta(days=2), "cn-hold": START + timedelta(days=20)}


def reaches(entry: Entry, meeting: str, participant: str, addresses: Sequence[str]) -> bool:
    """Whether an entry concerns somebody at all, by the model."""
    return (
        meeting in entry.meetings
        and not (entry.exemptions and participant == EXEMPT_PERSON)
        and is_inside(entry.region, participant, addresses)
    )


def policy_text(states: Mapping[str, str]) -> str:
    """The policy file, orders in their states."""
    text = "version = 1\n"
    for entry in ENTRIES:
        state = states[entry.id]
        if entry.is_rule:
            if state == "active":
                text += (
                    f'[[rule]]\nid = "{entry.id}"\naccount = "{ACCOUNT}"\neffect = "deny"\n'
                    f'regions = ["{entry.region}"]\npresent = "{entry.present}"\nreason = "own choice"\n'
                )
            continue
        until = f"{UNTIL.get(entry.id, LAST):%Y-%m-%dT%H:%M:%SZ}"
        text += (
            f'[[order]]\nid = "{entry.id}"\nissuer = "authority-{entry.region.lower()}"\nreference = "r"\n'
            f'law = "l"\ncontest = "https://court.example"\nstate = "{state}"\nterritory = "{entry.region}"\n'
            f'regions = ["{entry.region}"]\nmeetings = {json.dumps(list(entry.meetings))}\n'
            f'from = 2026-11-20T00:00:00Z\nuntil = {until}\njoin = "{entry.join}"\npresent = "{entry.present}"\n'
            f"exemptions = {str(entry.exemptions).lower()}\n"
        )
    return text + (
        f'[[correction]]\nnetworks = ["36.99.0.0/16"]\nregion = "HK"\nreason = "moved"\nauthor = "a"\n'
        f'date = 2026-11-01\n[[correction]]\nparticipants = ["{CORRECTED_PERSON}"]\nreason = "abroad"\nauthor = "a"\n'
        f'date = 2026-11-01\n[[exemption]]\nparticipants = ["{EXEMPT_PERSON}"]\nreason = "interprets"\n'
    )
