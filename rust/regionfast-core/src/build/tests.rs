#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use super::*;
use crate::database::ReadOptions;
use crate::table::tests::{NAT64, database, label, labels, unwrapping};

const V4: [(u32, Slot); 6] = [(0, 0), (1 << 24, 1), (2 << 24, 2), (3 << 24, 4), (4 << 24, 5), (5 << 24, 6)];

fn content() -> Content {
    let v6 = vec![(0, 0), (0x2a00 << 112, 3), (0x2b00 << 112, 0)];
    let database = database(&V4.to_vec(), Some(&v6), &labels());
    Content::compile(database, Level::Subdivision, Unwrapping::default(), "").unwrap()
}

fn overrides(rows: &[(&str, &str)]) -> Overrides {
    Overrides::from_rows(rows.iter().copied()).unwrap()
}

fn relay(evidence: Evidence) -> Label {
    Label { place: Place::Status(Status::Relay), evidence }
}

fn at(content: &Content, address: u32) -> (Slot, &Label) {
    let (_, slot) = content.v4.iter().find(|(range, _)| range.contains(address)).unwrap();
    (slot, &content.labels[usize::from(slot)])
}

#[test]
fn fixed_slots_are_the_statuses() {
    for (slot, label) in fixed_labels().iter().enumerate() {
        let status = label.status();
        if slot == usize::from(OVERRIDDEN_RELAY) {
            assert_eq!(*label, relay(Evidence::Override));
        } else {
            assert_eq!(usize::from(status.slot()), slot);
            let evidence = if status == Status::Relay { Evidence::Database } else { Evidence::None };
            assert_eq!(label.evidence, evidence);
        }
    }
}

/// By evidence, then by code; overrides last.
#[test]
fn slots_are_in_order() {
    let content = content();
    let expected = [
        label("DE", Evidence::Database),
        label("HK", Evidence::Database),
        label("US", Evidence::Database),
        label("US-CA", Evidence::Database),
        label("US", Evidence::Registered),
    ];
    assert_eq!(content.labels[8..], expected);
    assert_eq!(content.labels[..8], fixed_labels());
    assert_eq!(content.regions().collect::<Vec<_>>(), ["DE", "HK", "US", "US-CA", "US"]);
    for ((first, number), slot) in V4.into_iter().zip([2, 10, 8, 12, 5, 11]) {
        let expected = if first == 0 { fixed_labels()[2].clone() } else { labels()[usize::from(number)].clone() };
        assert_eq!(at(&content, first + 9), (slot, &expected));
    }
    let own = overrides(&[("1.0.0.0/24", "DE"), ("2.0.0.0/24", "AD"), ("3.0.0.0/24", "relay"), ("4.0.0.0/24", "ZZ")]);
    let with = content.with_overrides(&own).unwrap();
    assert_eq!(with.labels[8..13], expected);
    assert_eq!(with.labels[13..], [label("AD", Evidence::Override), label("DE", Evidence::Override)]);
    let slots: Vec<Slot> = with.overrides_v4.iter().map(|(_, slot)| *slot).collect();
    assert_eq!(slots, [14, 13, OVERRIDDEN_RELAY, Status::Unknown.slot()]);
    // What the database says stays beside them.
    for (first, slot) in [(1 << 24, 10), (2 << 24, 8), (3 << 24, 12), (4 << 24, 5)] {
        assert_eq!(at(&with, first).0, slot);
    }
}

#[test]
fn other_overrides_take_the_place_of_those_before() {
    let first = overrides(&[("1.0.0.0/24", "AD"), ("2a00::/20", "MO")]);
    let second = overrides(&[("2.0.0.0/24", "FR"), ("2b00::/20", "relay")]);
    let once = content().with_overrides(&second).unwrap();
    let twice = content().with_overrides(&first).unwrap().with_overrides(&second).unwrap();
    assert_eq!((&twice.labels, twice.digest), (&once.labels, once.digest));
    let none = content().with_overrides(&first).unwrap().with_overrides(&overrides(&[])).unwrap();
    assert_eq!((&none.labels, none.digest), (&content().labels, content().digest));
    assert!(none.without_overrides().is_none());
}

#[test]
fn the_base_has_the_slots_of_the_whole() {
    let own = overrides(&[("1.0.0.0/24", "AD"), ("2.0.0.0/24", "US"), ("2a00::/20", "relay")]);
    let with = content().with_overrides(&own).unwrap();
    let base = with.without_overrides().unwrap();
    assert!(with.labels.starts_with(&base.labels));
    assert!(base.labels.iter().skip(8).all(|label| label.evidence != Evidence::Override));
    assert_eq!((base.digest, &base.v4, &base.v6), (content().digest, &with.v4, &with.v6));
}

#[test]
fn a_country_table_has_no_subdivisions() {
    let csv = b"1.0.0.0/8,US-CA\n2.0.0.0/8,US\n3.0.0.0/8,CN-HK-KLN\n4.0.0.0/8,CN-22\n2a00::/16,US-TX\n";
    for (level, expected) in
        [(Level::Country, &["CN", "HK", "US"][..]), (Level::Subdivision, &["CN-22", "HK-KLN", "US", "US-CA", "US-TX"])]
    {
        let database = Database::read(csv, &ReadOptions { level, ..ReadOptions::default() }).unwrap();
        let content = Content::compile(database, level, Unwrapping::default(), "").unwrap();
        assert_eq!(content.regions().collect::<Vec<_>>(), expected);
        let own = overrides(&[("5.0.0.0/8", "FR-75"), ("6.0.0.0/8", "CN-MO")]);
        let with = content.with_overrides(&own).unwrap();
        let fr = if level == Level::Country { "FR" } else { "FR-75" };
        assert_eq!(with.labels[8 + expected.len()..], [label(fr, Evidence::Override), label("MO", Evidence::Override)]);
        // Side by side with one answer: one range.
        let ranges =
            with.v4.iter().filter(|(_, slot)| with.labels[usize::from(*slot)] == label("US", Evidence::Database));
        assert_eq!(ranges.count(), 1);
    }
}

#[test]
fn overrides_inside_zones_are_refused() {
    let compile = |unwrapping: Unwrapping| {
        let database = database(&V4.to_vec(), Some(&vec![(0, 1)]), &labels());
        Content::compile(database, Level::Country, unwrapping, "").unwrap()
    };
    for inside in ["::ffff:1.2.3.0/120", "2002::/16", "2002:102:300::/40", "2001::/32", "64:ff9b::102:300/120"] {
        let own = overrides(&[("1.2.0.0/16", "DE"), (inside, "DE")]);
        let error = compile(Unwrapping::default()).with_overrides(&own).map(|_| ()).unwrap_err();
        assert!(matches!(error, Error::Row { row: 2, .. }), "{inside}: {error}");
        // Where nothing is unwrapped there are no zones.
        assert!(compile(Unwrapping::new(false, &[]).unwrap()).with_overrides(&own).is_ok(), "{inside}");
    }
    for prefix in NAT64 {
        let own = overrides(&[(prefix, "DE")]);
        assert!(compile(Unwrapping::default()).with_overrides(&own).is_ok(), "{prefix}");
        assert!(compile(unwrapping(&[prefix])).with_overrides(&own).is_err(), "{prefix}");
    }
}

#[test]
fn more_regions_than_slots() {
    let code = |nth: usize| format!("US-{nth:05}");
    let compile = |regions: usize| {
        let mut rows: String = (0..regions)
            .map(|nth| format!("{}.{}.{}.0/24,{}\n", 1 + nth / 65_536, nth / 256 % 256, nth % 256, code(nth)))
            .collect();
        rows.push_str("9.0.0.0/8,A1\n");
        let options = ReadOptions { level: Level::Subdivision, ..ReadOptions::default() };
        let database = Database::read(rows.as_bytes(), &options)?;
        Content::compile(database, Level::Subdivision, Unwrapping::default(), "")
    };
    assert_eq!(compile(65_001).unwrap_err().to_string(), "more than 65000 distinct regions");
    // With overrides there are as many as the database and they have together.
    let most = compile(64_990).unwrap();
    let slots = most.labels.len();
    let with = |count: usize| {
        let rows: Vec<(String, String)> = (0..count).map(|nth| (format!("20.0.{nth}.0/24"), code(nth))).collect();
        overrides(&rows.iter().map(|(network, code)| (&**network, &**code)).collect::<Vec<_>>())
    };
    let full = most.with_overrides(&with(10)).unwrap();
    assert_eq!(full.labels.len(), slots + 10);
    assert_eq!(full.labels.len(), usize::from(FIRST_REGION) + MAX_LABELS);
    assert_eq!(
        full.with_overrides(&with(11)).unwrap_err().to_string(),
        "more than 65000 distinct regions by database and overrides"
    );
}

/// As many as the limit says.
#[test]
fn as_many_regions_as_slots() {
    let labels: Vec<Label> = (0..MAX_LABELS).map(|nth| label(&format!("US-{nth}"), Evidence::Database)).collect();
    let mut list = crate::database::Labels::default();
    for label in labels {
        list.intern(label).unwrap();
    }
}

/// Where the database says nothing of the zones, it is as if it had been compiled so.
#[test]
fn another_unwrapping_is_as_if_compiled_so() {
    let kinds = [
        Unwrapping::new(false, &[]).unwrap(),
        Unwrapping::default(),
        unwrapping(&NAT64[..1]),
        unwrapping(&NAT64),
        unwrapping(&["64:ff9b:1:2::/64"]),
    ];
    let compile = |unwrapping: &Unwrapping| {
        let v6 = vec![(0, 0), (0x2a00 << 112, 3), (0x2b00 << 112, 0)];
        let database = database(&V4.to_vec(), Some(&v6), &labels());
        Content::compile(database, Level::Subdivision, unwrapping.clone(), "").unwrap()
    };
    let own = overrides(&[("1.0.0.0/24", "AD"), ("2a00::/20", "relay"), ("::/3", "MO")]);
    for (from, to) in kinds.iter().flat_map(|from| kinds.iter().map(move |to| (from, to))) {
        let changed = compile(from).with_unwrapping(to.clone()).unwrap();
        let direct = compile(to);
        assert_eq!(changed.v6, direct.v6, "{from:?} to {to:?}");
        assert_eq!(changed.digest, direct.digest);
        let changed = compile(from).with_overrides(&own).unwrap().with_unwrapping(to.clone()).unwrap();
        assert_eq!(changed.digest, direct.with_overrides(&own).unwrap().digest);
    }
    let buried = compile(&kinds[1]).with_overrides(&overrides(&[("4000:0:1::/48", "DE")])).unwrap();
    assert_eq!(
        buried.with_unwrapping(unwrapping(&NAT64[..1])).unwrap_err().to_string(),
        "`nat64` names a prefix that holds a whole override of the compiled table: it would never match"
    );
    // What lies there in the database is gone once it is a zone.
    let database = database(&V4.to_vec(), Some(&vec![(0, 1)]), &labels());
    let content = Content::compile(database, Level::Country, Unwrapping::default(), "").unwrap();
    let off = content.with_unwrapping(Unwrapping::new(false, &[]).unwrap()).unwrap();
    let slot = |bits: u128| off.v6.iter().find(|(range, _)| range.contains(bits)).unwrap().1;
    for zone in [0xffff << 32, 0x2001_0000 << 96, 0x2002 << 112] {
        assert_eq!(slot(zone), Status::Reserved.slot(), "{zone:x}");
    }
    assert_eq!(slot(0x0064_ff9b << 96), Status::Unknown.slot());
}

#[test]
fn what_is_said_of_the_table() {
    let mut database = database(&V4.to_vec(), None, &labels());
    database.about.description = "words".to_owned();
    database.about.built_at = Some(7);
    database.about.warnings = vec!["careful".to_owned()];
    let content = Content::compile(database, Level::Country, Unwrapping::default(), "credit").unwrap();
    let expected = Claims {
        kind: "Test".to_owned(),
        description: "words".to_owned(),
        attribution: "credit".to_owned(),
        built_at: Some(7),
        registry_date: special::REGISTRY_DATE.to_owned(),
        has_v6: false,
        warnings: vec!["careful".to_owned()],
    };
    assert_eq!(content.claims, expected);
}
