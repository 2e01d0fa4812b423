//! Blocks: pieces of a log that end where a line ends, so that each can be read by itself.
//!
//! One thread at a time takes the next block; what it then does with it, others do at the same time with theirs.

use std::sync::Arc;

use memchr::{memchr, memmem, memrchr};

use super::LONGEST;
use super::csv::{Csv, Record};
use super::layout::Shape;
use super::source::Source;
use super::w3c::{self, Columns};

/// Bytes of a block: half of what two blocks and the tables of a lookup may have of an L2 cache.
pub(super) const BLOCK: usize = 1 << 18;

/// Whole lines, or what is to be said of a piece that holds none.
pub(super) struct Block {
    /// Counted from 0.
    pub index: usize,
    /// Where it starts in the unpacked file.
    pub offset: u64,
    /// Bytes that were taken from the source for it.
    pub bytes: usize,
    pub content: Content,
}

pub(super) enum Content {
    /// So many bytes of the buffer: lines, each but the last of a file with its end.
    Lines {
        len: usize,
        /// Rows at the front that are the heading.
        heading: usize,
        /// The columns in force at the front, of a W3C log.
        columns: Option<Arc<Columns>>,
        /// Whether the last line is what is left of one, since the source failed in it.
        is_cut: bool,
    },
    /// A line longer than [`LONGEST`].
    TooLong,
    /// A part of such a line.
    Nothing,
}

/// The blocks of a source.
pub(super) struct Blocks {
    source: Source,
    cut: Cut,
    /// Bytes behind the last block.
    rest: Vec<u8>,
    index: usize,
    offset: u64,
    is_in_long_line: bool,
    heading: usize,
    is_ended: bool,
}

/// Where blocks may be cut.
enum Cut {
    /// Behind any line.
    Lines,
    /// Behind a row, which may have line ends in its cells.
    Rows(Csv),
    /// Behind any line; a directive in it changes what the later ones mean.
    Directives(Directives),
}

/// The columns of a W3C log, as far as it was cut.
struct Directives {
    wanted: w3c::Wanted,
    columns: Option<Arc<Columns>>,
}

impl Blocks {
    pub fn new(source: Source, shape: &Shape, heading: usize) -> Self {
        let cut = match shape {
            Shape::Csv(csv) => Cut::Rows(csv.clone()),
            Shape::W3c(wanted) => Cut::Directives(Directives { wanted: wanted.clone(), columns: None }),
            _ => Cut::Lines,
        };
        let offset = source.mark() as u64;
        Self { source, cut, rest: Vec::new(), index: 0, offset, is_in_long_line: false, heading, is_ended: false }
    }

    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The next block; `None` at the end. The buffer keeps its length, which only grows.
    pub fn next(&mut self, buffer: &mut Vec<u8>) -> Option<Block> {
        if self.is_ended {
            return None;
        }
        let kept = self.rest.len();
        if buffer.len() < kept + BLOCK {
            buffer.resize(kept + BLOCK, 0);
        }
        let (front, free) = buffer.split_at_mut_checked(kept)?;
        front.copy_from_slice(&self.rest);
        let read = self.source.read(free.get_mut(..BLOCK)?);
        self.is_ended = read == 0;
        let filled = buffer.get(..kept + read)?;
        if self.is_in_long_line {
            return Some(self.after_long_line(filled, read));
        }
        let len = match &mut self.cut {
            Cut::Rows(csv) => rows_end(csv, filled, self.is_ended),
            _ if self.is_ended => filled.len(),
            _ => memrchr(b'\n', filled).map_or(0, |end| end + 1),
        };
        let (lines, rest) = filled.split_at_checked(len)?;
        self.rest.clear();
        self.rest.extend_from_slice(rest);
        if len == 0 {
            if self.is_ended {
                return None;
            }
            // A carriage return and one byte more tell a line that is too long from one that is not. A row of CSV that
            // is too long has line ends in it, and `record_end` has said so.
            self.is_in_long_line = self.rest.len() > LONGEST + 1 && memchr(b'\n', &self.rest).is_none();
            let content = if self.is_in_long_line { Content::TooLong } else { Content::Nothing };
            let dropped = if self.is_in_long_line { std::mem::take(&mut self.rest).len() } else { 0 };
            return Some(self.block(read, dropped, content));
        }
        let columns = match &mut self.cut {
            Cut::Directives(directives) => directives.pass(lines),
            _ => None,
        };
        let heading = match &self.cut {
            Cut::Rows(csv) if self.heading > 0 => rows_in(csv, lines, self.heading),
            _ => 0,
        };
        self.heading -= heading;
        let is_cut = self.is_ended && self.source.failure().is_some() && !lines.ends_with(b"\n");
        Some(self.block(read, len, Content::Lines { len, heading, columns, is_cut }))
    }

    /// Drops what still belongs to a line that is too long.
    fn after_long_line(&mut self, filled: &[u8], read: usize) -> Block {
        let end = memchr(b'\n', filled);
        self.is_in_long_line = end.is_none();
        let dropped = end.map_or(filled.len(), |end| end + 1);
        self.rest.clear();
        self.rest.extend_from_slice(filled.get(dropped..).unwrap_or_default());
        // Lines may be left in what was read before the end came.
        self.is_ended = self.is_ended && self.rest.is_empty();
        self.block(read, dropped, Content::Nothing)
    }

    /// The next number, for so many bytes of the file.
    fn block(&mut self, bytes: usize, len: usize, content: Content) -> Block {
        let block = Block { index: self.index, offset: self.offset, bytes, content };
        self.index += 1;
        self.offset += len as u64;
        block
    }
}

impl Directives {
    /// The columns in force before these lines, after which those that they set are.
    fn pass(&mut self, lines: &[u8]) -> Option<Arc<Columns>> {
        let before = self.columns.clone();
        let first = lines.starts_with(b"#").then_some(0);
        for at in first.into_iter().chain(memmem::find_iter(lines, b"\n#").map(|at| at + 1)) {
            let line = lines.get(at..).unwrap_or_default();
            let line = line.get(..memchr(b'\n', line).map_or(line.len(), |end| end + 1)).unwrap_or_default();
            let line = super::trimmed(line);
            if line.len() <= LONGEST
                && let Some(read) = Columns::read(line, &self.wanted)
            {
                self.columns = Some(Arc::new(read));
            }
        }
        before
    }
}

/// How many of the first so many rows are among these: blank, broken and too long lines are none.
fn rows_in(csv: &Csv, bytes: &[u8], most: usize) -> usize {
    let mut csv = csv.another();
    let (mut start, mut rows) = (0, 0);
    while rows < most
        && let Some(record) = csv.record_end(bytes.get(start..).unwrap_or_default(), true)
    {
        start += record.len();
        let line = super::trimmed(bytes.get(start - record.len()..start).unwrap_or_default());
        rows += usize::from(matches!(record, Record::Row { .. }) && line.len() <= LONGEST && !super::is_blank(line));
    }
    rows
}

/// Where the last whole row ends.
fn rows_end(csv: &mut Csv, bytes: &[u8], at_end: bool) -> usize {
    let mut end = 0;
    while let Some(record) = csv.record_end(bytes.get(end..).unwrap_or_default(), at_end) {
        end += record.len();
    }
    end
}
