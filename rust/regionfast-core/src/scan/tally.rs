//! Counts by slot and time.

use std::collections::HashMap;

use crate::slot::Slot;

/// The bucket of rows whose time is not known, or does not count.
pub const UNDATED: i64 = i64::MIN;

/// Pairs of bucket and slot that are counted apart: a log whose times are noise must not fill the memory.
const MOST: usize = 1 << 18;

/// How many rows there are by bucket and slot.
#[derive(Debug)]
pub struct Tally {
    /// Rows of the present bucket by slot. Neighbouring lines share a bucket, so most rows cost one addition.
    present: Vec<u64>,
    /// The slots that are not 0 in it.
    touched: Vec<Slot>,
    bucket: i64,
    counts: HashMap<(i64, Slot), u64>,
    /// Rows whose bucket found no room any more, and which are counted as undated.
    pub crowded: u64,
}

impl Tally {
    /// Nothing yet, of a table with so many slots.
    #[must_use]
    pub fn new(slots: usize) -> Self {
        Self { present: vec![0; slots], touched: Vec::new(), bucket: UNDATED, counts: HashMap::new(), crowded: 0 }
    }

    /// Counts a row.
    #[inline]
    pub fn add(&mut self, bucket: i64, slot: Slot) {
        if bucket != self.bucket {
            self.settle();
            self.bucket = bucket;
        }
        if let Some(count) = self.present.get_mut(usize::from(slot)) {
            if *count == 0 {
                self.touched.push(slot);
            }
            *count += 1;
        }
    }

    /// Counts what another has counted.
    pub fn merge(&mut self, mut other: Self) {
        other.settle();
        self.settle();
        self.crowded += other.crowded;
        for ((bucket, slot), count) in other.counts {
            self.put(bucket, slot, count);
        }
    }

    /// Bucket, slot and count of all that are not 0, ascending.
    #[must_use]
    pub fn counts(&mut self) -> Vec<(i64, Slot, u64)> {
        self.settle();
        let mut counts: Vec<_> = self.counts.iter().map(|(&(bucket, slot), &count)| (bucket, slot, count)).collect();
        counts.sort_unstable();
        counts
    }

    #[cold]
    fn settle(&mut self) {
        let mut touched = std::mem::take(&mut self.touched);
        for slot in touched.drain(..) {
            let count = self.present.get_mut(usize::from(slot)).map_or(0, std::mem::take);
            self.put(self.bucket, slot, count);
        }
        self.touched = touched;
    }

    fn put(&mut self, bucket: i64, slot: Slot, count: u64) {
        let mut bucket = bucket;
        if bucket != UNDATED && self.counts.len() >= MOST && !self.counts.contains_key(&(bucket, slot)) {
            bucket = UNDATED;
            self.crowded += count;
        }
        *self.counts.entry((bucket, slot)).or_default() += count;
    }
}
