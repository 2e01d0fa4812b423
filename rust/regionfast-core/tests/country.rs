//! The bundled table, and the database it was made of: around every range, against a sorted merge.
//!
//! A merge goes along the ascending ranges and the ascending addresses once. It is as plain as the linear scan, and
//! fast enough for half a million ranges.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "tests; they say why they skip"
)]

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use maxminddb::{Reader, WithinOptions, path};
use regionfast_core::build::Content;
use regionfast_core::database::{Database, ReadOptions};
use regionfast_core::level::Level;
use regionfast_core::lookup::{Answers, Kernel};
use regionfast_core::slot::{Evidence, Label, Place, Slot, Status};
use regionfast_core::unwrap::Unwrapping;
use regionfast_core::{Address, Table, file, region, special};

/// A start and what is said from there on.
type Start<T> = (T, Label);

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The country database, where it lies beside the repository.
fn country_database() -> Option<Vec<u8>> {
    let path = repository().join("../shared/data/geo-whois-asn-country.mmdb");
    let bytes = std::fs::read(&path);
    if let Err(error) = &bytes {
        eprintln!("skipped: {}: {error}", path.display());
    }
    bytes.ok()
}

fn label(place: Place) -> Label {
    let evidence = match place {
        Place::Region(_) | Place::Status(Status::Relay) => Evidence::Database,
        Place::Status(_) => Evidence::None,
    };
    Label { place, evidence }
}

fn status(status: Status) -> Label {
    Label { place: Place::Status(status), evidence: Evidence::None }
}

/// Below and above each start, and at it: with the last address of the one before these are all five probes.
fn around_v4(starts: &[Start<u32>]) -> Vec<u32> {
    let near = starts
        .iter()
        .flat_map(|(start, _)| [start.wrapping_sub(2), start.wrapping_sub(1), *start, start.wrapping_add(1)]);
    let mut probes: Vec<u32> = near.collect();
    probes.sort_unstable();
    probes.dedup();
    probes
}

fn around_v6(starts: &[Start<u128>]) -> Vec<u128> {
    let near = starts
        .iter()
        .flat_map(|(start, _)| [start.wrapping_sub(2), start.wrapping_sub(1), *start, start.wrapping_add(1)]);
    let mut probes: Vec<u128> = near.collect();
    probes.sort_unstable();
    probes.dedup();
    probes
}

/// What is said at each of the ascending addresses.
fn merged<'a, T: PartialOrd>(starts: &'a [Start<T>], addresses: &[T]) -> Vec<&'a Label> {
    let mut at = 0;
    let said = addresses.iter().map(|address| {
        while starts.get(at + 1).is_some_and(|(start, _)| start <= address) {
            at += 1;
        }
        &starts[at].1
    });
    said.collect()
}

/// Lays `over` (first, last, label) on starts, address by address of where anything begins or ends.
fn laid_on<T: Copy + Ord>(
    starts: Vec<Start<T>>,
    over: &[(T, T, Label)],
    after: impl Fn(T) -> Option<T>,
) -> Vec<Start<T>> {
    let mut edges: Vec<T> = starts.iter().map(|(start, _)| *start).collect();
    edges.extend(over.iter().flat_map(|(first, last, _)| [Some(*first), after(*last)]).flatten());
    edges.sort_unstable();
    edges.dedup();
    let below = merged(&starts, &edges);
    let top = |edge: T| over.iter().find(|(first, last, _)| *first <= edge && edge <= *last);
    edges.iter().zip(below).map(|(&edge, below)| (edge, top(edge).map_or(below, |(.., label)| label).clone())).collect()
}

/// Each probe alone and in a batch of every kernel.
fn assert_says(table: Table, v4: &[Start<u32>], v6: &[Start<u128>], zones: &[(u128, u128)]) {
    let probes_v4 = around_v4(v4);
    let probes_v6 = around_v6(v6);
    let packed: Vec<[u8; 16]> = probes_v6.iter().map(|bits| bits.to_be_bytes()).collect();
    let (said_v4, said_v6) = (merged(v4, &probes_v4), merged(v6, &probes_v6));
    let in_zone = |bits: u128| zones.iter().any(|&(first, last)| first <= bits && bits <= last);
    let mut table = table;
    for kernel in Kernel::available() {
        table = table.with_kernel(kernel);
        let mut found = Answers::default();
        found.extend(&table, &*probes_v4, NonZero::new(1));
        found.extend(&table, &*packed, NonZero::new(1));
        let label = |slot: Slot| &table.labels()[usize::from(slot)];
        for ((&address, expected), &slot) in probes_v4.iter().zip(&said_v4).zip(&found.slots) {
            assert_eq!(label(slot), *expected, "{address:#010x} {}", kernel.name());
        }
        let of_v6 = &found.slots[probes_v4.len()..];
        for ((&address, expected), &slot) in probes_v6.iter().zip(&said_v6).zip(of_v6) {
            assert!(in_zone(address) || label(slot) == *expected, "{address:#034x} {}", kernel.name());
        }
    }
    for (&address, expected) in probes_v4.iter().zip(said_v4) {
        let found = table.lookup(Address::V4(address));
        assert_eq!(table.labels()[usize::from(found.slot)], *expected, "{address:#010x} alone");
    }
    for (&address, expected) in probes_v6.iter().zip(said_v6) {
        let found = table.lookup(Address::V6(address));
        let inside = found.judged != Address::V6(address);
        assert_eq!(inside, in_zone(address));
        assert!(inside || table.labels()[usize::from(found.slot)] == *expected, "{address:#034x} alone");
    }
}

/// The zones of RFC 4291, 6052, 4380 and 3056.
const ZONES: [(u128, u128); 4] = [
    (0xffff << 32, (0x1_0000 << 32) - 1),
    (0x0064_ff9b << 96, (0x0064_ff9b << 96) | 0xffff_ffff),
    (0x2001_0000 << 96, (0x2001_0001 << 96) - 1),
    (0x2002 << 112, (0x2003 << 112) - 1),
];

#[test]
fn around_every_range_of_the_bundled_table() {
    let bytes = std::fs::read(repository().join("python/regionfast/data/country.rft")).unwrap();
    let content = Arc::new(file::read(&bytes).unwrap());
    let label = |slot: Slot| content.labels.get(usize::from(slot)).cloned().unwrap_or(status(Status::Unknown));
    let v4: Vec<_> =
        content.v4.starts().iter().copied().zip(content.v4.slots().iter().map(|slot| label(*slot))).collect();
    let v6: Vec<_> =
        content.v6.starts().iter().copied().zip(content.v6.slots().iter().map(|slot| label(*slot))).collect();
    assert!(v4.len() > 300_000 && v6.len() > 100_000, "{} and {} ranges", v4.len(), v6.len());
    assert_says(Table::new(Arc::clone(&content)).unwrap(), &v4, &v6, &ZONES);
}

/// The database by the crate's own iteration, and the special ranges on top.
fn merge_of(bytes: &[u8]) -> (Vec<Start<u32>>, Vec<Start<u128>>) {
    let reader = Reader::from_source(bytes).unwrap();
    let options = WithinOptions::default().include_networks_without_data();
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    for found in reader.networks(options).unwrap() {
        let found = found.unwrap();
        let code: Option<&str> = found.decode_path(&path!["country_code"]).unwrap();
        let label = code.and_then(region::place).map_or(status(Status::Unknown), label);
        match found.network().unwrap().network().into() {
            Address::V4(first) => v4.push((first, label)),
            Address::V6(first) => v6.push((first, label)),
        }
    }
    // What the crate shows as IPv4 lies at ::/96 and is missing among the IPv6 networks, like the aliases; there the
    // special ranges and the zones decide.
    v6.push((0, status(Status::Unknown)));
    for (_, last) in ZONES {
        v6.push((last + 1, status(Status::Unknown)));
    }
    v6.sort_by_key(|(first, _)| *first);
    v6.dedup_by(|after, before| {
        // The network itself, where the end of a zone is one.
        let same = after.0 == before.0;
        if same && before.1 == status(Status::Unknown) {
            before.1 = after.1.clone();
        }
        same
    });
    let special_v4: Vec<_> = special::V4.iter().map(|range| (range.first, range.last, status(range.status))).collect();
    let special_v6: Vec<_> = special::V6.iter().map(|range| (range.first, range.last, status(range.status))).collect();
    (laid_on(v4, &special_v4, |last| last.checked_add(1)), laid_on(v6, &special_v6, |last| last.checked_add(1)))
}

fn compiled(bytes: &[u8]) -> Table {
    let database = Database::read(bytes, &ReadOptions::default()).unwrap();
    Table::new(Arc::new(Content::compile(database, Level::Country, Unwrapping::default(), "").unwrap())).unwrap()
}

#[test]
#[ignore = "long: the whole country database"]
fn around_every_network_of_the_country_database() {
    let Some(bytes) = country_database() else { return };
    let (v4, v6) = merge_of(&bytes);
    assert!(v4.len() > 341_000 && v6.len() > 100_000, "{} and {} networks", v4.len(), v6.len());
    assert_says(compiled(&bytes), &v4, &v6, &ZONES);
}

/// Not only where something changes: every address there is, by every kernel.
#[test]
#[ignore = "long: all 2^32 addresses"]
fn every_ipv4_address_of_the_country_database() {
    let Some(bytes) = country_database() else { return };
    let (v4, _) = merge_of(&bytes);
    let mut table = compiled(&bytes);
    // The merge by slots, so that it keeps up.
    let slot = |label: &Label| table.labels().iter().position(|known| known == label).unwrap() as Slot;
    let starts: Vec<(u64, Slot)> = v4.iter().map(|(start, label)| (u64::from(*start), slot(label))).collect();
    const PIECE: usize = 1 << 16;
    let mut expected = vec![0; PIECE];
    let mut slots = vec![0; PIECE];
    for kernel in Kernel::available() {
        table = table.with_kernel(kernel);
        let mut at = 0;
        for first in (0..=u32::MAX).step_by(PIECE) {
            let addresses: Vec<u32> = (0..PIECE as u32).map(|nth| first + nth).collect();
            let (mut filled, end) = (0, u64::from(first) + PIECE as u64);
            while filled < PIECE {
                let next = starts.get(at + 1).map_or(end, |(start, _)| *start);
                let until = (next.min(end) - u64::from(first)) as usize;
                expected[filled..until].fill(starts[at].1);
                filled = until;
                at += usize::from(next <= end && at + 1 < starts.len());
            }
            table.lookup_v4_many(&addresses, &mut slots);
            assert!(slots == expected, "{} from {first:#010x}", kernel.name());
        }
    }
}
