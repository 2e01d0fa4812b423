//! A slow, obviously correct reference for tests and fuzzing: a list of ranges, looked at one by one.
//!
//! It shares no code with [`crate::range`], [`crate::build`] or the indexes; of [`crate::special`] it takes the data.

use crate::addr::Address;
use crate::region;
use crate::slot::{Evidence, Place, Status};
use crate::special::{V4, V6};
use crate::unwrap::Wrapping;

/// A range with the text that the database or the override file has for it.
#[derive(Clone, Debug)]
pub struct Row {
    /// First address; of the same family as `last`.
    pub first: Address,
    /// Last address.
    pub last: Address,
    /// Region text as the file has it.
    pub text: String,
}

/// What an address answers.
pub type Answer = (Place, Evidence, Wrapping);

/// A database and overrides by subdivision, with the unwrapping that is on by default.
#[derive(Clone, Debug, Default)]
pub struct Oracle {
    /// The database; the narrowest range around an address decides.
    pub database: Vec<Row>,
    /// The overrides; likewise.
    pub overrides: Vec<Row>,
}

impl Oracle {
    /// The answer for one address, by looking at every row.
    #[must_use]
    pub fn answer(&self, address: Address) -> Answer {
        let (judged, wrapping) = unwrapped(address);
        if let Some(row) = narrowest(&self.overrides, judged) {
            let place = if row.text == "relay" { Some(Place::Status(Status::Relay)) } else { region::place(&row.text) };
            return evident(place, Evidence::Override, wrapping);
        }
        if let Some(status) = special(judged) {
            return (Place::Status(status), Evidence::None, wrapping);
        }
        let place = narrowest(&self.database, judged).and_then(|row| region::place(&row.text));
        evident(place, Evidence::Database, wrapping)
    }
}

fn evident(place: Option<Place>, evidence: Evidence, wrapping: Wrapping) -> Answer {
    match place {
        None | Some(Place::Status(Status::Unknown)) => (Place::Status(Status::Unknown), Evidence::None, wrapping),
        Some(place) => (place, evidence, wrapping),
    }
}

fn narrowest(rows: &[Row], address: Address) -> Option<&Row> {
    let around = rows.iter().filter(|row| match (row.first, address, row.last) {
        (Address::V4(first), Address::V4(at), Address::V4(last)) => first <= at && at <= last,
        (Address::V6(first), Address::V6(at), Address::V6(last)) => first <= at && at <= last,
        _ => false,
    });
    around.min_by_key(|row| match (row.first, row.last) {
        (Address::V4(first), Address::V4(last)) => u128::from(last - first),
        (Address::V6(first), Address::V6(last)) => last - first,
        _ => u128::MAX,
    })
}

fn special(address: Address) -> Option<Status> {
    match address {
        Address::V4(at) => V4.iter().find(|row| row.first <= at && at <= row.last).map(|row| row.status),
        Address::V6(at) => V6.iter().find(|row| row.first <= at && at <= row.last).map(|row| row.status),
    }
}

/// By the text of the address: octets and groups as the RFCs draw them.
fn unwrapped(address: Address) -> (Address, Wrapping) {
    let Address::V6(bits) = address else { return (address, Wrapping::None) };
    let [a, b, c, d, e, f, g, h]: [u16; 8] = std::net::Ipv6Addr::from(bits).segments();
    let v4 = |high: u16, low: u16| Address::V4(u32::from(high) << 16 | u32::from(low));
    match (a, b, c, d, e, f) {
        (0, 0, 0, 0, 0, 0xffff) => (v4(g, h), Wrapping::Mapped),
        (0x2002, inner, low, ..) => (v4(inner, low), Wrapping::SixToFour),
        (0x2001, 0, ..) => (v4(!g, !h), Wrapping::Teredo),
        (0x64, 0xff9b, 0, 0, 0, 0) => (v4(g, h), Wrapping::Nat64),
        _ => (address, Wrapping::None),
    }
}
