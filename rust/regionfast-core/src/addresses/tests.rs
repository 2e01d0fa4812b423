//! What columns hand over, against a list of what each row says.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::text::SliceRows;

/// Writes down each row that it is given.
#[derive(Default)]
struct Listed(Vec<Parsed>);

impl Sink for Listed {
    fn v4(&mut self, rows: &[u32]) {
        self.0.extend(rows.iter().map(|bits| Parsed::V4(*bits)));
    }

    fn v6(&mut self, rows: &[[u8; 16]]) {
        self.0.extend(rows.iter().map(|octets| Parsed::V6(u128::from_be_bytes(*octets))));
    }

    fn mixed(&mut self, rows: &[u32], others: &[(usize, Parsed)]) {
        assert!(others.is_sorted_by(|a, b| a.0 < b.0), "ascending");
        let mut others = others.iter();
        let mut next = others.next();
        for (at, bits) in rows.iter().enumerate() {
            match next {
                Some((other, parsed)) if *other == at => {
                    assert_eq!(*bits, 0, "no IPv4 address");
                    self.0.push(*parsed);
                    next = others.next();
                }
                _ => self.0.push(Parsed::V4(*bits)),
            }
        }
        assert_eq!(next, None, "a row that is not there");
    }
}

fn listed<C: Column + ?Sized>(column: &C, rows: Range<usize>) -> Vec<Parsed> {
    let mut listed = Listed::default();
    column.read(rows, &mut listed);
    listed.0
}

/// The batch of these rows, made one by one.
fn made(rows: &[Parsed]) -> Addresses {
    let mut made = Addresses::default();
    for row in rows {
        let (family, v4) = match row {
            Parsed::V4(bits) => (4, *bits),
            Parsed::V6(bits) => {
                made.v6.push(bits.to_be_bytes());
                (6, 0)
            }
            Parsed::Missing => (0, 0),
            Parsed::Invalid => (1, 0),
        };
        made.families.push(family);
        made.v4.push(v4);
    }
    made
}

fn bytes(row: Parsed) -> Vec<u8> {
    match row {
        Parsed::V4(bits) => bits.to_be_bytes().to_vec(),
        Parsed::V6(bits) => bits.to_be_bytes().to_vec(),
        Parsed::Missing => Vec::new(),
        Parsed::Invalid => b"???".to_vec(),
    }
}

fn text(row: Parsed) -> Vec<u8> {
    match row {
        Parsed::V4(bits) => std::net::Ipv4Addr::from_bits(bits).to_string().into_bytes(),
        Parsed::V6(bits) => std::net::Ipv6Addr::from_bits(bits).to_string().into_bytes(),
        Parsed::Missing => Vec::new(),
        Parsed::Invalid => b"host".to_vec(),
    }
}

/// Rows one after the other in a buffer.
fn buffer(rows: &[Parsed], of: impl Fn(Parsed) -> Vec<u8>) -> (Vec<u8>, Vec<u32>) {
    let (mut buffer, mut offsets) = (Vec::new(), vec![0]);
    for row in rows {
        buffer.extend(of(*row));
        offsets.push(buffer.len() as u32);
    }
    (buffer, offsets)
}

fn row() -> impl Strategy<Value = Parsed> {
    prop_oneof![
        3 => any::<u32>().prop_map(Parsed::V4),
        2 => any::<u128>().prop_map(Parsed::V6),
        1 => Just(Parsed::Missing),
        1 => Just(Parsed::Invalid),
    ]
}

/// More rows than a piece holds, of all kinds.
fn many() -> Vec<Parsed> {
    let row = |nth: u32| match nth % 7 {
        0 => Parsed::V6(u128::from(nth) << 90 | 5),
        3 => Parsed::Missing,
        5 => Parsed::Invalid,
        _ => Parsed::V4(nth.wrapping_mul(2_654_435_761)),
    };
    (0..3 * PIECE as u32 + 77).map(row).collect()
}

#[test]
fn columns_hand_over_each_row_once() {
    let rows = many();
    let (packed, packed_offsets) = buffer(&rows, bytes);
    let (texts, text_offsets) = buffer(&rows, text);
    let packed = SliceRows { text: &packed, offsets: &packed_offsets };
    let texts = SliceRows { text: &texts, offsets: &text_offsets };
    for range in [0..rows.len(), 0..0, 5..6, PIECE - 1..2 * PIECE + 1, 2 * PIECE..rows.len()] {
        let expected = rows.get(range.clone()).unwrap_or_default();
        assert_eq!(listed(&PackedColumn::new(&packed), range.clone()), expected, "{range:?}");
        assert_eq!(listed(&TextColumn::new(&texts), range.clone()), expected, "{range:?}");
        assert_eq!(listed(&NullColumn(rows.len()), range.clone()), vec![Parsed::Missing; range.len()], "{range:?}");
    }
    assert_eq!((PackedColumn::new(&packed).len(), TextColumn::new(&texts).len()), (rows.len(), rows.len()));
}

#[test]
fn columns_of_one_family() {
    let v4: Vec<u32> = (0..2 * PIECE as u32 + 9).map(|nth| nth.wrapping_mul(0x0101_4573)).collect();
    let four: Vec<[u8; 4]> = v4.iter().map(|bits| bits.to_be_bytes()).collect();
    let sixteen: Vec<[u8; 16]> = v4.iter().map(|bits| (u128::from(*bits) << 77).to_be_bytes()).collect();
    for range in [0..v4.len(), 7..7, 3..PIECE + 5] {
        let expected: Vec<Parsed> = v4.iter().take(range.end).skip(range.start).copied().map(Parsed::V4).collect();
        assert_eq!(listed(&*v4, range.clone()), expected);
        assert_eq!(listed(&*four, range.clone()), expected);
        let expected: Vec<Parsed> =
            v4.iter().take(range.end).skip(range.start).map(|bits| Parsed::V6(u128::from(*bits) << 77)).collect();
        assert_eq!(listed(&*sixteen, range), expected);
    }
    assert!(!v4.can_wrap() && !four.can_wrap() && sixteen.can_wrap() && !NullColumn(1).can_wrap());
}

#[test]
fn addresses_behind_each_other() {
    let mut addresses = Addresses::default();
    addresses.extend(&[7_u32, 8][..]);
    addresses.extend(&NullColumn(1));
    addresses.extend(&[[1_u8; 16]][..]);
    addresses.extend(&[[1_u8, 2, 3, 4]][..]);
    assert_eq!(addresses.families, [4, 4, 0, 6, 4]);
    assert_eq!(addresses.v4, [7, 8, 0, 0, 0x0102_0304]);
    assert_eq!(addresses.v6, [[1; 16]]);
    assert_eq!((addresses.len(), addresses.another().is_empty()), (5, true));
}

proptest! {
    #[test]
    fn a_batch_has_what_its_columns_say(rows in vec(row(), 0..60)) {
        let (texts, offsets) = buffer(&rows, text);
        let mut batch = Addresses::default();
        batch.extend(&TextColumn::new(&SliceRows { text: &texts, offsets: &offsets }));
        prop_assert_eq!(batch, made(&rows));
    }

    /// Rows before `first` stay, whatever they are.
    #[test]
    fn replaced_rows(rows in vec(row(), 0..40), first in 0..45_usize, others in vec((0..45_usize, row()), 0..20)) {
        let mut others = others;
        others.sort_by_key(|(at, _)| *at);
        others.dedup_by_key(|(at, _)| *at);
        let mut expected = rows.clone();
        for (at, other) in &others {
            if let Some(row) = expected.get_mut(first + at) {
                *row = *other;
            }
        }
        let mut batch = made(&rows);
        batch.replace(first, others);
        prop_assert_eq!(batch, made(&expected));
    }

    #[test]
    fn appended_rows(before in vec(row(), 0..20), entries in vec(row(), 0..20), keys in vec(0..25_usize, 0..40)) {
        let named = keys.iter().filter_map(|key| entries.get(*key));
        let expected: Vec<Parsed> = before.iter().chain(named).copied().collect();
        let mut batch = made(&before);
        batch.append(&made(&entries), &keys);
        prop_assert_eq!(batch, made(&expected));
    }
}
