//! The portable kernel: the definition of correct, compiled and tested everywhere.

#![expect(clippy::indexing_slicing, reason = "the builders of both indexes establish the bounds")]

use super::direct::{
    BLOCK_BASE_MASK, BLOCK_BITS, BLOCK_SHIFT_AT, Direct, ROW_BASE_MASK, ROW_BITS, ROW_FLAG, ROW_SHIFT_AT,
};
use super::tree::{HIGHEST, NODE_CHILDREN, NODE_KEYS, Tree};
use crate::slot::{Slot, UNDECIDED};

/// Addresses that are taken through a level together, so that their loads overlap.
const GROUP: usize = 256;
/// IPv6 searches that go down the tree together.
const SEARCHES: usize = 16;

// The indexes keep every sum below its bound, so the additions cannot overflow; `wrapping_add` spares the check
// that release builds make elsewhere.

#[inline(always)]
fn middle(index: &Direct, address: u32) -> u32 {
    let block = index.directory[(address >> BLOCK_BITS) as usize];
    let within = (address & ((1 << BLOCK_BITS) - 1)) >> (block >> BLOCK_SHIFT_AT).wrapping_add(ROW_BITS);
    index.middle[(block & BLOCK_BASE_MASK).wrapping_add(within) as usize]
}

#[inline(always)]
fn leaf(index: &Direct, row: u32, address: u32) -> Slot {
    let within = (address & ((1 << ROW_BITS) - 1)) >> ((row & !ROW_FLAG) >> ROW_SHIFT_AT);
    index.leaves[(row & ROW_BASE_MASK).wrapping_add(within) as usize]
}

/// The slot of one IPv4 address.
#[inline]
pub fn v4_one(index: &Direct, address: u32) -> Slot {
    let entry = middle(index, address);
    if entry & ROW_FLAG == 0 { entry as Slot } else { leaf(index, entry, address) }
}

/// The slots of IPv4 addresses; `slots` is as long as `addresses`.
///
/// A branch on "does a row follow" would be mispredicted for a third of the addresses of mixed networks.
/// So the first pass writes every slot as if none did and lists those with a row; the second mends them.
pub fn v4(index: &Direct, addresses: &[u32], slots: &mut [Slot]) {
    let mut rows = [0_u32; GROUP];
    let mut listed = [0_u8; GROUP];
    for (addresses, slots) in addresses.chunks(GROUP).zip(slots.chunks_mut(GROUP)) {
        let mut count = 0_usize;
        for (at, ((&address, slot), row)) in addresses.iter().zip(slots.iter_mut()).zip(&mut rows).enumerate() {
            let entry = middle(index, address);
            *row = entry;
            *slot = entry as Slot;
            // `count` is at most `at`; the mask tells the compiler.
            listed[count % GROUP] = at as u8;
            count = count.wrapping_add((entry / ROW_FLAG) as usize);
        }
        for &at in &listed[..count] {
            let at = usize::from(at);
            slots[at] = leaf(index, rows[at], addresses[at]);
        }
    }
}

/// The slot by the high 64 bits of one IPv6 address.
#[inline]
pub fn v6_one(index: &Tree, high: u64) -> Slot {
    let [slot] = search(index, &[high]);
    slot
}

/// The slots of IPv6 addresses by their high 64 bits; `slots` is as long as `highs`.
pub fn v6(index: &Tree, highs: &[u64], slots: &mut [Slot]) {
    let (groups, rest) = highs.as_chunks::<SEARCHES>();
    let (group_slots, rest_slots) = slots.as_chunks_mut::<SEARCHES>();
    for (highs, slots) in groups.iter().zip(group_slots) {
        *slots = search(index, highs);
    }
    for (&high, slot) in rest.iter().zip(rest_slots) {
        *slot = v6_one(index, high);
    }
}

/// Goes down the tree with several searches side by side, so that their loads overlap.
#[inline(always)]
fn search<const N: usize>(index: &Tree, highs: &[u64; N]) -> [Slot; N] {
    let Some((&leaves, inner)) = index.levels.split_last() else { return [UNDECIDED; N] };
    let mut at = [0_usize; N];
    for &level in inner {
        for (at, &high) in at.iter_mut().zip(highs) {
            let above = not_above(&index.nodes[level.wrapping_add(*at)].0, high);
            *at = at.wrapping_mul(NODE_CHILDREN).wrapping_add(above);
        }
    }
    let mut slots = [UNDECIDED; N];
    for ((at, &high), slot) in at.iter().zip(highs).zip(&mut slots) {
        let above = not_above(&index.nodes[leaves.wrapping_add(*at)].0, high);
        // The first key of the tree is 0 and each node's first key is not above what led there.
        *slot = index.slots[at.wrapping_mul(NODE_KEYS).wrapping_add(above).wrapping_sub(1)];
    }
    slots
}

/// How many of the sorted keys are not above `high`: a binary search without branches, 8, 4, 2, 1.
///
/// Rejected: comparing with all eight and adding up, which needs twice the instructions without 64-bit unsigned
/// compares in SIMD.
#[inline(always)]
fn not_above(keys: &[u64; NODE_KEYS], high: u64) -> usize {
    let high = high.min(HIGHEST);
    let mut count = usize::from(keys[3] <= high) * 4;
    count |= usize::from(keys[count | 1] <= high) * 2;
    count |= usize::from(keys[count] <= high);
    count.wrapping_add(usize::from(keys[count % NODE_KEYS] <= high))
}
