//! IPv4 inside IPv6: which address is meant is settled before anything is looked up.
//!
//! | wrapping | where | the IPv4 address is |
//! |---|---|---|
//! | mapped | ::ffff:0:0/96 (RFC 4291 §2.5.5.2) | the last 32 bits |
//! | 6to4 | 2002::/16 (RFC 3056 §2) | the 32 bits after the prefix: the site's router |
//! | Teredo | 2001::/32 (RFC 4380 §4) | the last 32 bits, each inverted: the client |
//! | NAT64 | 64:ff9b::/96 and own prefixes (RFC 6052 §2.2) | the 32 bits after the prefix, octet 8 skipped |
//!
//! What comes out is judged as if it had been given: 6to4 around a private address is private. Databases have
//! aliases for some of these ranges, but not all databases and not for the same ranges, so they are not asked.
//! ::/96 (IPv4-compatible, deprecated) is no wrapping but [reserved](crate::special).
//!
//! Octet 8 of an address in a NAT64 prefix shorter than 96 must be zero (RFC 6052 §2.2). Where it is not, no
//! translator made the address, and it is reserved, whatever else covers it: to take an IPv4 address out of it
//! nevertheless could place somebody by accident. What follows the IPv4 address, the *suffix*, should be zero
//! but need not; it is ignored.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::slot::Status::Reserved;
use crate::special::{self, SpecialRange};

/// What an IPv4 address was taken out of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Wrapping {
    /// Nothing: the address was judged as it was given.
    None = 0,
    /// An IPv4-mapped address.
    Mapped = 1,
    /// A 6to4 address.
    SixToFour = 2,
    /// A Teredo address; the IPv4 address is the client's, not the server's.
    Teredo = 3,
    /// An address of a translator, with the well-known prefix or an own one.
    Nat64 = 4,
}

/// The range of one wrapping: first address, last address, wrapping.
type Zone = (u128, u128, Wrapping);

/// The zones that need no configuration, sorted.
const ZONES: [Zone; 4] = [
    (0xffff << 32, (0x1_0000 << 32) - 1, Wrapping::Mapped),
    (0x0064_ff9b << 96, (0x0064_ff9b << 96) | 0xffff_ffff, Wrapping::Nat64),
    (0x2001_0000 << 96, (0x2001_0001 << 96) - 1, Wrapping::Teredo),
    (0x2002 << 112, (0x2003 << 112) - 1, Wrapping::SixToFour),
];

/// The zones as the registry has them, sorted: rows that are not globally reachable or N/A are reserved.
/// 64:ff9b::/96 is globally reachable and so not among them.
const ZONES_UNOPENED: [SpecialRange<u128>; 3] = [
    special::within(0, 0xffff_0000_0000, 0xffff_ffff_ffff, Reserved, "IPv4-mapped", "RFC 4291"),
    special::v6(0x2001_0000_0000_0000, 0x2001_0000_ffff_ffff, Reserved, "Teredo", "RFC 4380"),
    special::v6(0x2002_0000_0000_0000, 0x2002_ffff_ffff_ffff, Reserved, "6to4", "RFC 3056"),
];

/// Whether and where IPv4 is taken out of IPv6. Immutable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unwrapping {
    enabled: bool,
    nat64: Box<[Nat64Prefix]>,
    zones: Box<[Zone]>,
}

impl Default for Unwrapping {
    /// Unwrapping is on, without own prefixes.
    fn default() -> Self {
        Self { enabled: true, nat64: Box::default(), zones: Box::new(ZONES) }
    }
}

impl Unwrapping {
    /// Unwrapping on or off, with `nat64` as own prefixes besides 64:ff9b::/96.
    ///
    /// # Errors
    ///
    /// [`Error::Option`] if an own prefix overlaps another one, another wrapping, or a special range that is
    /// not set aside for translation (RFC 8215), or if there are own prefixes while unwrapping is off.
    pub fn new(enabled: bool, nat64: &[Nat64Prefix]) -> Result<Self> {
        if !enabled {
            if !nat64.is_empty() {
                return Err(refused("own prefixes do nothing while unwrapping is off; leave one of the two out"));
            }
            return Ok(Self { enabled, nat64: Box::default(), zones: Box::default() });
        }
        let mut zones = ZONES.to_vec();
        for (index, prefix) in nat64.iter().enumerate() {
            let number = index + 1;
            let (first, last) = prefix.range();
            let meets = |other_first, other_last| first <= other_last && other_first <= last;
            // The own prefixes before this one come after `ZONES`.
            if let Some(other) = zones.iter().position(|&(first, last, _)| meets(first, last)) {
                return Err(refused(&match other.checked_sub(ZONES.len()) {
                    Some(earlier) => {
                        format!("prefix {number} overlaps prefix {}; keep one of them", earlier + 1)
                    }
                    None => {
                        format!("prefix {number} overlaps a range that is always unwrapped; leave it out")
                    }
                }));
            }
            let special = special::V6
                .iter()
                .find(|range| **range != special::LOCAL_TRANSLATION && meets(range.first, range.last));
            if let Some(range) = special {
                return Err(refused(&format!(
                    "prefix {number} overlaps a special-purpose range ({}, {}); take one of your own network or \
                     one out of the range for local translation (RFC 8215)",
                    range.name, range.source
                )));
            }
            zones.push((first, last, Wrapping::Nat64));
        }
        zones.sort_unstable_by_key(|&(first, ..)| first);
        Ok(Self { enabled, nat64: nat64.into(), zones: zones.into() })
    }

    /// Whether anything is unwrapped at all.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// The own prefixes, in the order in which they were given.
    #[must_use]
    pub fn nat64(&self) -> &[Nat64Prefix] {
        &self.nat64
    }

    /// The IPv4 address inside `address` and what it was wrapped in, never [`Wrapping::None`]. `None` if the
    /// address is to be judged as it is; inside of [`zones`](Self::zones) that happens only where octet 8 after
    /// an own prefix is not zero, and such an address is reserved.
    ///
    /// A few compares, and two more for each own prefix.
    #[must_use]
    #[inline]
    pub fn unwrap(&self, address: u128) -> Option<(u32, Wrapping)> {
        if !self.enabled {
            return None;
        }
        let last_bits = address as u32;
        match (address >> 96) as u32 {
            0 if address >> 32 == 0xffff => Some((last_bits, Wrapping::Mapped)),
            0x0064_ff9b if address >> 32 == 0x0064_ff9b << 64 => Some((last_bits, Wrapping::Nat64)),
            0x2001_0000 => Some((!last_bits, Wrapping::Teredo)),
            0x2002_0000..=0x2002_ffff => Some(((address >> 80) as u32, Wrapping::SixToFour)),
            _ => {
                let inner = self.nat64.iter().find_map(|prefix| prefix.embedded(address))?;
                Some((inner, Wrapping::Nat64))
            }
        }
    }

    /// What [`unwrap`](Self::unwrap) says of each address in network order: a [`Wrapping`] and the IPv4 address, 0
    /// where there is none.
    #[must_use]
    pub fn unwrap_many(&self, addresses: &[[u8; 16]]) -> (Vec<u8>, Vec<u32>) {
        let inner = |octets: &[u8; 16]| self.unwrap(u128::from_be_bytes(*octets)).unwrap_or((0, Wrapping::None));
        addresses.iter().map(inner).map(|(inner, wrapping)| (wrapping as u8, inner)).unzip()
    }

    /// The ranges in which [`unwrap`](Self::unwrap) finds IPv4: first and last address and wrapping, sorted
    /// and disjoint; none if unwrapping is off.
    pub fn zones(&self) -> impl Iterator<Item = (u128, u128, Wrapping)> + '_ {
        self.zones.iter().copied()
    }

    /// The special ranges outside of [`zones`](Self::zones), sorted and disjoint: [`special::V6`] without own
    /// prefixes and, if unwrapping is off, with the wrappings that the registry does not call globally
    /// reachable, as reserved.
    #[must_use]
    pub fn special_v6(&self) -> Vec<SpecialRange<u128>> {
        let mut ranges = Vec::new();
        for range in special::V6 {
            let mut rest = *range;
            for (first, last, _) in self.zones() {
                if rest.first <= last && first <= rest.last {
                    // INVARIANT: only own prefixes meet a special range, and each lies inside of it (`new`), so
                    // `last` is not the last of all addresses; at most what is left of `rest` becomes empty.
                    if rest.first < first {
                        ranges.push(SpecialRange { last: first - 1, ..rest });
                    }
                    rest.first = last + 1;
                }
            }
            if rest.first <= rest.last {
                ranges.push(rest);
            }
        }
        if !self.enabled {
            ranges.extend(ZONES_UNOPENED);
        }
        ranges.sort_unstable_by_key(|range| range.first);
        ranges
    }
}

/// An RFC 6052 prefix of the operator's own translator (*network-specific prefix*).
///
/// Read from text like `2001:db8:122:344::/64`, shown in the same form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Nat64Prefix {
    /// INVARIANT: zero after `length` bits, and in octet 8.
    bits: u128,
    /// INVARIANT: 32, 40, 48, 56, 64 or 96.
    length: u8,
}

impl Nat64Prefix {
    /// First and last address with the prefix.
    fn range(self) -> (u128, u128) {
        (self.bits, self.bits | (u128::MAX >> self.length))
    }

    /// The IPv4 address inside `address`, unless it has another prefix or an octet 8 that is not zero.
    ///
    /// Worked example, 192.0.2.33 (c0 00 02 21) in 2001:db8:122:300::/56, octet 8 in brackets:
    ///
    /// ```text
    /// address         20 01 0d b8 01 22 03 c0 [00] 00 02 21 00 00 00 00
    /// without octet 8 20 01 0d b8 01 22 03 c0 00 02 21 00 00 00 00        120 bits
    ///                                      ^^^^^^^^^^^ 32 bits after 56; 120 - 56 - 32 = 32 below them
    /// ```
    fn embedded(self, address: u128) -> Option<u32> {
        let (first, last) = self.range();
        let octet_8 = (address >> 56) as u8;
        if address < first || address > last || octet_8 != 0 {
            return None;
        }
        if self.length == 96 {
            return Some(address as u32);
        }
        let high = address >> 64;
        let low = address & (u128::MAX >> 72);
        let without_octet_8 = (high << 56) | low;
        Some((without_octet_8 >> (120 - 32 - self.length)) as u32)
    }
}

impl FromStr for Nat64Prefix {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let Some((address, length)) = text.split_once('/') else {
            return Err(refused("a prefix has no length; write it after a slash"));
        };
        let Ok(address) = address.parse::<Ipv6Addr>() else {
            return Err(refused("a prefix is not one of IPv6"));
        };
        let length = match length {
            "32" => 32,
            "40" => 40,
            "48" => 48,
            "56" => 56,
            "64" => 64,
            "96" => 96,
            _ => {
                return Err(refused("a prefix has a length that is none of 32, 40, 48, 56, 64, 96 (RFC 6052)"));
            }
        };
        let bits = address.to_bits();
        if bits & (u128::MAX >> length) != 0 {
            return Err(refused("a prefix has bits set after its length; set them to zero"));
        }
        if (bits >> 56) as u8 != 0 {
            return Err(refused("a prefix has bits set in octet 8, which must be zero (RFC 6052)"));
        }
        Ok(Self { bits, length })
    }
}

impl fmt::Display for Nat64Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", Ipv6Addr::from_bits(self.bits), self.length)
    }
}

#[cold]
fn refused(message: &str) -> Error {
    Error::Option(format!("`nat64`: {message}"))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::addr::Address;
    use crate::slot::Status;
    use crate::special::tests::{Case, assert_sorted_and_disjoint, cases};

    fn prefixes(texts: &[&str]) -> Vec<Nat64Prefix> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn v6(text: &str) -> u128 {
        text.parse::<Ipv6Addr>().unwrap().into()
    }

    fn v4(text: &str) -> u32 {
        text.parse::<Ipv4Addr>().unwrap().into()
    }

    /// The configurations that the tests go through: on, off, and own prefixes of every length.
    fn configurations() -> Vec<Unwrapping> {
        vec![
            Unwrapping::default(),
            Unwrapping::new(false, &[]).unwrap(),
            Unwrapping::new(true, &prefixes(&["64:ff9b:1::/48"])).unwrap(),
            Unwrapping::new(
                true,
                &prefixes(&[
                    "64:ff9b:1:ffff::/96",
                    "64:ff9b:1:0:1::/96",
                    "4000:db8:100::/40",
                    "64:ff9b:1::/96",
                    "64:ff9b:1:ab00::/56",
                    "4000:db7::/32",
                    "64:ff9b:1:1::/64",
                ]),
            )
            .unwrap(),
        ]
    }

    /// What a lookup says before the database is asked, as the docs of `unwrap` and `special_v6` have it.
    fn status(unwrapping: &Unwrapping, address: Address) -> Option<Status> {
        let bits = match address {
            Address::V4(bits) => return special::status_v4(bits),
            Address::V6(bits) => bits,
        };
        if let Some((inner, _)) = unwrapping.unwrap(bits) {
            return special::status_v4(inner);
        }
        if unwrapping.zones().any(|(first, last, _)| first <= bits && bits <= last) {
            return Some(Reserved);
        }
        let ranges = unwrapping.special_v6();
        ranges.iter().find(|range| range.contains(bits)).map(|range| range.status)
    }

    fn wrapping(case: &Case) -> Wrapping {
        match case.unwrapped.as_deref() {
            Some("mapped") => Wrapping::Mapped,
            Some("6to4") => Wrapping::SixToFour,
            Some("teredo") => Wrapping::Teredo,
            Some("nat64") => Wrapping::Nat64,
            Some(other) => panic!("{case:?}: no wrapping: {other}"),
            None => Wrapping::None,
        }
    }

    #[test]
    fn vectors() {
        let mut unwrapped = 0;
        let (_, addresses) = cases();
        for (case, address) in addresses {
            let nat64: Vec<&str> = case.nat64.iter().map(String::as_str).collect();
            let unwrapping = Unwrapping::new(case.unwrap, &prefixes(&nat64)).unwrap();
            if let Address::V6(bits) = address {
                let expected = case.inner.as_deref().map(|inner| (v4(inner), wrapping(&case)));
                assert_eq!(unwrapping.unwrap(bits), expected, "{case:?}");
                unwrapped += usize::from(expected.is_some());
            } else {
                assert_eq!(wrapping(&case), Wrapping::None, "{case:?}");
            }
            assert_eq!(status(&unwrapping, address), case.status(), "{case:?}");
        }
        assert!(unwrapped > 100, "only {unwrapped} cases");
    }

    #[test]
    fn zones_are_sorted_disjoint_and_exactly_where_ipv4_is_found() {
        for unwrapping in configurations() {
            let zones: Vec<Zone> = unwrapping.zones().collect();
            assert!(zones.is_sorted_by(|before, after| before.1 < after.0), "{zones:x?}");
            for &(first, last, wrapping) in &zones {
                assert!(first <= last);
                assert_eq!(unwrapping.unwrap(first).map(|(_, wrapping)| wrapping), Some(wrapping));
                let other_octet_8 = first | (1 << 56);
                if last >= other_octet_8 && wrapping == Wrapping::Nat64 {
                    assert_eq!(unwrapping.unwrap(other_octet_8), None);
                } else {
                    assert_eq!(unwrapping.unwrap(last).map(|(_, wrapping)| wrapping), Some(wrapping));
                }
                for beside in [first - 1, last + 1] {
                    let inside = zones.iter().any(|&(first, last, _)| first <= beside && beside <= last);
                    assert_eq!(unwrapping.unwrap(beside).is_some(), inside, "{beside:x}");
                }
            }
        }
        assert_eq!(Unwrapping::default().zones().count(), 4);
        assert_eq!(Unwrapping::new(false, &[]).unwrap().zones().count(), 0);
    }

    #[test]
    fn special_ranges_are_the_registry_without_the_zones() {
        for unwrapping in configurations() {
            let ranges = unwrapping.special_v6();
            assert_sorted_and_disjoint(&ranges);
            let zones: Vec<Zone> = unwrapping.zones().collect();
            for range in &ranges {
                assert!(!zones.iter().any(|zone| range.first <= zone.1 && zone.0 <= range.last), "{range:x?}");
            }
            for range in special::V6.iter().chain(&ZONES_UNOPENED) {
                for address in [range.first, range.last] {
                    let expected = if zones.iter().any(|zone| zone.0 <= address && address <= zone.1) {
                        None
                    } else {
                        Some(range.status)
                    };
                    let found = ranges.iter().find(|range| range.contains(address)).map(|range| range.status);
                    assert_eq!(found, expected, "{range:x?}");
                }
            }
        }
        assert_eq!(Unwrapping::default().special_v6(), special::V6);
    }

    #[test]
    fn own_prefixes_are_cut_out_of_the_local_range() {
        let unwrapping = Unwrapping::new(true, &prefixes(&["64:ff9b:1:8::/96", "64:ff9b:1:4::/64"])).unwrap();
        let local: Vec<(u128, u128, Status)> = unwrapping
            .special_v6()
            .into_iter()
            .filter(|range| range.first >> 80 == 0x0064_ff9b_0001)
            .map(|range| (range.first, range.last, range.status))
            .collect();
        let expected = [
            ("64:ff9b:1::", "64:ff9b:1:3:ffff:ffff:ffff:ffff", Status::Private),
            ("64:ff9b:1:5::", "64:ff9b:1:7:ffff:ffff:ffff:ffff", Status::Private),
            ("64:ff9b:1:8:0:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", Status::Private),
        ];
        assert_eq!(local, expected.map(|(first, last, status)| (v6(first), v6(last), status)));
    }

    #[test]
    fn the_table_of_rfc_6052_section_2_4() {
        for (prefix, address) in [
            ("2001:db8::/32", "2001:db8:c000:221::"),
            ("2001:db8:100::/40", "2001:db8:1c0:2:21::"),
            ("2001:db8:122::/48", "2001:db8:122:c000:2:2100::"),
            ("2001:db8:122:300::/56", "2001:db8:122:3c0:0:221::"),
            ("2001:db8:122:344::/64", "2001:db8:122:344:c0:2:2100::"),
            ("2001:db8:122:344::/96", "2001:db8:122:344::192.0.2.33"),
        ] {
            let parsed: Nat64Prefix = prefix.parse().unwrap();
            assert_eq!(parsed.to_string(), prefix);
            assert_eq!(parsed.embedded(v6(address)), Some(v4("192.0.2.33")), "{prefix}");
            assert_eq!(parsed.embedded(v6(address) | (1 << 56)), None, "{prefix}");
            assert_eq!(parsed.embedded(parsed.bits - 1), None, "{prefix}");
            assert_eq!(parsed.embedded(parsed.range().1 + 1), None, "{prefix}");
        }
    }

    #[test]
    fn every_bit_of_an_embedded_address_has_its_place() {
        for length in [32, 40, 48, 56, 64, 96] {
            let prefix: Nat64Prefix = format!("4000::/{length}").parse().unwrap();
            for inner in (0..32).map(|bit| 1_u32 << bit).chain([0, u32::MAX]) {
                // Octet by octet, as the figure of RFC 6052 §2.2 has it: the first free octet that is not 8.
                let mut octets = prefix.bits.to_be_bytes();
                let places = (length / 8..).filter(|&place| place != 8);
                for (place, octet) in places.zip(inner.to_be_bytes()) {
                    *octets.get_mut(place).unwrap() = octet;
                }
                assert_eq!(prefix.embedded(u128::from_be_bytes(octets)), Some(inner), "{length} {inner:x}");
            }
        }
    }

    #[test]
    fn malformed_prefixes() {
        for (text, message) in [
            ("", "`nat64`: a prefix has no length; write it after a slash"),
            ("64:ff9b:1::", "`nat64`: a prefix has no length; write it after a slash"),
            ("192.0.2.0/32", "`nat64`: a prefix is not one of IPv6"),
            ("[64:ff9b:1::]/96", "`nat64`: a prefix is not one of IPv6"),
            (" 64:ff9b:1::/96", "`nat64`: a prefix is not one of IPv6"),
            ("64:ff9b:1::/64 ", "`nat64`: a prefix has a length that is none of 32, 40, 48, 56, 64, 96 (RFC 6052)"),
            ("64:ff9b:1::/72", "`nat64`: a prefix has a length that is none of 32, 40, 48, 56, 64, 96 (RFC 6052)"),
            ("64:ff9b:1::/+96", "`nat64`: a prefix has a length that is none of 32, 40, 48, 56, 64, 96 (RFC 6052)"),
            ("64:ff9b:1::1/96", "`nat64`: a prefix has bits set after its length; set them to zero"),
            ("64:ff9b:1:0:100::/96", "`nat64`: a prefix has bits set in octet 8, which must be zero (RFC 6052)"),
        ] {
            assert_eq!(text.parse::<Nat64Prefix>().unwrap_err().to_string(), message, "{text}");
        }
    }

    #[test]
    fn contradicting_prefixes() {
        let refusal = |texts: &[&str]| Unwrapping::new(true, &prefixes(texts)).unwrap_err().to_string();
        assert_eq!(
            refusal(&["64:ff9b:1:1::/64", "4000::/32", "64:ff9b:1::/48"]),
            "`nat64`: prefix 3 overlaps prefix 1; keep one of them"
        );
        assert_eq!(refusal(&["4000::/32", "4000::/32"]), "`nat64`: prefix 2 overlaps prefix 1; keep one of them");
        for text in ["64:ff9b::/96", "64:ff9b::/32", "64:ff9b::/48", "2001::/32", "2002:1234::/32", "::ffff:0:0/96"] {
            assert_eq!(
                refusal(&["4000::/32", text]),
                "`nat64`: prefix 2 overlaps a range that is always unwrapped; leave it out",
                "{text}"
            );
        }
        for (text, range) in [
            ("2001:db8:122:344::/64", "documentation, RFC 3849"),
            ("fd00::/48", "unique local, RFC 4193"),
            ("::/96", "unspecified, RFC 4291"),
            ("100::/40", "discard-only, RFC 6666"),
            ("ff00::/32", "multicast, RFC 4291"),
        ] {
            assert_eq!(
                refusal(&[text]),
                format!(
                    "`nat64`: prefix 1 overlaps a special-purpose range ({range}); take one of your own \
                     network or one out of the range for local translation (RFC 8215)"
                )
            );
        }
        assert_eq!(
            Unwrapping::new(false, &prefixes(&["4000::/32"])).unwrap_err().to_string(),
            "`nat64`: own prefixes do nothing while unwrapping is off; leave one of the two out"
        );
    }

    #[test]
    fn configuration_can_be_read_back() {
        let given = prefixes(&["64:ff9b:1:8::/96", "4000::/32"]);
        let unwrapping = Unwrapping::new(true, &given).unwrap();
        assert!(unwrapping.is_enabled());
        assert_eq!(unwrapping.nat64(), given);
        assert!(!Unwrapping::new(false, &[]).unwrap().is_enabled());
        assert_eq!(Unwrapping::new(true, &[]).unwrap(), Unwrapping::default());
    }
}
