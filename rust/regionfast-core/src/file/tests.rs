#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::lookup::tests::{Cover, random_cover, tidy};
use crate::overrides::Overrides;
use crate::special;
use crate::table::Table;
use crate::table::tests::{NAT64, database, label, labels, unwrapping};

/// The sections of a file, each as its bytes, written here from the description in the module alone.
#[derive(Clone, Debug)]
struct Form {
    claims: Vec<u8>,
    labels: Vec<u8>,
    v4: Vec<u8>,
    v6: Vec<u8>,
    overrides: Vec<u8>,
}

fn number(value: usize) -> Vec<u8> {
    (value as u32).to_le_bytes().to_vec()
}

fn text(value: &str) -> Vec<u8> {
    [number(value.len()), value.into()].concat()
}

fn claims_of(pairs: &[(&str, &str)]) -> Vec<u8> {
    let each = pairs.iter().flat_map(|(key, value)| [text(key), text(value)].concat());
    [number(pairs.len()), each.collect()].concat()
}

fn labels_of(labels: &[(u8, &str)]) -> Vec<u8> {
    let each = labels.iter().flat_map(|(evidence, code)| [vec![*evidence], text(code)].concat());
    [number(labels.len()), each.collect()].concat()
}

fn distance(mut value: u128) -> Vec<u8> {
    let mut exponent = 0;
    while value.is_multiple_of(2) {
        value /= 2;
        exponent += 1;
    }
    let mut bytes = vec![exponent];
    let mut rest = value / 2;
    while rest > 0 {
        *bytes.last_mut().unwrap() |= 0x80;
        bytes.push((rest % 128) as u8);
        rest /= 128;
    }
    bytes
}

/// A cover with slots of one byte.
fn cover<T: Bits>(cover: &Cover<T>) -> Vec<u8> {
    let starts: Vec<u128> = cover.iter().map(|(start, _)| (*start).into()).collect();
    let distances = starts.windows(2).flat_map(|pair| distance(pair[1] - pair[0]));
    [number(cover.len()), distances.collect(), cover.iter().map(|(_, slot)| *slot as u8).collect()].concat()
}

fn ranges_v4(ranges: &[(u32, u32, Slot)]) -> Vec<u8> {
    let each = ranges
        .iter()
        .flat_map(|(first, last, slot)| [&first.to_le_bytes()[..], &last.to_le_bytes(), &slot.to_le_bytes()].concat());
    [number(ranges.len()), each.collect()].concat()
}

fn ranges_v6(ranges: &[(u128, u128, Slot)]) -> Vec<u8> {
    let each = ranges
        .iter()
        .flat_map(|(first, last, slot)| [&first.to_le_bytes()[..], &last.to_le_bytes(), &slot.to_le_bytes()].concat());
    [number(ranges.len()), each.collect()].concat()
}

const CLAIMS: [(&str, &str); 10] = [
    ("kind", "Test"),
    ("description", "by hand"),
    ("attribution", "nobody"),
    ("built-at", "1750000000"),
    ("registry-date", special::REGISTRY_DATE),
    ("ipv6", "true"),
    ("warnings", "one\ntwo"),
    ("level", "country"),
    ("unwrap", "false"),
    ("nat64", ""),
];

impl Form {
    /// A small sound table: unwrapping is off, so that there are no zones.
    fn sound() -> Self {
        Self {
            claims: claims_of(&CLAIMS),
            labels: labels_of(&[(1, "DE"), (1, "US"), (3, "US"), (2, "MO")]),
            v4: cover(&vec![
                (0_u32, 2),
                (1 << 24, 9),
                (10 << 24, 1),
                (11 << 24, 8),
                ((11 << 24) + 96, 5),
                (224 << 24, 2),
            ]),
            v6: cover(&vec![(0_u128, 2), (0x2000 << 112, 10), ((0x2000 << 112) + 4321, 0), (0xfc00 << 112, 1)]),
            overrides: [
                ranges_v4(&[(1 << 24, (1 << 24) + 5, 11), ((1 << 24) + 6, (1 << 24) + 6, 7), (u32::MAX, u32::MAX, 0)]),
                ranges_v6(&[(0x2001 << 112, 0x2002 << 112, 11)]),
            ]
            .concat(),
        }
    }

    fn body(&self) -> Vec<u8> {
        [b"rgnfast\x01", &self.claims[..], &self.labels, &self.v4, &self.v6, &self.overrides].concat()
    }

    fn sealed(&self) -> Vec<u8> {
        seal(self.body())
    }

    fn refusal(&self) -> String {
        match read(&self.sealed()) {
            Err(error @ (Error::Corrupt { .. } | Error::Field { .. })) => error.to_string(),
            other => unreachable!("{other:?}: it does not name the place in the file"),
        }
    }

    /// Where a section begins.
    fn at(&self, section: usize) -> usize {
        let sections = [&self.claims, &self.labels, &self.v4, &self.v6, &self.overrides];
        8 + sections[..section].iter().map(|bytes| bytes.len()).sum::<usize>()
    }
}

fn seal(mut body: Vec<u8>) -> Vec<u8> {
    let digest = Sha256::digest(&body);
    body.extend_from_slice(&digest);
    body
}

#[test]
fn the_form_is_as_described() {
    let form = Form::sound();
    let content = read(&form.sealed()).unwrap();
    assert_eq!(write(&content), form.sealed());
    assert_eq!(content.claims.kind, "Test");
    assert_eq!(content.claims.description, "by hand");
    assert_eq!(content.claims.attribution, "nobody");
    assert_eq!(content.claims.built_at, Some(1_750_000_000));
    assert_eq!(content.claims.registry_date, special::REGISTRY_DATE);
    assert!(content.claims.has_v6);
    assert_eq!(content.claims.warnings, ["one", "two"]);
    assert_eq!((content.level, content.unwrapping.is_enabled()), (Level::Country, false));
    let expected = [
        label("DE", Evidence::Database),
        label("US", Evidence::Database),
        label("US", Evidence::Registered),
        label("MO", Evidence::Override),
    ];
    assert_eq!(content.labels[8..], expected);
    assert_eq!(content.v4.starts(), [0, 1 << 24, 10 << 24, 11 << 24, (11 << 24) + 96, 224 << 24]);
    assert_eq!(content.v4.slots(), [2, 9, 1, 8, 5, 2]);
    assert_eq!(content.v6.starts(), [0, 0x2000 << 112, (0x2000 << 112) + 4321, 0xfc00 << 112]);
    assert_eq!(content.v6.slots(), [2, 10, 0, 1]);
    assert_eq!(content.overrides_v4.len(), 3);
    assert_eq!(content.overrides_v6, [(Range { first: 0x2001 << 112, last: 0x2002 << 112 }, 11)]);
}

/// What is written is read as it was, and says so by its digest.
fn assert_comes_back(content: &Content) {
    let bytes = write(content);
    let back = read(&bytes).unwrap();
    assert_eq!(back.labels, content.labels);
    assert_eq!(back.v4, content.v4);
    assert_eq!(back.v6, content.v6);
    assert_eq!(back.overrides_v4, content.overrides_v4);
    assert_eq!(back.overrides_v6, content.overrides_v6);
    assert_eq!(back.unwrapping, content.unwrapping);
    assert_eq!(back.level, content.level);
    assert_eq!(back.claims, content.claims);
    assert_eq!(back.digest, content.digest);
    assert_eq!(write(&back), bytes);
    assert_eq!(digest(content), content.digest);
}

fn small(unwrapping: Unwrapping) -> Content {
    let v4 = vec![(0, 0), (1 << 24, 1), (20 << 24, 2), (21 << 24, 4)];
    let v6 = vec![(0, 0), (0x2400 << 112, 3), ((0x2400 << 112) + 77, 5)];
    let database = database(&v4, Some(&v6), &labels());
    let overrides = Overrides::from_rows([("1.2.3.0/24", "MO"), ("2a00::/16", "relay"), ("10.0.0.0/8", "ZZ")]).unwrap();
    let content = Content::compile(database, Level::Subdivision, unwrapping, "made for a test").unwrap();
    content.with_overrides(&overrides).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn any_content_comes_back(
        v4 in random_cover::<u32>(),
        v6 in proptest::option::of(random_cover::<u128>()),
        unwraps in 0..3,
        overridden: bool,
        attribution in "\\PC{0,20}",
        warnings in proptest::collection::vec("[^\r\n]{1,20}", 0..3),
        built_at in proptest::option::of(0..=LATEST),
    ) {
        let unwrapping = match unwraps {
            0 => Unwrapping::new(false, &[]).unwrap(),
            1 => Unwrapping::default(),
            _ => unwrapping(&NAT64),
        };
        let mut database = database(&v4, v6.as_ref(), &labels());
        database.about.warnings = warnings;
        database.about.built_at = built_at;
        let content = Content::compile(database, Level::Subdivision, unwrapping, &attribution).unwrap();
        let rows = [("1.2.0.0/16", "MO"), ("1.2.3.0/24", "relay"), ("::/0", "ZZ"), ("2a00::/12", "US")];
        if overridden {
            assert_comes_back(&content.with_overrides(&Overrides::from_rows(rows).unwrap()).unwrap());
        } else {
            assert_comes_back(&content);
        }
    }
}

#[test]
fn warnings_come_back_as_they_were() {
    // Lines are what parts them in the file.
    let mut database = database(&vec![(0, 1)], None, &labels());
    database.about.warnings = vec!["a warning\nof two lines".to_owned(), "another".to_owned()];
    let content = Content::compile(database, Level::Subdivision, Unwrapping::default(), "").unwrap();
    let back = read(&write(&content)).unwrap();
    assert_eq!(write(&back), write(&content), "it opens, and as the same bytes");
}

/// More labels than a byte, than 15 bits, and as many as there may be.
#[test]
fn many_labels_come_back() {
    for count in [1, 247, 248, 249, 300, 32_760, 40_000, 65_000] {
        let codes = (0..count).map(|nth| format!("{}-{nth:05}", ["DE", "US"][2 * nth / count.max(2)]));
        let labels: Vec<Label> = codes.map(|code| label(&code, Evidence::Database)).collect();
        // The first label is "no place", so one less fits by interning than by numbering.
        let labels = &labels[..count.min(MAX_LABELS - 1)];
        let v6 = tidy(vec![(0, 0), (0x2a00 << 112, (labels.len() - 1) as Slot)]);
        let v4: Cover<u32> = (0..labels.len()).map(|nth| ((nth as u32) << 14, nth as Slot)).collect();
        let database = database(&v4, Some(&v6), labels);
        let content = Content::compile(database, Level::Subdivision, Unwrapping::default(), "").unwrap();
        assert_eq!(content.labels.len(), 8 + labels.len());
        assert_comes_back(&content);
        let table = Table::new(Arc::new(read(&write(&content)).unwrap())).unwrap();
        for nth in [0, labels.len() / 2, labels.len() - 1] {
            let address = ((nth as u32) << 14) + 99;
            if special::status_v4(address).is_none() {
                let slot = table.lookup(crate::Address::V4(address)).slot;
                assert_eq!(table.labels()[usize::from(slot)], labels[nth], "{count}");
            }
        }
        let slot = table.lookup(crate::Address::V6(0x2a00 << 112)).slot;
        assert_eq!(table.labels()[usize::from(slot)], labels[labels.len() - 1], "{count}");
    }
}

#[test]
fn every_truncation_is_refused() {
    let bytes = write(&small(unwrapping(&NAT64[..2])));
    for length in 0..bytes.len() {
        let error = read(&bytes[..length]).unwrap_err();
        assert!(matches!(error, Error::Corrupt { .. }), "{length}: {error}");
    }
    for behind in [&[0][..], &bytes[..], &bytes[bytes.len() - 32..]] {
        assert!(read(&[&bytes, behind].concat()).is_err());
    }
}

#[test]
fn every_flip_of_one_bit_is_refused() {
    let bytes = write(&small(Unwrapping::default()));
    for bit in 0..8 * bytes.len() {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let message = read(&flipped).unwrap_err().to_string();
        let expected = match bit / 8 {
            0..7 => "not a compiled table (byte 0)",
            7 => "compiled by another version of regionfast: compile it again (byte 7)",
            _ => &format!("the digest does not match: the file is damaged or cut off (byte {})", bytes.len() - 32),
        };
        assert_eq!(message, expected, "bit {bit}");
    }
}

#[test]
fn what_a_compiled_table_looks_like() {
    let bytes = write(&small(Unwrapping::default()));
    assert!(is_compiled(&bytes));
    assert!(is_compiled(b"rgnfast\x02"), "of another version");
    for other in [&b""[..], b"rgnfas", b"RGNFAST\x01", b"1.0.0.0/8,US", b"\xab\xcd\xefMaxMind.com"] {
        assert!(!is_compiled(other));
        assert!(read(other).is_err());
    }
    assert_eq!(read(b"rgnfast\x01").unwrap_err().to_string(), "the file is cut off (byte 8)");
}

/// Every sealed file that is shorter is refused, by what is missing instead of by its digest.
#[test]
fn every_sealed_truncation_is_refused() {
    let body = Form::sound().body();
    assert!(read(&seal(body.clone())).is_ok());
    for length in 8..body.len() {
        let error = read(&seal(body[..length].to_vec())).unwrap_err();
        assert!(matches!(error, Error::Corrupt { offset, .. } if offset as usize <= length), "{length}: {error}");
    }
    let longer = seal([&body[..], &[0]].concat());
    assert_eq!(read(&longer).unwrap_err().to_string(), format!("more bytes than a table has (byte {})", body.len()));
}

/// A sealed file with a flipped bit is refused or sane: what it says is written and read again alike, its table
/// answers within its labels, and so does the base.
#[test]
fn every_sealed_flip_of_one_bit() {
    let body = Form::sound().body();
    let (mut refused, mut sane) = (0, 0);
    let mut slowest = Duration::ZERO;
    for bit in 0..8 * body.len() {
        let mut flipped = body.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let began = Instant::now();
        let content = read(&seal(flipped));
        slowest = slowest.max(began.elapsed());
        let Ok(content) = content else {
            refused += 1;
            continue;
        };
        sane += 1;
        let labels = content.labels.len();
        assert!(content.v4.slots().iter().all(|slot| usize::from(*slot) < labels), "bit {bit}");
        assert!(read(&write(&content)).is_ok(), "bit {bit}: {content:?}");
        if let Some(base) = content.without_overrides() {
            let labels = base.labels.len();
            assert!(base.v4.slots().iter().all(|slot| usize::from(*slot) < labels), "bit {bit}: the base");
            let in_v6 = |slot: &Slot| *slot == UNDECIDED || usize::from(*slot) < labels;
            assert!(base.v6.slots().iter().all(in_v6), "bit {bit}: the base");
        }
    }
    assert!(refused > 1_000 && sane > 200, "{refused} refused, {sane} sane");
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
}

#[test]
fn claims_that_are_none() {
    let with = |key: &str, value: &str| {
        let mut pairs = CLAIMS.to_vec();
        let place = pairs.iter().position(|(name, _)| *name == key).unwrap();
        pairs[place].1 = value;
        Form { claims: claims_of(&pairs), ..Form::sound() }
    };
    for (key, value) in [
        ("built-at", "yesterday"),
        ("built-at", "-1"),
        ("built-at", "253402300800"), // the first second of the year 10000
        ("built-at", "18446744073709551616"),
        ("ipv6", "yes"),
        ("ipv6", ""),
        ("level", "city"),
        ("level", ""),
        ("unwrap", "1"),
        ("nat64", "64:ff9b:1::"),
        ("nat64", "64:ff9b:1::/47"),
        ("nat64", "64:ff9b:1::/48,4000::/32"),
    ] {
        assert!(
            with(key, value).refusal().starts_with(&format!("the claim `{key}` has an impossible value (byte ")),
            "{key} {value}"
        );
    }
    for (key, value) in [("built-at", "+1"), ("built-at", "01"), ("nat64", " ")] {
        assert!(
            with(key, value).refusal().starts_with("the claims are not as this version writes them (byte "),
            "{key} {value}"
        );
    }
    assert_eq!(read(&with("built-at", "").sealed()).unwrap().claims.built_at, None);
    for lacking in CLAIMS.map(|(key, _)| key) {
        let rest: Vec<_> = CLAIMS.into_iter().filter(|(key, _)| *key != lacking).collect();
        let form = Form { claims: claims_of(&rest), ..Form::sound() };
        assert_eq!(form.refusal(), format!("the claims lack `{lacking}` (byte {})", form.at(0)));
    }
    let more = [&CLAIMS[..], &[("colour", "blue")]].concat();
    let form = Form { claims: claims_of(&more), ..Form::sound() };
    assert!(form.refusal().starts_with("the claims are not as this version writes them (byte "));
}

/// Own prefixes that contradict each other or the switch are the file's fault, not the caller's.
#[test]
fn claims_that_contradict_each_other() {
    for (unwrap, nat64) in
        [("false", "4000::/32"), ("true", "4000::/32 4000::/40"), ("true", "64:ff9b::/96"), ("true", "2001:db8::/32")]
    {
        let pairs: Vec<_> = CLAIMS
            .into_iter()
            .map(|(key, value)| match key {
                "unwrap" => (key, unwrap),
                "nat64" => (key, nat64),
                _ => (key, value),
            })
            .collect();
        Form { claims: claims_of(&pairs), ..Form::sound() }.refusal();
    }
}

/// Each claim once, or the file would say two things.
#[test]
fn claims_that_come_twice() {
    let twice = [&CLAIMS[..], &[("kind", "Other")]].concat();
    Form { claims: claims_of(&twice), ..Form::sound() }.refusal();
}

#[test]
fn counts_and_lengths_beyond_the_file() {
    let sound = Form::sound();
    let huge = |section: &[u8]| [&u32::MAX.to_le_bytes()[..], &section[4..]].concat();
    let began = Instant::now();
    for (form, at) in [
        (Form { claims: huge(&sound.claims), ..sound.clone() }, sound.at(0)),
        (Form { labels: huge(&sound.labels), ..sound.clone() }, sound.at(1)),
        (Form { v4: huge(&sound.v4), ..sound.clone() }, sound.at(2)),
        (Form { v6: huge(&sound.v6), ..sound.clone() }, sound.at(3)),
        (Form { overrides: huge(&sound.overrides), ..sound.clone() }, sound.at(4)),
        // The length of the first key.
        (Form { claims: [number(10), huge(&sound.claims[4..])].concat(), ..sound.clone() }, sound.at(0) + 4),
    ] {
        assert_eq!(form.refusal(), format!("4294967295 entries do not fit into the file (byte {at})"));
    }
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[test]
fn texts_that_are_not_utf8() {
    let mut form = Form::sound();
    form.claims[8] = 0xff; // in the first key
    assert_eq!(form.refusal(), format!("a text that is not UTF-8 (byte {})", form.at(0) + 8));
}

#[test]
fn labels_that_are_none() {
    let with = |labels: &[(u8, &str)]| Form { labels: labels_of(labels), ..Form::sound() };
    let sound = Form::sound();
    for evidence in [0, 4, 255] {
        let form = with(&[(evidence, "DE"), (1, "US"), (3, "US"), (2, "MO")]);
        assert_eq!(form.refusal(), format!("a region with an impossible evidence (byte {})", sound.at(1) + 4));
    }
    for code in ["", "usa", "U", "CN-HK", "EU", "T1", "ZZ", "US-", "US-a,b"] {
        let form = with(&[(1, "DE"), (1, code), (3, "US"), (2, "MO")]);
        assert_eq!(form.refusal(), format!("a region that is no region code (byte {})", sound.at(1) + 4 + 7), "{code}");
    }
    let many: Vec<String> = (0..=MAX_LABELS).map(|nth| format!("US-{nth:05}")).collect();
    let many: Vec<(u8, &str)> = many.iter().map(|code| (1, &**code)).collect();
    assert!(with(&many).refusal().starts_with("more regions than a table has slots (byte "));
}

/// Slots are renumbered by the order of labels when overrides come or go: any other order, or one label twice,
/// would move answers from one region to another.
#[test]
fn labels_in_another_order() {
    for labels in [
        [(1, "US"), (1, "DE"), (3, "US"), (2, "MO")],
        [(1, "DE"), (3, "US"), (1, "US"), (2, "MO")],
        [(2, "MO"), (1, "DE"), (1, "US"), (3, "US")],
        [(1, "DE"), (1, "DE"), (3, "US"), (2, "MO")],
    ] {
        let mut form = Form { labels: labels_of(&labels), ..Form::sound() };
        // Apart from their order all is well.
        form.overrides = [ranges_v4(&[]), ranges_v6(&[])].concat();
        form.refusal();
    }
}

/// The base is what the database says: a range of it that is placed by an override would be asked for evidence
/// that the base must not have, and its slot is none of the base.
#[test]
fn a_base_that_is_placed_by_an_override() {
    let v4 = vec![(0_u32, 2), (1 << 24, 11), (10 << 24, 1), (224 << 24, 2)];
    Form { v4: cover(&v4), ..Form::sound() }.refusal();
    let v6 = vec![(0_u128, 2), (0x2000 << 112, 11), (0xfc00 << 112, 1)];
    Form { v6: cover(&v6), ..Form::sound() }.refusal();
}

#[test]
fn covers_that_are_none() {
    let sound = Form::sound();
    let v4 = |bytes: Vec<u8>| Form { v4: bytes, ..sound.clone() }.refusal();
    let v6 = |bytes: Vec<u8>| Form { v6: bytes, ..sound.clone() }.refusal();
    let at = sound.at(2);
    assert_eq!(v4(number(0)), format!("field `starts`: the first segment does not begin at zero (byte {at})"));
    assert_eq!(
        v4(cover::<u32>(&vec![(0, 8), (9, 8)])),
        format!("field `slots`: segment 1 has the slot of the one before it (byte {at})")
    );
    for slot in [3, 4, 6, 7, 12, 255] {
        let bytes = cover::<u32>(&vec![(0, 8), (9, slot)]);
        let slots_at = at + bytes.len() - 2;
        assert_eq!(v4(bytes), format!("range 1 has an impossible slot (byte {slots_at})"), "{slot}");
    }
    for slot in [3, 4, 7, 12, 255] {
        assert!(v6(cover::<u128>(&vec![(0, 8), (9, slot)])).contains("range 1 has an impossible slot"), "{slot}");
    }
    // Distances that lead out of the space, one at a time and in sum.
    let two = |distance: &[u8]| [&number(2), distance, &[8, 9]].concat();
    assert_eq!(v4(two(&[32])), format!("a range beyond the address space (byte {})", at + 5));
    assert!(read(&Form { v4: two(&[31]), ..sound.clone() }.sealed()).is_ok());
    assert!(v4([number(3), vec![31, 31, 8, 9, 8]].concat()).starts_with("a range beyond the address space"));
    assert!(v4(two(&[127])).starts_with("a range beyond the address space"));
    assert!(v6([number(3), vec![127, 127, 8, 9, 8]].concat()).starts_with("a range beyond the address space"));
    assert!(read(&Form { v6: two(&[127]), ..sound.clone() }.sealed()).is_ok());
    // Odd factors: beyond 128 bits by themselves, by their exponent, and without end.
    let factor = |exponent: u8, groups: &[u8]| two(&[&[exponent | 0x80][..], groups].concat());
    assert!(v6(factor(1, &[&[0xff; 18][..], &[0x01]].concat())).starts_with("a range beyond the address space"));
    assert!(v6(factor(127, &[1])).starts_with("a range beyond the address space"));
    assert!(v6(factor(0, &[0xff; 40])).starts_with("a range beyond the address space"));
}

/// A distance has one spelling, or two files would be one table with two digests.
#[test]
fn distances_in_another_spelling() {
    let sound = Form::sound();
    // 1 as `2 * 0 + 1` with a group of its own, and 3 with a group too many.
    for distance in [&[0x80, 0x00][..], &[0x80, 0x81, 0x00]] {
        let v4 = [&number(2), distance, &[8, 9]].concat();
        let form = Form { v4, ..sound.clone() };
        let content = read(&form.sealed());
        assert!(content.is_err() || write(&content.unwrap()) == form.sealed());
    }
}

#[test]
fn overrides_that_are_none() {
    let sound = Form::sound();
    let v4 =
        |ranges: &[(u32, u32, Slot)]| Form { overrides: [ranges_v4(ranges), ranges_v6(&[])].concat(), ..sound.clone() };
    let at = sound.at(4) + 4;
    for (ranges, wrong) in [
        (&[(5, 4, 11)][..], 0),
        (&[(5, 9, 11), (9, 10, 11)], 1),
        (&[(5, 9, 11), (1, 2, 11)], 1),
        (&[(0, u32::MAX, 11), (0, 0, 11)], 1),
        // By the database, by registration, no slot at all, and statuses that an override cannot give.
        (&[(5, 9, 8)], 0),
        (&[(5, 9, 10)], 0),
        (&[(5, 9, 12)], 0),
        (&[(5, 9, u16::MAX)], 0),
        (&[(5, 9, 1)], 0),
        (&[(5, 9, 5)], 0),
        (&[(5, 9, 6)], 0),
    ] {
        assert_eq!(v4(ranges).refusal(), format!("an impossible override (byte {})", at + 10 * wrong), "{ranges:?}");
    }
    assert!(read(&v4(&[(5, 9, 11), (10, 10, 7), (11, u32::MAX, 0)]).sealed()).is_ok());
    let v6 = |ranges: &[(u128, u128, Slot)]| Form {
        overrides: [ranges_v4(&[]), ranges_v6(ranges)].concat(),
        ..sound.clone()
    };
    for ranges in [&[(5, 4, 11)][..], &[(0, u128::MAX, 11), (1, 1, 11)], &[(1, 1, 8)]] {
        assert!(v6(ranges).refusal().starts_with("an impossible override"), "{ranges:?}");
    }
    assert!(read(&v6(&[(0, u128::MAX, 11)]).sealed()).is_ok());
}

/// With unwrapping on, the slot of a zone stands where the claims say that there are zones, and nowhere else.
#[test]
fn zones_that_are_not_where_they_should_be() {
    let ends = |zone: (u128, u128)| [(zone.0, 6), (zone.1 + 1, 0)];
    let (mapped, nat64) = ((0xffff << 32, (0x1_0000 << 32) - 1), (0x64_ff9b << 96, (0x64_ff9b << 96) | 0xffff_ffff));
    let (teredo, six) = ((0x2001_0000 << 96, (0x2001_0001 << 96) - 1), (0x2002 << 112, (0x2003 << 112) - 1));
    let all = [mapped, nat64, teredo, six];
    let form = |own: &str, unwrap: &str, zones: &[(u128, u128)]| {
        let pairs: Vec<_> = CLAIMS
            .into_iter()
            .map(|(key, value)| match key {
                "unwrap" => (key, unwrap),
                "nat64" => (key, own),
                _ => (key, value),
            })
            .collect();
        let mut starts: Cover<u128> = [(0, 0)].into_iter().chain(zones.iter().copied().flat_map(ends)).collect();
        starts.sort_by_key(|(start, slot)| (*start, *slot));
        // Zones that touch: the second begins where the first would end.
        starts.dedup_by(|later, earlier| {
            earlier.0 == later.0 && {
                earlier.1 = 6;
                true
            }
        });
        starts.dedup_by_key(|(_, slot)| *slot);
        Form { claims: claims_of(&pairs), v6: cover(&starts), ..Form::sound() }
    };
    let misplaced = "field `IPv6`: the zones of wrapped IPv4 are not where `unwrap` and `nat64` say";
    assert!(read(&form("", "true", &all).sealed()).is_ok());
    assert_eq!(form("", "false", &all).refusal(), misplaced);
    assert_eq!(form("", "true", &[]).refusal(), misplaced);
    for left_out in 0..4 {
        let rest: Vec<_> = (0..4).filter(|zone| *zone != left_out).map(|zone| all[zone]).collect();
        assert_eq!(form("", "true", &rest).refusal(), misplaced, "{left_out}");
        for (first, last) in [(1, 0), (0, 1)] {
            let mut moved = all.to_vec();
            moved[left_out] = (all[left_out].0 + first, all[left_out].1 - last);
            assert_eq!(form("", "true", &moved).refusal(), misplaced, "{left_out} is short");
            moved[left_out] = (all[left_out].0 - first, all[left_out].1 + last);
            assert_eq!(form("", "true", &moved).refusal(), misplaced, "{left_out} is long");
        }
    }
    let elsewhere = (0x2a00 << 112, (0x2a01 << 112) - 1);
    assert_eq!(form("", "true", &[&all[..], &[elsewhere]].concat()).refusal(), misplaced);
    // An own zone that touches 6to4 is one segment with it.
    let own = (0x2003 << 112, (0x2003 << 112) | (u128::MAX >> 32));
    assert!(read(&form("2003::/32", "true", &[&all[..], &[own]].concat()).sealed()).is_ok());
    assert_eq!(form("2003::/32", "true", &all).refusal(), misplaced);
    assert_eq!(form("", "true", &[&all[..], &[own]].concat()).refusal(), misplaced);
    // Nor may IPv4 have a zone, or a slot that stands for one.
    let v4 = vec![(0_u32, 2), (1 << 24, 6)];
    assert!(Form { v4: cover(&v4), ..form("", "true", &all) }.refusal().contains("impossible slot"));
}

#[test]
fn the_digest_covers_all() {
    let content = small(Unwrapping::default());
    let base = content.without_overrides().unwrap();
    assert!(base.without_overrides().is_none());
    assert_ne!(base.digest, content.digest);
    assert_comes_back(&base);
    // The base is the table that was never given overrides.
    let v4 = vec![(0, 0), (1 << 24, 1), (20 << 24, 2), (21 << 24, 4)];
    let v6 = vec![(0, 0), (0x2400 << 112, 3), ((0x2400 << 112) + 77, 5)];
    let plain = |level, unwrapping, attribution: &str| {
        Content::compile(database(&v4, Some(&v6), &labels()), level, unwrapping, attribution).unwrap().digest
    };
    assert_eq!(base.digest, plain(Level::Subdivision, Unwrapping::default(), "made for a test"));
    let all = [
        content.digest,
        base.digest,
        plain(Level::Country, Unwrapping::default(), "made for a test"),
        plain(Level::Subdivision, Unwrapping::default(), ""),
        plain(Level::Subdivision, Unwrapping::new(false, &[]).unwrap(), "made for a test"),
        plain(Level::Subdivision, unwrapping(&NAT64[..1]), "made for a test"),
    ];
    for (at, digest) in all.iter().enumerate() {
        assert!(!all[..at].contains(digest), "{at}");
    }
    let table = Table::new(Arc::new(content)).unwrap();
    assert_eq!(table.base().unwrap().content().digest, base.digest);
}

#[test]
fn saved_whole_or_not_at_all() {
    let folder = std::env::temp_dir().join(format!("regionfast-file-{}", std::process::id()));
    fs::create_dir(&folder).unwrap();
    let path = folder.join("table.rft");
    let (first, second) = (small(Unwrapping::default()), small(unwrapping(&NAT64)));
    for content in [&first, &second] {
        save(content, &path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), write(content));
    }
    assert!(save(&first, &folder.join("missing").join("table.rft")).is_err());
    // A folder cannot be replaced by a file: what was written beside it does not stay.
    let taken = folder.join("folder");
    fs::create_dir(&taken).unwrap();
    fs::write(taken.join("inside"), b"").unwrap();
    assert!(save(&first, &taken).is_err());
    let mut names: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    fs::remove_dir_all(&folder).unwrap();
    assert_eq!(names, ["folder", "table.rft"]);
}
