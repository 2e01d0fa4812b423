//! A slow, obviously correct reference for what a table answers. Tests and fuzz targets compare with it.
//!
//! It shares no code with the engine's structures: no segments, no overlay, no index, no slot. Networks are a
//! list that is searched from end to end, IPv4 is taken out of IPv6 octet by octet, and the layers are asked
//! one after the other: wrapped IPv4, overrides, special ranges, database.

use std::collections::BTreeSet;
use std::net::Ipv6Addr;

use crate::addr::Address;
use crate::database::Database;
use crate::overrides::Overrides;
use crate::slot::{Evidence, Label, Place, Slot, Status};
use crate::special;
use crate::unwrap::{Unwrapping, Wrapping};

/// Addresses of one family from `first` to `last`, and what is said of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The lowest address.
    pub first: Address,
    /// The highest address.
    pub last: Address,
    /// Where they are, and who says so.
    pub label: Label,
}

/// What is to be answered for one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Where the address is, and who says so.
    pub label: Label,
    /// The address that was judged: the one inside, where the given one was wrapped.
    pub judged: Address,
    /// How it was wrapped.
    pub wrapping: Wrapping,
}

/// A database with overrides, searched one address at a time.
#[derive(Clone, Debug)]
pub struct Oracle {
    database: Vec<Entry>,
    overrides: Vec<Entry>,
    unwraps: bool,
    /// Octets of own NAT64 prefixes, and how many of them are the prefix.
    nat64: Vec<([u8; 16], usize)>,
}

impl Oracle {
    /// Entries may be nested; the narrowest around an address counts.
    #[must_use]
    pub fn new(database: Vec<Entry>, overrides: Vec<Entry>, unwrapping: &Unwrapping) -> Self {
        let own = |prefix: String| {
            let (address, length) = prefix.split_once('/')?;
            let address: Ipv6Addr = address.parse().ok()?;
            Some((address.octets(), length.parse::<usize>().ok()? / 8))
        };
        let nat64 = unwrapping.nat64().iter().filter_map(|prefix| own(prefix.to_string())).collect();
        Self { database, overrides, unwraps: unwrapping.is_enabled(), nat64 }
    }

    /// What a table has to answer for this address.
    #[must_use]
    pub fn answer(&self, address: Address) -> Answer {
        let (judged, wrapping) = match address {
            Address::V6(bits) if self.unwraps => match self.inside(bits.to_be_bytes()) {
                Inside::V4(inner, wrapping) => (Address::V4(inner), wrapping),
                Inside::Forbidden => return Answer::plain(address, status(Status::Reserved)),
                Inside::Nothing => (address, Wrapping::None),
            },
            _ => (address, Wrapping::None),
        };
        let label = narrowest(&self.overrides, judged)
            .or_else(|| self.special(judged).map(status))
            .or_else(|| narrowest(&self.database, judged))
            .unwrap_or(status(Status::Unknown));
        Answer { label, judged, wrapping }
    }

    /// Around each end of each entry, special range and zone of wrapped IPv4 the addresses where an answer may
    /// change: the end itself and its neighbours. Those of IPv4 also wrapped in every way.
    #[must_use]
    pub fn edges(&self) -> BTreeSet<Address> {
        let mut ends: Vec<Address> = Vec::new();
        for entry in self.database.iter().chain(&self.overrides) {
            ends.extend([entry.first, entry.last]);
        }
        ends.extend(special::V4.iter().flat_map(|range| [Address::V4(range.first), Address::V4(range.last)]));
        ends.extend(special::V6.iter().flat_map(|range| [Address::V6(range.first), Address::V6(range.last)]));
        ends.extend([0, u32::MAX].map(Address::V4));
        ends.extend([0, u128::MAX].map(Address::V6));
        let mut edges: BTreeSet<Address> = ends.into_iter().flat_map(around).collect();
        let v4: Vec<u32> = edges.iter().filter_map(|edge| v4(*edge)).collect();
        edges.extend(v4.into_iter().flat_map(|inner| self.wrapped(inner)));
        // The ends of the zones hold the lowest and the highest IPv4 address.
        edges.extend([0, u32::MAX].into_iter().flat_map(|inner| self.wrapped(inner)).flat_map(around));
        edges
    }

    /// An IPv4 address in every wrapping, also where unwrapping is off.
    fn wrapped(&self, inner: u32) -> Vec<Address> {
        let [a, b, c, d] = inner.to_be_bytes();
        let mut all = vec![
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d],
            [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d],
            [0x20, 0x01, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, !a, !b, !c, !d],
            [0x20, 0x01, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255, !a, !b, !c, !d],
            [0x20, 0x02, a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            [0x20, 0x02, a, b, c, d, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255],
        ];
        for (prefix, length) in &self.nat64 {
            let mut octets = *prefix;
            let places = octets.iter_mut().enumerate().skip(*length).filter(|(place, _)| *place != 8);
            places.zip([a, b, c, d]).for_each(|((_, to), from)| *to = from);
            all.push(octets);
            // No translator makes these.
            if let Some(octet_8) = octets.get_mut(8) {
                *octet_8 = 1;
            }
            all.push(octets);
            octets.iter_mut().skip(*length).for_each(|octet| *octet = 255);
            all.push(octets);
        }
        all.into_iter().map(|octets| Address::V6(u128::from_be_bytes(octets))).collect()
    }

    fn inside(&self, octets: [u8; 16]) -> Inside {
        let found = |octets, wrapping| Inside::V4(u32::from_be_bytes(octets), wrapping);
        match octets {
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d] => found([a, b, c, d], Wrapping::Mapped),
            [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d] => found([a, b, c, d], Wrapping::Nat64),
            [0x20, 0x01, 0, 0, .., a, b, c, d] => found([!a, !b, !c, !d], Wrapping::Teredo),
            [0x20, 0x02, a, b, c, d, ..] => found([a, b, c, d], Wrapping::SixToFour),
            _ => {
                let own = self.nat64.iter().find(|(prefix, length)| octets.get(..*length) == prefix.get(..*length));
                let Some((_, length)) = own else { return Inside::Nothing };
                if octets.get(8) != Some(&0) {
                    return Inside::Forbidden;
                }
                let places = octets.iter().enumerate().skip(*length).filter(|(place, _)| *place != 8);
                let mut inner = [0; 4];
                inner.iter_mut().zip(places).for_each(|(to, (_, from))| *to = *from);
                found(inner, Wrapping::Nat64)
            }
        }
    }

    fn special(&self, address: Address) -> Option<Status> {
        match address {
            Address::V4(bits) => special::V4.iter().find(|range| range.contains(bits)).map(|range| range.status),
            // RFC 4291 §2.5.5.2, RFC 4380 and RFC 3056; reached only where nothing is unwrapped.
            Address::V6(bits) => match bits.to_be_bytes() {
                [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ..] | [0x20, 0x01, 0, 0, ..] | [0x20, 0x02, ..] => {
                    Some(Status::Reserved)
                }
                _ => special::V6.iter().find(|range| range.contains(bits)).map(|range| range.status),
            },
        }
    }
}

/// What an IPv6 address carries.
enum Inside {
    Nothing,
    /// It has an own NAT64 prefix, and what RFC 6052 forbids in octet 8.
    Forbidden,
    V4(u32, Wrapping),
}

impl Answer {
    fn plain(judged: Address, label: Label) -> Self {
        Self { label, judged, wrapping: Wrapping::None }
    }
}

/// The entries of a database. An address in none of them is unknown.
#[must_use]
pub fn of_database(database: &Database) -> Vec<Entry> {
    let label = |slot: Slot| database.labels.list().get(usize::from(slot)).cloned().unwrap_or(status(Status::Unknown));
    let v4 = database.v4.iter().map(|(range, slot)| Entry {
        first: Address::V4(range.first),
        last: Address::V4(range.last),
        label: label(slot),
    });
    let v6 = database.v6.iter().flat_map(|v6| v6.iter()).map(|(range, slot)| Entry {
        first: Address::V6(range.first),
        last: Address::V6(range.last),
        label: label(slot),
    });
    v4.chain(v6).collect()
}

/// The entries of overrides. "Not to be located" is nobody's evidence.
#[must_use]
pub fn of_overrides(overrides: &Overrides) -> Vec<Entry> {
    let label = |place: &Place| match place {
        Place::Status(Status::Unknown) => status(Status::Unknown),
        place => Label { place: place.clone(), evidence: Evidence::Override },
    };
    let v4 = overrides.v4.iter().map(|(range, place)| Entry {
        first: Address::V4(range.first),
        last: Address::V4(range.last),
        label: label(place),
    });
    let v6 = overrides.v6.iter().map(|(range, place)| Entry {
        first: Address::V6(range.first),
        last: Address::V6(range.last),
        label: label(place),
    });
    v4.chain(v6).collect()
}

fn status(status: Status) -> Label {
    Label { place: Place::Status(status), evidence: Evidence::None }
}

/// IPv4 addresses sort below all IPv6 addresses, so one comparison serves both.
fn narrowest(entries: &[Entry], address: Address) -> Option<Label> {
    let size = |entry: &&Entry| match (entry.first, entry.last) {
        (Address::V4(first), Address::V4(last)) => u128::from(last - first),
        (Address::V6(first), Address::V6(last)) => last - first,
        _ => u128::MAX,
    };
    let holding = entries.iter().filter(|entry| entry.first <= address && address <= entry.last);
    holding.min_by_key(size).map(|entry| entry.label.clone())
}

fn v4(address: Address) -> Option<u32> {
    match address {
        Address::V4(bits) => Some(bits),
        Address::V6(_) => None,
    }
}

/// An address and its neighbours.
fn around(address: Address) -> Vec<Address> {
    let near = match address {
        Address::V4(bits) => [bits.checked_sub(1), Some(bits), bits.checked_add(1)].map(|bits| bits.map(Address::V4)),
        Address::V6(bits) => [bits.checked_sub(1), Some(bits), bits.checked_add(1)].map(|bits| bits.map(Address::V6)),
    };
    near.into_iter().flatten().collect()
}
