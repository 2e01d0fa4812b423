//! Addresses in free text: the logs of sshd, of mail servers, of whatever writes sentences.
//!
//! A *run* is as many hexadecimal digits, dots and colons as stand together. It is looked at if no letter, digit, `_`
//! or byte outside ASCII touches it, so that `v1.2.3.4` and the head of `1.2.3.4.example` are none. Dots and colons at
//! its end belong to the sentence, unless two colons make an IPv6 address (`fe80::`). What is left is
//!
//! * an IPv4 address, also with `:` and a port of 1 to 5 digits behind it, which is cut off;
//! * an IPv6 address, but for `::` alone, which many languages write for other things.
//!
//! Zones are not looked for: in `fe80::1%eth0` the address is what stands before the `%`.

use memchr::{memchr2, memrchr};

use super::time::{self, Form};
use crate::text::{self, Parsed};

/// The addresses of a line from left to right, each with its text, which has no port. O(n).
#[inline]
pub fn addresses(line: &[u8]) -> impl Iterator<Item = (&[u8], Parsed)> {
    let mut rest = line;
    std::iter::from_fn(move || {
        loop {
            // Every address has a dot or a colon, and few other runs have. The search goes on behind the run, so that
            // its bytes are looked at once from either side, whatever the line is.
            let hit = memchr2(b'.', b':', rest)?;
            let (front, behind) = rest.split_at_checked(hit)?;
            let marks = Marks::of(behind);
            let (tail, after) = behind.split_at_checked(marks.len)?;
            if marks.are_of_address() {
                let lead = front.iter().rev().take_while(|byte| is_part(**byte)).count();
                let (gap, run) = rest.get(..hit + tail.len())?.split_at_checked(hit - lead)?;
                // A run ends before a byte that is none of it, so only at the start of the line the gap is empty.
                let is_touched = gap.last().is_some_and(is_word) || after.first().is_some_and(is_word);
                if !is_touched && let Some(found) = address(run) {
                    rest = after;
                    return Some(found);
                }
            }
            rest = after;
        }
    })
}

/// What a run has from its first dot or colon on.
struct Marks {
    /// Bytes to its end.
    len: usize,
    dots: usize,
    colons: usize,
    /// Whether two colons stand side by side.
    is_double: bool,
}

impl Marks {
    #[inline]
    fn of(behind: &[u8]) -> Self {
        let mut marks = Self { len: 0, dots: 0, colons: 0, is_double: false };
        let mut last = 0;
        for &byte in behind.iter().take_while(|byte| is_part(**byte)) {
            marks.len += 1;
            marks.dots += usize::from(byte == b'.');
            marks.colons += usize::from(byte == b':');
            marks.is_double |= byte == b':' && last == b':';
            last = byte;
        }
        marks
    }

    /// Whether there are enough: between four numbers, between eight groups, or two colons for the groups that are left
    /// out. Times and ends of sentences, which are most runs, are told apart here for less than a parse costs.
    #[inline]
    fn are_of_address(&self) -> bool {
        self.dots >= 3 || self.colons >= 7 || self.is_double
    }
}

/// The time at the start of a line in seconds since 1970, where it is one of ISO 8601 with an offset. RFC 5424 writes a
/// priority before it, with the version 1; classic syslog has no year there, and so no time.
#[must_use]
pub fn line_time(line: &[u8]) -> Option<i64> {
    let line = behind_priority(line).unwrap_or(line);
    time::seconds(Form::Iso, line.get(..iso_len(line)?)?)
}

/// What stands behind `<PRI>` or `<PRI>1 ` (RFC 5424 section 6.2.1: up to three digits).
fn behind_priority(line: &[u8]) -> Option<&[u8]> {
    let behind = line.strip_prefix(b"<")?;
    let digits = digits(behind);
    let behind = behind.get(digits..)?.strip_prefix(b">").filter(|_| (1..=3).contains(&digits))?;
    Some(behind.strip_prefix(b"1 ").unwrap_or(behind))
}

/// How long the time at the start of a line is, by its form alone: `YYYY-MM-DDTHH:MM:SS`, a fraction, an offset.
fn iso_len(line: &[u8]) -> Option<usize> {
    const SECONDS: usize = "YYYY-MM-DDTHH:MM:SS".len();
    let rest = line.get(SECONDS..)?;
    let fraction = match rest.split_first() {
        Some((b'.' | b',', behind)) => 1 + digits(behind),
        _ => 0,
    };
    let offset = match rest.get(fraction..)?.split_first()? {
        (b'Z', _) => 1,
        (b'+' | b'-', behind) => {
            let is_minutes = |at: usize| behind.get(at..).is_some_and(|minutes| digits(minutes) >= 2);
            match behind.get(2) {
                Some(b':') if is_minutes(3) => 6,
                _ if is_minutes(2) => 5,
                _ => 3,
            }
        }
        _ => return None,
    };
    Some(SECONDS + fraction + offset)
}

/// How many digits stand at the front.
fn digits(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// Whether a byte may stand in a run.
#[inline]
fn is_part(byte: u8) -> bool {
    byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':')
}

/// Whether a run that touches this byte is part of a word.
#[inline]
fn is_word(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || *byte == b'_' || !byte.is_ascii()
}

/// The address at the front of a run.
#[inline]
fn address(run: &[u8]) -> Option<(&[u8], Parsed)> {
    let len = run.iter().rposition(|byte| !matches!(byte, b'.' | b':')).map_or(0, |last| last + 1);
    let (text, marks) = run.split_at_checked(len)?;
    let longer = run.get(..len + 2).filter(|_| len > 0 && marks.starts_with(b"::"));
    if let Some(text) = longer
        && let parsed @ Parsed::V6(_) = text::parse(text)
    {
        return Some((text, parsed));
    }
    if let parsed @ (Parsed::V4(_) | Parsed::V6(_)) = text::parse(text) {
        return Some((text, parsed));
    }
    let (text, port) = text.split_at_checked(memrchr(b':', text)?)?;
    let is_port = digits(port.get(1..)?) + 1 == port.len() && (2..=6).contains(&port.len());
    match text::parse(text) {
        parsed @ Parsed::V4(_) if is_port => Some((text, parsed)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
