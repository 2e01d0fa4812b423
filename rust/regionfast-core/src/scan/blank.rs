//! Fields parted by blanks, some of them in quotes: logs of AWS load balancers, and the tail of the common format.
//!
//! ```text
//! http 2018-07-02T22:23:00.186Z app/lb/50 192.0.2.7:2817 - -1 -1 -1 503 - 34 366 "GET http://a/ HTTP/1.1" "curl/8.5"
//! ```
//!
//! Any number of blanks parts two fields. A quote opens a field only as its first byte; `\"` inside does not end it,
//! and one that is not closed goes to the end of the line. What stands right behind a closing quote is the next field.

use std::borrow::Cow;
use std::iter;

use memchr::{memchr, memchr2};

use super::cell::{Cell, Places};

/// Fields that every line of an application load balancer has, up to the quoted request: "Access log entries" in the
/// user guide of AWS Elastic Load Balancing. Later ones were added over the years, and more may be.
const LEAST: usize = 12;

/// The fields of a line, without their quotes and with their escapes, which [`unescaped`] undoes.
pub fn tokens(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    quoted_tokens(line).map(|(token, _)| token)
}

/// The same, each with whether it stands in quotes.
pub(super) fn quoted_tokens(line: &[u8]) -> impl Iterator<Item = (&[u8], bool)> {
    let mut rest = line;
    iter::from_fn(move || {
        let start = rest.iter().position(|&byte| byte != b' ')?;
        let field = rest.get(start..)?;
        let quoted = field.strip_prefix(b"\"");
        let (token, behind) = match quoted {
            Some(quoted) => quoted.split_at_checked(closing(quoted))?,
            None => field.split_at_checked(memchr(b' ', field).unwrap_or(field.len()))?,
        };
        // The quote or the blank that ended it; nothing is there at the end of the line.
        rest = behind.get(1..).unwrap_or_default();
        Some((token, quoted.is_some()))
    })
}

/// Where the quote is that ends a quoted field, or the end of the line.
#[inline]
fn closing(quoted: &[u8]) -> usize {
    let mut at = 0;
    while let Some(found) = quoted.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
        at += found;
        if quoted.get(at) == Some(&b'"') {
            return at;
        }
        at += 2;
    }
    quoted.len()
}

/// Which fields are wanted of lines of a load balancer.
#[derive(Clone, Debug)]
pub struct Tokens {
    places: Places,
}

impl Tokens {
    /// A reader of these fields, counted from 0.
    #[must_use]
    pub fn new(wanted: Vec<usize>) -> Self {
        Self { places: Places::new(wanted.into_iter().map(Some)) }
    }

    /// The wanted fields of a line, without quotes and with escapes; false where it has fewer than 12.
    ///
    /// Reads no further than the last of them, and the twelfth.
    #[inline]
    pub fn split<'a>(&self, line: &'a [u8], cells: &mut Vec<Cell<'a>>) -> bool {
        let mut left = self.places.clear(cells);
        let mut count = 0;
        for token in tokens(line) {
            left.put(count, cells, || Cell::borrowed(token));
            count += 1;
            if count >= LEAST && left.is_empty() {
                break;
            }
        }
        count >= LEAST
    }
}

/// What a quoted field says: `\xHH` is one byte, `\"` a quote, `\\` a backslash. Any other backslash stands for itself.
///
/// nginx writes `\xHH` for quotes, backslashes, control characters and what is no ASCII (`log_format`,
/// `escape=default`), Apache the short forms too (`mod_log_config`, "Security considerations").
#[must_use]
pub fn unescaped(text: &[u8]) -> Cow<'_, [u8]> {
    if memchr(b'\\', text).is_none() {
        return Cow::Borrowed(text);
    }
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, behind)) = rest.split_first() {
        let (byte, len) = match (first, behind) {
            (b'\\', [b'x', high, low, ..]) => hex(*high, *low).map_or((first, 1), |byte| (byte, 4)),
            (b'\\', [escaped @ (b'"' | b'\\'), ..]) => (*escaped, 2),
            _ => (first, 1),
        };
        plain.push(byte);
        rest = rest.get(len..).unwrap_or_default();
    }
    Cow::Owned(plain)
}

/// The byte that two hexadecimal digits say.
pub(super) fn hex(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from((digit(high)? << 4) | digit(low)?).ok()
}

#[cfg(test)]
mod tests;
