//! The common log format, and what Apache and nginx add to it.
//!
//! ```text
//! www.example.org:443 198.51.100.7 - frank [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.1" 200 2326 "-" "curl/8.5" "-"
//! vhost               client ident user    time                          request status bytes referer agent forwarded
//! ```
//!
//! Apache's `mod_log_config` calls the lines *common* up to the bytes, *combined* with referer and agent, and
//! *vhost_combined* with a server and its port before; nginx writes `combined` by default, and many add
//! `"$http_x_forwarded_for"`. So one reader takes all of them, and what a line does not have is absent.

use memchr::{memchr, memchr2, memmem};

use super::blank;
use super::cell::Cell;

/// The fields by number, as [`Common::new`] wants them.
pub const NAMES: [&str; 11] =
    ["client", "ident", "user", "time", "request", "status", "bytes", "referer", "user-agent", "forwarded", "vhost"];
const CLIENT: usize = 0;
const TIME: usize = 3;
const FORWARDED: usize = 9;
const VHOST: usize = 10;

/// Which fields are wanted of lines in this format.
#[derive(Clone, Debug)]
pub struct Common {
    has_vhost: bool,
    wanted: Vec<usize>,
    /// Whether something behind the time is wanted, for which the line has to be split.
    is_tail_wanted: bool,
}

/// The part of a line that its form is known by.
struct Head<'a> {
    vhost: Option<&'a [u8]>,
    client: &'a [u8],
    /// Ident and user, with the blank between them.
    who: &'a [u8],
    time: &'a [u8],
    tail: &'a [u8],
}

impl Common {
    /// A reader of these fields, by their places in [`NAMES`].
    #[must_use]
    pub fn new(has_vhost: bool, wanted: Vec<usize>) -> Self {
        let is_tail_wanted = wanted.iter().any(|&field| field > TIME && field != VHOST);
        Self { has_vhost, wanted, is_tail_wanted }
    }

    /// The wanted fields of a line; false where it has not this form.
    #[inline]
    pub fn split<'a>(&self, line: &'a [u8], cells: &mut Vec<Cell<'a>>) -> bool {
        cells.clear();
        let Some(head) = self.head(line) else { return false };
        for &field in &self.wanted {
            cells.push(match field {
                CLIENT => Cell::borrowed(head.client),
                TIME => Cell::borrowed(head.time),
                1 | 2 => who(head.who, field),
                VHOST => head.vhost.map_or(Cell::Absent, Cell::borrowed),
                _ => Cell::Absent,
            });
        }
        if self.is_tail_wanted {
            let mut tokens = blank::quoted_tokens(head.tail);
            for field in TIME + 1..VHOST {
                // Between the agent and the header many write numbers, or the address of a server of their own, which
                // must not pass for a visitor's: the header is in quotes.
                let token = tokens.find(|(_, is_quoted)| field < FORWARDED || *is_quoted);
                let Some((token, _)) = token else { break };
                for (cell, _) in cells.iter_mut().zip(&self.wanted).filter(|(_, wanted)| **wanted == field) {
                    *cell = Cell::borrowed(token);
                }
            }
        }
        true
    }

    /// Client and time of a line, whatever is wanted; `None` where it has not this form.
    #[inline]
    pub(super) fn client_and_time<'a>(&self, line: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        self.head(line).map(|head| (head.client, head.time))
    }

    #[inline]
    fn head<'a>(&self, line: &'a [u8]) -> Option<Head<'a>> {
        let (vhost, line) = if self.has_vhost {
            let (vhost, line) = parted(line)?;
            (Some(vhost), line)
        } else {
            (None, line)
        };
        let (client, rest) = parted(line)?;
        let (who, time, tail) = usual(rest).or_else(|| before_request(rest))?;
        Some(Head { vhost, client, who, time, tail })
    }
}

/// Ident and user, the time, and what stands behind its bracket, of a line whose visitor gave no name: `- - [time] "`,
/// without a bracket in the time.
#[inline]
fn usual(rest: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let time = rest.strip_prefix(b"- - [")?;
    let (time, tail) = time.split_at_checked(memchr2(b'[', b']', time)?)?;
    tail.starts_with(b"] \"").then_some((rest.get(..3)?, time, tail.get(1..)?))
}

/// The same of any line.
///
/// A user is what a visitor typed: it may have blanks and brackets, so that ` [x] 6.6.6.6` in it would pass for a time
/// and move all fields behind it. But both servers escape a quote in it (`\x22`, `\"`), so the first `] "` is where the
/// request begins, and the last ` [` before that opens the time.
fn before_request(rest: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (before, tail) = rest.split_at_checked(memmem::find(rest, b"] \"")?)?;
    let (who, time) = before.split_at_checked(memmem::rfind(before, b" [")?)?;
    let is_whole = memchr(b' ', rest)? <= who.len();
    is_whole.then_some((who, time.get(2..)?, tail.get(1..)?))
}

/// What stands before the first blank, and behind it.
#[inline]
fn parted(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (first, rest) = text.split_at_checked(memchr(b' ', text)?)?;
    Some((first, rest.get(1..)?))
}

/// Ident (1) or user (2).
fn who(text: &[u8], field: usize) -> Cell<'_> {
    match (parted(text), field) {
        (Some((ident, _)), 1) => Cell::borrowed(ident),
        (Some((_, user)), 2) => Cell::borrowed(user),
        (None, 1) => Cell::borrowed(text),
        _ => Cell::borrowed(b""),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// The fields of a line by name; `None` where it has not the form.
    fn fields(line: &str, has_vhost: bool, names: &[&str]) -> Option<Vec<Option<String>>> {
        let wanted: Vec<usize> = names.iter().map(|name| NAMES.iter().position(|it| it == name).unwrap()).collect();
        let common = Common::new(has_vhost, wanted);
        let mut cells = Vec::new();
        let is_one = common.split(line.as_bytes(), &mut cells);
        assert_eq!(is_one, common.client_and_time(line.as_bytes()).is_some());
        let text = |cell: &Cell<'_>| cell.bytes().map(|bytes| String::from_utf8(bytes.to_vec()).unwrap());
        is_one.then(|| cells.iter().map(text).collect())
    }

    fn client_and_time(line: &str) -> Option<(String, String)> {
        let found = fields(line, false, &["client", "time"])?;
        let mut found = found.into_iter().map(Option::unwrap);
        Some((found.next().unwrap(), found.next().unwrap()))
    }

    #[test]
    fn all_fields_of_a_line() {
        let line = r#"192.0.2.1 - frank [t] "GET /\"x\" HTTP/1.1" 200 12 "-" "curl" "198.51.100.1""#;
        let texts =
            ["192.0.2.1", "-", "frank", "t", r#"GET /\"x\" HTTP/1.1"#, "200", "12", "-", "curl", "198.51.100.1"];
        let expected: Vec<Option<String>> = texts.iter().map(|text| Some((*text).to_owned())).collect();
        assert_eq!(fields(line, false, &NAMES[..10]).unwrap(), expected);
        let with_vhost = format!("www.example.org:443 {line}");
        assert_eq!(
            fields(&with_vhost, true, &["vhost", "client", "user"]).unwrap(),
            [Some("www.example.org:443".into()), Some("192.0.2.1".into()), Some("frank".into())]
        );
        assert_eq!(fields(line, false, &["vhost"]).unwrap(), [None]);
        let short = r#"192.0.2.1 - - [t] "GET /" 200"#;
        assert_eq!(fields(short, false, &["status", "bytes", "forwarded"]).unwrap(), [Some("200".into()), None, None]);
    }

    #[test]
    fn the_header_is_the_first_field_in_quotes_behind_the_agent() {
        for (tail, expected) in [
            (r#"1.1.1.1:80 "8.8.8.8""#, Some("8.8.8.8")),
            (r#"0.003 . "8.8.8.8" "x""#, Some("8.8.8.8")),
            ("1.1.1.1", None),
            ("", None),
        ] {
            let line = format!(r#"192.0.2.1 - - [t] "GET /" 200 1 "-" "ua" {tail}"#);
            assert_eq!(fields(&line, false, &["forwarded"]).unwrap(), [expected.map(str::to_owned)], "{tail}");
        }
    }

    #[test]
    fn what_a_visitor_types_moves_no_field() {
        let time = "10/Oct/2020:13:55:36 -0700";
        for user in [
            "x [t] a b c d e 6.6.6.6",
            "- [t]",
            "- [x [y",
            "a] b",
            r#"q\" [t] z"#,
            r"q\x22 [t] \x22",
            "[",
            "- [] \\\" [",
        ] {
            for ident in ["-", ""] {
                let line =
                    format!(r#"192.0.2.1 {ident} {user} [{time}] "GET / HTTP/1.1" 200 2 "-" "ua" "198.51.100.1""#);
                let names = ["client", "time", "user", "request", "forwarded"];
                let expected = ["192.0.2.1", time, user, "GET / HTTP/1.1", "198.51.100.1"];
                let found = fields(&line, false, &names).unwrap();
                assert_eq!(found, expected.map(|text| Some(text.to_owned())), "{user}");
            }
        }
    }

    #[test]
    fn lines_of_another_form() {
        for line in [
            "",
            "192.0.2.1",
            "192.0.2.1 - -",
            "192.0.2.1 - - [t]",
            "192.0.2.1 - - [t] GET",
            r#"192.0.2.1 - - t] "GET""#,
            r#"[t] "GET""#,
            r#"192.0.2.1 [t] "GET""#,
        ] {
            assert_eq!(client_and_time(line), None, "{line}");
        }
        assert_eq!(client_and_time(r#" - - [t] ""#).unwrap(), (String::new(), "t".into()));
        assert_eq!(client_and_time(r#"a - [t] ""#).unwrap(), ("a".into(), "t".into()));
        assert_eq!(client_and_time(r#"a  [] ""#).unwrap(), ("a".into(), String::new()));
    }
}
