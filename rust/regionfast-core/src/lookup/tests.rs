//! Every kernel against a linear scan, on covers that are hard in some way.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::range::{Bits, Segments};
use crate::slot::{FIRST_REGION, MAX_LABELS, UNDECIDED};

/// Starts with their slots, ascending from 0.
pub(crate) type Cover<T> = Vec<(T, Slot)>;

/// Not a slot that a lookup writes in these tests.
const UNTOUCHED: Slot = 0xdead;

const LAST_SLOT: Slot = FIRST_REGION + MAX_LABELS as Slot - 1;

/// The start that is nearest below, one after the other.
fn linear<T: Bits>(cover: &Cover<T>, address: T) -> Slot {
    cover.iter().take_while(|(start, _)| *start <= address).last().unwrap().1
}

/// The slots of ascending addresses, by going along both lists once. For covers that are too long to scan.
fn merged<T: Bits>(cover: &Cover<T>, addresses: &[T]) -> Vec<Slot> {
    let mut at = 0;
    let mut slots = Vec::new();
    for address in addresses {
        while cover.get(at + 1).is_some_and(|(start, _)| start <= address) {
            at += 1;
        }
        slots.push(cover[at].1);
    }
    slots
}

pub(crate) fn segments<T: Bits>(cover: &Cover<T>) -> Segments<T> {
    let (starts, slots) = cover.iter().copied().unzip();
    Segments::from_parts(starts, slots).unwrap()
}

/// Of any starts and slots a cover: sorted, from 0, no slot twice in a row.
pub(crate) fn tidy<T: Bits>(mut cover: Cover<T>) -> Cover<T> {
    cover.sort_by_key(|(start, _)| *start);
    cover.dedup_by_key(|(start, _)| *start);
    if cover.first().is_none_or(|(start, _)| *start != T::ZERO) {
        cover.insert(0, (T::ZERO, 0));
    }
    cover.dedup_by_key(|(_, slot)| *slot);
    cover
}

/// The first address of each segment, the last of the one before, and a step further on either side.
pub(crate) fn boundaries<T: Bits>(cover: &Cover<T>) -> Vec<T> {
    let mut probes = vec![T::ZERO, T::MAX];
    for &(start, _) in cover {
        let before = start.predecessor();
        let further = [before.and_then(T::predecessor), before, Some(start), start.successor()];
        probes.extend(further.into_iter().flatten());
    }
    probes.sort_unstable();
    probes.dedup();
    probes
}

/// Kernels and the scalar questions must answer the probes, which ascend, as expected.
fn check_v4(cover: &Cover<u32>, probes: &[u32], expected: &[Slot], name: &str) {
    let index = Direct::build(&segments(cover)).unwrap();
    for kernel in Kernel::available() {
        let mut slots = vec![UNTOUCHED; probes.len()];
        kernel.v4(&index, probes, &mut slots);
        if let Some(wrong) = (0..probes.len()).find(|&at| slots[at] != expected[at]) {
            let (probe, found, expected) = (probes[wrong], slots[wrong], expected[wrong]);
            assert_eq!(found, expected, "{name}, {}: {probe:#010x}", kernel.name());
        }
    }
    for (&probe, &expected) in probes.iter().zip(expected) {
        assert_eq!(v4_one(&index, probe), expected, "{name}, alone: {probe:#010x}");
    }
}

fn check_v6(cover: &Cover<u128>, probes: &[u128], expected: &[Slot], name: &str) {
    let index = Tree::build(&segments(cover));
    let highs: Vec<u64> = probes.iter().map(|probe| (probe >> 64) as u64).collect();
    for kernel in Kernel::available() {
        let mut slots = vec![UNTOUCHED; probes.len()];
        kernel.v6(&index, &highs, &mut slots);
        for ((&probe, &high), (&slot, &expected)) in probes.iter().zip(&highs).zip(slots.iter().zip(expected)) {
            let found = if slot == UNDECIDED { index.decide(high, probe as u64) } else { slot };
            assert_eq!(found, expected, "{name}, {}: {probe:#034x}", kernel.name());
            assert_eq!(v6_one(&index, high), slot, "{name}, alone: {probe:#034x}");
        }
    }
}

/// A high half without a boundary inside it is decided by the tree: else lookups are right, but slow.
fn check_decided(cover: &Cover<u128>) {
    let index = Tree::build(&segments(cover));
    for probe in boundaries(cover) {
        let high = (probe >> 64) as u64;
        let mixed = cover.iter().any(|(start, _)| (start >> 64) as u64 == high && *start as u64 != 0);
        // The two last halves may be taken together.
        if !mixed && high < u64::MAX - 1 {
            assert_eq!(v6_one(&index, high), linear(cover, probe), "{high:#018x}");
        }
    }
}

/// `count` starts from `first` on, `step` apart, of two slots in turn, and what was before goes on behind.
fn alternating(first: u32, count: u32, step: u32) -> Cover<u32> {
    let mut cover: Cover<u32> = (0..count).map(|nth| (first + nth * step, 8 + nth as Slot % 2)).collect();
    if let Some(behind) = first.checked_add(count * step) {
        cover.push((behind, 1));
    }
    cover
}

pub(crate) fn hard_v4() -> Vec<(String, Cover<u32>)> {
    let near = |edge: u32| [edge.checked_sub(1), Some(edge), edge.checked_add(1)].into_iter().flatten();
    let numbered = |starts: Vec<u32>| starts.into_iter().zip(8..).collect::<Cover<u32>>();
    let mut covers = vec![
        ("one segment".to_owned(), vec![(0, LAST_SLOT)]),
        ("two halves".to_owned(), vec![(0, 8), (1 << 31, 9)]),
        ("the first address".to_owned(), vec![(0, 8), (1, 9)]),
        ("the last address".to_owned(), vec![(0, 8), (u32::MAX, 9)]),
        ("each address of the first /20".to_owned(), alternating(0, 1 << 12, 1)),
        ("each address of a /16".to_owned(), alternating(0x0a0b_0000, 1 << 16, 1)),
        ("each address of the last /20".to_owned(), alternating(u32::MAX << 12, 1 << 12, 1)),
        ("a boundary at every bit from below".to_owned(), numbered((0..32).map(|bit| 1 << bit).collect())),
        ("a boundary at every bit from above".to_owned(), numbered((0..32).map(|bit| u32::MAX << bit).collect())),
    ];
    // 18 bits choose a block, 24 bits a row.
    for bits in [8, 14] {
        let edges = [1, 2, 3, 63, 64, 65, 127, 1 << 10, (1 << (32 - bits)) - 2, (1 << (32 - bits)) - 1];
        let starts = edges.iter().flat_map(|edge| near(edge << bits)).collect();
        covers.push((format!("around multiples of 2^{bits}"), numbered(starts)));
    }
    for shift in 0..=8 {
        covers.push((format!("a row of steps of {}", 1 << shift), alternating(0xc000_0200, 256 >> shift, 1 << shift)));
    }
    for shift in 0..=6 {
        let step = 256 << shift;
        covers.push((format!("a block of steps of {step}"), alternating(0xc000_4000, (1 << 14) / step, step)));
    }
    // All of the above in one table, so that rows and blocks of every kind lie next to each other.
    let mut all: Cover<u32> = Vec::new();
    for shift in 0..=7 {
        all.extend(alternating(0xc000_0000 + (shift << 8), 256 >> shift, 1 << shift));
        let step = 256 << shift.min(6);
        all.extend(alternating(0xc100_0000 + (shift << 14), (1 << 14) / step, step));
        // A coarse block with one fine row.
        all.extend(alternating(0xc200_0000 + (shift << 14), 4, 1 << 12));
        all.extend(alternating(0xc200_0000 + (shift << 14) + 0x0a00, 256 >> shift, 1 << shift));
    }
    covers.push(("rows and blocks of every granularity".to_owned(), all));
    // The upper half of a lane must not leak into the slot, nor a high slot look like a row.
    let slots = [0, 1, 7, 8, 0x7fff, 0x8000, 0x8001, LAST_SLOT - 1, LAST_SLOT];
    let rows = slots.iter().enumerate().flat_map(|(nth, &slot)| {
        let row = 0x0b00_0000 + ((nth as u32) << 8);
        [(row, slot), (row + 3, LAST_SLOT - slot), (row + 129, slot ^ 1)]
    });
    covers.push(("slots of every size".to_owned(), rows.collect()));
    let row = |at: u32| [(at, 8), (at + 16, 9), (at + 32, 8)];
    covers.push(("rows that are equal".to_owned(), (0..1_000).flat_map(|nth| row(nth * 0x3_0000)).collect()));
    covers.into_iter().map(|(name, cover)| (name, tidy(cover))).collect()
}

#[test]
fn v4_on_hard_covers() {
    for (name, cover) in hard_v4() {
        let probes = boundaries(&cover);
        let expected = merged(&cover, &probes);
        if cover.len() < 3_000 {
            let scanned: Vec<Slot> = probes.iter().map(|&probe| linear(&cover, probe)).collect();
            assert_eq!(scanned, expected, "{name}: both references agree");
        }
        check_v4(&cover, &probes, &expected, &name);
    }
}

pub(crate) fn hard_v6() -> Vec<(String, Cover<u128>)> {
    let mut covers = vec![
        ("one segment".to_owned(), vec![(0, 8)]),
        ("one zone".to_owned(), vec![(0, UNDECIDED)]),
        ("one half".to_owned(), vec![(0, 8), (1 << 64, 9)]),
        ("a boundary at every bit".to_owned(), (0..128).map(|bit| (1 << bit, 8 + bit as Slot)).collect()),
        (
            "a boundary at every bit from above".to_owned(),
            (0..128).map(|bit| (u128::MAX << bit, 8 + bit as Slot)).collect(),
        ),
    ];
    // Nodes have 8 keys and 9 children: full, one less and one more, at every height.
    for keys in [1, 2, 7, 8, 9, 10, 16, 17, 63, 64, 65, 71, 72, 73, 80, 81, 82, 647, 648, 649, 729, 10_000] {
        let step = u64::MAX / keys;
        let even = (0..keys).map(|nth| (u128::from(nth * step) << 64, 8 + (nth % 200) as Slot));
        covers.push((format!("{keys} keys"), even.collect()));
        let mixed = (0..keys).flat_map(|nth| {
            let high = u128::from(nth * step) << 64;
            let slot = 8 + (nth % 50) as Slot;
            [(high, slot), (high | 1 << (nth % 64), slot + 100), (high | u128::from(u64::MAX), slot + 200)]
        });
        covers.push((format!("{keys} keys with boundaries inside"), mixed.collect()));
    }
    // Every choice of boundaries in three neighbouring halves, anywhere and at the end of the space.
    for high in [1, 0x2001_0db8_0000_0000, u64::MAX - 2] {
        let base = u128::from(high) << 64;
        let half = 1_u128 << 64;
        let places = [
            base,
            base + 1,
            base + (half - 1),
            base + half,
            base + half + 7,
            base + 2 * half,
            base + 2 * half + 7,
            base + 2 * half + (half - 1),
        ];
        for choice in 0..1_u32 << places.len() {
            let chosen = places.iter().enumerate().filter(|(place, _)| choice >> place & 1 == 1);
            let cover = chosen.map(|(place, &start)| (start, if place == 3 { UNDECIDED } else { 8 + place as Slot }));
            covers.push((format!("choice {choice:#010b} from {high:#x}"), cover.collect()));
        }
    }
    covers.into_iter().map(|(name, cover)| (name, tidy(cover))).collect()
}

#[test]
fn v6_on_hard_covers() {
    for (name, cover) in hard_v6() {
        let probes = boundaries(&cover);
        let expected = merged(&cover, &probes);
        if cover.len() < 1_000 {
            let scanned: Vec<Slot> = probes.iter().map(|&probe| linear(&cover, probe)).collect();
            assert_eq!(scanned, expected, "{name}: both references agree");
            check_decided(&cover);
        }
        check_v6(&cover, &probes, &expected, &name);
    }
}

/// Starts on every granularity, near each other and far apart.
pub(crate) fn random_cover<T: Bits + Arbitrary + 'static>() -> impl Strategy<Value = Cover<T>> {
    let anywhere = any::<T>();
    // A few high bits and the lowest, so that many starts share blocks and rows, or high halves.
    let near = (any::<T>(), 0..16_u32)
        .prop_map(|(bits, granularity)| bits & (T::ones(10) | !T::ones(T::WIDTH - 3)) & !T::ones(granularity));
    let coarse = (any::<T>(), 0..T::WIDTH).prop_map(|(bits, granularity)| bits & !T::ones(granularity));
    let slot = prop_oneof![0..12_u16, 0..=LAST_SLOT];
    vec((prop_oneof![anywhere, near, coarse], slot), 1..60).prop_map(tidy)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn v4_on_random_covers(cover in random_cover::<u32>(), more: Vec<u32>) {
        let mut probes = boundaries(&cover);
        probes.extend(more);
        let expected: Vec<Slot> = probes.iter().map(|&probe| linear(&cover, probe)).collect();
        check_v4(&cover, &probes, &expected, "random");
    }

    #[test]
    fn v6_on_random_covers(cover in random_cover::<u128>(), more: Vec<u128>) {
        let mut probes = boundaries(&cover);
        probes.extend(more);
        let expected: Vec<Slot> = probes.iter().map(|&probe| linear(&cover, probe)).collect();
        check_v6(&cover, &probes, &expected, "random");
        check_decided(&cover);
    }
}

/// Lengths with every alignment of addresses, which a register of 64 bytes can tell apart, and of slots.
fn lengths_and_alignments() -> impl Iterator<Item = (usize, usize, usize)> {
    let every_length = (0..=257).flat_map(|length| (0..16).map(move |at| (length, at, (5 * at + length) % 32)));
    let every_alignment = [1, 15, 16, 17, 33, 257]
        .into_iter()
        .flat_map(|length| (0..16).flat_map(move |from| (0..32).map(move |to| (length, from, to))));
    every_length.chain(every_alignment)
}

/// Where a buffer of these has an item on a boundary of 64 bytes.
fn aligned<T>(buffer: &[T]) -> usize {
    buffer.as_ptr().align_offset(64)
}

#[test]
fn v4_at_every_length_and_alignment() {
    let (_, cover) = hard_v4().into_iter().find(|(name, _)| name == "rows and blocks of every granularity").unwrap();
    let index = Direct::build(&segments(&cover)).unwrap();
    // In an order that goes from rows to blocks and back.
    let probes = boundaries(&cover);
    let addresses: Vec<u32> = (0..400).map(|nth| probes[nth * 7_919 % probes.len()]).collect();
    let expected: Vec<Slot> = addresses.iter().map(|&address| linear(&cover, address)).collect();
    let mut slots = vec![UNTOUCHED; 400];
    let (first, to_first) = (aligned(&addresses), aligned(&slots));
    for (length, from, to) in lengths_and_alignments() {
        let (from, to) = (first + from, to_first + to);
        for kernel in Kernel::available() {
            kernel.v4(&index, &addresses[from..from + length], &mut slots[to..to + length]);
            assert!(slots[to..to + length] == expected[from..from + length], "{} {length} {from} {to}", kernel.name());
            slots[to..to + length].fill(UNTOUCHED);
            assert!(slots.iter().all(|slot| *slot == UNTOUCHED), "{} writes beside {length} {to}", kernel.name());
        }
    }
}

#[test]
fn v6_at_every_length_and_alignment() {
    let (_, cover) = hard_v6().into_iter().find(|(name, _)| name == "649 keys").unwrap();
    let index = Tree::build(&segments(&cover));
    let probes = boundaries(&cover);
    let highs: Vec<u64> = (0..400).map(|nth| (probes[nth * 7_919 % probes.len()] >> 64) as u64).collect();
    let expected: Vec<Slot> = highs.iter().map(|&high| linear(&cover, u128::from(high) << 64)).collect();
    let mut slots = vec![UNTOUCHED; 400];
    let (first, to_first) = (aligned(&highs), aligned(&slots));
    for (length, from, to) in lengths_and_alignments() {
        // Eight of these are 64 bytes.
        let (from, to) = (first + from % 8, to_first + to);
        for kernel in Kernel::available() {
            kernel.v6(&index, &highs[from..from + length], &mut slots[to..to + length]);
            assert!(slots[to..to + length] == expected[from..from + length], "{} {length} {from} {to}", kernel.name());
            slots[to..to + length].fill(UNTOUCHED);
            assert!(slots.iter().all(|slot| *slot == UNTOUCHED), "{} writes beside {length} {to}", kernel.name());
        }
    }
}

#[test]
#[should_panic(expected = "one slot an address")]
fn v4_with_too_few_slots() {
    let index = Direct::build(&Segments::uniform(8)).unwrap();
    Kernel::available().last().unwrap().v4(&index, &[1, 2], &mut [0]);
}

#[test]
#[should_panic(expected = "one slot an address")]
fn v6_with_too_few_slots() {
    Kernel::available().last().unwrap().v6(&Tree::build(&Segments::uniform(8)), &[1, 2], &mut [0]);
}

#[test]
fn the_portable_kernel_is_always_there() {
    let names: Vec<&str> = Kernel::available().into_iter().map(Kernel::name).collect();
    assert_eq!(names[0], "scalar");
    let has_avx512 = ["avx512f", "avx512bw", "avx512vl", "popcnt"].iter().all(|name| cpu_features().contains(name));
    assert_eq!(names.contains(&"avx512"), has_avx512, "{names:?}");
}
