//! The kernel for x86-64 with SSE4.1: one dotted quad in one register, without a branch on its text.
//!
//! The idea is that of Wojciech Muła ("SIMD-ized faster parse of IPv4 addresses", 2023) and Daniel Lemire
//! ("Parsing IP addresses crazily fast", 2023): the places of the dots decide which byte is which digit, and
//! there are only 3⁴ = 81 ways to place them, so a small table says how to shuffle the digits. Ours counts the
//! bytes behind the row as separators instead of cutting them off, and tells a leading zero by a byte that the
//! weights do not count. `10.0.20.255`, eleven bytes, with `8.8.4` of the next row behind it:
//!
//! ```text
//! text         1   0   .   0   .   2   0   .   2   5   5   8   .   8   .   4
//! dots         0   0   1   0   1   0   0   1   0   0   0   0   1   0   1   0    bit i for byte i
//! separators   0   0   1   0   1   0   0   1   0   0   0   1   1   1   1   1    ones from the length on
//!
//! These 16 bits, with the length in 16 more, since a dot at the end cannot be told from what lies behind, say
//! all of the shape: octets of 2, 1, 2 and 3 digits and nothing else. Their hash finds an entry of the table,
//! and a comparison whether it is theirs.
//!
//! xor '0'      1   0  1e   0  1e   2   0  1e   2   5   5   8  1e   8  1e   4    0 to 9 for digits only
//! shuffled     2   5   5  (2)  0   2   0  (2)  0   0   0 (1e)  0   1   0  (1)   last octet first
//!
//! Hundreds, tens, units, with 0 for a digit that is not there; in brackets once more the leading digit, where
//! there are two or three, otherwise a dot beside the digit. A bracket of 0 is a leading zero.
//!
//! minus 1      2   5   5  (1)  0   2   0  (1)  0   0   0 (1d)  0   1   0  (0)   a leading zero is now ff
//! plus 118   120 123 123  (1)118 120 118  (1)118 118 118 (1d)118 119 118  (0)   10 and more: 128 and more
//! weights    100  10   1   0 100  10   1   0 100  10   1   0 100  10   1   0    for the line "minus 1"
//! sums                   255              20               0              10    32 bits each
//! low bytes   ff  14  00  0a                                                    0x0a0014ff, little-endian
//! ```
//!
//! Wrong is what has the top bit in the line "plus 118", or a sum above 255, or separators of no shape.

use std::arch::x86_64::{
    __m128i, _mm_adds_epu8, _mm_cmpeq_epi8, _mm_cmpgt_epi32, _mm_cvtsi128_si32, _mm_loadu_si128, _mm_madd_epi16,
    _mm_maddubs_epi16, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128, _mm_set_epi64x, _mm_set1_epi8, _mm_set1_epi16,
    _mm_set1_epi32, _mm_setr_epi8, _mm_shuffle_epi8, _mm_sub_epi8, _mm_xor_si128,
};

use super::v6::{Classes, LOADED};
use super::{Parsed, Row, Rows, parse_blocks, parse_other};

/// Rows to addresses, see [`TextKernel::parse_rows`](super::TextKernel::parse_rows).
#[target_feature(enable = "sse4.1")]
pub(super) fn parse_rows<R: Rows + ?Sized>(rows: &R, start: usize, v4: &mut [u32], others: &mut Vec<(usize, Parsed)>) {
    // Closures, because a function with a target feature is no `Fn`; they take the feature over.
    parse_blocks(rows, start, v4, others, |row| parse_quad(row), |text| classify(text));
}

/// One text, see [`TextKernel::parse`](super::TextKernel::parse).
#[target_feature(enable = "sse4.1")]
pub(super) fn parse(row: Row<'_>) -> Parsed {
    match parse_quad(row) {
        Some(v4) => Parsed::V4(v4),
        None => parse_other(row, |row| parse_quad(row), |text| classify(text)),
    }
}

/// One dotted quad; None when the row is none.
#[inline]
#[target_feature(enable = "sse4.1")]
pub(super) fn parse_quad(row: Row<'_>) -> Option<u32> {
    let text = load(row);
    let dots = _mm_movemask_epi8(_mm_cmpeq_epi8(text, _mm_set1_epi8(b'.' as i8))) as u32;
    let separators = dots | BEHIND.get(row.len().min(16))?;
    let shape = SHAPES.get(slot(separators))?;

    let digits = _mm_shuffle_epi8(_mm_xor_si128(text, _mm_set1_epi8(b'0' as i8)), from_array(&shape.order));
    let digits = _mm_sub_epi8(digits, each_octet(0, 0, 0, 1));
    let no_digit = _mm_adds_epu8(digits, each_octet(118, 118, 118, 0));
    // Other bytes than digits add up to 28,305 at most, so that 16 bits with a sign hold every pair.
    let pairs = _mm_maddubs_epi16(digits, each_octet(100, 10, 1, 0));
    let octets = _mm_madd_epi16(pairs, _mm_set1_epi16(1));
    let too_large = _mm_cmpgt_epi32(octets, _mm_set1_epi32(255));
    let low_bytes = _mm_setr_epi8(0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1);
    let address = _mm_cvtsi128_si32(_mm_shuffle_epi8(octets, low_bytes)) as u32;

    let wrong = _mm_movemask_epi8(_mm_or_si128(no_digit, too_large)) as u32 | separators ^ shape.separators;
    (wrong == 0).then_some(address)
}

/// Colons and hexadecimal digits among the bytes.
#[inline]
#[target_feature(enable = "sse4.1")]
pub(super) fn classify(text: &[u8; LOADED]) -> Classes {
    let mut classes = Classes { colons: 0, digits: 0 };
    let (vectors, _) = text.as_chunks();
    for (bytes, shift) in vectors.iter().zip((0..).step_by(16)) {
        let bytes = from_array(bytes);
        let colons = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b':' as i8));
        let decimals = at_most(_mm_sub_epi8(bytes, _mm_set1_epi8(b'0' as i8)), 9);
        let lower = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
        let letters = at_most(_mm_sub_epi8(lower, _mm_set1_epi8(b'a' as i8)), 5);
        classes.colons |= (_mm_movemask_epi8(colons) as u64) << shift;
        classes.digits |= (_mm_movemask_epi8(_mm_or_si128(decimals, letters)) as u64) << shift;
    }
    classes
}

/// Which bytes are at most `most`, without a sign.
#[inline]
#[target_feature(enable = "sse4.1")]
fn at_most(bytes: __m128i, most: i8) -> __m128i {
    _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(most)), bytes)
}

/// The same four bytes for each of the four octets.
#[inline]
#[target_feature(enable = "sse4.1")]
fn each_octet(a: i8, b: i8, c: i8, d: i8) -> __m128i {
    _mm_set1_epi32(i32::from_le_bytes([a as u8, b as u8, c as u8, d as u8]))
}

/// The first 16 bytes of the window, with zeros where it ends before.
#[inline]
#[target_feature(enable = "sse4.1")]
fn load(row: Row<'_>) -> __m128i {
    match row.window().first_chunk() {
        Some(bytes) => from_array(bytes),
        None => load_last(row.window()),
    }
}

/// Fewer than 16 bytes: the last rows of a buffer, and texts that have no buffer around them. Two loads that
/// overlap, or bytes one by one where only `1.2.3.4` would be an address.
#[cold]
#[inline(never)]
#[target_feature(enable = "sse4.1")]
fn load_last(window: &[u8]) -> __m128i {
    let (low, high) = match (window.first_chunk(), window.last_chunk()) {
        (Some(front), Some(back)) => {
            let twice = 8 * (16 - window.len()) as u32;
            (u64::from_le_bytes(*front), u64::from_le_bytes(*back).checked_shr(twice).unwrap_or(0))
        }
        _ => (window.iter().rev().fold(0, |low, &byte| low << 8 | u64::from(byte)), 0),
    };
    _mm_set_epi64x(high as i64, low as i64)
}

#[inline]
#[target_feature(enable = "sse4.1")]
fn from_array(bytes: &[u8; 16]) -> __m128i {
    #[expect(unsafe_code, reason = "a vector load takes a pointer")]
    // SAFETY: the reference vouches for 16 readable bytes, and this load asks for no alignment.
    unsafe {
        _mm_loadu_si128(bytes.as_ptr().cast())
    }
}

/// Separators behind a row, by its length: ones from there on, and the length in the upper half. The last entry
/// is for all rows that are too long for a quad; no shape has its length.
static BEHIND: [u32; 17] = behind();

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which refuses an index out of bounds")]
const fn behind() -> [u32; 17] {
    let mut behind = [0; 17];
    let mut len = 0;
    while len <= 16 {
        behind[len] = (0xffff << len) & 0xffff | (len as u32) << 16;
        len += 1;
    }
    behind
}

/// One way to place three dots in a quad. Aligned so that none lies across two cache lines.
#[derive(Clone, Copy)]
#[repr(C, align(32))]
struct Shape {
    /// Where the bytes of the line "shuffled" come from; an index with the top bit gives 0.
    order: [u8; 16],
    /// Bits of the dots, and what [`BEHIND`] says of the length. 0, which no row has, in an unused entry.
    separators: u32,
}

/// Shapes by the hash of their separators; 81 of 256 entries are used.
static SHAPES: [Shape; 256] = shapes();

/// The first of about 190,000 random odd numbers that gives all shapes entries of their own.
const MULTIPLIER: u32 = 0xa843_06bb;

#[inline]
const fn slot(separators: u32) -> usize {
    (separators.wrapping_mul(MULTIPLIER) >> 24) as usize
}

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which refuses an index out of bounds")]
const fn shapes() -> [Shape; 256] {
    const UNUSED: Shape = Shape { order: [0x80; 16], separators: 0 };
    let mut shapes = [UNUSED; 256];
    let mut number = 0;
    while number < 81 {
        // One less than the counts of digits are the digits of `number` to base 3.
        let counts = [number / 27 % 3 + 1, number / 9 % 3 + 1, number / 3 % 3 + 1, number % 3 + 1];
        let mut shape = UNUSED;
        let (mut len, mut octet) = (0, 0);
        while octet < 4 {
            let units = 4 * (3 - octet) + 2; // the last octet first, and its digits to the right
            let beside = if octet == 0 { 1 } else { len - 1 }; // a dot, where there is one digit
            shape.order[units + 1] = if counts[octet] > 1 { len } else { beside };
            let mut digit = counts[octet];
            while digit > 0 {
                digit -= 1;
                shape.order[units - digit] = len;
                len += 1;
            }
            if octet < 3 {
                shape.separators |= 1 << len;
                len += 1;
            }
            octet += 1;
        }
        shape.separators |= BEHIND[len as usize];
        let entry = &mut shapes[slot(shape.separators)];
        assert!(entry.separators == 0, "two shapes share an entry");
        *entry = shape;
        number += 1;
    }
    shapes
}
