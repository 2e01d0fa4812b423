//! Cells parted by a comma, a tab or another byte: RFC 4180, as spreadsheets and databases write it.
//!
//! A quote opens a cell only as its first byte. Inside, two quotes are one, and separators and line ends are text, so
//! that a row may have several physical lines. Behind the closing quote only a separator or the line end may come. A
//! row that breaks this is *broken*, and so is one that is still not at its end after [`LONGEST`] bytes: its first
//! physical line is no row, and reading goes on with the next. So a quote that is never closed costs one line, not the
//! file.

use std::borrow::Cow;

use memchr::{memchr, memchr2};

use super::cell::{Cell, Places};
use super::{LONGEST, trimmed};

/// Which columns are wanted of rows, and how far the reading of a file has come.
#[derive(Clone, Debug)]
pub struct Csv {
    separator: u8,
    places: Places,
    width: Option<usize>,
    ahead: Ahead,
}

/// What the front of the bytes is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record {
    /// One line, of any length, or a row of several, which together have no more than [`LONGEST`] bytes.
    Row {
        /// Bytes with the line end.
        len: usize,
    },
    /// A line that is no row.
    Broken {
        /// Bytes with the line end.
        len: usize,
    },
}

impl Record {
    /// Bytes with the line end.
    #[inline]
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "none is empty")]
    pub fn len(self) -> usize {
        let (Self::Row { len } | Self::Broken { len }) = self;
        len
    }
}

/// What is known of bytes that were read to find an end that they do not have.
///
/// INVARIANT: whoever is inside quotes at a line end before `at` comes to `at` in `state`, without the end of a row
/// between. For one reader did, and a row has no line end but inside quotes: there both are in the same state, and go
/// on alike. So the rows behind a broken one do not read those bytes again, and a file takes O(its bytes), whatever its
/// quotes are. Without this a file of the line `x","` alone, whose every quote is closed and opened again, would be
/// read [`LONGEST`] bytes for each line.
#[derive(Clone, Copy, Debug, Default)]
struct Ahead {
    at: usize,
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Before the first byte of a cell.
    #[default]
    Start,
    /// In a cell that no quote opened.
    Bare,
    /// Inside quotes.
    Quoted,
    /// Behind a quote that closes them, or is the first of two.
    Closed,
    /// Behind that quote and a carriage return.
    Return,
    /// Before the line end of the row.
    End,
    /// Behind a closed quote before a byte that may not be there.
    Stray,
}

impl Csv {
    /// A reader of these columns, counted from 0; `width` is how many a row has, where that is known. The separator is
    /// no quote, carriage return or line feed.
    #[must_use]
    pub fn new(separator: u8, wanted: Vec<usize>, width: Option<usize>) -> Self {
        let places = Places::new(wanted.into_iter().map(Some));
        Self { separator, places, width, ahead: Ahead::default() }
    }

    /// The same reader at the front of other bytes.
    #[must_use]
    pub fn another(&self) -> Self {
        Self { ahead: Ahead::default(), ..self.clone() }
    }

    /// What starts at the front of `bytes`, and where it ends; `None` where more bytes are needed to say so, and where
    /// there are none. At the end of the file more are never needed.
    ///
    /// `bytes` start where the last record ended, or, after `None`, where they did: the reader keeps what it found out
    /// on the way. Where there are more than `LONGEST + 1` of them, `None` means that the first line alone is longer
    /// than [`LONGEST`]; what then starts behind it is read as the front of a file is. A record is the same whether the
    /// bytes end behind it or behind a later record, so that blocks of records can be read by themselves.
    ///
    /// Cost: O(bytes of the file) for all its records, and for each call that returns `None` the length of the first
    /// line.
    #[inline]
    pub fn record_end(&mut self, bytes: &[u8], at_end: bool) -> Option<Record> {
        self.end_within(bytes, at_end, LONGEST)
    }

    /// [`Csv::record_end`] for another [`LONGEST`].
    #[inline]
    fn end_within(&mut self, bytes: &[u8], at_end: bool, longest: usize) -> Option<Record> {
        let feed = memchr(b'\n', bytes);
        if feed.is_none() && !at_end {
            if bytes.len() > longest + 1 {
                self.ahead = Ahead::default();
            }
            return None;
        }
        let line = bytes.get(..feed.map_or(bytes.len(), |feed| feed + 1)).filter(|line| !line.is_empty())?;
        let row = Record::Row { len: line.len() };
        let record = if trimmed(line).len() > longest || memchr(b'"', line).is_none() {
            row
        } else {
            self.quoted_end(line, bytes, at_end, longest)?
        };
        self.ahead.at = self.ahead.at.saturating_sub(record.len());
        Some(record)
    }

    /// The record at the front of `bytes`, whose first line has quotes and is not too long.
    fn quoted_end(&mut self, line: &[u8], bytes: &[u8], at_end: bool, longest: usize) -> Option<Record> {
        let broken = Record::Broken { len: line.len() };
        // Two bytes more, and it is too long even if its line end follows and has two bytes.
        let window = bytes.get(..longest + 2).unwrap_or(bytes);
        let mut reached = self.read(line, Ahead::default());
        if reached.state == State::Quoted {
            let is_known = self.ahead.at >= line.len() && line.ends_with(b"\n");
            self.ahead = self.read(window, if is_known { self.ahead } else { reached });
            reached = self.ahead;
        }
        let len = match reached.state {
            State::End => reached.at + 1,
            State::Stray => return Some(broken),
            _ if window.len() == longest + 2 => return Some(broken),
            _ if !at_end => return None,
            // A carriage return that ends the file ends no line.
            State::Quoted | State::Return => return Some(broken),
            State::Start | State::Bare | State::Closed => bytes.len(),
        };
        let is_whole = trimmed(bytes.get(..len)?).len() <= longest;
        Some(if is_whole { Record::Row { len } } else { broken })
    }

    /// Reads on from a place to the end of the row, a stray byte or the end of `bytes`.
    fn read(&self, bytes: &[u8], Ahead { mut at, mut state }: Ahead) -> Ahead {
        while let Some(rest @ [first, ..]) = bytes.get(at..) {
            let (step, next) = match (state, *first) {
                (State::End | State::Stray, _) => break,
                (State::Quoted, _) => match memchr(b'"', rest) {
                    Some(quote) => (quote + 1, State::Closed),
                    None => (rest.len(), State::Quoted),
                },
                (State::Start | State::Closed, b'"') => (1, State::Quoted),
                (_, b'\n') => (0, State::End),
                (State::Closed, b'\r') => (1, State::Return),
                (State::Return, _) => (0, State::Stray),
                (_, byte) if byte == self.separator => (1, State::Start),
                (State::Closed, _) => (0, State::Stray),
                (State::Start | State::Bare, _) => {
                    (memchr2(self.separator, b'\n', rest).unwrap_or(rest.len()), State::Bare)
                }
            };
            at += step;
            state = next;
        }
        Ahead { at, state }
    }

    /// The wanted cells of a row without its line end, absent where it has fewer; false where it has more or fewer than
    /// the width, or something behind a closing quote, or a quote that is not closed.
    #[inline]
    pub fn split<'a>(&self, record: &'a [u8], cells: &mut Vec<Cell<'a>>) -> bool {
        let count = if memchr(b'"', record).is_none() {
            self.places.split(record, self.separator, cells)
        } else {
            let Some(count) = self.split_quoted(record, cells) else { return false };
            count
        };
        self.width.is_none_or(|width| width == count)
    }

    /// Puts the cells of a row where they are wanted; how many there are, `None` where quotes are not as they must be.
    fn split_quoted<'a>(&self, record: &'a [u8], cells: &mut Vec<Cell<'a>>) -> Option<usize> {
        let mut left = self.places.clear(cells);
        let mut count = 0;
        let mut rest = record;
        loop {
            let behind = if let Some(quoted) = rest.strip_prefix(b"\"") {
                let (text, behind) = quoted.split_at_checked(closing(quoted))?;
                left.put(count, cells, || Cell::Text(unquoted(text)));
                behind.strip_prefix(b"\"")?
            } else {
                let end = memchr(self.separator, rest).unwrap_or(rest.len());
                let (text, behind) = rest.split_at_checked(end)?;
                left.put(count, cells, || Cell::borrowed(text));
                behind
            };
            count += 1;
            rest = match behind {
                [] => return Some(count),
                [byte, behind @ ..] if *byte == self.separator => behind,
                _ => return None,
            };
        }
    }
}

/// Where the quote is that closes a cell, or the end of the row.
fn closing(quoted: &[u8]) -> usize {
    let mut at = 0;
    while let Some(quote) = quoted.get(at..).and_then(|rest| memchr(b'"', rest)) {
        at += quote;
        if quoted.get(at + 1) != Some(&b'"') {
            return at;
        }
        at += 2;
    }
    quoted.len()
}

/// What stands inside quotes: two quotes are one.
fn unquoted(text: &[u8]) -> Cow<'_, [u8]> {
    if memchr(b'"', text).is_none() {
        return Cow::Borrowed(text);
    }
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(quote) = memchr(b'"', rest) {
        plain.extend_from_slice(rest.get(..=quote).unwrap_or_default());
        rest = rest.get(quote + 2..).unwrap_or_default();
    }
    plain.extend_from_slice(rest);
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests;
