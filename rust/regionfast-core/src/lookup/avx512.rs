//! The AVX-512 kernel: the portable one, 16 IPv4 addresses or one IPv6 node in a register.

#![expect(unsafe_code, reason = "gathers and unchecked loads; bounds are the builders' invariants")]

use std::arch::x86_64::*;

use super::direct::{BLOCK_BASE_MASK, BLOCK_BITS, BLOCK_SHIFT_AT, Direct, ROW_BASE_MASK, ROW_BITS, ROW_SHIFT_AT};
use super::tree::{HIGHEST, NODE_CHILDREN, NODE_KEYS, Tree};
use crate::slot::{Slot, UNDECIDED};

const LANES: usize = 16;
/// IPv6 searches that go down the tree together: enough to hide an L2 miss, few enough for registers.
const SEARCHES: usize = 16;

/// Whether this machine runs this kernel.
#[must_use]
pub fn is_available() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("popcnt")
}

/// The slots of IPv4 addresses; `slots` is as long as `addresses`.
///
/// # Safety
/// - [`is_available`] is true on this machine.
/// - `addresses` and `slots` have the same length.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub unsafe fn v4(index: &Direct, addresses: &[u32], slots: &mut [Slot]) {
    debug_assert_eq!(addresses.len(), slots.len());
    let (groups, rest) = addresses.as_chunks::<LANES>();
    let (group_slots, rest_slots) = slots.as_chunks_mut::<LANES>();
    for (addresses, slots) in groups.iter().zip(group_slots) {
        // SAFETY: an array of 16 `u32` is a register wide, one of 16 `u16` half of that.
        unsafe {
            let found = v4_lanes(index, _mm512_loadu_si512(addresses.as_ptr().cast()));
            _mm256_storeu_si256(slots.as_mut_ptr().cast(), found);
        }
    }
    if !rest.is_empty() {
        let mask = (1_u16 << rest.len()) - 1;
        // SAFETY: masked-off lanes touch no memory, the others are the items of both rests. The empty lanes look up
        // 0.0.0.0.
        unsafe {
            let found = v4_lanes(index, _mm512_maskz_loadu_epi32(mask, rest.as_ptr().cast()));
            _mm256_mask_storeu_epi16(rest_slots.as_mut_ptr().cast(), mask, found);
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
#[inline]
fn v4_lanes(index: &Direct, addresses: __m512i) -> __m256i {
    let directory = index.directory.as_ptr();
    let middle = index.middle.as_ptr();
    let leaves = index.leaves.as_ptr();

    // SAFETY: an address has 18 bits above BLOCK_BITS and the directory 2^18 entries.
    let block = unsafe { _mm512_i32gather_epi32::<4>(_mm512_srli_epi32::<BLOCK_BITS>(addresses), directory.cast()) };
    let shift = _mm512_add_epi32(_mm512_srli_epi32::<BLOCK_SHIFT_AT>(block), _mm512_set1_epi32(ROW_BITS as i32));
    let within_block = _mm512_and_si512(addresses, _mm512_set1_epi32((1 << BLOCK_BITS) - 1));
    let entry = _mm512_add_epi32(
        _mm512_and_si512(block, _mm512_set1_epi32(BLOCK_BASE_MASK as i32)),
        _mm512_srlv_epi32(within_block, shift),
    );
    // SAFETY: `Direct::build` gave every block as many middle entries as its granularity asks for.
    let row = unsafe { _mm512_i32gather_epi32::<4>(entry, middle.cast()) };

    // Rows have the sign bit, see ROW_FLAG.
    let has_row = _mm512_cmplt_epi32_mask(row, _mm512_setzero_si512());
    // Where no range is finer than a /24 there is no row for many vectors on end, where some are there is nearly
    // always one: this branch is well predicted, and a gather costs as much for one lane as for all.
    if has_row == 0 {
        return _mm512_cvtepi32_epi16(row);
    }
    let shift = _mm512_srli_epi32::<ROW_SHIFT_AT>(_mm512_and_si512(row, _mm512_set1_epi32(i32::MAX)));
    let within_row = _mm512_and_si512(addresses, _mm512_set1_epi32((1 << ROW_BITS) - 1));
    let leaf = _mm512_add_epi32(
        _mm512_and_si512(row, _mm512_set1_epi32(ROW_BASE_MASK as i32)),
        _mm512_srlv_epi32(within_row, shift),
    );
    // SAFETY: `Direct::build` gave every row as many leaves as its granularity asks for, and one spare at
    // the end for the upper half of this 4-byte load. Lanes without a row load nothing and keep `row`.
    let found = unsafe { _mm512_mask_i32gather_epi32::<2>(row, has_row, leaf, leaves.cast()) };
    // The slot is the low half of a lane, whatever the upper half holds.
    _mm512_cvtepi32_epi16(found)
}

/// The slots of IPv6 addresses by their high 64 bits; `slots` is as long as `highs`.
///
/// # Safety
/// - [`is_available`] is true on this machine.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,popcnt")]
pub unsafe fn v6(index: &Tree, highs: &[u64], slots: &mut [Slot]) {
    let (groups, rest) = highs.as_chunks::<SEARCHES>();
    let (group_slots, rest_slots) = slots.as_chunks_mut::<SEARCHES>();
    for (highs, slots) in groups.iter().zip(group_slots) {
        *slots = search(index, highs);
    }
    for (&high, slot) in rest.iter().zip(rest_slots) {
        let [found] = search(index, &[high]);
        *slot = found;
    }
}

/// Goes down the tree with several searches side by side, so that their loads overlap.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,popcnt")]
#[inline]
fn search<const N: usize>(index: &Tree, highs: &[u64; N]) -> [Slot; N] {
    let Some((&leaves, inner)) = index.levels.split_last() else { return [UNDECIDED; N] };
    let nodes = index.nodes.as_ptr();
    // Once, in memory: the compares then take it from there, spread over a register.
    let highs = highs.map(|high| high.min(HIGHEST));
    let mut at = [0_usize; N];
    for &level in inner {
        for (at, &high) in at.iter_mut().zip(&highs) {
            // SAFETY: the tree's invariant: the child after the keys not above `high` exists. A node is one
            // aligned register.
            let keys = unsafe { _mm512_load_si512(nodes.add(level.wrapping_add(*at)).cast()) };
            *at = at.wrapping_mul(NODE_CHILDREN).wrapping_add(not_above(keys, high));
        }
    }
    let mut slots = [UNDECIDED; N];
    for ((at, &high), slot) in at.iter().zip(&highs).zip(&mut slots) {
        // SAFETY: as for the inner levels.
        let keys = unsafe { _mm512_load_si512(nodes.add(leaves.wrapping_add(*at)).cast()) };
        let key = at.wrapping_mul(NODE_KEYS).wrapping_add(not_above(keys, high)).wrapping_sub(1);
        // SAFETY: `slots` has one slot a key, and at least the first key of a node is not above `high`.
        *slot = unsafe { *index.slots.get_unchecked(key) };
    }
    slots
}

#[target_feature(enable = "avx512f,popcnt")]
#[inline]
fn not_above(keys: __m512i, high: u64) -> usize {
    _mm512_cmple_epu64_mask(keys, _mm512_set1_epi64(high as i64)).count_ones() as usize
}
