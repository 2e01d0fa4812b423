//! The IPv4 index: a direct table of three levels whose blocks are as coarse as their content allows.
//!
//! ```text
//! address   aaaaaaaa aaaaaaaa aa | bbbbbb | cccccccc
//!           18 bits                6 bits   8 bits
//! directory[a] ──> block of middle entries, one a /24, or one for 2, 4 … 64 of them
//! middle[b]    ──> a slot, or a row of leaf slots, one an address, or one for 2, 4 … 128 of them
//! leaves[c]    ──> a slot
//! ```
//!
//! A block that is the same throughout is one entry, shared by all blocks with that slot, so the two loads
//! of an ordinary lookup need no branch and the constant blocks of the whole table fit in a kilobyte.
//! Granularity is what keeps the table small: two thirds of the range starts inside a /24 fall on
//! multiples of 8 or more, and a row costs `512 >> shift` bytes instead of 512.
//!
//! Worked example with `shift` = 5 in a leaf row of 8 slots: address byte `0b010_11001` reads
//! `leaves[base + 0b010]`.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use crate::error::{Error, Result};
use crate::range::Segments;
use crate::slot::Slot;

/// Low bits of an address below the directory.
pub(super) const BLOCK_BITS: u32 = 14;
/// Low bits of an address below the middle level.
pub(super) const ROW_BITS: u32 = 8;
/// Entries of the directory.
pub(super) const DIRECTORY_LEN: usize = 1 << (32 - BLOCK_BITS);
const ROWS_PER_BLOCK: usize = 1 << (BLOCK_BITS - ROW_BITS);

/// Directory entry: the block's granularity in the top 3 bits, its first middle entry in the other 29.
pub(super) const BLOCK_SHIFT_AT: u32 = 29;
/// See [`BLOCK_SHIFT_AT`].
pub(super) const BLOCK_BASE_MASK: u32 = (1 << BLOCK_SHIFT_AT) - 1;
/// Middle entry: this bit says that a leaf row follows, else the low 16 bits are the slot.
pub(super) const ROW_FLAG: u32 = 1 << 31;
/// Middle entry with [`ROW_FLAG`]: granularity in bits 28 to 30, first leaf in the low 28.
pub(super) const ROW_SHIFT_AT: u32 = 28;
/// See [`ROW_SHIFT_AT`].
pub(super) const ROW_BASE_MASK: u32 = (1 << ROW_SHIFT_AT) - 1;

/// The IPv4 index. Immutable; only [`Direct::build`] makes one.
///
/// INVARIANT: for every address, each of the three steps of `scalar::v4` stays inside its array,
/// and `leaves` has one slot more than is ever addressed, so that a 4-byte load of any slot stays inside.
/// The AVX-512 kernel relies on this for its gathers.
#[derive(Debug)]
pub struct Direct {
    pub(super) directory: Box<[u32; DIRECTORY_LEN]>,
    pub(super) middle: Vec<u32>,
    pub(super) leaves: Vec<Slot>,
}

impl Direct {
    /// Compiles the segments of the IPv4 space. O(segments + 2^18).
    ///
    /// # Errors
    /// [`Error::TooLarge`] where the leaf rows would pass 2^28 slots (512 MiB).
    pub fn build(segments: &Segments<u32>) -> Result<Self> {
        let mut builder = Builder {
            cursor: Cursor { starts: segments.starts(), slots: segments.slots(), at: 0 },
            middle: Vec::new(),
            leaves: Vec::new(),
            constant: HashMap::new(),
            rows: HashMap::new(),
            hasher: RandomState::new(),
        };
        let mut directory = Box::new([0; DIRECTORY_LEN]);
        let mut block = 0;
        while let Some(entry) = directory.get_mut(block) {
            let first = (block as u32) << BLOCK_BITS;
            builder.cursor.advance_to(first);
            let whole_blocks = (builder.cursor.addresses_left(first) >> BLOCK_BITS) as usize;
            if whole_blocks == 0 {
                *entry = builder.mixed_block(first)?;
                block += 1;
            } else {
                // A long segment fills the directory in one go: most of the space lies in few of them.
                let same = builder.constant_block(builder.cursor.slot());
                directory.iter_mut().skip(block).take(whole_blocks).for_each(|entry| *entry = same);
                block += whole_blocks;
            }
        }
        builder.leaves.push(0);
        builder.middle.shrink_to_fit();
        builder.leaves.shrink_to_fit();
        Ok(Self { directory, middle: builder.middle, leaves: builder.leaves })
    }

    /// Bytes of the three arrays.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of_val(&*self.directory) + size_of_val(&*self.middle) + size_of_val(&*self.leaves)
    }
}

/// Walks the segments once, in address order.
struct Cursor<'a> {
    starts: &'a [u32],
    slots: &'a [Slot],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// First address after the present segment, as `u64` because the last one ends at 2^32.
    fn end(&self) -> u64 {
        self.starts.get(self.at + 1).map_or(1 << 32, |&start| u64::from(start))
    }

    fn advance_to(&mut self, address: u32) {
        while self.end() <= u64::from(address) {
            self.at += 1;
        }
    }

    fn addresses_left(&self, address: u32) -> u64 {
        self.end() - u64::from(address)
    }

    /// The segments after the present one: where each begins, and its slot.
    fn following(&self) -> impl Iterator<Item = (u32, Slot)> + Clone + use<'a> {
        let from = self.at + 1;
        let starts = self.starts.get(from..).unwrap_or_default().iter().copied();
        starts.zip(self.slots.get(from..).unwrap_or_default().iter().copied())
    }

    fn slot(&self) -> Slot {
        self.slots.get(self.at).copied().unwrap_or(0)
    }
}

struct Builder<'a> {
    cursor: Cursor<'a>,
    middle: Vec<u32>,
    leaves: Vec<Slot>,
    constant: HashMap<Slot, u32>,
    /// Row entries by the hash of their slots; of two rows with one hash, the later.
    rows: HashMap<u64, u32>,
    hasher: RandomState,
}

impl Builder<'_> {
    fn constant_block(&mut self, slot: Slot) -> u32 {
        *self.constant.entry(slot).or_insert_with(|| {
            let base = self.middle.len() as u32;
            self.middle.push(u32::from(slot));
            ((BLOCK_BITS - ROW_BITS) << BLOCK_SHIFT_AT) | base
        })
    }

    fn mixed_block(&mut self, first: u32) -> Result<u32> {
        let mut entries = [0_u32; ROWS_PER_BLOCK];
        let mut shift = BLOCK_BITS - ROW_BITS;
        let mut filled = 0_usize;
        while let Some(rest) = entries.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let address = first + ((filled as u32) << ROW_BITS);
            self.cursor.advance_to(address);
            let whole_rows = (self.cursor.addresses_left(address) >> ROW_BITS).min(rest.len() as u64) as usize;
            let same = u32::from(self.cursor.slot());
            rest.iter_mut().take(whole_rows).for_each(|entry| *entry = same);
            if whole_rows == 0
                && let Some(entry) = rest.first_mut()
            {
                *entry = self.mixed_row(address)?;
            }
            // The block is as coarse as the places where an entry may differ from the one before.
            shift = shift.min(filled.trailing_zeros());
            filled += whole_rows.max(1);
        }
        // At most 2^18 blocks of 64 entries: the base always fits its 29 bits.
        let base = self.middle.len() as u32;
        if shift == 0 {
            self.middle.extend_from_slice(&entries); // nearly always, and several times as fast
        } else {
            self.middle.extend(entries.iter().step_by(1 << shift));
        }
        Ok((shift << BLOCK_SHIFT_AT) | base)
    }

    fn mixed_row(&mut self, first: u32) -> Result<u32> {
        let last = first | ((1 << ROW_BITS) - 1);
        let inside = self.cursor.following().take_while(|&(start, _)| start <= last);
        // Neighbouring segments differ, so the row is as coarse as the places where one begins.
        let shift = inside.clone().fold(ROW_BITS, |shift, (start, _)| shift.min(start.trailing_zeros()));
        let mut row = [0; 1 << ROW_BITS];
        let len = row.len() >> shift;
        let (mut filled, mut slot) = (0, self.cursor.slot());
        for (start, next) in inside.chain([(last.wrapping_add(1), 0)]) {
            let end = (start.wrapping_sub(first) >> shift) as usize;
            row.get_mut(filled..end).unwrap_or_default().fill(slot);
            (filled, slot) = (end, next);
        }
        let slots = row.get(..len).unwrap_or_default();
        // The length of a row says its granularity, so equal rows have equal entries.
        let hash = self.hasher.hash_one(slots);
        if let Some(&entry) = self.rows.get(&hash)
            && self.row(entry) == slots
        {
            return Ok(entry);
        }
        let base = self.leaves.len();
        if base + len > ROW_BASE_MASK as usize {
            return Err(Error::TooLarge(
                "the IPv4 ranges are too fragmented for a table: more than 2^28 leaf slots".to_owned(),
            ));
        }
        self.leaves.extend_from_slice(slots);
        let entry = ROW_FLAG | (shift << ROW_SHIFT_AT) | base as u32;
        self.rows.insert(hash, entry);
        Ok(entry)
    }

    /// The slots of a row entry.
    fn row(&self, entry: u32) -> &[Slot] {
        let base = (entry & ROW_BASE_MASK) as usize;
        let len = (1 << ROW_BITS) >> ((entry & !ROW_FLAG) >> ROW_SHIFT_AT);
        self.leaves.get(base..base + len).unwrap_or_default()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests {
    use super::*;
    use crate::lookup::tests::{Cover, hard_v4, segments};

    /// The invariant that the gathers rely on: no address leads outside of an array, and one leaf is spare.
    fn assert_stays_inside(index: &Direct) {
        for &block in index.directory.iter() {
            let entries = ROWS_PER_BLOCK >> (block >> BLOCK_SHIFT_AT);
            assert!(entries > 0);
            let first = (block & BLOCK_BASE_MASK) as usize;
            for &entry in &index.middle[first..first + entries] {
                if entry & ROW_FLAG != 0 {
                    let leaves = (1 << ROW_BITS) >> ((entry & !ROW_FLAG) >> ROW_SHIFT_AT);
                    assert!(leaves > 0);
                    assert!((entry & ROW_BASE_MASK) as usize + leaves < index.leaves.len());
                }
            }
        }
    }

    #[test]
    fn no_address_leads_outside() {
        for (name, cover) in hard_v4() {
            let index = Direct::build(&segments(&cover)).unwrap();
            assert_stays_inside(&index);
            // Nor is anything stored that no address leads to, but the spare leaf.
            assert!(index.middle.len() <= 64 * cover.len().min(DIRECTORY_LEN), "{name}");
            assert_eq!(
                index.bytes(),
                4 * DIRECTORY_LEN + 4 * index.middle.capacity() + 2 * index.leaves.capacity(),
                "{name}"
            );
        }
    }

    /// Bytes beyond those of a table with one segment.
    fn extra(cover: &Cover<u32>) -> usize {
        let bytes = |cover: &Cover<u32>| Direct::build(&segments(cover)).unwrap().bytes();
        bytes(cover) - bytes(&vec![(0, 8)])
    }

    #[test]
    fn a_row_is_as_long_as_its_granularity_asks() {
        for shift in 0..ROW_BITS {
            let step = 1 << shift;
            let row = vec![(0, 8), (0x0101_0000 + step, 9), (0x0101_0000 + 2 * step, 8)];
            let leaves = if shift == ROW_BITS - 1 { 2 } else { 256 >> shift };
            // One block of its own beside the constant one.
            assert_eq!(extra(&row), 4 * ROWS_PER_BLOCK + 2 * leaves, "{step}");
        }
    }

    #[test]
    fn a_block_is_as_long_as_its_granularity_asks() {
        for shift in 0..6 {
            let step = 256 << shift;
            let block = vec![(0, 8), (0x0101_0000 + step, 9), (0x0101_4000, 8)];
            // The block, and the constant one of neither slot is needed.
            assert_eq!(extra(&block), 4 * (ROWS_PER_BLOCK >> shift), "{step}");
        }
    }

    #[test]
    fn what_is_equal_is_stored_once() {
        let row = |at: u32| [(at, 9), (at + 16, 8)];
        let one = extra(&[(0, 8)].into_iter().chain(row(0x0100_0100)).collect());
        let many: Cover<u32> =
            [(0, 8)].into_iter().chain((1..64).flat_map(|nth| row(0x0100_0000 + (nth << 8)))).collect();
        assert_eq!(extra(&many), one, "63 rows of one block");
        let constant: Cover<u32> = (0..256).map(|nth| (nth << 24, 8 + nth as Slot % 2)).collect();
        assert_eq!(extra(&constant), 4, "two slots in turn, each of whole blocks");
    }

    #[test]
    #[ignore = "long: fills a gigabyte"]
    fn more_rows_than_a_table_can_hold() {
        // A boundary at an odd address makes a row of 256 leaves; no two rows are equal.
        let rows = 0..1_u32 << 20;
        let cover: Cover<u32> = rows
            .flat_map(|row| [(row << 8, (row / 50_000) as Slot), ((row << 8) + 1, 100 + (row % 50_000) as Slot)])
            .collect();
        assert_eq!(
            Direct::build(&segments(&cover)).unwrap_err().to_string(),
            "the IPv4 ranges are too fragmented for a table: more than 2^28 leaf slots"
        );
        let fewer: Cover<u32> = cover[..cover.len() - 4].to_vec();
        assert_stays_inside(&Direct::build(&segments(&fewer)).unwrap());
    }
}
