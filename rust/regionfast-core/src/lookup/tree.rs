//! The IPv6 index: a static 9-way search tree over the high 64 bits of the segment starts.
//!
//! A node is one cache line of 8 sorted keys; its children are the nine gaps between them, laid out one
//! after the other in the level below. The last node of a level is filled up with `u64::MAX`, which no
//! search passes because searches are for at most `HIGHEST`.
//!
//! Prefixes longer than /64 are rare and wrapped IPv4 needs code anyway. Where the high 64 bits do not
//! decide, the tree answers `UNDECIDED` and the caller searches the full segments.
//!
//! Rejected: a stride-8 trie with gathers (as fast by range, 27–37 MB instead of 3.4), and a plain binary
//! search (log₂ n cache lines instead of log₉ n).

use crate::range::Segments;
use crate::slot::{Slot, UNDECIDED};

/// Keys in a node.
pub(super) const NODE_KEYS: usize = 8;
/// Children of an inner node.
pub(super) const NODE_CHILDREN: usize = NODE_KEYS + 1;
/// What searches for higher values look for instead; no key is above it.
pub(super) const HIGHEST: u64 = u64::MAX - 1;

/// One node, a cache line.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(super) struct Node(pub(super) [u64; NODE_KEYS]);

/// The IPv6 index. Immutable; only [`Tree::build`] makes one.
///
/// INVARIANT: `levels` holds the first node of each level, root first, leaves last, and is not empty. The
/// first key is 0 and all are at most `HIGHEST`. Child `r` of an inner node exists where `r` of its keys
/// are at most `HIGHEST`; `slots` has one slot a key of the leaves. So a search that takes the child
/// after the keys that are not above it never leaves `nodes`, nor `slots` at the end.
#[derive(Debug)]
pub struct Tree {
    pub(super) levels: Vec<usize>,
    pub(super) nodes: Vec<Node>,
    pub(super) slots: Vec<Slot>,
    undecided: Undecided,
}

/// The high halves that do not decide, ascending, with what their low halves say. Apart from the segments, because it
/// is so much smaller that it stays in the L2 cache.
#[derive(Debug, Default)]
struct Undecided {
    highs: Vec<u64>,
    /// Of each half, the index of its first boundary; and one more, the number of boundaries.
    firsts: Vec<u32>,
    /// Boundaries by half, ascending, each half beginning with 0.
    lows: Vec<u64>,
    slots: Vec<Slot>,
}

impl Tree {
    /// Compiles the segments of the IPv6 space. O(segments).
    #[must_use]
    pub fn build(segments: &Segments<u128>) -> Self {
        let (keys, slots, undecided) = high_halves(segments);
        let mut levels: Vec<Vec<Node>> = vec![keys.chunks(NODE_KEYS).map(node).collect()];
        // The smallest key below each node of the present level: what its parent compares with.
        let mut smallest: Vec<u64> = keys.iter().step_by(NODE_KEYS).copied().collect();
        while smallest.len() > 1 {
            let parents = smallest.chunks(NODE_CHILDREN).map(|of| node(of.get(1..).unwrap_or_default()));
            levels.push(parents.collect());
            smallest = smallest.iter().step_by(NODE_CHILDREN).copied().collect();
        }
        levels.reverse();
        let mut firsts = Vec::with_capacity(levels.len());
        let mut nodes = Vec::with_capacity(levels.iter().map(Vec::len).sum());
        for level in levels {
            firsts.push(nodes.len());
            nodes.extend(level);
        }
        Self { levels: firsts, nodes, slots, undecided }
    }

    /// The slot of an address whose high half does not decide; `UNDECIDED` inside a zone of wrapped IPv4.
    /// O(log of such halves + log of the boundaries in it).
    #[must_use]
    pub fn decide(&self, high: u64, low: u64) -> Slot {
        self.undecided.find(high, low).unwrap_or(UNDECIDED)
    }

    /// Bytes of the arrays.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of_val(&*self.levels) + size_of_val(&*self.nodes) + size_of_val(&*self.slots) + self.undecided.bytes()
    }
}

fn node(keys: &[u64]) -> Node {
    let mut node = Node([u64::MAX; NODE_KEYS]);
    node.0.iter_mut().zip(keys).for_each(|(to, from)| *to = *from);
    node
}

impl Undecided {
    /// Adds a half that is not below those so far, or the one of the same number again, which replaces it.
    fn push(&mut self, high: u64, boundaries: impl Iterator<Item = (u64, Slot)>) {
        if self.highs.last() == Some(&high) {
            self.highs.pop();
            self.lows.truncate(self.firsts.pop().unwrap_or_default() as usize);
            self.slots.truncate(self.lows.len());
        }
        self.highs.push(high);
        self.firsts.push(self.lows.len() as u32);
        for (low, slot) in boundaries {
            self.lows.push(low);
            self.slots.push(slot);
        }
    }

    fn find(&self, high: u64, low: u64) -> Option<Slot> {
        let at = self.highs.binary_search(&high).ok()?;
        let first = *self.firsts.get(at)? as usize;
        let end = self.firsts.get(at + 1).map_or(self.lows.len(), |&next| next as usize);
        // The first boundary of a half is 0, so at least that one is not above.
        let above = self.lows.get(first..end)?.partition_point(|&boundary| boundary <= low);
        self.slots.get((first + above).checked_sub(1)?).copied()
    }

    fn shrink_to_fit(&mut self) {
        self.highs.shrink_to_fit();
        self.firsts.shrink_to_fit();
        self.lows.shrink_to_fit();
        self.slots.shrink_to_fit();
    }

    fn bytes(&self) -> usize {
        size_of_val(&*self.highs) + size_of_val(&*self.firsts) + size_of_val(&*self.lows) + size_of_val(&*self.slots)
    }
}

/// Starts and slots over the high 64 bits. A high half with a boundary inside it becomes a key of its own
/// with `UNDECIDED`, and what is in force at its end goes on after it. Last the list of these halves.
fn high_halves(segments: &Segments<u128>) -> (Vec<u64>, Vec<Slot>, Undecided) {
    let mut halves: Vec<(u64, Slot)> = Vec::with_capacity(segments.len());
    let mut undecided = Undecided::default();
    let mut push = |key: u64, slot: Slot| match halves.last_mut() {
        // What was to go on after the half before is overtaken by what starts right there.
        Some((last, overtaken)) if *last == key => *overtaken = slot,
        _ => halves.push((key, slot)),
    };
    let mut slots = segments.slots().iter().copied();
    let mut before = UNDECIDED; // the slot in force where the present half begins; the first begins with its own
    for starts in segments.starts().chunk_by(|a, b| a >> 64 == b >> 64) {
        let Some(&start) = starts.first() else { continue };
        let high = (start >> 64) as u64;
        let inside = start as u64 != 0;
        let here: Vec<(u64, Slot)> = starts.iter().map(|&start| start as u64).zip(slots.by_ref()).collect();
        let Some(&(_, after)) = here.last() else { continue };
        if here.len() == 1 && !inside && high <= HIGHEST {
            push(high, after);
        } else {
            // The padding stands where the highest half would be, so the two highest are looked at in full.
            if high > HIGHEST && undecided.highs.last().is_none_or(|&last| last < HIGHEST) {
                undecided.push(HIGHEST, std::iter::once((0, before)));
            }
            push(high.min(HIGHEST), UNDECIDED);
            undecided.push(high, inside.then_some((0, before)).into_iter().chain(here));
            if high < HIGHEST {
                push(high + 1, after);
            } else if high == HIGHEST {
                undecided.push(u64::MAX, std::iter::once((0, after)));
            }
        }
        before = after;
    }
    let (keys, slots) = halves.into_iter().unzip();
    undecided.shrink_to_fit();
    (keys, slots, undecided)
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "tests")]
mod tests {
    use super::*;
    use crate::lookup::tests::{Cover, hard_v6, segments};

    /// The invariant that the kernels rely on; see [`Tree`].
    #[test]
    fn no_search_leads_outside() {
        for (name, cover) in hard_v6() {
            let tree = Tree::build(&segments(&cover));
            let (&leaves, inner) = tree.levels.split_last().unwrap_or_else(|| unreachable!("{name}: no level"));
            let used = |keys: &[u64]| keys.iter().filter(|key| **key <= HIGHEST).count();
            for (level, &first) in inner.iter().enumerate() {
                let next = tree.levels[level + 1];
                let end = tree.levels.get(level + 2).copied().unwrap_or(tree.nodes.len());
                for (at, node) in tree.nodes[first..next].iter().enumerate() {
                    assert!(node.0.is_sorted(), "{name}");
                    assert!(next + at * NODE_CHILDREN + used(&node.0) < end, "{name}: a child that is not there");
                }
            }
            let keys: Vec<u64> = tree.nodes[leaves..].iter().flat_map(|node| node.0).collect();
            assert_eq!(keys[0], 0, "{name}");
            assert!(keys[..tree.slots.len()].is_sorted_by(|a, b| a < b), "{name}");
            assert_eq!(used(&keys), tree.slots.len(), "{name}: a slot a key");
            // Each node's first key is not above what led there: searches for it end right there.
            for (at, &key) in keys[..tree.slots.len()].iter().enumerate().step_by(NODE_KEYS) {
                assert_eq!(super::super::scalar::v6_one(&tree, key), tree.slots[at], "{name}");
            }
        }
    }

    #[test]
    fn a_level_for_each_ninefold() {
        for (keys, levels) in [(1, 1), (8, 1), (9, 2), (72, 2), (73, 3), (648, 3), (649, 4)] {
            let step = u64::MAX / keys;
            let cover: Cover<u128> = (0..keys).map(|nth| (u128::from(nth * step) << 64, 8 + nth as Slot)).collect();
            let tree = Tree::build(&segments(&cover));
            assert_eq!(tree.levels.len(), levels, "{keys} keys");
            assert_eq!(tree.slots.len() as u64, keys);
        }
    }

    #[test]
    fn a_node_is_a_cache_line() {
        assert_eq!((size_of::<Node>(), align_of::<Node>()), (64, 64));
    }
}
