//! Ranges of addresses, and the total cover of an address space that a table is packed from.
//!
//! | work | cost |
//! |---|---|
//! | build, overlay, relabel | O(segments) |
//! | [`flatten`] | O(n log n) for n entries, no recursion |
//! | [`Segments::find`] | O(log segments) |
//!
//! A segment takes `size_of::<T>() + 2` bytes: only starts are kept, since each segment ends where the next
//! one begins.

use std::cmp::Reverse;
use std::fmt::Debug;
use std::hash::Hash;
use std::ops::{BitAnd, BitOr, BitXor, Not};

use crate::error::{Error, Result};
use crate::slot::Slot;

/// The bits of an address of one family: `u32` or `u128`, in host byte order.
///
/// A trait of our own, since the standard library has none that spans integers, and an enum of both
/// families would cost an IPv4 segment four times its memory.
pub trait Bits:
    Copy
    + Ord
    + Hash
    + Debug
    + Send
    + Sync
    + Into<u128>
    + TryFrom<u128>
    + BitAnd<Output = Self>
    + BitOr<Output = Self>
    + BitXor<Output = Self>
    + Not<Output = Self>
{
    /// Bits in an address: 32 or 128.
    const WIDTH: u32;
    /// The lowest address.
    const ZERO: Self;
    /// The highest address.
    const MAX: Self;

    /// The next address; `None` after the highest.
    fn successor(self) -> Option<Self>;

    /// The address before; `None` before the lowest.
    fn predecessor(self) -> Option<Self>;

    /// The number with the lowest `count` bits set; all of them from [`Bits::WIDTH`] on.
    fn ones(count: u32) -> Self;

    /// Zero bits before the first one bit; [`Bits::WIDTH`] for zero.
    fn leading_zeros(self) -> u32;
}

macro_rules! bits {
    ($($integer:ty),+) => {$(
        impl Bits for $integer {
            const WIDTH: u32 = <$integer>::BITS;
            const ZERO: Self = 0;
            const MAX: Self = <$integer>::MAX;

            fn successor(self) -> Option<Self> {
                self.checked_add(1)
            }

            fn predecessor(self) -> Option<Self> {
                self.checked_sub(1)
            }

            fn ones(count: u32) -> Self {
                // A shift by the whole width is not defined, hence the check.
                Self::MAX.checked_shl(count).map_or(Self::MAX, |high| !high)
            }

            fn leading_zeros(self) -> u32 {
                <$integer>::leading_zeros(self)
            }
        }
    )+};
}

bits!(u32, u128);

// Eight bits are a universe that a test can visit address by address.
#[cfg(test)]
bits!(u8);

/// Addresses from `first` to `last`, both inclusive, so that the whole space is a range too.
///
/// Whoever makes one sees to it that `first <= last`; [`SegmentsBuilder`] and [`Segments::overlay`] check it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Range<T> {
    /// The lowest address.
    pub first: T,
    /// The highest address.
    pub last: T,
}

impl<T: Bits> Range<T> {
    /// The whole address space.
    pub const ALL: Self = Self { first: T::ZERO, last: T::MAX };

    /// Whether the address lies in the range.
    #[must_use]
    pub fn contains(&self, address: T) -> bool {
        self.first <= address && address <= self.last
    }

    /// Whether every address of `inner` lies in the range.
    #[must_use]
    pub fn covers(&self, inner: &Self) -> bool {
        self.first <= inner.first && inner.last <= self.last
    }
}

/// A total cover of the address space: each start holds its slot until the next start.
///
/// ```text
/// starts   0      10     12           ::MAX
/// slots    0       9      0
///          |-------|------|-------------|
/// ```
// INVARIANT: `starts` and `slots` are of one length, at least 1; `starts[0]` is zero; starts ascend strictly;
// slots next to each other differ. `uniform`, `append` (behind the builder and the transformations) and
// `from_parts` are the only places that write the fields, and each of them keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segments<T> {
    starts: Vec<T>,
    slots: Vec<Slot>,
}

impl<T: Bits> Segments<T> {
    /// One segment: every address has this slot.
    #[must_use]
    pub fn uniform(slot: Slot) -> Self {
        Self { starts: vec![T::ZERO], slots: vec![slot] }
    }

    /// Takes over the columns of a stored table once they are known to be a cover. O(segments).
    ///
    /// # Errors
    ///
    /// [`Error::Field`] naming the column and the index of the first segment that breaks the order.
    pub fn from_parts(starts: Vec<T>, slots: Vec<Slot>) -> Result<Self> {
        if starts.len() != slots.len() {
            let message = format!("{} slots for {} starts", slots.len(), starts.len());
            return Err(Error::field("slots", message));
        }
        if starts.first() != Some(&T::ZERO) {
            return Err(Error::field("starts", "the first segment does not begin at zero"));
        }
        if let Some(index) = starts.iter().zip(starts.iter().skip(1)).position(|(this, next)| this >= next) {
            let message = format!("segment {} does not begin after the one before it", index + 1);
            return Err(Error::field("starts", message));
        }
        if let Some(index) = slots.iter().zip(slots.iter().skip(1)).position(|(this, next)| this == next) {
            let message = format!("segment {} has the slot of the one before it", index + 1);
            return Err(Error::field("slots", message));
        }
        Ok(Self { starts, slots })
    }

    /// The first address of every segment, ascending.
    #[must_use]
    pub fn starts(&self) -> &[T] {
        &self.starts
    }

    /// The slot of every segment, in the order of [`Segments::starts`].
    #[must_use]
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// Number of segments, at least 1.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a cover has at least one segment")]
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// Every segment with its slot, ascending, without a gap.
    pub fn iter(&self) -> impl Iterator<Item = (Range<T>, Slot)> + '_ {
        // A start is never zero from the second on, so its predecessor exists.
        let lasts = self.starts.iter().skip(1).map(|next| next.predecessor().unwrap_or(T::ZERO));
        let lasts = lasts.chain(std::iter::once(T::MAX));
        self.starts.iter().zip(lasts).zip(&self.slots).map(|((&first, last), &slot)| (Range { first, last }, slot))
    }

    /// The segment at an index, and its slot; `None` after the last.
    #[must_use]
    pub fn at(&self, index: usize) -> Option<(Range<T>, Slot)> {
        let (&first, &slot) = self.starts.get(index).zip(self.slots.get(index))?;
        let last = self.starts.get(index + 1).and_then(|next| next.predecessor()).unwrap_or(T::MAX);
        Some((Range { first, last }, slot))
    }

    /// The segment that holds the address, and its slot. O(log segments): this is the slow, plain way, for
    /// single questions and for checking tables.
    #[must_use]
    pub fn find(&self, address: T) -> (Range<T>, Slot) {
        // At least one start, which is zero, is not above the address.
        let above = self.starts.partition_point(|start| *start <= address);
        self.at(above.saturating_sub(1)).unwrap_or((Range::ALL, Slot::default()))
    }

    /// The same cover with every slot replaced; neighbours that become equal are merged.
    #[must_use]
    pub fn map_slots(&self, mut replace: impl FnMut(Slot) -> Slot) -> Self {
        let mut mapped = Self::with_capacity(self.len());
        for (&start, &slot) in self.starts.iter().zip(&self.slots) {
            mapped.append(start, replace(slot));
        }
        mapped
    }

    /// The same cover with the ranges of `over` laid on top. O(segments + ranges).
    ///
    /// # Errors
    ///
    /// [`Error::Field`] unless `over` ascends and its ranges are disjoint, as those of [`flatten`] are.
    pub fn overlay(&self, over: &[(Range<T>, Slot)]) -> Result<Self> {
        // Each range on top adds at most its own start and one where the cover below goes on.
        let mut merged = Self::with_capacity(self.len() + 2 * over.len());
        let mut below = self.iter();
        let mut rest = below.next();
        let mut floor = Some(T::ZERO);
        for &(range, slot) in over {
            floor = after(floor, &range)?;
            while let Some((segment, held)) = rest
                && segment.first < range.first
            {
                merged.append(segment.first, held);
                if segment.last >= range.first {
                    break;
                }
                rest = below.next();
            }
            merged.append(range.first, slot);
            while let Some((segment, _)) = rest
                && segment.last <= range.last
            {
                rest = below.next();
            }
            // What is left of a segment that the range hides in part.
            if let (Some((segment, _)), Some(next)) = (&mut rest, floor)
                && segment.first < next
            {
                segment.first = next;
            }
        }
        for (segment, held) in rest.into_iter().chain(below) {
            merged.append(segment.first, held);
        }
        Ok(merged)
    }

    fn with_capacity(segments: usize) -> Self {
        Self { starts: Vec::with_capacity(segments), slots: Vec::with_capacity(segments) }
    }

    /// Opens a segment at `start`, above every start so far and zero if it is the first, unless the last
    /// segment has this slot already.
    fn append(&mut self, start: T, slot: Slot) {
        debug_assert!(self.starts.last().map_or(start == T::ZERO, |last| *last < start));
        if self.slots.last() != Some(&slot) {
            self.starts.push(start);
            self.slots.push(slot);
        }
    }
}

/// Where the next range may begin after this one, which may not begin below `floor` (`None`: the space is
/// full).
fn after<T: Bits>(floor: Option<T>, range: &Range<T>) -> Result<Option<T>> {
    if range.first > range.last {
        return Err(Error::field("ranges", "a range ends before it begins"));
    }
    match floor {
        Some(floor) if floor <= range.first => Ok(range.last.successor()),
        _ => Err(Error::field("ranges", "a range does not begin after the one before it")),
    }
}

/// Makes [`Segments`] of ascending ranges. What lies between them gets the slot of a gap; neighbours of one
/// slot are merged.
#[derive(Debug)]
pub struct SegmentsBuilder<T> {
    segments: Segments<T>,
    gap: Slot,
    /// The lowest address without a slot; `None` when there is no such address left.
    next: Option<T>,
}

impl<T: Bits> SegmentsBuilder<T> {
    /// An empty builder; `gap` is the slot of every address that no range holds.
    #[must_use]
    pub fn new(gap: Slot) -> Self {
        Self { segments: Segments::with_capacity(0), gap, next: Some(T::ZERO) }
    }

    /// Adds a range above all ranges so far.
    ///
    /// # Errors
    ///
    /// [`Error::Field`] if the range is not above them; the builder is as before then.
    pub fn push(&mut self, range: Range<T>, slot: Slot) -> Result<()> {
        let next = after(self.next, &range)?;
        if let Some(gap) = self.next
            && gap < range.first
        {
            self.segments.append(gap, self.gap);
        }
        self.segments.append(range.first, slot);
        self.next = next;
        Ok(())
    }

    /// The cover.
    #[must_use]
    pub fn finish(mut self) -> Segments<T> {
        if let Some(gap) = self.next {
            self.segments.append(gap, self.gap);
        }
        self.segments
    }
}

/// A range with its value and the row of the file that says so.
pub type Entry<T, V> = (Range<T>, V, u64);

/// Makes nested ranges disjoint: each address keeps the value of the narrowest range that holds it. The
/// result ascends; neighbours of one value are not merged, since [`SegmentsBuilder`] does that.
///
/// # Errors
///
/// [`Error::Row`] naming both rows, if two ranges cross without one inside the other, or are the same and
/// disagree: which of them is meant cannot be known.
pub fn flatten<T: Bits, V: Clone + Eq>(mut entries: Vec<Entry<T, V>>) -> Result<Vec<(Range<T>, V)>> {
    // A range comes before those inside it. The row makes the order, and with it the error, the same
    // each time.
    entries.sort_unstable_by_key(|(range, _, row)| (range.first, Reverse(range.last), *row));
    // Before the result is made room for, so that a file of one row a million times costs no more.
    entries.dedup_by(|(range, value, _), (before, held, _)| range == before && value == held);
    let mut disjoint = Disjoint { ranges: Vec::with_capacity(entries.len()), next: Some(T::ZERO) };
    // The ranges that hold the present address, the widest first.
    let mut open: Vec<Entry<T, V>> = Vec::new();
    for entry in entries {
        let (range, _, row) = &entry;
        while let Some((outer, held, _)) = open.pop_if(|(outer, ..)| outer.last < range.first) {
            disjoint.fill_to(outer.last, held);
        }
        if let Some((outer, held, outer_row)) = open.last() {
            if outer == range {
                return Err(conflict(*row, *outer_row, "has the same network as row", "and another region"));
            }
            if !outer.covers(range) {
                return Err(conflict(*row, *outer_row, "overlaps row", "and neither lies inside the other"));
            }
            if let Some(before) = range.first.predecessor() {
                disjoint.fill_to(before, held.clone());
            }
        }
        disjoint.next = Some(range.first);
        open.push(entry);
    }
    while let Some((outer, held, _)) = open.pop() {
        disjoint.fill_to(outer.last, held);
    }
    Ok(disjoint.ranges)
}

/// The part of [`flatten`]'s result that is settled.
struct Disjoint<T, V> {
    ranges: Vec<(Range<T>, V)>,
    /// The lowest address that is not settled; `None` when all are.
    next: Option<T>,
}

impl<T: Bits, V> Disjoint<T, V> {
    /// Gives the value to the addresses up to `last` that have none, if there are any.
    fn fill_to(&mut self, last: T, value: V) {
        if let Some(first) = self.next
            && first <= last
        {
            self.ranges.push((Range { first, last }, value));
            self.next = last.successor();
        }
    }
}

/// The later row of the file is the one to look at; the earlier one is named beside it.
fn conflict(row: u64, other: u64, relation: &str, reason: &str) -> Error {
    Error::row(row.max(other), format!("{relation} {} {reason}: keep one of the two", row.min(other)))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    const EVERY_ADDRESS: std::ops::RangeInclusive<u8> = 0..=u8::MAX;

    fn range(first: u8, last: u8) -> Range<u8> {
        Range { first, last }
    }

    /// What each address of the tiny space answers.
    fn spread(segments: &Segments<u8>) -> Vec<Slot> {
        EVERY_ADDRESS.map(|address| segments.find(address).1).collect()
    }

    /// The documented invariant, checked by other means than `from_parts`.
    fn assert_cover(segments: &Segments<u8>) {
        let mut next = Some(0);
        let mut before = None;
        for (range, slot) in segments.iter() {
            assert_eq!(Some(range.first), next);
            assert!(range.first <= range.last);
            assert_ne!(Some(slot), before);
            next = range.last.checked_add(1);
            before = Some(slot);
            for probe in [range.first, range.last] {
                assert_eq!(segments.find(probe), (range, slot));
            }
        }
        assert_eq!(next, None, "the cover ends before the space does");
        let parts = Segments::from_parts(segments.starts().to_vec(), segments.slots().to_vec());
        assert_eq!(parts.unwrap(), *segments);
    }

    /// Disjoint ascending ranges with slots from a few, so that neighbours often agree.
    fn ranges() -> impl Strategy<Value = Vec<(Range<u8>, Slot)>> {
        vec((any::<u8>(), 0_u16..3, any::<bool>()), 0..40).prop_map(|mut cuts| {
            cuts.sort_by_key(|(cut, ..)| *cut);
            cuts.dedup_by_key(|(cut, ..)| *cut);
            let lasts: Vec<u8> = cuts.iter().skip(1).map(|(cut, ..)| cut - 1).chain([u8::MAX]).collect();
            let all = cuts.into_iter().zip(lasts);
            all.filter(|((.., kept), _)| *kept).map(|((first, slot, _), last)| (range(first, last), slot)).collect()
        })
    }

    fn build(ranges: &[(Range<u8>, Slot)], gap: Slot) -> Segments<u8> {
        let mut builder = SegmentsBuilder::new(gap);
        for &(range, slot) in ranges {
            builder.push(range, slot).unwrap();
        }
        builder.finish()
    }

    /// Per address, the oracle of the builder and of the overlay.
    fn paint(ground: &[Slot], ranges: &[(Range<u8>, Slot)]) -> Vec<Slot> {
        let mut painted = ground.to_vec();
        for (range, slot) in ranges {
            painted[usize::from(range.first)..=usize::from(range.last)].fill(*slot);
        }
        painted
    }

    /// Nested ranges: random blocks of a binary tree, which never cross.
    fn blocks() -> impl Strategy<Value = Vec<(Range<u8>, u8, u64)>> {
        vec((any::<u8>(), 0_u32..=8, any::<u8>()), 0..40).prop_map(|blocks| {
            let of = |(address, host, value): (u8, u32, u8)| {
                let first = address & !u8::ones(host);
                (range(first, first | u8::ones(host)), value)
            };
            blocks.into_iter().map(of).zip(1..).map(|((range, value), row)| (range, value, row)).collect()
        })
    }

    /// The value of the narrowest range around each address, by linear search.
    fn narrowest(entries: &[Entry<u8, u8>]) -> Vec<Option<u8>> {
        let size = |entry: &&Entry<u8, u8>| entry.0.last - entry.0.first;
        let around = |address| entries.iter().filter(move |entry| entry.0.contains(address));
        EVERY_ADDRESS.map(|address| around(address).min_by_key(size).map(|entry| entry.1)).collect()
    }

    fn disagree(entries: &[Entry<u8, u8>]) -> bool {
        entries.iter().any(|a| entries.iter().any(|b| a.0 == b.0 && a.1 != b.1))
    }

    fn cross(entries: &[Entry<u8, u8>]) -> bool {
        let meet = |a: &Range<u8>, b: &Range<u8>| a.first <= b.last && b.first <= a.last;
        entries.iter().any(|(a, ..)| entries.iter().any(|(b, ..)| meet(a, b) && !a.covers(b) && !b.covers(a)))
    }

    fn check_flatten(entries: &[Entry<u8, u8>]) {
        let flat = flatten(entries.to_vec());
        if disagree(entries) || cross(entries) {
            assert!(matches!(flat, Err(Error::Row { .. })), "{flat:?}");
            return;
        }
        let flat = flat.unwrap();
        let answer: Vec<Option<u8>> = EVERY_ADDRESS
            .map(|address| flat.iter().find(|(range, _)| range.contains(address)).map(|(_, value)| *value))
            .collect();
        assert_eq!(answer, narrowest(entries));
        assert!(flat.iter().all(|(range, _)| range.first <= range.last));
        assert!(flat.iter().zip(flat.iter().skip(1)).all(|(a, b)| a.0.last < b.0.first), "ascending, disjoint");
    }

    proptest! {
        #[test]
        fn builder_paints(ranges in ranges(), gap in 0_u16..4) {
            let segments = build(&ranges, gap);
            assert_cover(&segments);
            prop_assert_eq!(spread(&segments), paint(&[gap; 256], &ranges));
        }

        #[test]
        fn overlay_paints(under in ranges(), over in ranges(), gap in 0_u16..4) {
            let segments = build(&under, gap).overlay(&over).unwrap();
            assert_cover(&segments);
            prop_assert_eq!(spread(&segments), paint(&paint(&[gap; 256], &under), &over));
        }

        #[test]
        fn map_slots_replaces(ranges in ranges()) {
            let segments = build(&ranges, 3);
            let mapped = segments.map_slots(|slot| slot / 2);
            assert_cover(&mapped);
            let replaced: Vec<Slot> = spread(&segments).into_iter().map(|slot| slot / 2).collect();
            prop_assert_eq!(spread(&mapped), replaced);
        }

        #[test]
        fn flatten_keeps_the_narrowest(entries in blocks()) {
            check_flatten(&entries);
        }

        #[test]
        fn flatten_without_conflicts(mut entries in blocks()) {
            // One value for each block, so that deep nesting gets through.
            for (range, value, _) in &mut entries {
                *value = range.first ^ range.last.rotate_left(3);
            }
            prop_assert!(!disagree(&entries));
            check_flatten(&entries);
        }

        #[test]
        fn flatten_refuses_what_crosses(bounds in vec((any::<u8>(), any::<u8>()), 1..5)) {
            let sorted = bounds.into_iter().map(|(a, b)| range(a.min(b), a.max(b)));
            let entries: Vec<_> = sorted.zip(1..).map(|(range, row)| (range, range.first, row)).collect();
            check_flatten(&entries);
        }
    }

    #[test]
    fn flatten_names_both_rows() {
        let crossing = vec![(range(5, 9), 'a', 7), (range(0, 6), 'b', 3)];
        assert_eq!(
            flatten(crossing).unwrap_err().to_string(),
            "row 7: overlaps row 3 and neither lies inside the other: keep one of the two"
        );
        let twice = vec![(range(5, 9), 'a', 2), (range(5, 9), 'a', 4), (range(5, 9), 'b', 3)];
        assert_eq!(
            flatten(twice).unwrap_err().to_string(),
            "row 3: has the same network as row 2 and another region: keep one of the two"
        );
    }

    #[test]
    fn flatten_is_not_recursive() {
        // As deep as the rows are many: a recursion would overflow its stack.
        let half = 200_000_u32;
        let nested = (0..half).map(|depth| (Range { first: depth, last: u32::MAX - depth }, depth, 0));
        let flat = flatten(nested.rev().collect()).unwrap();
        assert_eq!(flat.len(), 2 * half as usize - 1);
        assert_eq!(flat[0], (Range { first: 0, last: 0 }, 0));
        assert_eq!(flat[2 * half as usize - 2], (Range { first: u32::MAX, last: u32::MAX }, 0));
    }

    #[test]
    fn the_builder_refuses_what_does_not_ascend() {
        let mut builder = SegmentsBuilder::new(0);
        builder.push(range(3, 5), 1).unwrap();
        for wrong in [range(5, 6), range(0, 1), range(9, 8)] {
            assert!(matches!(builder.push(wrong, 2), Err(Error::Field { .. })), "{wrong:?}");
        }
        builder.push(range(6, 255), 2).unwrap();
        assert!(builder.push(range(255, 255), 3).is_err(), "the space is full");
        let segments = builder.finish();
        assert_eq!((segments.starts(), segments.slots()), (&[0, 3, 6][..], &[0, 1, 2][..]));
    }

    #[test]
    fn overlay_refuses_what_does_not_ascend() {
        let under = Segments::uniform(0);
        for wrong in [
            vec![(range(3, 5), 1), (range(5, 6), 2)],
            vec![(range(3, 5), 1), (range(0, 1), 2)],
            vec![(range(9, 8), 1)],
            vec![(range(0, 255), 1), (range(255, 255), 2)],
        ] {
            assert!(matches!(under.overlay(&wrong), Err(Error::Field { .. })), "{wrong:?}");
        }
    }

    #[test]
    fn parts_that_are_no_cover_are_refused() {
        for (starts, slots, message) in [
            (vec![], vec![], "field `starts`: the first segment does not begin at zero"),
            (vec![1], vec![0], "field `starts`: the first segment does not begin at zero"),
            (vec![0, 5], vec![0], "field `slots`: 1 slots for 2 starts"),
            (vec![0, 5, 5], vec![0, 1, 2], "field `starts`: segment 2 does not begin after the one before it"),
            (vec![0, 7, 5], vec![0, 1, 2], "field `starts`: segment 2 does not begin after the one before it"),
            (vec![0, 5, 7], vec![0, 1, 1], "field `slots`: segment 2 has the slot of the one before it"),
        ] {
            assert_eq!(Segments::<u8>::from_parts(starts, slots).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn the_ends_of_the_wide_space() {
        let mut builder = SegmentsBuilder::new(0);
        builder.push(Range { first: 0_u128, last: 0 }, 1).unwrap();
        builder.push(Range { first: u128::MAX, last: u128::MAX }, 2).unwrap();
        let segments = builder.finish();
        assert_eq!(segments.find(0), (Range { first: 0, last: 0 }, 1));
        assert_eq!(segments.find(1), (Range { first: 1, last: u128::MAX - 1 }, 0));
        assert_eq!(segments.find(u128::MAX), (Range { first: u128::MAX, last: u128::MAX }, 2));
        let covered = segments.overlay(&[(Range::ALL, 9)]).unwrap();
        assert_eq!(covered, Segments::uniform(9));
    }
}
