//! The lines of one block: what each says, looked up many at a time.

use std::borrow::Cow;
use std::sync::Arc;

use memchr::memchr_iter;

use super::cell::Cell;
use super::csv::{Csv, Record};
use super::forwarded;
use super::layout::{Layout, Shape};
use super::rows::Rows;
use super::tally::{Tally, UNDATED};
use super::time::{self, Clock, Form};
use super::w3c::{self, Columns};
use super::{Bucket, LONGEST, Plan, Reason, blank, free, is_blank, trimmed};
use crate::slot::{Slot, Status};
use crate::text::{self, Parsed, Row, TextKernel};

/// Rows that are looked up together: their texts are still in the L1 cache, and so is all that is known of them.
const PIECE: usize = 512;

/// What one block says beside its counts.
pub(super) struct Piece {
    pub lines: u64,
    pub skipped: u64,
    pub unparsed: u64,
    pub matched: u64,
    pub undated: u64,
    /// The earliest time of a row, [`i64::MAX`] where none has one.
    pub first: i64,
    /// The latest, [`i64::MIN`] where none has one.
    pub last: i64,
    pub rows: Rows,
    pub raw: Vec<u8>,
    /// Lines, counted from 1 in the block, and what is wrong with them.
    pub rejects: Vec<(u64, Reason)>,
}

impl Piece {
    pub fn new(kept: usize) -> Self {
        Self {
            lines: 0,
            skipped: 0,
            unparsed: 0,
            matched: 0,
            undated: 0,
            first: i64::MAX,
            last: i64::MIN,
            rows: Rows::new(kept),
            raw: Vec::new(),
            rejects: Vec::new(),
        }
    }

    /// A line that is too long, and was not kept.
    pub fn too_long(plan: &Plan) -> Self {
        let mut piece = Self { lines: 1, ..Self::new(plan.layout.kept) };
        piece.reject(plan, Reason::TooLong);
        piece
    }

    /// Notes the time of a row.
    #[inline]
    fn date(&mut self, time: Option<i64>) -> i64 {
        match time {
            Some(time) => {
                self.first = self.first.min(time);
                self.last = self.last.max(time);
                time
            }
            None => {
                self.undated += 1;
                UNDATED
            }
        }
    }

    /// Bytes that it takes in memory beside its counts, about.
    pub fn bytes(&self) -> usize {
        let rejects = size_of::<(u64, Reason)>() * self.rejects.len();
        self.rows.bytes() + self.raw.len() + rejects
    }

    /// The present line is no row.
    fn reject(&mut self, plan: &Plan, reason: Reason) {
        self.unparsed += 1;
        if plan.rejects {
            self.rejects.push((self.lines, reason));
        }
    }
}

/// One thread's reader of blocks, with what it counted so far.
pub(super) struct Reader<'p> {
    plan: &'p Plan,
    kernel: TextKernel,
    clock: Clock,
    pub tally: Tally,
    /// Addresses in free text by slot.
    pub mentions: Vec<u64>,
    v4: Vec<u32>,
    others: Vec<(usize, Parsed)>,
    slots: Vec<Slot>,
}

/// Rows that wait to be looked up together.
struct Waiting<'a> {
    block: &'a [u8],
    /// Where the block starts in the file.
    offset: u64,
    /// Address texts by place in the block; those of `given` are empty.
    spans: Vec<(usize, usize)>,
    /// Rows whose address was read already.
    given: Vec<(usize, Parsed)>,
    buckets: Vec<i64>,
    /// The rest is filled only where somebody wants to see rows.
    marks: Vec<Mark>,
    addresses: Vec<Option<Cow<'a, [u8]>>>,
    kept: Vec<Cell<'a>>,
}

/// Which line a row is.
#[derive(Clone, Copy)]
struct Mark {
    /// Counted from 1 in the block.
    line: u64,
    start: usize,
    end: usize,
    /// [`UNDATED`] where it is not known. Not an `Option`: what takes two registers goes through memory on its way here,
    /// which cost a quarter of the time of a line.
    time: i64,
}

/// The client of a line.
enum Client<'a> {
    /// Text in the block that nobody has read.
    Span(&'a [u8]),
    Read(Parsed, Option<Cow<'a, [u8]>>),
}

impl<'p> Reader<'p> {
    pub fn new(plan: &'p Plan) -> Self {
        let slots = plan.table.labels().len();
        Self {
            plan,
            kernel: TextKernel::detect(),
            clock: Clock::default(),
            tally: Tally::new(slots),
            mentions: vec![0; if matches!(plan.layout.shape, Shape::Text) { slots } else { 0 }],
            v4: Vec::new(),
            others: Vec::new(),
            slots: Vec::new(),
        }
    }

    /// Reads whole lines. `offset` is where they start in the file, `heading` how many rows at the front are none,
    /// `columns` what is in force before them, and `is_cut` whether the last one is not whole.
    pub fn read(
        &mut self,
        block: &[u8],
        offset: u64,
        mut heading: usize,
        mut columns: Option<Arc<Columns>>,
        is_cut: bool,
    ) -> Piece {
        let plan = self.plan;
        let mut piece = Piece::new(plan.layout.kept);
        let mut waiting = Waiting::new(block, offset);
        let mut cells = Vec::new();
        let mut start = 0;
        let mut ends = Ends::new(block, &plan.layout.shape);
        while let Some((end, is_broken)) = ends.next(start) {
            let line = trimmed(block.get(start..end).unwrap_or_default());
            let from = std::mem::replace(&mut start, end);
            piece.lines += 1;
            if line.len() > LONGEST || (is_cut && end == block.len()) {
                // First, so that it does not matter whether all of the line is in the block.
                piece.reject(plan, if line.len() > LONGEST { Reason::TooLong } else { Reason::Cut });
                continue;
            }
            if is_blank(line) {
                piece.skipped += 1;
                continue;
            }
            if heading > 0 && !is_broken {
                heading -= 1;
                piece.skipped += 1;
                continue;
            }
            if let Shape::W3c(wanted) = &plan.layout.shape
                && line.starts_with(b"#")
            {
                piece.skipped += 1;
                columns = Columns::read(line, wanted).map(Arc::new).or(columns);
                continue;
            }
            let mark = Mark { line: piece.lines, start: from, end, time: UNDATED };
            if let Shape::Common(common) = &plan.layout.shape
                && plan.is_plain()
            {
                // What most logs are read for, without a list of cells in between.
                let Some((client, time)) = common.client_and_time(line) else {
                    piece.reject(plan, Reason::NoMatch);
                    continue;
                };
                let time = if plan.layout.has_time() { piece.date(self.clock.seconds(time)) } else { UNDATED };
                waiting.push(plan, client, Mark { time, ..mark });
            } else {
                if let Some(reason) = self.wrong(line, is_broken, columns.as_deref(), &mut cells) {
                    piece.reject(plan, reason);
                    continue;
                }
                let (client, time) = match plan.layout.shape {
                    Shape::Text => self.free(line),
                    _ => (client(&plan.layout, &mut cells), self.time(&cells)),
                };
                let time = if plan.layout.has_time() { piece.date(time) } else { UNDATED };
                waiting.push_client(plan, client, Mark { time, ..mark }, &mut cells);
            }
            if waiting.spans.len() == PIECE {
                self.look_up(&mut waiting, &mut piece);
            }
        }
        self.look_up(&mut waiting, &mut piece);
        piece.rejects.sort_unstable_by_key(|(line, _)| *line);
        piece
    }

    /// Why a line is no row; where it is one, its cells are filled.
    #[inline]
    fn wrong<'a>(
        &self,
        line: &'a [u8],
        is_broken: bool,
        columns: Option<&Columns>,
        cells: &mut Vec<Cell<'a>>,
    ) -> Option<Reason> {
        match &self.plan.layout.shape {
            Shape::W3c(_) if columns.is_none() => Some(Reason::NoHeader),
            shape => (is_broken || !shape.split(line, columns, cells)).then_some(Reason::NoMatch),
        }
    }

    /// The first address of a line of free text, and its time. All its addresses are counted.
    fn free<'a>(&mut self, line: &'a [u8]) -> (Client<'a>, Option<i64>) {
        let mut first = None;
        for (text, parsed) in free::addresses(line) {
            let (slot, _) = self.plan.table.lookup_parsed(parsed);
            if let Some(count) = self.mentions.get_mut(usize::from(slot)) {
                *count += 1;
            }
            first = first.or(Some((text, parsed)));
        }
        let client = match first {
            Some((text, parsed)) => Client::Read(parsed, Some(Cow::Borrowed(text))),
            None => Client::Read(Parsed::Missing, None),
        };
        (client, self.plan.layout.time.and_then(|_| free::line_time(line)))
    }

    /// When the line was written.
    #[inline]
    fn time(&mut self, cells: &[Cell<'_>]) -> Option<i64> {
        let layout = &self.plan.layout;
        let form = layout.time?;
        let at = 1 + usize::from(layout.forwarded.is_some());
        let text = cells.get(at)?.bytes()?;
        match (form, layout.time_cells) {
            (Form::Clf, _) => self.clock.seconds(text),
            (_, 2) => time::seconds(form, &[text, b" ", cells.get(at + 1)?.bytes()?].concat()),
            _ => time::seconds(form, text),
        }
    }

    /// Looks up what waits, counts it, and keeps of it what is wanted.
    fn look_up(&mut self, waiting: &mut Waiting<'_>, piece: &mut Piece) {
        let plan = self.plan;
        let rows = waiting.spans.len();
        self.v4.resize(rows, 0);
        self.slots.resize(rows, 0);
        self.others.clear();
        if waiting.given.len() < rows {
            let spans = Spans { block: waiting.block, spans: &waiting.spans };
            self.kernel.parse_rows(&spans, 0, &mut self.v4, &mut self.others);
            self.others.append(&mut waiting.given); // behind what their empty texts say, and so in its place
        } else {
            for &(row, parsed) in &waiting.given {
                match (self.v4.get_mut(row), parsed) {
                    (Some(v4), Parsed::V4(bits)) => *v4 = bits,
                    _ => self.others.push((row, parsed)),
                }
            }
        }
        plan.table.lookup_v4_many(&self.v4, &mut self.slots);
        plan.table.lookup_others(&self.others, |row, slot, _| {
            if let Some(to) = self.slots.get_mut(row) {
                *to = slot;
            }
        });
        for (&slot, &bucket) in self.slots.iter().zip(&waiting.buckets) {
            self.tally.add(bucket, slot);
        }
        if plan.is_watched() {
            waiting.keep(plan, &self.slots, piece);
        }
        waiting.clear();
    }
}

impl<'a> Waiting<'a> {
    fn new(block: &'a [u8], offset: u64) -> Self {
        Self {
            block,
            offset,
            spans: Vec::with_capacity(PIECE),
            given: Vec::new(),
            buckets: Vec::with_capacity(PIECE),
            marks: Vec::new(),
            addresses: Vec::new(),
            kept: Vec::new(),
        }
    }

    fn clear(&mut self) {
        self.spans.clear();
        self.given.clear();
        self.buckets.clear();
        self.marks.clear();
        self.addresses.clear();
        self.kept.clear();
    }

    /// Adds a row whose address is a part of the block, and which carries no other fields.
    #[inline]
    fn push(&mut self, plan: &Plan, client: &'a [u8], mark: Mark) {
        // INVARIANT: a part of the block, as the splitters give it, or empty: then it does not matter where it is said to
        // be. Were it neither, the row would read as invalid, since the block has no such place.
        let start = (client.as_ptr() as usize).wrapping_sub(self.block.as_ptr() as usize);
        self.spans.push((start, client.len()));
        self.buckets.push(match plan.bucket {
            Bucket::None => UNDATED,
            _ if mark.time == UNDATED => UNDATED,
            Bucket::Hour => mark.time - mark.time.rem_euclid(3600),
            Bucket::Day => mark.time - mark.time.rem_euclid(86_400),
        });
        if plan.is_watched() {
            self.marks.push(mark);
            if plan.address {
                self.addresses.push(Some(Cow::Borrowed(client)));
            }
        }
    }

    fn push_client(&mut self, plan: &Plan, client: Client<'a>, mark: Mark, cells: &mut Vec<Cell<'a>>) {
        match client {
            Client::Span(text) => self.push(plan, text, mark),
            Client::Read(parsed, text) => {
                self.given.push((self.spans.len(), parsed));
                self.push(plan, b"", mark);
                if let Some(last) = self.addresses.last_mut() {
                    *last = text;
                }
            }
        }
        if plan.rows {
            let before = cells.len().saturating_sub(plan.layout.kept);
            self.kept.extend(cells.drain(before..));
        }
    }

    /// Adds the rows that are wanted to the piece.
    fn keep(&mut self, plan: &Plan, slots: &[Slot], piece: &mut Piece) {
        for (row, (mark, &slot)) in self.marks.iter().zip(slots).enumerate() {
            if plan.rejects && slot == Status::Invalid.slot() {
                piece.rejects.push((mark.line, Reason::InvalidAddress));
            }
            if plan.select.as_ref().is_some_and(|select| select.get(usize::from(slot)).is_none_or(|byte| *byte == 0)) {
                continue;
            }
            piece.matched += 1;
            let text = self.block.get(mark.start..mark.end).unwrap_or_default();
            if plan.raw {
                piece.raw.extend_from_slice(text);
                if !text.ends_with(b"\n") {
                    piece.raw.push(b'\n');
                }
            }
            if plan.rows {
                piece.rows.lines.push(mark.line);
                piece.rows.offsets.push(self.offset + mark.start as u64);
                piece.rows.times.push((mark.time != UNDATED).then_some(mark.time));
                piece.rows.slots.push(slot);
                if plan.address {
                    let text = self.addresses.get(row).and_then(Option::as_deref);
                    piece.rows.addresses.push(text.filter(|_| slot != Status::Missing.slot()));
                }
                let first = row * plan.layout.kept;
                for (texts, cell) in piece.rows.kept.iter_mut().zip(self.kept.get(first..).unwrap_or_default()) {
                    texts.push_cell(cell);
                }
                if plan.line {
                    piece.rows.texts.push(Some(trimmed(text)));
                }
            }
        }
    }
}

/// The client of a line that has fields.
#[inline]
fn client<'a>(layout: &Layout, cells: &mut [Cell<'a>]) -> Client<'a> {
    let Some((first, others)) = cells.split_first_mut() else { return Client::Read(Parsed::Missing, None) };
    let text = match std::mem::replace(first, Cell::Absent) {
        Cell::Absent => return Client::Read(Parsed::Missing, None),
        Cell::Other(value) => return Client::Read(Parsed::Invalid, Some(Cow::Borrowed(value))),
        Cell::Text(text) => text,
    };
    let text = match text {
        Cow::Borrowed(text) if layout.strip_port => Cow::Borrowed(forwarded::without_port(text)),
        Cow::Owned(text) if layout.strip_port => Cow::Owned(forwarded::without_port(&text).to_vec()),
        text => text,
    };
    if let Some((header, trusted)) = &layout.forwarded
        && let Some(value) = others.first_mut()
        && let Some(value) = said(&layout.shape, std::mem::replace(value, Cell::Absent))
    {
        let peer = text::parse(&text);
        let (parsed, found) = through(*header, value, (peer, text), trusted);
        return Client::Read(parsed, Some(found));
    }
    match text {
        Cow::Borrowed(text) => Client::Span(text),
        Cow::Owned(text) => Client::Read(text::parse(&text), Some(Cow::Owned(text))),
    }
}

/// The walk of [`forwarded::client`] over texts that may be owned.
fn through<'a>(
    header: forwarded::Header,
    value: Cow<'a, [u8]>,
    (peer, text): (Parsed, Cow<'a, [u8]>),
    trusted: &forwarded::Trusted,
) -> (Parsed, Cow<'a, [u8]>) {
    match (value, text) {
        (Cow::Borrowed(value), Cow::Borrowed(text)) => forwarded::client(header, value, (peer, text), trusted),
        (value, text) => {
            let (parsed, found) = forwarded::client(header, &value, (peer, &text), trusted);
            (parsed, Cow::Owned(found.into_owned()))
        }
    }
}

/// What a header says, before the log's own escapes.
fn said<'a>(shape: &Shape, cell: Cell<'a>) -> Option<Cow<'a, [u8]>> {
    match (cell, shape) {
        (Cell::Text(Cow::Borrowed(text)), Shape::Common(_) | Shape::Blank(_)) => Some(blank::unescaped(text)),
        (Cell::Text(text), Shape::W3c(_)) => Some(Cow::Owned(w3c::percent_decoded(&text).into_owned())),
        (Cell::Text(text), _) => Some(text),
        (Cell::Other(value), _) => Some(Cow::Borrowed(value)),
        (Cell::Absent, _) => None,
    }
}

/// Where the lines of a block end.
enum Ends<'a> {
    Lines { newlines: memchr::Memchr<'a>, len: usize },
    Rows { csv: Csv, block: &'a [u8] },
}

impl<'a> Ends<'a> {
    fn new(block: &'a [u8], shape: &Shape) -> Self {
        match shape {
            Shape::Csv(csv) => Self::Rows { csv: csv.another(), block },
            _ => Self::Lines { newlines: memchr_iter(b'\n', block), len: block.len() },
        }
    }

    /// The end of the line that starts there, its line end included, and whether it is broken; `None` behind the last.
    #[inline]
    fn next(&mut self, start: usize) -> Option<(usize, bool)> {
        match self {
            Self::Lines { newlines, len } => match newlines.next() {
                Some(end) => Some((end + 1, false)),
                None => (start < *len).then_some((*len, false)),
            },
            Self::Rows { csv, block } => {
                match csv.record_end(block.get(start..).filter(|rest| !rest.is_empty())?, true)? {
                    Record::Row { len } => Some((start + len, false)),
                    Record::Broken { len } => Some((start + len, true)),
                }
            }
        }
    }
}

/// Address texts in a block.
struct Spans<'a> {
    block: &'a [u8],
    spans: &'a [(usize, usize)],
}

impl text::Rows for Spans<'_> {
    #[inline]
    fn len(&self) -> usize {
        self.spans.len()
    }

    #[inline]
    fn row(&self, index: usize) -> Row<'_> {
        let find = || {
            let &(start, len) = self.spans.get(index)?;
            Row::new(self.block.get(start..)?, len)
        };
        find().unwrap_or(Row::INVALID)
    }
}
