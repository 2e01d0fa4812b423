"""Slow, obviously correct reference for what a lookup answers.

It shares no code with the engine and does everything in another way: `ipaddress` reads the text, the
special-purpose registries are typed here as prefixes of which the longest wins (the engine has ranges that
were flattened by hand), IPv4 is taken out of IPv6 by cutting octets (the engine shifts bits), and a database
is a dict of networks (the engine has a packed table). Where both agree, both would have to be wrong in the
same way.

The order of judgement: missing, invalid, unwrap, override, special purpose, database. A range in which IPv4
is wrapped belongs to unwrapping alone: overrides and the database are asked only about what is inside.
"""

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

REGISTRIES_AS_OF = "2025-10-09"
"""`Last Updated` of both IANA special-purpose registries, as they still stood on 2026-07-27."""

PRIVATE, RESERVED, PUBLIC = "private", "reserved", "public"

# Every row of https://www.iana.org/assignments/iana-ipv4-special-registry, in its order, and the ranges that
# IANA keeps in another registry. "public" is a row marked globally reachable: an ordinary address.
IPV4_REGISTRY: Sequence[tuple[str, str, str]] = (
    ("0.0.0.0/8", RESERVED, "RFC 791: this network"),
    ("0.0.0.0/32", RESERVED, "RFC 1122: this host on this network"),
    ("10.0.0.0/8", PRIVATE, "RFC 1918: private use"),
    ("100.64.0.0/10", PRIVATE, "RFC 6598: shared address space"),
    ("127.0.0.0/8", PRIVATE, "RFC 1122: loopback"),
    ("169.254.0.0/16", PRIVATE, "RFC 3927: link local"),
    ("172.16.0.0/12", PRIVATE, "RFC 1918: private use"),
    ("192.0.0.0/24", RESERVED, "RFC 6890: IETF protocol assignments"),
    ("192.0.0.0/29", RESERVED, "RFC 7335: IPv4 service continuity prefix"),
    ("192.0.0.8/32", RESERVED, "RFC 7600: IPv4 dummy address"),
    ("192.0.0.9/32", PUBLIC, "RFC 7723: port control protocol anycast"),
    ("192.0.0.10/32", PUBLIC, "RFC 8155: traversal using relays around NAT anycast"),
    ("192.0.0.170/32", RESERVED, "RFC 8880: NAT64/DNS64 discovery"),
    ("192.0.0.171/32", RESERVED, "RFC 8880: NAT64/DNS64 discovery"),
    ("192.0.2.0/24", RESERVED, "RFC 5737: documentation (TEST-NET-1)"),
    ("192.31.196.0/24", PUBLIC, "RFC 7535: AS112-v4"),
    ("192.52.193.0/24", PUBLIC, "RFC 7450: AMT"),
    ("192.88.99.0/24", RESERVED, "RFC 7526: deprecated 6to4 relay anycast, reachability N/A"),
    ("192.88.99.2/32", RESERVED, "RFC 6751: 6a44 relay anycast"),
    ("192.168.0.0/16", PRIVATE, "RFC 1918: private use"),
    ("192.175.48.0/24", PUBLIC, "RFC 7534: direct delegation AS112 service"),
    ("198.18.0.0/15", RESERVED, "RFC 2544: benchmarking"),
    ("198.51.100.0/24", RESERVED, "RFC 5737: documentation (TEST-NET-2)"),
    ("203.0.113.0/24", RESERVED, "RFC 5737: documentation (TEST-NET-3)"),
    ("240.0.0.0/4", RESERVED, "RFC 1112: future use"),
    ("255.255.255.255/32", RESERVED, "RFC 919: limited broadcast"),
    # https://www.iana.org/assignments/multicast-addresses
    ("224.0.0.0/4", RESERVED, "RFC 5771: multicast"),
)

# Every row of https://www.iana.org/assignments/iana-ipv6-special-registry, in its order, likewise.
IPV6_REGISTRY: Sequence[tuple[str, str, str]] = (
    ("::1/128", PRIVATE, "RFC 4291: loopback"),
    ("::/128", RESERVED, "RFC 4291: unspecified"),
    ("::ffff:0:0/96", RESERVED, "RFC 4291: IPv4-mapped"),
    ("64:ff9b::/96", PUBLIC, "RFC 6052: IPv4-IPv6 translation, well-known prefix"),
    ("64:ff9b:1::/48", PRIVATE, "RFC 8215: IPv4-IPv6 translation, local use"),
    ("100::/64", RESERVED, "RFC 6666: discard-only"),
    ("100:0:0:1::/64", RESERVED, "RFC 9780: dummy prefix"),
    ("2001::/23", RESERVED, "RFC 2928: IETF protocol assignments"),
    ("2001::/32", RESERVED, "RFC 4380: Teredo, reachability N/A"),
    ("2001:1::1/128", PUBLIC, "RFC 7723: port control protocol anycast"),
    ("2001:1::2/128", PUBLIC, "RFC 8155: traversal using relays around NAT anycast"),
    ("2001:1::3/128", PUBLIC, "RFC 9665: DNS-SD service registration protocol anycast"),
    ("2001:2::/48", RESERVED, "RFC 5180: benchmarking"),
    ("2001:3::/32", PUBLIC, "RFC 7450: AMT"),
    ("2001:4:112::/48", PUBLIC, "RFC 7535: AS112-v6"),
    ("2001:10::/28", RESERVED, "RFC 4843: deprecated ORCHID, reachability N/A"),
    ("2001:20::/28", PUBLIC, "RFC 7343: ORCHIDv2"),
    ("2001:30::/28", PUBLIC, "RFC 9374: drone remote ID entity tags"),
    ("2001:db8::/32", RESERVED, "RFC 3849: documentation"),
    ("2002::/16", RESERVED, "RFC 3056: 6to4, reachability N/A"),
    ("2620:4f:8000::/48", PUBLIC, "RFC 7534: direct delegation AS112 service"),
    ("3fff::/20", RESERVED, "RFC 9637: documentation"),
    ("5f00::/16", RESERVED, "RFC 9602: segment routing (SRv6) SIDs"),
    ("fc00::/7", PRIVATE, "RFC 4193: unique local"),
    ("fe80::/10", PRIVATE, "RFC 4291: link local"),
    # https://www.iana.org/assignments/ipv6-address-space
    ("::/96", RESERVED, "RFC 4291: deprecated IPv4-compatible"),
    ("fec0::/10", RESERVED, "RFC 3879: deprecated site local"),
    ("ff00::/8", RESERVED, "RFC 4291: multicast"),
)

RELAY_CODES = frozenset({"A1", "T1"})
UNKNOWN_CODES = frozenset({"A2", "AP", "EU", "O1", "XX", "ZZ", "--", ""})
RENAMED = {"CN-HK": "HK", "CN-MO": "MO", "CN-TW": "TW"}

MISSING_TEXTS = frozenset({"", "-"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a lookup of one address answers.

    `status` and `evidence` are the lower-case names of the engine's statuses and evidence. `region` is None
    unless located. `unwrapped` is `mapped`, `6to4`, `teredo` or `nat64`, or None for an address that was
    taken as it is.
    """

    status: str
    region: str | None = None
    evidence: str = "none"
    unwrapped: str | None = None


class Networks:
    """Networks with a text each; the longest that contains an address decides."""

    def __init__(self, rows: Iterable[tuple[str, str]]) -> None:
        """Take `rows` of (network, text); a later row replaces an earlier one of the same network."""
        self._texts: dict[Network, str] = {ipaddress.ip_network(network): text for network, text in rows}
        self._lengths = sorted({network.prefixlen for network in self._texts}, reverse=True)

    def find(self, address: Address) -> str | None:
        """Return the text of the longest network around `address`, or None."""
        family = ipaddress.IPv4Network if address.version == 4 else ipaddress.IPv6Network
        for length in self._lengths:
            if length <= address.max_prefixlen:
                text = self._texts.get(family((int(address), length), strict=False))
                if text is not None:
                    return text
        return None


class Oracle:
    """A database with overrides, searched one address at a time."""

    def __init__(
        self,
        networks: Mapping[str, str],
        overrides: Mapping[str, str] = {},
        unwrap: bool = True,
        nat64: Sequence[str] = (),
    ) -> None:
        """Take `networks` and `overrides` as network → region code, as their files spell it.

        An override may say `relay`. `nat64` are the operator's own RFC 6052 prefixes. Without `unwrap` an
        IPv6 address is never taken for the IPv4 address inside it, and `nat64` must be empty.
        """
        self._database = Networks(networks.items())
        self._overrides = Networks(overrides.items())
        self._unwrap = unwrap
        self._nat64 = [ipaddress.IPv6Network(prefix) for prefix in nat64]
        if self._nat64 and not unwrap:
            raise ValueError("`nat64` needs `unwrap`")
        if any(prefix.prefixlen not in (32, 40, 48, 56, 64, 96) for prefix in self._nat64):
            raise ValueError("a prefix of `nat64` has a length that RFC 6052 does not know")
        registry = [(prefix, status) for prefix, status, _ in (*IPV4_REGISTRY, *IPV6_REGISTRY)]
        self._special = Networks(registry)

    def answer(self, address: object) -> Answer:
        """Answer for text, an `ipaddress` object, None or NaN."""
        if address is None or (isinstance(address, float) and address != address):
            return Answer(status="missing")
        if isinstance(address, str):
            if address in MISSING_TEXTS:
                return Answer(status="missing")
            try:
                address = ipaddress.ip_address(address)
            except ValueError:
                return Answer(status="invalid")
        if not isinstance(address, ipaddress.IPv4Address | ipaddress.IPv6Address):
            raise TypeError(f"neither text nor an address: {type(address).__name__}")
        if address.version == 6:
            inner, unwrapped = self._unwrapped(address)
            if inner is not None:
                return self._judged(inner, unwrapped)
            if any(address in prefix for prefix in self._nat64):  # no translator made it, and nothing places it
                return Answer(status=RESERVED)
        return self._judged(address, None)

    def _judged(self, address: Address, unwrapped: str | None) -> Answer:
        override = self._overrides.find(address)
        if override is not None:
            return _placed(override, "override", unwrapped)
        special = self._special.find(address)
        if special is not None and special != PUBLIC:
            return Answer(status=special, unwrapped=unwrapped)
        return _placed(self._database.find(address) or "", "database", unwrapped)

    def _unwrapped(self, address: ipaddress.IPv6Address) -> tuple[ipaddress.IPv4Address | None, str | None]:
        """Return the IPv4 address inside `address` and what it was wrapped in, or None twice."""
        octets = address.packed
        if not self._unwrap:
            return None, None
        if octets[:12] == bytes(10) + b"\xff\xff":  # RFC 4291 §2.5.5.2
            return ipaddress.IPv4Address(octets[12:]), "mapped"
        if octets[:2] == b"\x20\x02":  # RFC 3056 §2
            return ipaddress.IPv4Address(octets[2:6]), "6to4"
        if octets[:4] == b"\x20\x01\x00\x00":  # RFC 4380 §4: the client's address with every bit inverted
            return ipaddress.IPv4Address(bytes(255 - octet for octet in octets[12:])), "teredo"
        for prefix in (ipaddress.IPv6Network("64:ff9b::/96"), *self._nat64):
            if address in prefix and octets[8] == 0:  # RFC 6052 §2.2: octet 8 must be zero, and is skipped
                start = prefix.prefixlen // 8
                carrying = octets if start == 12 else octets[:8] + octets[9:]
                return ipaddress.IPv4Address(carrying[start : start + 4]), "nat64"
        return None, None


def _placed(code: str, evidence: str, unwrapped: str | None) -> Answer:
    if code in RELAY_CODES or (code == "relay" and evidence == "override"):
        return Answer(status="relay", evidence=evidence, unwrapped=unwrapped)
    if code in UNKNOWN_CODES:
        return Answer(status="unknown", unwrapped=unwrapped)
    return Answer(status="located", region=RENAMED.get(code, code), evidence=evidence, unwrapped=unwrapped)
