//! Logs: lines to counts, rows or lines, in one pass over blocks.
//!
//! ```text
//! file, pipe ── source (gzip, zstd) ── blocks ─┬─ lines ── fields ── texts ── slots ─┬─ counts
//!                    one thread at a time      ├─ lines ── ...    each its own block ├─ rows
//!                                              └─ ...                                └─ lines that match
//! ```
//!
//! | work | cost |
//! |---|---|
//! | memory | a block a thread, [`LONGEST`] bytes of a line, [`tally`]'s bounded counts, and the rows of one step |
//! | time | O(bytes); a header of proxies is read from its end to the client, once |
//!
//! Every line is one of three: *skipped* (blank, a heading, a directive), *unparsed* (it has not the form of the log,
//! or is too long), or a row, which has one status. What a line says is a matter of bytes: they need not be UTF-8.

pub mod blank;
mod block;
pub mod cell;
pub mod common;
pub mod csv;
pub mod forwarded;
pub mod free;
pub mod json;
pub mod layout;
mod lines;
pub mod rows;
pub mod source;
pub mod tally;
pub mod time;
pub mod w3c;

use std::num::NonZero;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use block::{Blocks, Content};
use layout::Layout;
use lines::{Piece, Reader};
use rows::Rows;
use source::Source;
use tally::Tally;

use crate::slot::Slot;
use crate::table::Table;

/// Bytes of the longest line that is read.
pub const LONGEST: usize = 1 << 20;

/// More threads than this wait for each other.
const MOST_THREADS: usize = 64;

/// A step ends after this time, so that whoever waits can be told how far it is, or stop it.
const PATIENCE: Duration = Duration::from_millis(200);

/// Why a line is no row, or a row has no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Reason {
    /// Longer than [`LONGEST`].
    TooLong = 0,
    /// Not of the form of the log.
    NoMatch = 1,
    /// A line of a W3C log before any `#Fields:`.
    NoHeader = 2,
    /// A row whose address is none.
    InvalidAddress = 3,
    /// What is left of a line in which the source failed.
    Cut = 4,
}

/// How rows are counted by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bucket {
    /// All together.
    None,
    /// By the hour of UTC.
    Hour,
    /// By the day of UTC.
    Day,
}

/// What is wanted of a log.
pub struct Plan {
    /// The table that answers.
    pub table: Arc<Table>,
    /// Where things stand in a line.
    pub layout: Layout,
    /// How rows are counted by time.
    pub bucket: Bucket,
    /// A byte for each slot: rows whose byte is 0 are counted, and not among the rows or lines. All without it.
    pub select: Option<Vec<u8>>,
    /// Whether rows are wanted.
    pub rows: bool,
    /// Whether they carry the text of the address.
    pub address: bool,
    /// Whether they carry the line.
    pub line: bool,
    /// Whether the lines of selected rows are wanted, byte for byte.
    pub raw: bool,
    /// Whether lines that are wrong are listed.
    pub rejects: bool,
}

impl Plan {
    /// Whether more than counts is wanted.
    fn is_watched(&self) -> bool {
        self.rows || self.raw || self.rejects || self.select.is_some()
    }

    /// Whether the client and the time of a line are all that is wanted of it, both as they stand there.
    fn is_plain(&self) -> bool {
        self.layout.forwarded.is_none() && !self.layout.strip_port && self.layout.kept == 0
    }
}

/// A pass over a log.
pub struct Scan {
    plan: Plan,
    blocks: Mutex<Blocks>,
    threads: usize,
    /// Whether somebody may still be writing what is read.
    is_live: bool,
    buffers: Vec<Vec<u8>>,
    is_ended: bool,
    tally: Tally,
    mentions: Vec<u64>,
    /// What was read so far.
    pub totals: Totals,
    rows: Rows,
    raw: Vec<u8>,
    rejects: Vec<(u64, Reason)>,
}

/// Counts of lines.
#[derive(Clone, Copy, Debug, Default)]
pub struct Totals {
    /// All of them.
    pub lines: u64,
    /// Blank lines, headings, directives.
    pub skipped: u64,
    /// Lines that have not the form of the log.
    pub unparsed: u64,
    /// Rows that were selected.
    pub matched: u64,
    /// Rows without a time, where times are wanted.
    pub undated: u64,
    /// The earliest time of a row.
    pub first: Option<i64>,
    /// The latest time of a row.
    pub last: Option<i64>,
}

impl Scan {
    /// A pass over a source. Of its rows the first `heading` are none.
    ///
    /// `threads` is the most that are used, `None` what the process may use. A pipe is read by one, which takes in what
    /// is there and answers before it waits for more.
    #[must_use]
    pub fn new(source: Source, plan: Plan, heading: usize, threads: Option<NonZero<usize>>) -> Self {
        let most = threads.or_else(|| thread::available_parallelism().ok()).map_or(1, NonZero::get);
        let threads = if source.size().is_none() { 1 } else { most.min(MOST_THREADS) };
        let is_live = source.is_live();
        let slots = plan.table.labels().len();
        Self {
            blocks: Mutex::new(Blocks::new(source, &plan.layout.shape, heading)),
            threads,
            is_live,
            buffers: Vec::new(),
            is_ended: false,
            tally: Tally::new(slots),
            mentions: Vec::new(),
            totals: Totals::default(),
            rows: Rows::new(plan.layout.kept),
            raw: Vec::new(),
            rejects: Vec::new(),
            plan,
        }
    }

    /// Reads on until about so many bytes were read or wait to be taken, or a moment is over; false when all is read.
    ///
    /// Threads end with the step: a pool would not survive a fork.
    pub fn step(&mut self, size: usize) -> bool {
        if self.is_ended {
            return false;
        }
        self.buffers.resize_with(self.threads, Vec::new);
        let (blocks, plan) = (&self.blocks, &self.plan);
        let (taken, is_ended, start) = (AtomicUsize::new(0), AtomicBool::new(false), Instant::now());
        let is_live = self.is_live;
        let work = |buffer: &mut Vec<u8>| {
            let mut reader = Reader::new(plan);
            let mut pieces = Vec::new();
            while taken.load(Ordering::Relaxed) < size.max(1) && (pieces.is_empty() || start.elapsed() < PATIENCE) {
                let next = {
                    let mut blocks = blocks.lock().unwrap_or_else(PoisonError::into_inner);
                    blocks.next(buffer)
                };
                let Some(block) = next else {
                    is_ended.store(true, Ordering::Relaxed);
                    break;
                };
                taken.fetch_add(block.bytes, Ordering::Relaxed);
                let piece = match block.content {
                    Content::Lines { len, heading, columns, is_cut } => {
                        let lines = buffer.get(..len).unwrap_or_default();
                        reader.read(lines, block.offset, heading, columns, is_cut)
                    }
                    Content::TooLong => Piece::too_long(plan),
                    Content::Nothing => continue,
                };
                // A row of two bytes takes thirty times as many in memory.
                taken.fetch_add(piece.bytes(), Ordering::Relaxed);
                pieces.push((block.index, piece));
                if is_live {
                    break;
                }
            }
            (pieces, reader.tally, reader.mentions)
        };
        let mut done = Vec::new();
        thread::scope(|scope| {
            let Some((own, others)) = self.buffers.split_first_mut() else { return };
            // Where the system has no thread to give, those that run take all blocks.
            let spawn = |buffer| thread::Builder::new().spawn_scoped(scope, || work(buffer)).ok();
            let threads: Vec<_> = others.iter_mut().map_while(spawn).collect();
            done.push(work(own));
            for thread in threads {
                done.push(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            }
        });
        let mut pieces = Vec::new();
        for (some, tally, mentions) in done {
            pieces.extend(some);
            self.tally.merge(tally);
            self.mentions.resize(mentions.len(), 0);
            self.mentions.iter_mut().zip(mentions).for_each(|(to, from)| *to += from);
        }
        pieces.sort_unstable_by_key(|(index, _)| *index);
        for (_, piece) in pieces {
            self.add(piece);
        }
        self.is_ended = is_ended.into_inner();
        !self.is_ended
    }

    fn add(&mut self, piece: Piece) {
        let totals = &mut self.totals;
        self.rows.append(&piece.rows, totals.lines);
        self.raw.extend_from_slice(&piece.raw);
        self.rejects.extend(piece.rejects.iter().map(|(line, reason)| (line + totals.lines, *reason)));
        totals.lines += piece.lines;
        totals.skipped += piece.skipped;
        totals.unparsed += piece.unparsed;
        totals.matched += piece.matched;
        totals.undated += piece.undated;
        if piece.first <= piece.last {
            totals.first = Some(totals.first.map_or(piece.first, |first| first.min(piece.first)));
            totals.last = Some(totals.last.map_or(piece.last, |last| last.max(piece.last)));
        }
    }

    /// Why the source ended before its end, where it did.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        let blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        blocks.source().failure().map(str::to_owned)
    }

    /// The table that answers.
    #[must_use]
    pub fn table(&self) -> &Arc<Table> {
        &self.plan.table
    }

    /// Bucket, slot and count, ascending; [`tally::UNDATED`] where rows are not counted by time.
    pub fn counts(&mut self) -> Vec<(i64, Slot, u64)> {
        self.tally.counts()
    }

    /// Rows whose bucket found no room, and which are counted as undated.
    #[must_use]
    pub fn crowded(&self) -> u64 {
        self.tally.crowded
    }

    /// Of free text the addresses of all lines by slot.
    #[must_use]
    pub fn mentions(&self) -> &[u64] {
        &self.mentions
    }

    /// The rows since the last call.
    pub fn take_rows(&mut self) -> Rows {
        std::mem::replace(&mut self.rows, Rows::new(self.plan.layout.kept))
    }

    /// The lines of selected rows since the last call, each with a line end.
    pub fn take_raw(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.raw)
    }

    /// The lines that are wrong since the last call, the first of the file being 1.
    pub fn take_rejects(&mut self) -> Vec<(u64, Reason)> {
        std::mem::take(&mut self.rejects)
    }

    /// Which table, layout and fields.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }
}

/// A line without its line end.
#[inline]
fn trimmed(line: &[u8]) -> &[u8] {
    match line.strip_suffix(b"\n") {
        Some(line) => line.strip_suffix(b"\r").unwrap_or(line),
        None => line,
    }
}

/// Whether there is nothing on a line but blanks and tabs.
#[inline]
fn is_blank(line: &[u8]) -> bool {
    match line.first() {
        None => true,
        Some(b' ' | b'\t') => line.iter().all(|byte| matches!(byte, b' ' | b'\t')),
        Some(_) => false,
    }
}

#[cfg(test)]
mod tests;
