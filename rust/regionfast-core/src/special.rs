//! The IANA special-purpose address registries, as ranges with a status.
//!
//! The registries are trees of prefixes; here they are flattened by hand into sorted, disjoint ranges, each
//! with its most specific row, because ranges are what a table is built from. The prefixes themselves are
//! typed a second time in `tests/oracle.py`, and `tests/vectors/status.toml` holds both against each other.
//!
//! What is special:
//!
//! - *private*: private use (RFC 1918), unique local, shared (CGNAT), loopback, link local, and the local-use
//!   translation prefix 64:ff9b:1::/48, behind which is somebody's own network;
//! - *reserved*: every other row that is not marked globally reachable, rows whose reachability is N/A, and
//!   what IANA keeps in other registries: multicast, ::/96 (IPv4-compatible, deprecated by RFC 4291
//!   §2.5.5.1) and fec0::/10 (site local, deprecated by RFC 3879);
//! - nothing: rows marked globally reachable (192.0.0.9, 2001:20::/28, ...) are gaps, ordinary addresses that
//!   a database may place. So is space that is merely not allocated yet.
//!
//! IPv4 inside IPv6 (::ffff:0:0/96, 2001::/32, 2002::/16 and 64:ff9b::/96) is not here either: see
//! [`unwrap`](crate::unwrap).

use crate::slot::Status::{self, Private, Reserved};

/// `Last Updated` of both registries at the state used here; they were still at it on 2026-07-27.
///
/// <https://www.iana.org/assignments/iana-ipv4-special-registry>,
/// <https://www.iana.org/assignments/iana-ipv6-special-registry>
pub const REGISTRY_DATE: &str = "2025-10-09";

/// A range that is decided without a database; `T` is `u32` for IPv4 and `u128` for IPv6, in host byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpecialRange<T> {
    /// The first address.
    pub first: T,
    /// The last address, inclusive.
    pub last: T,
    /// [`Status::Private`] or [`Status::Reserved`].
    pub status: Status,
    /// The purpose, after the registry.
    pub name: &'static str,
    /// The RFC that says so.
    pub source: &'static str,
}

impl<T: PartialOrd> SpecialRange<T> {
    /// Whether `address` lies in the range.
    #[must_use]
    pub fn contains(&self, address: T) -> bool {
        self.first <= address && address <= self.last
    }
}

/// The special ranges of IPv4, sorted and disjoint.
pub const V4: &[SpecialRange<u32>] = &[
    v4([0, 0, 0, 0], [0, 0, 0, 0], Reserved, "this host on this network", "RFC 1122"),
    v4([0, 0, 0, 1], [0, 255, 255, 255], Reserved, "this network", "RFC 791"),
    v4([10, 0, 0, 0], [10, 255, 255, 255], Private, "private use", "RFC 1918"),
    v4([100, 64, 0, 0], [100, 127, 255, 255], Private, "shared address space", "RFC 6598"),
    v4([127, 0, 0, 0], [127, 255, 255, 255], Private, "loopback", "RFC 1122"),
    v4([169, 254, 0, 0], [169, 254, 255, 255], Private, "link local", "RFC 3927"),
    v4([172, 16, 0, 0], [172, 31, 255, 255], Private, "private use", "RFC 1918"),
    v4([192, 0, 0, 0], [192, 0, 0, 7], Reserved, "IPv4 service continuity prefix", "RFC 7335"),
    v4([192, 0, 0, 8], [192, 0, 0, 8], Reserved, "IPv4 dummy address", "RFC 7600"),
    // 192.0.0.9 (RFC 7723) and 192.0.0.10 (RFC 8155) are globally reachable anycast addresses.
    v4([192, 0, 0, 11], [192, 0, 0, 169], Reserved, "IETF protocol assignments", "RFC 6890"),
    v4([192, 0, 0, 170], [192, 0, 0, 171], Reserved, "NAT64/DNS64 discovery", "RFC 8880"),
    v4([192, 0, 0, 172], [192, 0, 0, 255], Reserved, "IETF protocol assignments", "RFC 6890"),
    v4([192, 0, 2, 0], [192, 0, 2, 255], Reserved, "documentation (TEST-NET-1)", "RFC 5737"),
    // Globally reachable: 192.31.196.0/24 (AS112, RFC 7535) and 192.52.193.0/24 (AMT, RFC 7450).
    v4([192, 88, 99, 0], [192, 88, 99, 1], Reserved, "deprecated 6to4 relay anycast", "RFC 7526"),
    v4([192, 88, 99, 2], [192, 88, 99, 2], Reserved, "6a44 relay anycast", "RFC 6751"),
    v4([192, 88, 99, 3], [192, 88, 99, 255], Reserved, "deprecated 6to4 relay anycast", "RFC 7526"),
    v4([192, 168, 0, 0], [192, 168, 255, 255], Private, "private use", "RFC 1918"),
    // Globally reachable: 192.175.48.0/24 (AS112, RFC 7534).
    v4([198, 18, 0, 0], [198, 19, 255, 255], Reserved, "benchmarking", "RFC 2544"),
    v4([198, 51, 100, 0], [198, 51, 100, 255], Reserved, "documentation (TEST-NET-2)", "RFC 5737"),
    v4([203, 0, 113, 0], [203, 0, 113, 255], Reserved, "documentation (TEST-NET-3)", "RFC 5737"),
    v4([224, 0, 0, 0], [239, 255, 255, 255], Reserved, "multicast", "RFC 5771"),
    v4([240, 0, 0, 0], [255, 255, 255, 254], Reserved, "future use", "RFC 1112"),
    v4([255, 255, 255, 255], [255, 255, 255, 255], Reserved, "limited broadcast", "RFC 919"),
];

/// The special ranges of IPv6 without those that wrap IPv4, sorted and disjoint.
pub const V6: &[SpecialRange<u128>] = &[
    within(0, 0, 0, Reserved, "unspecified", "RFC 4291"),
    within(0, 1, 1, Private, "loopback", "RFC 4291"),
    within(0, 2, 0xffff_ffff, Reserved, "deprecated IPv4-compatible", "RFC 4291"),
    LOCAL_TRANSLATION,
    v6(0x0100_0000_0000_0000, 0x0100_0000_0000_0000, Reserved, "discard-only", "RFC 6666"),
    v6(0x0100_0000_0000_0001, 0x0100_0000_0000_0001, Reserved, "dummy prefix", "RFC 9780"),
    // 2001::/23 is reserved (RFC 2928) apart from Teredo, 2001::/32, and what is globally reachable:
    // 2001:1::1 (RFC 7723), 2001:1::2 (RFC 8155), 2001:1::3 (RFC 9665), 2001:3::/32 (AMT, RFC 7450),
    // 2001:4:112::/48 (AS112, RFC 7535), 2001:20::/28 (ORCHIDv2, RFC 7343), 2001:30::/28 (drones, RFC 9374).
    within(0x2001_0001_0000_0000, 0, 0, Reserved, "IETF protocol assignments", "RFC 2928"),
    SpecialRange {
        first: 0x2001_0001_0000_0000_0000_0000_0000_0004,
        ..v6(0x2001_0001_0000_0000, 0x2001_0001_ffff_ffff, Reserved, "IETF protocol assignments", "RFC 2928")
    },
    v6(0x2001_0002_0000_0000, 0x2001_0002_0000_ffff, Reserved, "benchmarking", "RFC 5180"),
    v6(0x2001_0002_0001_0000, 0x2001_0002_ffff_ffff, Reserved, "IETF protocol assignments", "RFC 2928"),
    v6(0x2001_0004_0000_0000, 0x2001_0004_0111_ffff, Reserved, "IETF protocol assignments", "RFC 2928"),
    v6(0x2001_0004_0113_0000, 0x2001_000f_ffff_ffff, Reserved, "IETF protocol assignments", "RFC 2928"),
    v6(0x2001_0010_0000_0000, 0x2001_001f_ffff_ffff, Reserved, "deprecated ORCHID", "RFC 4843"),
    v6(0x2001_0040_0000_0000, 0x2001_01ff_ffff_ffff, Reserved, "IETF protocol assignments", "RFC 2928"),
    v6(0x2001_0db8_0000_0000, 0x2001_0db8_ffff_ffff, Reserved, "documentation", "RFC 3849"),
    // Globally reachable: 2620:4f:8000::/48 (AS112, RFC 7534).
    v6(0x3fff_0000_0000_0000, 0x3fff_0fff_ffff_ffff, Reserved, "documentation", "RFC 9637"),
    v6(0x5f00_0000_0000_0000, 0x5f00_ffff_ffff_ffff, Reserved, "segment routing (SRv6) SIDs", "RFC 9602"),
    v6(0xfc00_0000_0000_0000, 0xfdff_ffff_ffff_ffff, Private, "unique local", "RFC 4193"),
    v6(0xfe80_0000_0000_0000, 0xfebf_ffff_ffff_ffff, Private, "link local", "RFC 4291"),
    v6(0xfec0_0000_0000_0000, 0xfeff_ffff_ffff_ffff, Reserved, "deprecated site local", "RFC 3879"),
    v6(0xff00_0000_0000_0000, 0xffff_ffff_ffff_ffff, Reserved, "multicast", "RFC 4291"),
];

/// 64:ff9b:1::/48, the one special range in which own translation prefixes may be taken.
pub(crate) const LOCAL_TRANSLATION: SpecialRange<u128> =
    v6(0x0064_ff9b_0001_0000, 0x0064_ff9b_0001_ffff, Private, "local-use IPv4-IPv6 translation", "RFC 8215");

/// The status of an IPv4 address that is special, by a linear scan: for tests and single questions.
#[must_use]
pub fn status_v4(address: u32) -> Option<Status> {
    V4.iter().find(|range| range.contains(address)).map(|range| range.status)
}

/// The status of an IPv6 address that is special, taken as it is, by a linear scan.
///
/// An address that wraps IPv4 has none: its status is that of the IPv4 address, if it is unwrapped, and
/// otherwise what [`Unwrapping::special_v6`](crate::unwrap::Unwrapping::special_v6) says.
#[must_use]
pub fn status_v6(address: u128) -> Option<Status> {
    V6.iter().find(|range| range.contains(address)).map(|range| range.status)
}

const fn v4(
    first: [u8; 4],
    last: [u8; 4],
    status: Status,
    name: &'static str,
    source: &'static str,
) -> SpecialRange<u32> {
    SpecialRange { first: u32::from_be_bytes(first), last: u32::from_be_bytes(last), status, name, source }
}

/// Whole /64 networks: `first` and `last` are their high 64 bits.
pub(crate) const fn v6(
    first: u64,
    last: u64,
    status: Status,
    name: &'static str,
    source: &'static str,
) -> SpecialRange<u128> {
    let (first, last) = ((first as u128) << 64, ((last as u128) << 64) | u64::MAX as u128);
    SpecialRange { first, last, status, name, source }
}

/// A part of one /64 network: `first` and `last` are the low 64 bits.
pub(crate) const fn within(
    network: u64,
    first: u64,
    last: u64,
    status: Status,
    name: &'static str,
    source: &'static str,
) -> SpecialRange<u128> {
    let network = (network as u128) << 64;
    SpecialRange { first: network | first as u128, last: network | last as u128, status, name, source }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
pub(crate) mod tests {
    use std::fmt::Debug;
    use std::net::IpAddr;

    use serde::Deserialize;

    use super::*;
    use crate::addr::Address;

    /// One line of `tests/vectors/status.toml`, which says what the keys mean.
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(crate) struct Case {
        address: String,
        status: String,
        why: String,
        pub(crate) unwrapped: Option<String>,
        pub(crate) inner: Option<String>,
        #[serde(default = "yes")]
        pub(crate) unwrap: bool,
        #[serde(default)]
        pub(crate) nat64: Vec<String>,
    }

    fn yes() -> bool {
        true
    }

    impl Case {
        /// The address, or `None` where the text is none. `std` knows no zones, so they are cut off here.
        pub(crate) fn parse(&self) -> Option<Address> {
            let (address, zone) = match self.address.split_once('%') {
                Some((address, zone)) => (address, Some(zone)),
                None => (self.address.as_str(), None),
            };
            if zone.is_some_and(|zone| zone.is_empty() || zone.contains(['%', '/'])) {
                return None;
            }
            let address: IpAddr = address.parse().ok()?;
            (address.is_ipv6() || zone.is_none()).then_some(address.into())
        }

        /// What is special about the address, or `None` where the database decides.
        pub(crate) fn status(&self) -> Option<Status> {
            match self.status.as_str() {
                "private" => Some(Private),
                "reserved" => Some(Reserved),
                "public" => None,
                other => panic!("{self:?}: no status of an address: {other}"),
            }
        }
    }

    /// Every case of the vectors, and of these the ones whose text is an address.
    pub(crate) fn cases() -> (Vec<Case>, Vec<(Case, Address)>) {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Vectors {
            case: Vec<Case>,
        }
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/status.toml");
        let vectors: Vectors = toml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        assert!(vectors.case.iter().all(|case| !case.why.is_empty()), "a case does not say why");
        let (texts, addresses): (Vec<_>, Vec<_>) =
            vectors.case.into_iter().partition(|case| matches!(case.status.as_str(), "invalid" | "missing"));
        let addresses = addresses
            .into_iter()
            .map(|case| {
                let address = case.parse().unwrap_or_else(|| panic!("{case:?} is no address"));
                (case, address)
            })
            .collect();
        (texts, addresses)
    }

    #[test]
    fn vectors_that_are_no_address_are_none_for_std_either() {
        let (texts, _) = cases();
        assert!(texts.len() > 60);
        for case in texts {
            assert_eq!(case.parse(), None, "{case:?}");
        }
    }

    #[test]
    fn vectors_of_addresses_taken_as_they_are() {
        let (mut v4, mut v6) = (0, 0);
        let (_, addresses) = cases();
        for (case, address) in addresses {
            if case.unwrapped.is_some() || !case.unwrap || !case.nat64.is_empty() {
                continue; // judged in `unwrap`, with their configuration
            }
            match address {
                Address::V4(bits) => {
                    assert_eq!(status_v4(bits), case.status(), "{case:?}");
                    v4 += 1;
                }
                Address::V6(bits) => {
                    assert_eq!(status_v6(bits), case.status(), "{case:?}");
                    v6 += 1;
                }
            }
        }
        assert!(v4 > 75 && v6 > 75, "only {v4} and {v6} cases");
    }

    #[test]
    fn every_edge_of_every_range_is_a_vector() {
        // Then a range that is too long or too short by one address fails above.
        let (_, addresses) = cases();
        let addresses: Vec<Address> = addresses.into_iter().map(|(_, address)| address).collect();
        for range in V4 {
            assert!(addresses.contains(&Address::V4(range.first)), "{range:x?}");
            assert!(addresses.contains(&Address::V4(range.last)), "{range:x?}");
        }
        for range in V6 {
            assert!(addresses.contains(&Address::V6(range.first)), "{range:x?}");
            assert!(addresses.contains(&Address::V6(range.last)), "{range:x?}");
        }
    }

    pub(crate) fn assert_sorted_and_disjoint<T: PartialOrd + Copy + Debug>(ranges: &[SpecialRange<T>]) {
        for range in ranges {
            assert!(range.first <= range.last, "{range:x?}");
            assert!(matches!(range.status, Private | Reserved), "{range:x?}");
            assert!(range.source.starts_with("RFC ") && !range.name.is_empty(), "{range:x?}");
        }
        for pair in ranges.windows(2) {
            let [before, after] = pair else { unreachable!("windows of two") };
            assert!(before.last < after.first, "{before:x?} reaches into {after:x?}");
        }
    }

    #[test]
    fn ranges_are_sorted_and_disjoint() {
        assert_sorted_and_disjoint(V4);
        assert_sorted_and_disjoint(V6);
    }

    #[test]
    fn the_vectors_are_of_the_same_date() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/status.toml");
        assert!(std::fs::read_to_string(path).unwrap().contains(REGISTRY_DATE));
    }
}
