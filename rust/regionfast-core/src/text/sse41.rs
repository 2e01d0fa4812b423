//! The kernel for x86-64 with SSE4.1.

use std::arch::x86_64::{
    __m128i, _mm_adds_epu8, _mm_cmpeq_epi8, _mm_cmpgt_epi32, _mm_cvtsi128_si32, _mm_loadu_si128,
    _mm_madd_epi16, _mm_maddubs_epi16, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128, _mm_set1_epi8,
    _mm_set1_epi16, _mm_set1_epi32, _mm_setr_epi8, _mm_shuffle_epi8, _mm_sub_epi8, _mm_xor_si128,
};

use super::v6::{Classes, LOADED};
use super::{Parsed, Row, Rows, parse_blocks};

/// Rows to addresses, see [`TextKernel::parse_rows`](super::TextKernel::parse_rows).
#[target_feature(enable = "sse4.1")]
pub(super) fn parse_rows<R: Rows + ?Sized>(
    rows: &R,
    start: usize,
    v4: &mut [u32],
    others: &mut Vec<(usize, Parsed)>,
) {
    parse_blocks(rows, start, v4, others, |row| parse_quad(row), |text| classify(text));
}

/// One dotted quad; None when the row is none.
#[inline]
#[target_feature(enable = "sse4.1")]
pub(super) fn parse_quad(row: Row<'_>) -> Option<u32> {
    let text = load(row);
    let dots = _mm_movemask_epi8(_mm_cmpeq_epi8(text, _mm_set1_epi8(b'.' as i8))) as u32;
    let separators = dots | BEHIND.get(row.len().min(16)).copied().unwrap_or(0);
    let shape = SHAPES.get(slot(separators))?;

    let digits = _mm_shuffle_epi8(_mm_xor_si128(text, _mm_set1_epi8(b'0' as i8)), from_array(&shape.order));
    let digits = _mm_sub_epi8(digits, _mm_setr_epi8(0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1));
    let beyond = _mm_setr_epi8(118, 118, 118, 0, 118, 118, 118, 0, 118, 118, 118, 0, 118, 118, 118, 0);
    let weights = _mm_setr_epi8(100, 10, 1, 0, 100, 10, 1, 0, 100, 10, 1, 0, 100, 10, 1, 0);
    let octets = _mm_madd_epi16(_mm_maddubs_epi16(digits, weights), _mm_set1_epi16(1));
    let too_large = _mm_cmpgt_epi32(octets, _mm_set1_epi32(255));
    let wrong = _mm_movemask_epi8(_mm_or_si128(_mm_adds_epu8(digits, beyond), too_large)) as u32;
    let low_bytes = _mm_setr_epi8(0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1);
    let address = _mm_cvtsi128_si32(_mm_shuffle_epi8(octets, low_bytes)) as u32;
    let wrong = wrong | (shape.separators ^ separators);
    (wrong == 0).then_some(address)
}

/// Which bytes are colons and hexadecimal digits.
#[inline]
#[target_feature(enable = "sse4.1")]
pub(super) fn classify(text: &[u8; LOADED]) -> Classes {
    let mut classes = Classes { colons: 0, digits: 0 };
    let (vectors, _) = text.as_chunks::<16>();
    for (bytes, shift) in vectors.iter().zip((0..).step_by(16)) {
        let bytes = from_array(bytes);
        let colons = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b':' as i8));
        let digits = up_to(_mm_sub_epi8(bytes, _mm_set1_epi8(b'0' as i8)), 9);
        let lower = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
        let letters = up_to(_mm_sub_epi8(lower, _mm_set1_epi8(b'a' as i8)), 5);
        let digits = _mm_or_si128(digits, letters);
        classes.colons |= (_mm_movemask_epi8(colons) as u64) << shift;
        classes.digits |= (_mm_movemask_epi8(digits) as u64) << shift;
    }
    classes
}

/// Bytes that are at most `most`, unsigned.
#[inline]
#[target_feature(enable = "sse4.1")]
fn up_to(bytes: __m128i, most: i8) -> __m128i {
    _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(most)), bytes)
}

/// The first 16 bytes of the window, with zeros where it ends before.
#[inline]
#[target_feature(enable = "sse4.1")]
fn load(row: Row<'_>) -> __m128i {
    match row.window().first_chunk() {
        Some(bytes) => from_array(bytes),
        None => load_last(row),
    }
}

/// Only the last rows of a buffer come here.
#[cold]
#[target_feature(enable = "sse4.1")]
fn load_last(row: Row<'_>) -> __m128i {
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().zip(row.window()) {
        *to = *from;
    }
    from_array(&bytes)
}

#[inline]
#[target_feature(enable = "sse4.1")]
fn from_array(bytes: &[u8; 16]) -> __m128i {
    #[expect(unsafe_code, reason = "a vector load takes a pointer")]
    // SAFETY: the reference vouches for 16 readable bytes; the load asks no alignment.
    unsafe {
        _mm_loadu_si128(bytes.as_ptr().cast())
    }
}

static BEHIND: [u32; 17] = behind();
#[expect(
    clippy::indexing_slicing,
    reason = "evaluated by the compiler, which refuses an index out of bounds"
)]
const fn behind() -> [u32; 17] {
    let mut b = [0; 17];
    let mut l = 0;
    while l < 16 {
        b[l] = u32::MAX << l;
        l += 1;
    }
    b
}

/// One way to place three dots in a quad. 32 bytes, so that no shape lies across two cache lines.
#[derive(Clone, Copy)]
#[repr(C, align(32))]
struct Shape {
    order: [u8; 16],
    separators: u32,
}

/// Shapes by the hash of their separators; 81 of 256 slots are used.
static SHAPES: [Shape; 256] = shapes();

const MULTIPLIER: u32 = 0x88c7_57b3;

#[inline]
const fn slot(separators: u32) -> usize {
    (separators.wrapping_mul(MULTIPLIER) >> 24) as usize
}

#[expect(
    clippy::indexing_slicing,
    reason = "evaluated by the compiler, which refuses an index out of bounds"
)]
const fn shapes() -> [Shape; 256] {
    const NONE: u8 = 0x80;
    let mut shapes = [Shape { order: [NONE; 16], separators: 0 }; 256];
    let mut number = 0;
    while number < 81 {
        // Numbers of digits, less one, are the digits of `number` to base 3, first octet first.
        let digits = [number / 27 % 3 + 1, number / 9 % 3 + 1, number / 3 % 3 + 1, number % 3 + 1];
        let mut shape = Shape { order: [NONE; 16], separators: 0 };
        let mut len = 0;
        let mut octet = 0;
        while octet < 4 {
            let lane = 3 - octet;
            shape.order[lane * 4 + 3] = if digits[octet] > 1 {
                len
            } else if octet == 0 {
                1
            } else {
                len - 1
            };
            let mut digit = 0;
            while digit < digits[octet] {
                shape.order[lane * 4 + 3 - digits[octet] + digit] = len;
                len += 1;
                digit += 1;
            }
            if octet < 3 {
                shape.separators |= 1 << len;
                len += 1;
            }
            octet += 1;
        }
        shape.separators |= u32::MAX << len;
        let free = &mut shapes[slot(shape.separators)];
        assert!(free.separators == 0, "two shapes share a slot");
        *free = shape;
        number += 1;
    }
    shapes
}
