//! The portable kernel: the definition of correct.

use super::v6::{Classes, LOADED};
use super::{Parsed, Row, Rows, parse_blocks, parse_other};

/// Longest dotted quad: four octets of three digits, three dots.
const LONGEST: usize = 4 * 3 + 3;

/// Rows to addresses, see [`TextKernel::parse_rows`](super::TextKernel::parse_rows).
pub(super) fn parse_rows<R: Rows + ?Sized>(rows: &R, start: usize, v4: &mut [u32], others: &mut Vec<(usize, Parsed)>) {
    parse_blocks(rows, start, v4, others, parse_quad, classify);
}

/// One text, see [`TextKernel::parse`](super::TextKernel::parse).
pub(super) fn parse(row: Row<'_>) -> Parsed {
    match parse_quad(row) {
        Some(v4) => Parsed::V4(v4),
        None => parse_other(row, parse_quad, classify),
    }
}

/// One dotted quad; None when the row is none.
#[inline]
pub(super) fn parse_quad(row: Row<'_>) -> Option<u32> {
    let text = row.bytes();
    if text.len() > LONGEST {
        return None;
    }
    let (mut address, mut octet, mut digits, mut dots) = (0_u32, 0_u32, 0_u32, 0_u32);
    for &byte in text {
        let digit = u32::from(byte.wrapping_sub(b'0'));
        if digit <= 9 {
            if digits > 0 && octet == 0 {
                return None; // a leading zero
            }
            octet = octet * 10 + digit;
            digits += 1;
            if octet > 255 {
                return None;
            }
        } else {
            if byte != b'.' || digits == 0 || dots == 3 {
                return None;
            }
            address = address << 8 | octet;
            dots += 1;
            (octet, digits) = (0, 0);
        }
    }
    (dots == 3 && digits > 0).then_some(address << 8 | octet)
}

/// Colons and hexadecimal digits among the first 40 bytes.
#[inline]
pub(super) fn classify(text: &[u8; LOADED]) -> Classes {
    let mut classes = Classes { colons: 0, digits: 0 };
    let (words, _) = text.as_chunks::<8>();
    for (word, shift) in words.iter().take(5).zip((0..).step_by(8)) {
        let (colons, digits) = classify_word(u64::from_le_bytes(*word));
        classes.colons |= colons << shift;
        classes.digits |= digits << shift;
    }
    classes
}

/// Which of eight bytes are colons, and which hexadecimal digits; bit i for byte i.
///
/// All eight at once: to seven bits of each byte a constant is added such that bit 7 says whether they are at
/// least some character, and no sum runs over into the next byte. Bytes that had bit 7 before are neither.
#[inline]
fn classify_word(word: u64) -> (u64, u64) {
    const fn each(byte: u8) -> u64 {
        u64::from_ne_bytes([byte; 8])
    }
    let at_least = |bytes: u64, least: u8| bytes.wrapping_add(each(0x80 - least));
    let ascii = word & each(0x7f);
    let lower = ascii | each(0x20);
    let above = at_least(ascii, b'9' + 1);
    let colon = above & !at_least(ascii, b':' + 1);
    let decimal = at_least(ascii, b'0') & !above;
    let letter = at_least(lower, b'a') & !at_least(lower, b'f' + 1);
    (top_bits(colon & !word), top_bits((decimal | letter) & !word))
}

/// Bit 7 of each byte, gathered: bit i from byte i.
#[inline]
fn top_bits(word: u64) -> u64 {
    // Byte i holds its bit at 8 i; the factor has a bit at each 56 - 7 i, and 8 i + 56 - 7 i = 56 + i. No two
    // of the 64 products meet in one bit, so nothing is carried.
    (word >> 7 & 0x0101_0101_0101_0101).wrapping_mul(0x0102_0408_1020_4080) >> 56
}
