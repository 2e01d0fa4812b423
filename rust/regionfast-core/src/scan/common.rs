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

use memchr::{memchr, memmem};

use super::blank;
use super::cell::Cell;

/// The fields by number, as [`Common::new`] wants them.
pub const NAMES: [&str; 11] =
    ["client", "ident", "user", "time", "request", "status", "bytes", "referer", "user-agent", "forwarded", "vhost"];
const CLIENT: usize = 0;
const TIME: usize = 3;
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
            for (field, token) in (TIME + 1..VHOST).zip(blank::tokens(head.tail)) {
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
        let (who, time) = match rest.strip_prefix(b"- - [") {
            Some(time) => (rest.get(..3)?, time),
            None => before_time(rest)?,
        };
        let end = memchr(b']', time)?;
        let (time, tail) = time.split_at_checked(end)?;
        Some(Head { vhost, client, who, time, tail: tail.get(1..)? })
    }
}

/// What stands before the first blank, and behind it.
#[inline]
fn parted(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (first, rest) = text.split_at_checked(memchr(b' ', text)?)?;
    Some((first, rest.get(1..)?))
}

/// Ident and user, and what stands behind the bracket that opens the time. A user is what a visitor typed, so it may
/// have blanks.
fn before_time(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let blank = memchr(b' ', rest)?;
    let bracket = blank + memmem::find(rest.get(blank..)?, b" [")?;
    Some((rest.get(..bracket)?, rest.get(bracket + 2..)?))
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
