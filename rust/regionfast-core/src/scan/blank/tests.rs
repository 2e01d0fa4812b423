#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

const LINE: &[u8] = b"http 2018-07-02T22:23:00.186641Z app/lb/50dc 192.0.2.7:2817 - 0 1 0 200 200 34 366 \
    \"GET http://www.example.org:80/ HTTP/1.1\" \"curl/7.46.0\" - -";

fn split(wanted: &[usize], line: &[u8]) -> Option<Vec<Option<Vec<u8>>>> {
    let mut cells = vec![Cell::Other(b"of the line before")];
    let is_row = Tokens::new(wanted.to_vec()).split(line, &mut cells);
    is_row.then(|| cells.iter().map(|cell| cell.bytes().map(<[u8]>::to_vec)).collect())
}

fn texts(line: &[u8]) -> Vec<&[u8]> {
    tokens(line).collect()
}

#[test]
fn blanks_part_fields() {
    assert_eq!(texts(b"a bc  d   "), [&b"a"[..], b"bc", b"d"]);
    assert_eq!(texts(b"  a\tb\0 \xff"), [&b"a\tb\0"[..], b"\xff"]);
    assert!(texts(b"").is_empty());
    assert!(texts(b"   ").is_empty());
}

#[test]
fn quotes_keep_blanks_and_may_be_empty() {
    assert_eq!(texts(b"\"a b\" \"\" c"), [&b"a b"[..], b"", b"c"]);
}

#[test]
fn escaped_quotes_do_not_end_a_field() {
    assert_eq!(texts(br#""a \" b" "c\\" d"#), [&br#"a \" b"#[..], br"c\\", b"d"]);
    assert_eq!(texts(br#""a\x22 b" c"#), [&br"a\x22 b"[..], b"c"]);
}

#[test]
fn open_quotes_go_to_the_end_of_the_line() {
    assert_eq!(texts(b"a \"b c"), [&b"a"[..], b"b c"]);
    assert_eq!(texts(br#"a "b c\""#), [&b"a"[..], br#"b c\""#]);
    assert_eq!(texts(br#"a "b c\"#), [&b"a"[..], br"b c\"]);
    assert_eq!(texts(b"a \""), [&b"a"[..], b""]);
}

#[test]
fn quotes_open_a_field_only_as_its_first_byte() {
    assert_eq!(texts(b"a\"b c\" d"), [&b"a\"b"[..], b"c\"", b"d"]);
}

#[test]
fn what_touches_a_closing_quote_is_the_next_field() {
    assert_eq!(texts(b"\"a\"b \"c\"\"d\""), [&b"a"[..], b"b", b"c", b"d"]);
}

#[test]
fn cells_come_in_the_order_that_is_asked_for() {
    let wanted = split(&[3, 12, 1, 3, 99], LINE);
    let of = |text: &[u8]| Some(text.to_vec());
    let request = of(b"GET http://www.example.org:80/ HTTP/1.1");
    let client = of(b"192.0.2.7:2817");
    assert_eq!(wanted, Some(vec![client.clone(), request, of(b"2018-07-02T22:23:00.186641Z"), client, None]));
    assert_eq!(split(&[], LINE), Some(vec![]));
}

#[test]
fn a_line_has_at_least_twelve_fields() {
    assert_eq!(split(&[3], b"0 1 2 3 4 5 6 7 8 9 10 11"), Some(vec![Some(b"3".to_vec())]));
    assert_eq!(split(&[3], b"0 1 2 3 4 5 6 7 8 9 10"), None);
    assert_eq!(split(&[12], b"0 1 2 3 4 5 6 7 8 9 10 \"11\""), Some(vec![None]));
    assert_eq!(split(&[3], b""), None);
}

#[test]
fn escapes_are_undone() {
    assert!(matches!(unescaped(b"198.51.100.7"), Cow::Borrowed(b"198.51.100.7")));
    assert_eq!(*unescaped(br#"for=\"[2001:db8::1]\""#), *b"for=\"[2001:db8::1]\"");
    assert_eq!(*unescaped(br"for=\x22a\x22\x0A\xfF"), *b"for=\"a\"\n\xff");
    assert_eq!(*unescaped(br"a\\x22"), *br"a\x22");
}

#[test]
fn other_backslashes_stand_for_themselves() {
    for text in [&br"\n"[..], br"\t\b", br"\x2", br"\xg0", br"\x+1", br"a\", br"\x"] {
        assert_eq!(*unescaped(text), *text);
    }
}

/// The rules, a byte at a time.
fn slow_tokens(line: &[u8]) -> Vec<Vec<u8>> {
    enum At {
        Gap,
        Bare,
        Quoted,
        Escape,
    }
    let mut found: Vec<Vec<u8>> = Vec::new();
    let mut at = At::Gap;
    for &byte in line {
        at = match (at, byte) {
            (At::Gap | At::Bare, b' ') => At::Gap,
            (At::Gap, b'"') => {
                found.push(Vec::new());
                At::Quoted
            }
            (At::Gap, _) => {
                found.push(vec![byte]);
                At::Bare
            }
            (At::Quoted, b'"') => At::Gap,
            (state, _) => {
                found.last_mut().unwrap().push(byte);
                match (state, byte) {
                    (At::Quoted, b'\\') => At::Escape,
                    (At::Quoted | At::Escape, _) => At::Quoted,
                    _ => At::Bare,
                }
            }
        };
    }
    found
}

/// Undoes escapes from the left, by trying each way that one may be written.
fn slow_unescaped(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let ways = (0..=255_u8).flat_map(|byte| [(format!("\\x{byte:02x}"), byte), (format!("\\x{byte:02X}"), byte)]);
        let short = [("\\\"".to_owned(), b'"'), ("\\\\".to_owned(), b'\\')];
        // `\xaB` has digits of both cases.
        let written = |way: &str| {
            rest.get(..way.len()).is_some_and(|front| match way.len() {
                4 => rest.starts_with(b"\\x") && front.eq_ignore_ascii_case(way.as_bytes()),
                _ => front == way.as_bytes(),
            })
        };
        match ways.chain(short).find(|(way, _)| written(way)) {
            Some((way, byte)) => {
                plain.push(byte);
                at += way.len();
            }
            None => {
                plain.push(rest[0]);
                at += 1;
            }
        }
    }
    plain
}

proptest! {
    #[test]
    fn tokens_are_those_of_a_byte_loop(line in vec(select(b"ab  \"\"\\\t\xff".to_vec()), 0..60)) {
        let found: Vec<Vec<u8>> = tokens(&line).map(<[u8]>::to_vec).collect();
        prop_assert_eq!(&found, &slow_tokens(&line));
        let wanted = [4, 0, 13, 4];
        let picked = wanted.iter().map(|&field| found.get(field).cloned()).collect();
        prop_assert_eq!(split(&wanted, &line), (found.len() >= 12).then_some(picked));
    }

    #[test]
    fn unescaped_is_what_every_way_to_write_it_says(text in vec(select(b"\\\\\\xxX2aF\"n".to_vec()), 0..30)) {
        prop_assert_eq!(unescaped(&text).into_owned(), slow_unescaped(&text));
    }
}
