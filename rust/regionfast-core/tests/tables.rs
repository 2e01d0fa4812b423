//! Compiled tables against the linear oracle, kernel by kernel, at the edges of every range.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use std::fmt::Write as _;
use std::net::IpAddr;
use std::num::NonZero;
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use regionfast_core::build::Content;
use regionfast_core::database::{Database, ReadOptions};
use regionfast_core::level::Level;
use regionfast_core::lookup::{Answers, Kernel};
use regionfast_core::oracle::{Entry, Oracle};
use regionfast_core::overrides::Overrides;
use regionfast_core::region;
use regionfast_core::slot::{Evidence, Label, Place, Status};
use regionfast_core::unwrap::Unwrapping;
use regionfast_core::{Address, Error, Table, file};

/// A range with its region as a file has it.
#[derive(Clone, Debug)]
struct Row {
    first: Address,
    last: Address,
    text: String,
}

fn entries(rows: &[Row], evidence: Evidence) -> Vec<Entry> {
    // Only `relay`, a word of overrides, is no text of a region.
    let label = |text: &str| match region::place(text).unwrap_or(Place::Status(Status::Relay)) {
        place @ Place::Status(Status::Unknown) => Label { place, evidence: Evidence::None },
        place => Label { place, evidence },
    };
    rows.iter().map(|row| Entry { first: row.first, last: row.last, label: label(&row.text) }).collect()
}

/// What a table of this database and these overrides has to answer.
fn oracle(database: &[Row], overrides: &[Row]) -> Oracle {
    let overrides = entries(overrides, Evidence::Override);
    Oracle::new(entries(database, Evidence::Database), overrides, &Unwrapping::default())
}

fn content(csv: &str) -> Content {
    let options = ReadOptions { level: Level::Subdivision, ..ReadOptions::default() };
    let database = Database::read(csv.as_bytes(), &options).unwrap();
    Content::compile(database, Level::Subdivision, Unwrapping::default(), "").unwrap()
}

fn table(csv: &str) -> Table {
    Table::new(Arc::new(content(csv))).unwrap()
}

fn rows_csv(rows: &[Row]) -> String {
    let mut csv = String::new();
    for row in rows {
        let (first, last) = (IpAddr::from(row.first), IpAddr::from(row.last));
        writeln!(csv, "{first},{last},{}", row.text).unwrap();
    }
    csv
}

fn check(table: &Table, oracle: &Oracle, address: Address) {
    let found = table.lookup(address);
    let label = &table.labels()[usize::from(found.slot)];
    let expected = oracle.answer(address);
    assert_eq!((label, found.wrapping), (&expected.label, expected.wrapping), "{address:?}");
}

/// Every kernel gives the slots of the single lookup, for a batch of any length and alignment.
fn check_kernels(table: &Table, v4: &[u32], v6: &[[u8; 16]]) {
    let one4: Vec<u16> = v4.iter().map(|&bits| table.lookup(Address::V4(bits)).slot).collect();
    let one6: Vec<(u16, u8)> = v6
        .iter()
        .map(|bytes| table.lookup(Address::V6(u128::from_be_bytes(*bytes))))
        .map(|found| (found.slot, found.wrapping as u8))
        .collect();
    for kernel in Kernel::available() {
        let table = Table::new(Arc::clone(table.content())).unwrap().with_kernel(kernel);
        let mut slots = vec![u16::MAX; v4.len()];
        table.lookup_v4_many(v4, &mut slots);
        assert_eq!(slots, one4, "{}", kernel.name());
        let mut answers = Answers::default();
        answers.extend(&table, v6, NonZero::new(1));
        let both: Vec<_> = answers.slots.into_iter().zip(answers.wrappings).collect();
        assert_eq!(both, one6, "{}", kernel.name());
    }
}

/// The addresses around both ends of every row: just outside, the ends, just inside.
fn probes(rows: &[Row]) -> (Vec<u32>, Vec<u128>) {
    let (mut v4, mut v6) = (vec![0, u32::MAX], vec![0, 1, u128::MAX, u128::MAX - 1, (1 << 64) - 1, 1 << 64]);
    for row in rows {
        match (row.first, row.last) {
            (Address::V4(first), Address::V4(last)) => v4.extend([
                first.saturating_sub(1),
                first,
                first.saturating_add(1),
                last.saturating_sub(1),
                last,
                last.saturating_add(1),
            ]),
            (Address::V6(first), Address::V6(last)) => v6.extend([
                first.saturating_sub(1),
                first,
                first.saturating_add(1),
                last.saturating_sub(1),
                last,
                last.saturating_add(1),
            ]),
            _ => unreachable!("rows have one family"),
        }
    }
    v6.extend(v4.iter().map(|&bits| 0xffff << 32 | u128::from(bits)));
    (v4, v6)
}

fn check_everywhere(database: &[Row], overrides: &[Row], table: &Table) {
    let oracle = &oracle(database, overrides);
    let (v4, v6) = probes(&[database, overrides].concat());
    v4.iter().for_each(|&bits| check(table, oracle, Address::V4(bits)));
    v6.iter().for_each(|&bits| check(table, oracle, Address::V6(bits)));
    let packed: Vec<[u8; 16]> = v6.iter().map(|bits| bits.to_be_bytes()).collect();
    check_kernels(table, &v4, &packed);
    let again = Table::new(Arc::new(file::read(&file::write(table.content())).unwrap())).unwrap();
    assert_eq!(again.content().digest, table.content().digest);
    v4.iter().for_each(|&bits| assert_eq!(again.lookup(Address::V4(bits)), table.lookup(Address::V4(bits))));
    v6.iter().for_each(|&bits| assert_eq!(again.lookup(Address::V6(bits)), table.lookup(Address::V6(bits))));
}

fn v4(bits: u32, length: u32, text: &str) -> Row {
    let host = u32::MAX.checked_shr(length).unwrap_or(0);
    Row { first: Address::V4(bits & !host), last: Address::V4(bits | host), text: text.to_owned() }
}

fn v6(bits: u128, length: u32, text: &str) -> Row {
    let host = u128::MAX.checked_shr(length).unwrap_or(0);
    Row { first: Address::V6(bits & !host), last: Address::V6(bits | host), text: text.to_owned() }
}

const TEXTS: [&str; 6] = ["CN", "HK", "US-CA", "CN-HK", "XX", "A1"];

fn any_v4() -> impl Strategy<Value = Row> {
    let near = prop_oneof![any::<u32>(), Just(0x0808_0800), Just(0x0804_0000), Just(u32::MAX), Just(0x0100_0000)];
    (near, 0_u32..=0x3ff, 0_u32..=32, 0..TEXTS.len())
        .prop_map(|(bits, low, length, text)| v4(bits ^ low, length, TEXTS[text]))
}

fn any_v6() -> impl Strategy<Value = Row> {
    let high = prop_oneof![
        any::<u64>(),
        Just(u64::MAX),
        Just(u64::MAX - 1),
        Just(0x2a00_0000_0000_0000),
        Just(0x2a00_0000_0000_0001),
        Just(0)
    ];
    (high, any::<u64>(), 0_u32..=128, 0..TEXTS.len())
        .prop_map(|(high, low, length, text)| v6(u128::from(high) << 64 | u128::from(low), length, TEXTS[text]))
}

/// Equal networks with different texts are an error of their own; here the first stays.
fn distinct(rows: Vec<Row>) -> Vec<Row> {
    let mut seen = std::collections::HashSet::new();
    rows.into_iter().filter(|row| seen.insert((row.first, row.last))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 24 } else { 200 }))]

    #[test]
    fn tables_equal_the_oracle(
        four in prop::collection::vec(any_v4(), 0..24),
        six in prop::collection::vec(any_v6(), 1..24),
    ) {
        let rows = distinct(four.into_iter().chain(six).collect());
        check_everywhere(&rows, &[], &table(&rows_csv(&rows)));
    }

    #[test]
    fn overrides_equal_the_oracle_and_the_base_knows_none(
        database in prop::collection::vec(any_v4(), 1..8),
        four in prop::collection::vec(any_v4(), 0..8),
        six in prop::collection::vec(any_v6(), 0..8),
    ) {
        let zones = [(0xffff_u128 << 32, 96), (0x0064_ff9b << 96, 96), (0x2001_0000 << 96, 32), (0x2002 << 112, 16)];
        let inside = |row: &Row| zones.iter().any(|&(bits, length)| {
            let zone = v6(bits, length, "");
            matches!((zone.first, row.first, row.last, zone.last), (Address::V6(a), Address::V6(b), Address::V6(c), Address::V6(d)) if a <= b && c <= d)
        });
        let mut overrides = distinct(four.into_iter().chain(six).filter(|row| !inside(row)).collect());
        overrides.iter_mut().for_each(|row| row.text = if row.text == "XX" { "relay" } else { "DE" }.to_owned());
        let database = distinct(database);
        let networks: Vec<(String, String)> = overrides.iter().map(|row| {
            let (IpAddr::V4(_) | IpAddr::V6(_)) = IpAddr::from(row.first);
            let length = match (row.first, row.last) {
                (Address::V4(first), Address::V4(last)) => (first ^ last).leading_zeros(),
                (Address::V6(first), Address::V6(last)) => (first ^ last).leading_zeros(),
                _ => unreachable!("rows have one family"),
            };
            (format!("{}/{length}", IpAddr::from(row.first)), row.text.clone())
        }).collect();
        let own = Overrides::from_rows(networks.iter().map(|(network, text)| (network.as_str(), text.as_str()))).unwrap();
        let plain = content(&rows_csv(&database));
        let digest = plain.digest;
        let table = Table::new(Arc::new(plain.with_overrides(&own).unwrap())).unwrap();
        check_everywhere(&database, &overrides, &table);
        if let Some(base) = table.base() {
            prop_assert_eq!(base.content().digest, digest);
            check_everywhere(&database, &[], base);
            prop_assert_eq!(&table.labels()[..base.labels().len()], base.labels());
        }
    }
}

#[test]
fn kernels_agree_for_every_length_and_alignment() {
    let mut csv = String::new();
    for at in 0..3000_u32 {
        let network = std::net::Ipv4Addr::from(0x0b00_0000 + at * 37);
        writeln!(csv, "{network},{network},{}", TEXTS[at as usize % 4]).unwrap();
        writeln!(csv, "2a00:{at:x}::,2a00:{at:x}:ffff::,{}", TEXTS[at as usize % 3]).unwrap();
        writeln!(csv, "2a01:{at:x}::5,2a01:{at:x}::9,{}", TEXTS[at as usize % 3]).unwrap();
    }
    let table = table(&csv);
    let many4: Vec<u32> = (0..300).map(|at| 0x0b00_0000 + at * 377 % 111_000).collect();
    let many6: Vec<[u8; 16]> = (0..300_u128)
        .map(|at| (0x2a00_u128 << 112 | (at % 2) << 112 | (at * 7) << 96 | (at % 12)).to_be_bytes())
        .collect();
    for length in 0..=257 {
        check_kernels(&table, &many4[..length], &many6[..length]);
    }
    for start in 0..33 {
        check_kernels(&table, &many4[start..], &many6[start..]);
        // Slots that begin at any alignment, too.
        for kernel in Kernel::available() {
            let table = Table::new(Arc::clone(table.content())).unwrap().with_kernel(kernel);
            let (mut shifted, mut plain) = (vec![9_u16; start + 100], vec![9_u16; 100]);
            table.lookup_v4_many(&many4[..100], &mut shifted[start..]);
            table.lookup_v4_many(&many4[..100], &mut plain);
            assert_eq!(shifted[start..], plain);
            assert!(shifted[..start].iter().all(|&slot| slot == 9), "nothing is written outside");
        }
    }
}

#[test]
fn rows_and_blocks_of_every_granularity() {
    for length in 0..=32_u32 {
        for bits in [0x0800_0000_u32, 0x08ff_ffff, 0xdfff_ffff, 0x0808_0808] {
            let rows = vec![v4(bits, length, "CN")];
            check_everywhere(&rows, &[], &table(&rows_csv(&rows)));
        }
    }
}

#[test]
fn alternating_single_addresses() {
    let rows: Vec<Row> = (0..1024).map(|at| v4(0x0800_0000 + at, 32, TEXTS[at as usize % 2])).collect();
    check_everywhere(&rows, &[], &table(&rows_csv(&rows)));
}

#[test]
fn search_trees_of_every_small_size() {
    for count in [1, 2, 7, 8, 9, 17, 71, 72, 73, 648, 649, 6000] {
        let rows: Vec<Row> = (0..count).map(|at| v6(0x2a00 << 112 | at << 80, 48, TEXTS[at as usize % 2])).collect();
        let oracle = oracle(&rows, &[]);
        let table = table(&rows_csv(&rows));
        let sample: Vec<Row> = rows.iter().step_by(1 + rows.len() / 80).chain(rows.last()).cloned().collect();
        let (_, probes) = probes(&sample);
        probes.iter().for_each(|&bits| check(&table, &oracle, Address::V6(bits)));
        check_kernels(&table, &[], &probes.iter().map(|bits| bits.to_be_bytes()).collect::<Vec<_>>());
    }
}

#[test]
fn more_slots_than_a_byte_and_than_fifteen_bits() {
    for count in [300_u32, 40_000] {
        let rows: Vec<Row> = (0..count)
            .map(|at| v4(0x0800_0000 + at * 256, 24, &format!("{}-{at}", ["US", "CN"][at as usize % 2])))
            .collect();
        let table = table(&rows_csv(&rows));
        for row in rows.iter().step_by(97) {
            let Address::V4(bits) = row.first else { unreachable!() };
            let slot = table.lookup(Address::V4(bits + 7)).slot;
            assert_eq!(table.labels()[usize::from(slot)].place, regionfast_core::region::place(&row.text).unwrap());
        }
        let again = file::read(&file::write(table.content())).unwrap();
        assert_eq!(again.digest, table.content().digest);
    }
}

#[test]
fn too_many_regions_are_a_clear_error() {
    let mut csv = String::new();
    for at in 0..65_001_u32 {
        let address = std::net::Ipv4Addr::from(0x0800_0000 + at);
        writeln!(csv, "{address},{address},US-{at}").unwrap();
    }
    let options = ReadOptions { level: Level::Subdivision, ..ReadOptions::default() };
    let error = Database::read(csv.as_bytes(), &options).expect_err("more than a table numbers");
    assert!(matches!(error, Error::TooLarge(_)), "{error}");
}

#[test]
fn threads_and_pieces_do_not_show() {
    let table = table("1.0.0.0,1.255.255.255,CN\n8.8.8.0,8.8.8.255,US\n");
    let addresses: Vec<u32> = (0..400_000_u32).map(|at| at.wrapping_mul(2_654_435_761)).collect();
    let mut one = Answers::default();
    one.extend(&table, &addresses[..], NonZero::new(1));
    assert!(one.wrappings.is_empty(), "IPv4 wraps nothing");
    for threads in [None, NonZero::new(2), NonZero::new(7)] {
        let mut many = Answers::default();
        many.extend(&table, &addresses[..], threads);
        assert_eq!(many.slots, one.slots);
    }
    let mut parts = Answers::default();
    addresses.chunks(70_001).for_each(|part| parts.extend(&table, part, None));
    assert_eq!(parts.slots, one.slots);
}

#[test]
fn messages_are_pinned() {
    let said = |error: Error| error.to_string();
    let refused = |bytes: &[u8]| said(Database::read(bytes, &ReadOptions::default()).expect_err("refused"));
    assert_eq!(refused(b""), "the file is empty (byte 0)");
    assert_eq!(refused(b"1.0.0.0/8\n"), refused(b"1.0.0.0/8\n").replace("1.0.0.0", ""), "no address in a message");
    assert_eq!(said(file::read(b"x").expect_err("refused")), "not a compiled table (byte 0)");
    assert_eq!(
        said(file::read(b"rgnfast\x02").expect_err("refused")),
        "compiled by another version of regionfast: compile it again (byte 7)"
    );
    assert_eq!(
        said("city".parse::<Level>().expect_err("refused")),
        "level `city` is neither `country` nor `subdivision`"
    );
    let inside = Error::Row { row: 3, message: "no region".to_owned() }.in_file(Path::new("own.csv"));
    assert_eq!(said(inside), "own.csv: row 3: no region");
    let missing = Error::NoSuchField { wanted: "country".to_owned(), available: "`asn`".to_owned() };
    assert_eq!(said(missing), "no `country` in the records of this database; it has `asn`");
}
