//! Batches: columns of addresses in any form to slots, in pieces that stay in the L1 cache, on any number of
//! threads.

use std::num::NonZero;
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::addr::Address;
use crate::column;
use crate::slot::{Slot, Status, UNDECIDED};
use crate::table::Table;
use crate::text::{Parsed, Rows, TextKernel};
use crate::unwrap::Wrapping;

/// Rows that are parsed and looked up together: 4 KiB of addresses, so that they are still in L1 when the
/// kernel comes.
const PIECE: usize = 1024;
/// Rows that a thread takes at a time. Starting another takes about as long as looking up so many, so fewer stay
/// on one thread.
const SHARE: usize = 1 << 16;

/// A batch of addresses in some form.
pub trait Column: Sync {
    /// Number of rows.
    fn len(&self) -> usize;

    /// Whether there are no rows.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a row can be an IPv6 address, and so wrap an IPv4 address.
    fn can_wrap(&self) -> bool {
        true
    }

    /// Writes the slots of the rows from `start` on, as many as `slots` is long, and how the addresses were
    /// wrapped, where they were. `wrappings` is as long as `slots` and comes filled with [`Wrapping::None`]; it is
    /// empty where no row can wrap.
    fn lookup(&self, table: &Table, start: usize, slots: &mut [Slot], wrappings: &mut [u8]);
}

/// What the rows of a batch answer, in their order.
#[derive(Debug, Default)]
pub struct Answers {
    /// One slot a row.
    pub slots: Vec<Slot>,
    /// How the addresses of the first rows were wrapped, one [`Wrapping`] a row. The rows beyond its end, all of
    /// them where no column could wrap, were not.
    pub wrappings: Vec<u8>,
}

impl Answers {
    /// Looks up a further column.
    ///
    /// `threads` is the most that are used, `None` what the process may use; a small batch stays on the caller's
    /// thread. Threads end with the call: a pool would not survive a fork.
    pub fn extend<C: Column + ?Sized>(&mut self, table: &Table, column: &C, threads: Option<NonZero<usize>>) {
        let before = self.slots.len();
        extend_with_zeros(&mut self.slots, before + column.len());
        if column.can_wrap() {
            extend_with_zeros(&mut self.wrappings, before + column.len());
        }
        let slots = self.slots.get_mut(before..).unwrap_or_default();
        lookup(table, column, threads, slots, self.wrappings.get_mut(before..).unwrap_or_default());
    }

    /// Adds the rows of other answers that `rows` names, in its order; a row that does not exist is left out.
    pub fn append(&mut self, from: &Self, rows: &[usize]) {
        let before = self.slots.len();
        self.slots.extend(column::pick(&from.slots, rows));
        if !from.wrappings.is_empty() {
            self.wrappings.resize(before, 0);
            self.wrappings.extend(rows.iter().map(|&row| from.wrappings.get(row).copied().unwrap_or(0)));
        }
    }

    /// Makes a row say what it says by itself, whatever its column said.
    pub fn set(&mut self, row: usize, (slot, wrapping): (Slot, Wrapping)) {
        if let Some(to) = self.slots.get_mut(row) {
            *to = slot;
        }
        if wrapping != Wrapping::None && self.wrappings.len() <= row {
            self.wrappings.resize(row + 1, 0);
        }
        if let Some(how) = self.wrappings.get_mut(row) {
            *how = wrapping as u8;
        }
    }
}

/// A new vector of zeros comes from the system as it is, one that grows has to be written.
fn extend_with_zeros<T: Copy + Default>(rows: &mut Vec<T>, len: usize) {
    if rows.capacity() == 0 { *rows = vec![T::default(); len] } else { rows.resize(len, T::default()) }
}

fn lookup<C: Column + ?Sized>(
    table: &Table,
    column: &C,
    threads: Option<NonZero<usize>>,
    slots: &mut [Slot],
    wrappings: &mut [u8],
) {
    let shares = slots.len().div_ceil(SHARE);
    // No wrappings at all give every share none.
    let wrappings = wrappings.chunks_mut(SHARE).map(Some).chain(std::iter::repeat_with(|| None));
    let queue = Mutex::new(slots.chunks_mut(SHARE).zip(wrappings).enumerate());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || {
        while let Some((share, (slots, wrappings))) = next() {
            column.lookup(table, share * SHARE, slots, wrappings.unwrap_or_default());
        }
    };
    if shares <= 1 {
        return work(); // asking the system what the process may use takes longer than a small batch
    }
    let most = threads.or_else(|| thread::available_parallelism().ok()).map_or(1, NonZero::get);
    thread::scope(|scope| {
        for _ in 1..most.min(shares) {
            // Where the system has no thread to give, those that run take all shares.
            if thread::Builder::new().spawn_scoped(scope, work).is_err() {
                break;
            }
        }
        work();
    });
}

impl Column for [u32] {
    fn len(&self) -> usize {
        <[u32]>::len(self)
    }

    fn can_wrap(&self) -> bool {
        false
    }

    fn lookup(&self, table: &Table, start: usize, slots: &mut [Slot], _: &mut [u8]) {
        let rows = self.get(start..start + slots.len()).unwrap_or_default();
        table.lookup_v4_many(rows, slots);
    }
}

impl Column for [[u8; 16]] {
    fn len(&self) -> usize {
        <[[u8; 16]]>::len(self)
    }

    fn lookup(&self, table: &Table, start: usize, slots: &mut [Slot], wrappings: &mut [u8]) {
        let rows = self.get(start..start + slots.len()).unwrap_or_default();
        let mut highs = [0; PIECE];
        let pieces = rows.chunks(PIECE).zip(slots.chunks_mut(PIECE)).zip(wrappings.chunks_mut(PIECE));
        for ((rows, slots), wrappings) in pieces {
            for (high, row) in highs.iter_mut().zip(rows) {
                *high = (u128::from_be_bytes(*row) >> 64) as u64;
            }
            table.lookup_high_halves(highs.get(..rows.len()).unwrap_or_default(), slots);
            for ((row, slot), wrapping) in rows.iter().zip(slots).zip(wrappings) {
                if *slot == UNDECIDED {
                    let found = table.decide(u128::from_be_bytes(*row));
                    (*slot, *wrapping) = (found.slot, found.wrapping as u8);
                }
            }
        }
    }
}

impl Column for [[u8; 4]] {
    fn len(&self) -> usize {
        <[[u8; 4]]>::len(self)
    }

    fn can_wrap(&self) -> bool {
        false
    }

    fn lookup(&self, table: &Table, start: usize, slots: &mut [Slot], _: &mut [u8]) {
        let rows = self.get(start..start + slots.len()).unwrap_or_default();
        let mut addresses = [0; PIECE];
        for (rows, slots) in rows.chunks(PIECE).zip(slots.chunks_mut(PIECE)) {
            for (address, row) in addresses.iter_mut().zip(rows) {
                *address = u32::from_be_bytes(*row);
            }
            table.lookup_v4_many(addresses.get(..rows.len()).unwrap_or_default(), slots);
        }
    }
}

/// A column of packed addresses: 4 bytes or 16, in network order. An empty row is missing, one of any other
/// length invalid.
pub struct PackedColumn<'a, R: ?Sized> {
    rows: &'a R,
}

impl<'a, R: Rows + ?Sized> PackedColumn<'a, R> {
    /// The rows as a column.
    pub fn new(rows: &'a R) -> Self {
        Self { rows }
    }
}

impl<R: Rows + ?Sized> Column for PackedColumn<'_, R> {
    fn len(&self) -> usize {
        self.rows.len()
    }

    fn lookup(&self, table: &Table, start: usize, slots: &mut [Slot], wrappings: &mut [u8]) {
        for (at, (to, how)) in slots.iter_mut().zip(wrappings).enumerate() {
            let bytes = self.rows.row(start + at).bytes();
            let parsed = match (<[u8; 4]>::try_from(bytes), <[u8; 16]>::try_from(bytes)) {
                (Ok(four), _) => Parsed::V4(u32::from_be_bytes(four)),
                (_, Ok(sixteen)) => Parsed::V6(u128::from_be_bytes(sixteen)),
                _ if bytes.is_empty() => Parsed::Missing,
                _ => Parsed::Invalid,
            };
            let (slot, wrapping) = table.lookup_parsed(parsed);
            (*to, *how) = (slot, wrapping as u8);
        }
    }
}

/// A column of text.
pub struct TextColumn<'a, R: ?Sized> {
    rows: &'a R,
    kernel: TextKernel,
}

impl<'a, R: Rows + ?Sized> TextColumn<'a, R> {
    /// The rows as a column, parsed by the best kernel of this machine.
    pub fn new(rows: &'a R) -> Self {
        Self { rows, kernel: TextKernel::detect() }
    }
}

impl<R: Rows + ?Sized> Column for TextColumn<'_, R> {
    fn len(&self) -> usize {
        self.rows.len()
    }

    fn lookup(&self, table: &Table, start: usize, slots: &mut [Slot], wrappings: &mut [u8]) {
        let mut v4 = [0; PIECE];
        let mut others: Vec<(usize, Parsed)> = Vec::new();
        let pieces = slots.chunks_mut(PIECE).zip(wrappings.chunks_mut(PIECE)).enumerate();
        for (index, (slots, wrappings)) in pieces {
            let Some(v4) = v4.get_mut(..slots.len()) else { return };
            others.clear();
            self.kernel.parse_rows(self.rows, start + index * PIECE, v4, &mut others);
            table.lookup_v4_many(v4, slots);
            for &(at, parsed) in &others {
                let (slot, wrapping) = table.lookup_parsed(parsed);
                if let (Some(to), Some(how)) = (slots.get_mut(at), wrappings.get_mut(at)) {
                    (*to, *how) = (slot, wrapping as u8);
                }
            }
        }
    }
}

impl Table {
    /// The slot of what a text says.
    #[must_use]
    #[inline]
    pub fn lookup_parsed(&self, parsed: Parsed) -> (Slot, Wrapping) {
        match parsed {
            Parsed::V4(bits) => (self.slot_v4(bits), Wrapping::None),
            Parsed::V6(bits) => {
                let found = self.lookup(Address::V6(bits));
                (found.slot, found.wrapping)
            }
            Parsed::Missing => (Status::Missing.slot(), Wrapping::None),
            Parsed::Invalid => (Status::Invalid.slot(), Wrapping::None),
        }
    }
}
