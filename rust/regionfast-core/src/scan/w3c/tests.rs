#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

fn wanted(fields: &[&[&str]]) -> Wanted {
    Wanted { names: fields.iter().map(|names| names.iter().map(|&name| name.to_owned()).collect()).collect() }
}

fn split(directive: &[u8], fields: &[&[&str]], line: &[u8]) -> Option<Vec<Option<Vec<u8>>>> {
    let mut cells = vec![Cell::Other(b"of the line before")];
    let is_row = Columns::read(directive, &wanted(fields)).unwrap().split(line, &mut cells);
    is_row.then(|| cells.iter().map(|cell| cell.bytes().map(<[u8]>::to_vec)).collect())
}

fn of(text: &[u8]) -> Option<Vec<u8>> {
    Some(text.to_vec())
}

#[test]
fn only_fields_sets_columns() {
    let wanted = wanted(&[&["c-ip"]]);
    assert!(Columns::read(b"#Fields: date c-ip", &wanted).is_some());
    for other in
        [&b"#Version: 1.0"[..], b"#Software: x", b"# Fields: c-ip", b"Fields: c-ip", b"#Fields c-ip", b"#", b""]
    {
        assert!(Columns::read(other, &wanted).is_none());
    }
}

#[test]
fn values_are_parted_by_single_blanks() {
    let directive = b"#Fields: date time c-ip sc-status";
    let line = b"2026-03-01 00:00:04 192.0.2.7 200";
    assert_eq!(
        split(directive, &[&["c-ip"], &["date"], &["time"], &["c-ip"]], line),
        Some(vec![of(b"192.0.2.7"), of(b"2026-03-01"), of(b"00:00:04"), of(b"192.0.2.7")])
    );
    assert_eq!(split(directive, &[&["time"]], b"2026-03-01  192.0.2.7 200"), Some(vec![of(b"")]));
}

#[test]
fn what_gives_as_many_values_as_there_are_columns_parts_them() {
    assert_eq!(split(b"#Fields: a b c", &[&["b"]], b"1\t2 3\t4"), Some(vec![of(b"2 3")]));
    assert_eq!(split(b"#Fields: a b c", &[&["b"]], b"1 2\t3 4"), Some(vec![of(b"2\t3")]));
    assert_eq!(split(b"#Fields: a b c", &[&["b"]], b"1\t2 3 4\t5"), None);
    assert_eq!(split(b"#Fields: a b c", &[&["b"]], b"1\t2 3"), None);
}

#[test]
fn the_number_of_values_is_that_of_the_columns() {
    for line in [&b"1 2"[..], b"1 2 3 4", b"1 2 3 ", b" 1 2 3", b""] {
        assert_eq!(split(b"#Fields: a b c", &[&["b"]], line), None);
    }
    assert_eq!(split(b"#Fields:", &[&["b"]], b"1"), None);
    assert_eq!(split(b"#Fields: a", &[&["a"]], b"1"), Some(vec![of(b"1")]));
}

#[test]
fn the_first_name_that_is_there_is_it() {
    let names: &[&[&str]] = &[&["x-client", "c-ip", "a"], &["none", "nothing"]];
    assert_eq!(split(b"#Fields: a c-ip", names, b"1 2"), Some(vec![of(b"2"), None]));
    assert_eq!(split(b"#Fields: a b", names, b"1 2"), Some(vec![of(b"1"), None]));
}

#[test]
fn names_have_no_case_and_any_blanks_between() {
    let directive = b"#Fields:date \t Cs(X-Forwarded-For)  c-ip\t";
    assert_eq!(split(directive, &[&["cs(x-forwarded-for)"], &["C-IP"]], b"1 2 3"), Some(vec![of(b"2"), of(b"3")]));
}

#[test]
fn of_two_columns_of_one_name_the_first_is_it() {
    assert_eq!(split(b"#Fields: a A", &[&["a"]], b"1 2"), Some(vec![of(b"1")]));
}

#[test]
fn values_of_headers_are_decoded() {
    assert!(matches!(percent_decoded(b"192.0.2.7"), Cow::Borrowed(b"192.0.2.7")));
    assert_eq!(*percent_decoded(b"192.0.2.7,%20198.51.100.7"), *b"192.0.2.7, 198.51.100.7");
    assert_eq!(*percent_decoded(b"192.0.2.7,+198.51.100.7"), *b"192.0.2.7, 198.51.100.7");
    assert_eq!(*percent_decoded(b"%2B%3a%fF%2520"), *b"+:\xff%20");
}

#[test]
fn other_percents_stand_for_themselves() {
    for text in [&b"%"[..], b"%2", b"%g0", b"%%%", b"a%", b"%-1"] {
        assert_eq!(*percent_decoded(text), *text);
    }
}

proptest! {
    #[test]
    fn values_are_those_of_the_standard_split(line in vec(select(b"ab   \t\xff".to_vec()), 0..16)) {
        let ways = [b'\t', b' '].map(|separator| line.split(|&byte| byte == separator).collect::<Vec<_>>());
        let fitting: Vec<_> = ways.iter().filter(|values| values.len() == 4).collect();
        let expected = (fitting.len() == 1).then(|| vec![of(fitting[0][3]), of(fitting[0][0])]);
        prop_assert_eq!(split(b"#Fields: a b c d", &[&["d"], &["a"]], &line), expected);
    }

    #[test]
    fn what_is_encoded_is_decoded(text in vec(any::<u8>(), 0..40), plain in any::<u64>()) {
        let encode = |(at, &byte): (usize, &u8)| match byte {
            b' ' if plain >> (at % 64) & 1 == 1 => "+".into(),
            b'a'..=b'z' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        };
        let encoded: String = text.iter().enumerate().map(encode).collect();
        prop_assert_eq!(percent_decoded(encoded.as_bytes()).into_owned(), text);
    }
}
