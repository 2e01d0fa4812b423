#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::net::Ipv6Addr;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::database::{About, Database, Labels};
use crate::level::Level;
use crate::lookup::tests::{Cover, random_cover, segments};
use crate::oracle::{self, Oracle};
use crate::overrides::Overrides;
use crate::slot::{Evidence, OVERRIDDEN_RELAY, Place};
use crate::special::tests::cases;
use crate::unwrap::Nat64Prefix;

/// Own NAT64 prefixes of every length, inside and outside of the range for local translation.
pub(crate) const NAT64: [&str; 6] = [
    "4000::/32",
    "4000:db8:100::/40",
    "64:ff9b:1::/48",
    "4001:db8:123:300::/56",
    "4001:db8:122:344::/64",
    "4001:db8:122:345::/96",
];

pub(crate) fn unwrapping(nat64: &[&str]) -> Unwrapping {
    let prefixes: Vec<Nat64Prefix> = nat64.iter().map(|text| text.parse().unwrap()).collect();
    Unwrapping::new(true, &prefixes).unwrap()
}

/// A database whose slots are the labels in this order; slots beyond them are not used.
pub(crate) fn database(v4: &Cover<u32>, v6: Option<&Cover<u128>>, labels: &[Label]) -> Database {
    let mut list = Labels::default();
    let numbers: Vec<Slot> = labels.iter().map(|label| list.intern(label.clone()).unwrap()).collect();
    let number = |slot: Slot| numbers.get(usize::from(slot) % numbers.len()).copied().unwrap();
    Database {
        v4: segments(v4).map_slots(number),
        v6: v6.map(|v6| segments(v6).map_slots(number)),
        labels: list,
        about: About { kind: "Test".to_owned(), ..About::default() },
    }
}

pub(crate) fn label(code: &str, evidence: Evidence) -> Label {
    Label { place: Place::Region(code.into()), evidence }
}

/// What the databases of these tests say.
pub(crate) fn labels() -> Vec<Label> {
    vec![
        Label { place: Place::Status(Status::Unknown), evidence: Evidence::None },
        label("US", Evidence::Database),
        label("DE", Evidence::Database),
        label("HK", Evidence::Database),
        label("US", Evidence::Registered),
        Label { place: Place::Status(Status::Relay), evidence: Evidence::Database },
        label("US-CA", Evidence::Database),
    ]
}

fn table(content: Content) -> Table {
    Table::new(Arc::new(content)).unwrap()
}

/// A table must answer each edge as the oracle does.
fn assert_answers(table: &Table, oracle: &Oracle, edges: &BTreeSet<Address>) {
    for &address in edges {
        let found = table.lookup(address);
        let expected = oracle.answer(address);
        let label = table.labels().get(usize::from(found.slot)).unwrap();
        assert_eq!(
            (label, found.judged, found.wrapping),
            (&expected.label, expected.judged, expected.wrapping),
            "{address:x?}"
        );
    }
}

/// Networks of overrides: text, and how wide.
fn networks() -> impl Strategy<Value = Vec<(String, &'static str)>> {
    let v4 = (any::<u32>(), 0..=32_u32).prop_map(|(bits, length)| {
        let bits = bits & u32::MAX.checked_shl(32 - length).unwrap_or(0);
        Network::V4(Prefix::new(bits, length).unwrap()).to_string()
    });
    // Below 2000::/3 and at the zones.
    let wide = (any::<u128>(), 0..=3_usize).prop_map(|(bits, zone)| {
        let [high, shift] = [[0x2_u128 << 124, 3], [0x2001 << 112, 20], [0x4000 << 112, 14], [0xffff << 32, 84]]
            .into_iter()
            .nth(zone)
            .unwrap();
        high | bits >> shift
    });
    let v6 = (wide, 0..=128_u32).prop_map(|(bits, length)| {
        let bits = bits & u128::MAX.checked_shl(128 - length).unwrap_or(0);
        Network::V6(Prefix::new(bits, length).unwrap()).to_string()
    });
    let places = prop_oneof![Just("US"), Just("MO"), Just("US-CA"), Just("relay"), Just("ZZ")];
    vec((prop_oneof![v4, v6], places), 0..12).prop_map(|mut rows| {
        rows.sort();
        rows.dedup_by(|a, b| a.0 == b.0);
        rows
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Database, special ranges, overrides and wrapped IPv4, at every place where an answer may change.
    #[test]
    fn a_table_answers_as_the_oracle(
        v4 in random_cover::<u32>(),
        v6 in proptest::option::of(random_cover::<u128>()),
        rows in networks(),
        unwraps in 0..3,
    ) {
        let unwrapping = match unwraps {
            0 => Unwrapping::new(false, &[]).unwrap(),
            1 => Unwrapping::default(),
            _ => unwrapping(&NAT64[..3]),
        };
        let database = database(&v4, v6.as_ref(), &labels());
        let given = oracle::of_database(&database);
        let overrides = Overrides::from_rows(rows.iter().map(|(network, place)| (&**network, *place))).unwrap();
        let content = Content::compile(database, Level::Subdivision, unwrapping.clone(), "").unwrap();
        let base = Oracle::new(given.clone(), Vec::new(), &unwrapping);

        // Networks inside a zone are refused.
        let zones: Vec<_> = content.zones().into_iter().map(|(zone, _)| zone).collect();
        let is_outside = |network: &str| match network.parse() {
            Ok(Network::V6(prefix)) => !zones.iter().any(|zone| zone.covers(&prefix.range())),
            _ => true,
        };
        let given_rows = rows.iter().map(|(network, place)| (&**network, *place));
        let own: Vec<(&str, &str)> = given_rows.filter(|(network, _)| is_outside(network)).collect();
        prop_assert_eq!(overrides.check_zones(&zones).is_ok(), own.len() == rows.len());
        let has_overrides = !own.is_empty();
        let overrides = Overrides::from_rows(own).unwrap();
        let oracle = Oracle::new(given, oracle::of_overrides(&overrides), &unwrapping);
        let edges = oracle.edges();
        let table = table(content.with_overrides(&overrides).unwrap());
        assert_answers(&table, &oracle, &edges);
        prop_assert_eq!(table.base().is_some(), has_overrides);
        let below = table.base().map_or(&table, |table| table);
        assert_answers(below, &base, &edges);
        // One slot means the same in both, and where no override is, both say the same slot.
        prop_assert!(table.labels().starts_with(below.labels()));
        for &address in &edges {
            let (top, base_slot) = (table.lookup(address).slot, below.lookup(address).slot);
            let evidence = table.labels().get(usize::from(top)).unwrap().evidence;
            let overridden = oracle.answer(address) != base.answer(address);
            prop_assert_eq!(top == base_slot, !overridden);
            prop_assert!(!overridden || evidence == Evidence::Override || top == Status::Unknown.slot());
        }
        networks_are_alike_and_large(&table, &edges);
        networks_without_an_inside(&table, &edges);
        ranges_cover_all_but_zones(&table, &oracle);
    }
}

/// A network holds the judged address, is answered alike, and no network twice as large is.
fn networks_are_alike_and_large(table: &Table, edges: &BTreeSet<Address>) {
    // Whether two addresses lie in one range of the table: no edge between them is answered otherwise.
    let zone = |address: Address| match address {
        Address::V6(bits) => table.content().zones().iter().any(|(zone, _)| zone.contains(bits)),
        Address::V4(_) => false,
    };
    for &judged in edges.iter().filter(|edge| !zone(**edge)).step_by(7) {
        let slot = table.lookup(judged).slot;
        let (first, last, wider) = match table.network(judged) {
            Network::V4(prefix) => {
                let range = prefix.range();
                let wider = prefix.length().checked_sub(1).map(|length| around_v4(range.first, length));
                (Address::V4(range.first), Address::V4(range.last), wider)
            }
            Network::V6(prefix) => {
                let range = prefix.range();
                let wider = prefix.length().checked_sub(1).map(|length| around_v6(range.first, length));
                (Address::V6(range.first), Address::V6(range.last), wider)
            }
        };
        assert!(first <= judged && judged <= last, "{judged:x?}");
        let alike =
            |first, last| edges.range(first..=last).all(|edge| !zone(*edge) && table.lookup(*edge).slot == slot);
        assert!(alike(first, last), "{judged:x?}");
        if let Some((first, last)) = wider {
            assert!(!alike(first, last), "{judged:x?} in {first:x?} to {last:x?}");
        }
    }
}

/// In a zone, but without an IPv4 address inside: nor has any address of its network one.
fn networks_without_an_inside(table: &Table, edges: &BTreeSet<Address>) {
    let zones = table.content().zones();
    for &judged in edges {
        let Address::V6(bits) = judged else { continue };
        let Some((zone, _)) = zones.iter().find(|(zone, _)| zone.contains(bits)) else { continue };
        if table.unwrapping().unwrap(bits).is_some() {
            continue;
        }
        let Network::V6(prefix) = table.network(judged) else { unreachable!("of another family") };
        let range = prefix.range();
        assert!(range.contains(bits) && zone.covers(&range), "{bits:x}");
        // Octet 8 is the lowest byte above 56 bits; all else below the prefix may be anything.
        for within in [range.first, range.last, range.first | (range.last & (0xff << 56))] {
            let found = table.lookup(Address::V6(within));
            assert_eq!((found.slot, found.wrapping), (Status::Reserved.slot(), Wrapping::None), "{within:x}");
        }
    }
}

fn around_v4(bits: u32, length: u32) -> (Address, Address) {
    let host = u32::MAX.checked_shr(length).unwrap_or(0);
    (Address::V4(bits & !host), Address::V4(bits | host))
}

fn around_v6(bits: u128, length: u32) -> (Address, Address) {
    let host = u128::MAX.checked_shr(length).unwrap_or(0);
    (Address::V6(bits & !host), Address::V6(bits | host))
}

fn ranges_cover_all_but_zones(table: &Table, oracle: &Oracle) {
    let (mut index, mut next, mut count) = (0, Address::V4(0), 0);
    let zones = table.content().zones();
    let mut expected_v4 = true;
    while let Some((first, last, slot)) = table.range(&mut index, true) {
        let (first, last) = (Address::from(first), Address::from(last));
        count += 1;
        // Up to the next range lie zones only.
        while next != first {
            let Address::V6(bits) = next else { unreachable!("a gap at {next:x?}") };
            let (zone, _) = zones.iter().find(|(zone, _)| zone.first == bits).unwrap();
            next = Address::V6(zone.last + 1);
        }
        let label = table.labels().get(usize::from(slot)).unwrap();
        for end in [first, last] {
            assert_eq!(*label, oracle.answer(end).label, "{end:x?}");
        }
        next = match last {
            Address::V4(u32::MAX) => {
                expected_v4 = false;
                Address::V6(0)
            }
            Address::V4(bits) => Address::V4(bits + 1),
            Address::V6(bits) => Address::V6(bits.wrapping_add(1)),
        };
    }
    assert!(!expected_v4);
    assert_eq!(next, Address::V6(0), "up to the last address");
    let (v4, v6) = table.counts();
    assert!(count <= v4 + v6 && count + zones.len() >= v4 + v6);
    // Without IPv6, the ranges of IPv4.
    let mut index = 0;
    assert_eq!(std::iter::from_fn(|| table.range(&mut index, false)).count(), v4);
}

/// The vectors that Python reads too: what is decided before a database is asked.
#[test]
fn vectors_of_statuses() {
    let everywhere = label("US", Evidence::Database);
    let (_, addresses) = cases();
    for (case, address) in addresses {
        let prefixes: Vec<Nat64Prefix> = case.nat64.iter().map(|text| text.parse().unwrap()).collect();
        let unwrapping = Unwrapping::new(case.unwrap, &prefixes).unwrap();
        let database = database(&vec![(0, 0)], Some(&vec![(0, 0)]), std::slice::from_ref(&everywhere));
        let oracle = Oracle::new(oracle::of_database(&database), Vec::new(), &unwrapping);
        let table = table(Content::compile(database, Level::Country, unwrapping, "").unwrap());
        let found = table.lookup(address);
        let expected = case.status().map_or_else(
            || everywhere.clone(),
            |status| Label { place: Place::Status(status), evidence: Evidence::None },
        );
        assert_eq!(table.labels().get(usize::from(found.slot)), Some(&expected), "{case:?}");
        let inner = case.inner.as_deref().map(|inner| inner.parse::<IpAddr>().unwrap().into());
        assert_eq!(found.judged, inner.unwrap_or(address), "{case:?}");
        assert_eq!(found.wrapping == Wrapping::None, inner.is_none(), "{case:?}");
        let answer = oracle.answer(address);
        assert_eq!(
            (&answer.label, answer.judged, answer.wrapping),
            (&expected, found.judged, found.wrapping),
            "{case:?}"
        );
    }
}

#[test]
fn without_ipv6_all_of_it_is_unknown() {
    let database = database(&vec![(0, 1)], None, &labels());
    let table = table(Content::compile(database, Level::Country, Unwrapping::default(), "").unwrap());
    assert!(!table.content().claims.has_v6);
    let slot = |text: &str| table.lookup(text.parse::<IpAddr>().unwrap().into()).slot;
    assert_eq!(slot("2a00::1"), Status::Unknown.slot());
    assert_eq!(slot("fe80::1"), Status::Private.slot());
    assert_eq!(slot("::ffff:8.8.8.8"), slot("8.8.8.8"));
    assert_eq!(table.labels().get(usize::from(slot("8.8.8.8"))), labels().get(1));
}

/// A network around zones overrides what lies beside them; what is wrapped is judged by what is inside.
#[test]
fn overrides_wider_than_zones() {
    let database = database(&vec![(0, 1)], Some(&vec![(0, 1)]), &labels());
    let content = Content::compile(database, Level::Country, unwrapping(&["64:ff9b:1::/48"]), "").unwrap();
    let overrides = Overrides::from_rows([("::/0", "relay"), ("8.8.8.0/24", "DE"), ("10.0.0.0/8", "MO")]).unwrap();
    let table = table(content.with_overrides(&overrides).unwrap());
    let find = |text: &str| {
        let found = table.lookup(text.parse::<IpAddr>().unwrap().into());
        (table.labels().get(usize::from(found.slot)).unwrap().clone(), found.slot)
    };
    let relay = Label { place: Place::Status(Status::Relay), evidence: Evidence::Override };
    for text in ["::", "::1", "fe80::1", "2a00::1", "2001:1::", "64:ff9b:2::", "ff02::1"] {
        assert_eq!(find(text), (relay.clone(), OVERRIDDEN_RELAY), "{text}");
    }
    for text in
        ["8.8.8.8", "::ffff:8.8.8.8", "2002:808:808::1", "64:ff9b::808:808", "2001::f7f7:f7f7", "64:ff9b:1:808:8:800::"]
    {
        assert_eq!(find(text).0, label("DE", Evidence::Override), "{text}");
    }
    // Overrides beat special ranges, also those inside.
    assert_eq!(find("2002:a00:1::").0, label("MO", Evidence::Override));
    assert_eq!(find("::ffff:9.9.9.9").0, label("US", Evidence::Database));
    // RFC 6052 forbids octet 8, whatever lies around it.
    assert_eq!(find("64:ff9b:1:808:108:800::").1, Status::Reserved.slot());
    // The base knows none of it.
    let base = table.base().unwrap();
    assert!(base.base().is_none());
    for (text, slot) in
        [("::1", Status::Private.slot()), ("10.0.0.1", Status::Private.slot()), ("ff02::1", Status::Reserved.slot())]
    {
        assert_eq!(base.lookup(text.parse::<IpAddr>().unwrap().into()).slot, slot, "{text}");
    }
    assert_eq!(base.labels().len(), 8 + 5);
    assert!(base.bytes() < table.bytes());
}

#[test]
fn a_table_says_its_kernel() {
    for kernel in Kernel::available() {
        let database = database(&vec![(0, 1)], None, &labels());
        let content = Content::compile(database, Level::Country, Unwrapping::default(), "").unwrap();
        let table = table(content).with_kernel(kernel);
        assert_eq!(table.kernel(), kernel);
        let mut slots = [0; 3];
        table.lookup_v4_many(&[0x0808_0808, 0x0a00_0001, u32::MAX], &mut slots);
        // `US` is the last of `DE`, `HK`, `US`.
        assert_eq!(slots, [10, Status::Private.slot(), Status::Reserved.slot()]);
    }
}

/// A boundary beyond /64 is found without the tree.
#[test]
fn boundaries_inside_a_64() {
    let bits = |text: &str| text.parse::<Ipv6Addr>().unwrap().to_bits();
    let v6 = vec![(0, 0), (bits("2a00::1"), 1), (bits("2a00::2"), 2), (bits("2a00:0:0:1::"), 0)];
    let database = database(&vec![(0, 0)], Some(&v6), &labels());
    let table = table(Content::compile(database, Level::Country, Unwrapping::default(), "").unwrap());
    let found = |text: &str| {
        let address = Address::V6(bits(text));
        let label = table.labels().get(usize::from(table.lookup(address).slot)).unwrap();
        (label.clone(), table.network(address).to_string())
    };
    let all = labels();
    let said = |index: usize, network: &str| (all.get(index).unwrap().clone(), network.to_owned());
    assert_eq!(found("2a00::"), said(0, "2a00::/128"));
    assert_eq!(found("2a00::1"), said(1, "2a00::1/128"));
    assert_eq!(found("2a00::2"), said(2, "2a00::2/127"));
    assert_eq!(found("2a00::ffff:ffff:ffff:ffff"), said(2, "2a00::8000:0:0:0/65"));
    assert_eq!(found("2a00:0:0:1::"), said(0, "2a00:0:0:1::/64"));
}
