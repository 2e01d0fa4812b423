//! Batches: columns of addresses to slots, on any number of threads.

use std::num::NonZero;
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::addr::Address;
use crate::addresses::{Batch, Column, PIECE, Sink};
use crate::column;
use crate::slot::{Slot, Status, UNDECIDED};
use crate::table::Table;
use crate::text::Parsed;
use crate::unwrap::Wrapping;

/// Rows that a thread takes at a time. Starting another takes about as long as looking up so many, so fewer stay
/// on one thread.
const SHARE: usize = 1 << 16;

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
            let there = rows.iter().filter(|&&row| row < from.slots.len());
            self.wrappings.extend(there.map(|&row| from.wrappings.get(row).copied().unwrap_or(0)));
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
            let first = share * SHARE;
            let rows = first..first + slots.len();
            column.read(rows, &mut Share { table, slots, wrappings: wrappings.unwrap_or_default() });
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

/// A batch that is looked up.
pub struct Resolved<'t> {
    table: &'t Table,
    threads: Option<NonZero<usize>>,
    /// What its rows answer.
    pub answers: Answers,
}

impl<'t> Resolved<'t> {
    /// An empty batch; for `threads` see [`Answers::extend`].
    #[must_use]
    pub fn new(table: &'t Table, threads: Option<NonZero<usize>>) -> Self {
        Self { table, threads, answers: Answers::default() }
    }
}

impl Batch for Resolved<'_> {
    fn len(&self) -> usize {
        self.answers.slots.len()
    }

    fn another(&self) -> Self {
        Self::new(self.table, self.threads)
    }

    fn reserve(&mut self, rows: usize) {
        self.answers.slots.reserve_exact(rows);
        self.answers.wrappings.reserve_exact(rows);
    }

    fn extend<C: Column + ?Sized>(&mut self, column: &C) {
        self.answers.extend(self.table, column, self.threads);
    }

    fn replace(&mut self, first: usize, others: impl IntoIterator<Item = (usize, Parsed)>) {
        for (at, parsed) in others {
            self.answers.set(first + at, self.table.lookup_parsed(parsed));
        }
    }

    fn append(&mut self, from: &Self, rows: &[usize]) {
        self.answers.append(&from.answers, rows);
    }
}

/// The rows that one thread looks up: those that are still to come have these slots and wrappings. No wrappings at
/// all where no row can wrap; else they come filled with [`Wrapping::None`].
struct Share<'a> {
    table: &'a Table,
    slots: &'a mut [Slot],
    wrappings: &'a mut [u8],
}

impl<'a> Share<'a> {
    /// Slots and wrappings of the next rows.
    fn next(&mut self, rows: usize) -> (&'a mut [Slot], &'a mut [u8]) {
        let slots = self.slots.split_off_mut(..rows).unwrap_or_default();
        (slots, self.wrappings.split_off_mut(..rows).unwrap_or_default())
    }
}

impl Sink for Share<'_> {
    fn v4(&mut self, rows: &[u32]) {
        let (slots, _) = self.next(rows.len());
        self.table.lookup_v4_many(rows, slots);
    }

    fn v6(&mut self, rows: &[[u8; 16]]) {
        let (slots, wrappings) = self.next(rows.len());
        let mut highs = [0; PIECE];
        let pieces = rows.chunks(PIECE).zip(slots.chunks_mut(PIECE)).zip(wrappings.chunks_mut(PIECE));
        for ((rows, slots), wrappings) in pieces {
            for (high, row) in highs.iter_mut().zip(rows) {
                *high = (u128::from_be_bytes(*row) >> 64) as u64;
            }
            self.table.lookup_high_halves(highs.get(..rows.len()).unwrap_or_default(), slots);
            for ((row, slot), wrapping) in rows.iter().zip(slots).zip(wrappings) {
                if *slot == UNDECIDED {
                    let found = self.table.decide(u128::from_be_bytes(*row));
                    (*slot, *wrapping) = (found.slot, found.wrapping as u8);
                }
            }
        }
    }

    fn mixed(&mut self, rows: &[u32], others: &[(usize, Parsed)]) {
        let (slots, wrappings) = self.next(rows.len());
        self.table.lookup_v4_many(rows, slots);
        self.table.lookup_others(others, |at, slot, wrapping| {
            if let Some(to) = slots.get_mut(at) {
                *to = slot;
            }
            if let Some(how) = wrappings.get_mut(at) {
                *how = wrapping as u8;
            }
        });
    }
}

impl Table {
    /// Hands over, in their order, what rows answer that are mostly no IPv4 addresses. IPv6 addresses among them are
    /// looked up together.
    pub(crate) fn lookup_others(&self, others: &[(usize, Parsed)], mut put: impl FnMut(usize, Slot, Wrapping)) {
        let (mut highs, mut slots) = ([0; PIECE], [0; PIECE]);
        for others in others.chunks(PIECE) {
            let sixes = others.iter().filter_map(|(_, parsed)| match parsed {
                Parsed::V6(bits) => Some((bits >> 64) as u64),
                _ => None,
            });
            let mut count = 0;
            for (high, six) in highs.iter_mut().zip(sixes) {
                *high = six;
                count += 1;
            }
            let slots = slots.get_mut(..count).unwrap_or_default();
            self.lookup_high_halves(highs.get(..count).unwrap_or_default(), slots);
            let mut found = slots.iter();
            for &(at, parsed) in others {
                let (slot, wrapping) = match parsed {
                    Parsed::V6(bits) => match found.next() {
                        Some(&slot) if slot != UNDECIDED => (slot, Wrapping::None),
                        _ => {
                            let found = self.decide(bits);
                            (found.slot, found.wrapping)
                        }
                    },
                    parsed => self.lookup_parsed(parsed),
                };
                put(at, slot, wrapping);
            }
        }
    }

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

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests {
    use std::net::IpAddr;
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::addresses::{PackedColumn, TextColumn};
    use crate::build::Content;
    use crate::level::Level;
    use crate::lookup::Kernel;
    use crate::lookup::tests::tidy;
    use crate::oracle::{self, Oracle};
    use crate::overrides::Overrides;
    use crate::table::tests::{NAT64, database, labels, unwrapping};
    use crate::text::SliceRows;

    /// A table with everything in it, and what it has to answer.
    fn mixed(kernel: Kernel) -> (Table, Oracle) {
        let v4: Vec<(u32, Slot)> = (0..600_u32).map(|nth| (nth * 0x6a_0000 + nth % 3 * 77, nth as Slot)).collect();
        let v6 = (0..500_u128).map(|nth| ((0x2000 << 112) + (nth << 115) + (nth % 2 * 9), nth as Slot)).collect();
        let (v4, v6) = (tidy(v4), tidy(v6));
        let unwrapping = unwrapping(&NAT64[..3]);
        let database = database(&v4, Some(&v6), &labels());
        let overrides =
            Overrides::from_rows([("1.2.0.0/16", "MO"), ("2a00::/20", "relay"), ("9.0.0.0/8", "ZZ")]).unwrap();
        let oracle = Oracle::new(oracle::of_database(&database), oracle::of_overrides(&overrides), &unwrapping);
        let content = Content::compile(database, Level::Subdivision, unwrapping, "").unwrap();
        let table = Table::new(Arc::new(content.with_overrides(&overrides).unwrap())).unwrap();
        (table.with_kernel(kernel), oracle)
    }

    /// Rows of any length, one after the other in a buffer.
    struct Buffer {
        bytes: Vec<u8>,
        offsets: Vec<i64>,
    }

    impl Buffer {
        fn new<R: AsRef<[u8]>>(rows: impl IntoIterator<Item = R>) -> Self {
            let (mut bytes, mut offsets) = (Vec::new(), vec![0]);
            for row in rows {
                bytes.extend(row.as_ref());
                offsets.push(bytes.len() as i64);
            }
            Self { bytes, offsets }
        }

        fn rows(&self) -> SliceRows<'_, i64> {
            SliceRows { text: &self.bytes, offsets: &self.offsets }
        }
    }

    fn octets(address: Address) -> Vec<u8> {
        match IpAddr::from(address) {
            IpAddr::V4(v4) => v4.octets().to_vec(),
            IpAddr::V6(v6) => v6.octets().to_vec(),
        }
    }

    fn as_v6(address: Address) -> [u8; 16] {
        match address {
            Address::V4(bits) => {
                [&0x2400_u16.to_be_bytes()[..], &[0; 10], &bits.to_be_bytes()].concat().try_into().unwrap()
            }
            Address::V6(bits) => bits.to_be_bytes(),
        }
    }

    fn answers<C: Column + ?Sized>(table: &Table, column: &C, threads: usize) -> Answers {
        let mut answers = Answers::default();
        answers.extend(table, column, NonZero::new(threads));
        answers
    }

    /// The answers of a column, each against what a single lookup says.
    fn assert_answers(table: &Table, addresses: &[Address], answers: &Answers) {
        assert_eq!(answers.slots.len(), addresses.len());
        for (at, &address) in addresses.iter().enumerate() {
            let found = table.lookup(address);
            let wrapping = answers.wrappings.get(at).copied().unwrap_or(0);
            assert_eq!((answers.slots[at], wrapping), (found.slot, found.wrapping as u8), "{address:x?}");
        }
    }

    #[test]
    fn every_column_answers_alike() {
        let (table, oracle) = mixed(Kernel::available()[0]);
        let addresses: Vec<Address> = oracle.edges().into_iter().collect();
        for &address in &addresses {
            let slot = table.lookup(address).slot;
            assert_eq!(table.labels()[usize::from(slot)], oracle.answer(address).label, "{address:x?}");
        }
        for kernel in Kernel::available() {
            let (table, _) = mixed(kernel);
            let v4: Vec<u32> = addresses
                .iter()
                .filter_map(|address| match address {
                    Address::V4(bits) => Some(*bits),
                    Address::V6(_) => None,
                })
                .collect();
            let of_v4: Vec<Address> = v4.iter().copied().map(Address::V4).collect();
            assert!(of_v4.len() > 2 * PIECE && addresses.len() > of_v4.len() + 2 * PIECE);
            let found = answers(&table, &*v4, 1);
            assert_answers(&table, &of_v4, &found);
            assert_eq!(found.wrappings, [0; 0], "no row can wrap");

            let packed: Vec<[u8; 4]> = v4.iter().map(|bits| bits.to_be_bytes()).collect();
            let found = answers(&table, &*packed, 1);
            assert_answers(&table, &of_v4, &found);
            assert_eq!(found.wrappings, [0; 0], "no row can wrap");

            let v6: Vec<[u8; 16]> = addresses.iter().copied().map(as_v6).collect();
            let of_v6: Vec<Address> = v6.iter().map(|row| Address::V6(u128::from_be_bytes(*row))).collect();
            let found = answers(&table, &*v6, 1);
            assert_answers(&table, &of_v6, &found);
            for wrapping in 0..=4 {
                assert!(found.wrappings.contains(&wrapping), "wrapping {wrapping}");
            }

            // In turn, so that pieces hold both families.
            let shuffled: Vec<Address> =
                (0..addresses.len()).map(|at| addresses[at * 7_919 % addresses.len()]).collect();
            let text = Buffer::new(shuffled.iter().map(|address| IpAddr::from(*address).to_string()));
            assert_answers(&table, &shuffled, &answers(&table, &TextColumn::new(&text.rows()), 1));
            let packed = Buffer::new(shuffled.iter().copied().map(octets));
            assert_answers(&table, &shuffled, &answers(&table, &PackedColumn::new(&packed.rows()), 1));
        }
    }

    #[test]
    fn rows_that_are_no_address() {
        let (table, _) = mixed(Kernel::available()[0]);
        let (invalid, missing) = (Status::Invalid.slot(), Status::Missing.slot());
        let text = Buffer::new(["", "-", "8.8.8", "host", "::ffff:10.0.0.1", "10.0.0.1", "1.2.3.4 "]);
        let found = answers(&table, &TextColumn::new(&text.rows()), 1);
        let private = Status::Private.slot();
        assert_eq!(found.slots, [missing, missing, invalid, invalid, private, private, invalid]);
        assert_eq!(found.wrappings, [0, 0, 0, 0, Wrapping::Mapped as u8, 0, 0]);

        let packed = Buffer::new([&[][..], &[10, 0, 0, 1], &[0; 3], &[0; 5], &[0; 15], &[0; 16], &[0; 17], b"8.8.8.8"]);
        let found = answers(&table, &PackedColumn::new(&packed.rows()), 1);
        let reserved = Status::Reserved.slot();
        assert_eq!(found.slots, [missing, private, invalid, invalid, invalid, reserved, invalid, invalid]);
    }

    #[test]
    fn any_number_of_threads_answers_alike() {
        let (table, _) = mixed(*Kernel::available().last().unwrap());
        for rows in [1, SHARE - 1, SHARE, SHARE + 1, 3 * SHARE + 17] {
            let v4: Vec<u32> = (0..rows as u32).map(|nth| nth.wrapping_mul(2_654_435_761)).collect();
            let v6: Vec<[u8; 16]> = v4
                .iter()
                .map(|bits| {
                    let zone = if bits % 3 == 0 { 0x2002_u128 << 112 } else { 0x2000 << 112 };
                    (zone | u128::from(*bits) << 80 | u128::from(bits % 5)).to_be_bytes()
                })
                .collect();
            let (one_v4, one_v6) = (answers(&table, &*v4, 1), answers(&table, &*v6, 1));
            // Against single lookups, some of each piece.
            for at in (0..rows).step_by(331).chain([rows - 1]) {
                assert_eq!(one_v4.slots[at], table.lookup(Address::V4(v4[at])).slot);
                let found = table.lookup(Address::V6(u128::from_be_bytes(v6[at])));
                assert_eq!((one_v6.slots[at], one_v6.wrappings[at]), (found.slot, found.wrapping as u8));
            }
            for threads in [0, 2, 3, 4] {
                let (many_v4, many_v6) = (answers(&table, &*v4, threads), answers(&table, &*v6, threads));
                assert_eq!(many_v4.slots, one_v4.slots, "{rows} rows, {threads} threads");
                assert_eq!(many_v6.slots, one_v6.slots, "{rows} rows, {threads} threads");
                assert_eq!(many_v6.wrappings, one_v6.wrappings, "{rows} rows, {threads} threads");
            }
        }
    }

    #[test]
    fn text_on_many_threads() {
        let (table, _) = mixed(*Kernel::available().last().unwrap());
        let texts = (0..2 * SHARE + 3).map(|nth| match nth % 5 {
            0 => format!("::ffff:1.2.{}.{}", nth / 256 % 256, nth % 256),
            1 => format!("2a00:{:x}::{nth:x}", nth % 65_536),
            2 => "-".to_owned(),
            _ => format!("{}.{}.7.9", 1 + nth % 200, nth / 200 % 256),
        });
        let buffer = Buffer::new(texts);
        let (rows, one) = (buffer.rows(), answers(&table, &TextColumn::new(&buffer.rows()), 1));
        let many = answers(&table, &TextColumn::new(&rows), 2);
        assert_eq!((&many.slots, &many.wrappings), (&one.slots, &one.wrappings));
        assert_eq!(
            one.wrappings.iter().filter(|how| **how == Wrapping::Mapped as u8).count(),
            (2 * SHARE + 3).div_ceil(5)
        );
    }

    #[test]
    fn an_empty_column_answers_nothing() {
        let (table, _) = mixed(Kernel::available()[0]);
        let none: &[u32] = &[];
        assert!(Column::is_empty(none) && !Column::is_empty(&[0_u32][..]));
        let mut answers = answers(&table, none, 1);
        answers.extend::<[[u8; 16]]>(&table, &[], None);
        assert_eq!((answers.slots.len(), answers.wrappings.len()), (0, 0));
    }

    /// Columns behind each other: of the rows beyond the wrappings, none was wrapped.
    #[test]
    fn columns_behind_each_other() {
        let (table, _) = mixed(Kernel::available()[0]);
        let (v4, mapped) = ([0x0a00_0001_u32, 0x0102_0304], [(0xffff_u128 << 32 | 0x0102_0304).to_be_bytes()]);
        let overridden = table.lookup(Address::V4(0x0102_0304)).slot;
        let mut answers = answers(&table, &v4[..], 1);
        assert!(answers.wrappings.is_empty());
        answers.extend(&table, &mapped[..], None);
        assert_eq!(answers.wrappings, [0, 0, Wrapping::Mapped as u8]);
        answers.extend(&table, &v4[..], None);
        assert_eq!(answers.slots, [1, overridden, overridden, 1, overridden]);
        assert_eq!(answers.wrappings.iter().map(|how| usize::from(*how)).sum::<usize>(), 1);
        // What follows a column that cannot wrap stands in its own rows.
        answers.extend(&table, &mapped[..], None);
        assert_eq!(answers.wrappings, [0, 0, 1, 0, 0, 1]);
    }

    fn given(slots: &[Slot], wrappings: &[u8]) -> Answers {
        Answers { slots: slots.to_vec(), wrappings: wrappings.to_vec() }
    }

    #[test]
    fn appended_rows() {
        let mut answers = given(&[8, 9], &[]);
        answers.append(&given(&[10, 11, 12], &[]), &[2, 0, 7, 2]);
        assert_eq!((&*answers.slots, &*answers.wrappings), (&[8, 9, 12, 10, 12][..], &[][..]));
        answers.append(&given(&[10, 11, 12], &[0, 3]), &[1, 2, 0]);
        assert_eq!(answers.slots, [8, 9, 12, 10, 12, 11, 12, 10]);
        assert_eq!(answers.wrappings, [0, 0, 0, 0, 0, 3, 0, 0]);
        answers.append(&given(&[13], &[]), &[0]);
        answers.append(&given(&[14], &[4]), &[0]);
        assert_eq!(answers.slots[8..], [13, 14]);
        assert_eq!(answers.wrappings, [0, 0, 0, 0, 0, 3, 0, 0, 0, 4]);
    }

    /// A row that does not exist is left out, of the wrappings too: else those behind it move.
    #[test]
    fn appended_rows_that_do_not_exist() {
        let mut answers = given(&[], &[]);
        answers.append(&given(&[10, 11], &[1, 2]), &[5, 1, 0]);
        assert_eq!((&*answers.slots, &*answers.wrappings), (&[11, 10][..], &[2, 1][..]));
    }

    #[test]
    fn rows_that_are_set() {
        let mut answers = given(&[8, 9, 10], &[]);
        answers.set(1, (7, Wrapping::None));
        assert_eq!((&*answers.slots, &*answers.wrappings), (&[8, 7, 10][..], &[][..]));
        answers.set(1, (7, Wrapping::Teredo));
        assert_eq!(answers.wrappings, [0, Wrapping::Teredo as u8]);
        answers.set(1, (4, Wrapping::None));
        assert_eq!((answers.slots[1], &*answers.wrappings), (4, &[0, 0][..]));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(50))]

        /// Rows and columns of any length, cut anywhere.
        #[test]
        fn any_run_of_columns(lengths in proptest::collection::vec((0..300_usize, 0..3), 0..6)) {
            let (table, _) = mixed(*Kernel::available().last().unwrap());
            let mut answers = Answers::default();
            let mut expected = Vec::new();
            for (length, kind) in lengths {
                let v4: Vec<u32> = (0..length as u32).map(|nth| nth.wrapping_mul(0x0123_4567)).collect();
                let packed: Vec<[u8; 4]> = v4.iter().map(|bits| bits.to_be_bytes()).collect();
                let mapped = v4.iter().map(|bits| (0xffff_u128 << 32 | u128::from(*bits)).to_be_bytes());
                match kind {
                    0 => answers.extend(&table, &*v4, None),
                    1 => answers.extend(&table, &*packed, None),
                    _ => answers.extend(&table, &*mapped.collect::<Vec<_>>(), None),
                }
                expected.extend(v4.iter().map(|bits| (table.lookup(Address::V4(*bits)).slot, u8::from(kind == 2))));
            }
            let found: Vec<(Slot, u8)> = answers.slots.iter().enumerate()
                .map(|(row, slot)| (*slot, answers.wrappings.get(row).copied().unwrap_or(0)))
                .collect();
            prop_assert_eq!(found, expected);
            prop_assert!(answers.wrappings.len() <= answers.slots.len());
        }
    }
}
