//! Rows of a log, column by column.

use std::borrow::Cow;

use super::cell::Cell;
use crate::slot::Slot;

/// Some rows, in the order of the file.
#[derive(Debug, Default)]
pub struct Rows {
    /// Which line each is, the first of the file being 1.
    pub lines: Vec<u64>,
    /// Where the line starts in the unpacked file.
    pub offsets: Vec<u64>,
    /// When it was written, in seconds since 1970 in UTC; `None` where that is not known.
    pub times: Vec<Option<i64>>,
    /// What the table says.
    pub slots: Vec<Slot>,
    /// The text of the client's address, where it is wanted.
    pub addresses: Texts,
    /// The other fields that are wanted.
    pub kept: Vec<Texts>,
    /// The line itself, where it is wanted.
    pub texts: Texts,
}

impl Rows {
    /// No rows with so many further fields.
    pub(super) fn new(kept: usize) -> Self {
        Self { kept: (0..kept).map(|_| Texts::default()).collect(), ..Self::default() }
    }

    /// Adds the rows of a later piece of the file, whose lines are counted from `before` on.
    pub(super) fn append(&mut self, later: &Self, before: u64) {
        self.lines.extend(later.lines.iter().map(|line| line + before));
        self.offsets.extend_from_slice(&later.offsets);
        self.times.extend_from_slice(&later.times);
        self.slots.extend_from_slice(&later.slots);
        self.addresses.append(&later.addresses);
        for (to, from) in self.kept.iter_mut().zip(&later.kept) {
            to.append(from);
        }
        self.texts.append(&later.texts);
    }

    /// Bytes that the rows take, about.
    pub(super) fn bytes(&self) -> usize {
        let row = 2 * size_of::<u64>() + size_of::<Option<i64>>() + size_of::<Slot>();
        let texts = [&self.addresses, &self.texts].into_iter().chain(&self.kept);
        row * self.lines.len() + texts.map(Texts::size).sum::<usize>()
    }
}

/// A column of texts in UTF-8, some of which are not there.
#[derive(Debug, Default)]
pub struct Texts {
    /// All of them behind each other.
    pub bytes: Vec<u8>,
    /// Where each ends.
    pub ends: Vec<usize>,
    /// Whether it is there.
    pub valid: Vec<bool>,
}

impl Texts {
    /// Adds a text; bytes that are no UTF-8 become U+FFFD.
    pub(super) fn push(&mut self, text: Option<&[u8]>) {
        match text.map(String::from_utf8_lossy) {
            Some(Cow::Borrowed(text)) => self.bytes.extend_from_slice(text.as_bytes()),
            Some(Cow::Owned(text)) => self.bytes.extend_from_slice(text.as_bytes()),
            None => {}
        }
        self.ends.push(self.bytes.len());
        self.valid.push(text.is_some());
    }

    fn size(&self) -> usize {
        self.bytes.len() + (size_of::<usize>() + size_of::<bool>()) * self.ends.len()
    }

    pub(super) fn push_cell(&mut self, cell: &Cell<'_>) {
        self.push(cell.bytes());
    }

    fn append(&mut self, later: &Self) {
        let before = self.bytes.len();
        self.bytes.extend_from_slice(&later.bytes);
        self.ends.extend(later.ends.iter().map(|end| end + before));
        self.valid.extend_from_slice(&later.valid);
    }
}
