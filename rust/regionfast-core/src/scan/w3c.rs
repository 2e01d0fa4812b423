//! The W3C extended log file format, which IIS and CloudFront write.
//!
//! ```text
//! #Fields: date time c-ip cs-method cs-uri-stem sc-status
//! 2026-03-01 00:00:04 192.0.2.7 GET /index.html 200
//! ```
//!
//! `#Fields:` says what the columns are, from there on; it may come again with others. Nothing is quoted: values have
//! no blanks (IIS writes `+` for them) or, where the line has tabs, no tabs.

use std::borrow::Cow;

use memchr::{memchr, memchr_iter, memchr2};

use super::blank::hex;
use super::cell::{Cell, Places};

/// Which columns are wanted.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// For each field the names that it may have, without regard to case. The first that a log has is it.
    pub names: Vec<Vec<String>>,
}

/// The columns in force, and which of them are wanted.
#[derive(Clone, Debug)]
pub struct Columns {
    count: usize,
    places: Places,
}

impl Columns {
    /// The columns that a directive sets; `None` where it is not `#Fields:`, in any case. Of two columns of one name the first is
    /// it.
    #[must_use]
    pub fn read(directive: &[u8], wanted: &Wanted) -> Option<Self> {
        let (name, names) = directive.split_at_checked(b"#Fields:".len())?;
        if !name.eq_ignore_ascii_case(b"#Fields:") {
            return None;
        }
        let names: Vec<&[u8]> =
            names.split(|byte| matches!(byte, b' ' | b'\t')).filter(|name| !name.is_empty()).collect();
        let column = |wanted: &String| names.iter().position(|name| name.eq_ignore_ascii_case(wanted.as_bytes()));
        let places = Places::new(wanted.names.iter().map(|alternatives| alternatives.iter().find_map(column)));
        Some(Self { count: names.len(), places })
    }

    /// The wanted values of a line, absent where the columns do not have them; false where the line has more or fewer
    /// values than there are columns.
    ///
    /// A value may hold what does not part them: a header of a visitor may have tabs. So a line that has as many values
    /// by tabs as by blanks could mean either, and is no row.
    #[inline]
    pub fn split<'a>(&self, line: &'a [u8], cells: &mut Vec<Cell<'a>>) -> bool {
        let values = |separator| memchr_iter(separator, line).count() + 1;
        let separator = match memchr(b'\t', line) {
            None => b' ',
            Some(_) if values(b'\t') != self.count => b' ',
            Some(_) if values(b' ') == self.count => return false,
            Some(_) => b'\t',
        };
        self.places.split(line, separator, cells) == self.count
    }
}

/// What a value of a header said: `%HH` is one byte, as CloudFront writes it, `+` a blank, as IIS does. Any other `%`
/// stands for itself.
#[must_use]
pub fn percent_decoded(text: &[u8]) -> Cow<'_, [u8]> {
    if memchr2(b'%', b'+', text).is_none() {
        return Cow::Borrowed(text);
    }
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, behind)) = rest.split_first() {
        let (byte, len) = match (first, behind) {
            (b'%', [high, low, ..]) => hex(*high, *low).map_or((first, 1), |byte| (byte, 3)),
            (b'+', _) => (b' ', 1),
            _ => (first, 1),
        };
        plain.push(byte);
        rest = rest.get(len..).unwrap_or_default();
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests;
