//! IPv6 text, portable.

use super::Row;

/// Longest text of groups only: eight of four digits, seven colons.
const LONGEST: usize = 8 * 4 + 7;

/// Longest text before a zone: six groups of four digits, six colons, a dotted quad.
const LONGEST_DOTTED: usize = 6 * 4 + 6 + 15;

/// What is loaded of a text: the longest, rounded up to vectors.
pub(super) const LOADED: usize = 48;

/// What the bytes of a text are; bit i for byte i. A kernel fills it in for the bytes that are loaded.
#[derive(Clone, Copy)]
pub(super) struct Classes {
    /// Colons.
    pub(super) colons: u64,
    /// Hexadecimal digits.
    pub(super) digits: u64,
}

/// One IPv6 address; None when the row is none.
#[inline(always)]
pub(super) fn parse(
    row: Row<'_>,
    quad: impl Fn(Row<'_>) -> Option<u32> + Copy,
    classify: impl Fn(&[u8; LOADED]) -> Classes + Copy,
) -> Option<u128> {
    let copy;
    let text = match row.window().first_chunk() {
        Some(window) => window,
        None => {
            copy = padded(row.bytes());
            &copy
        }
    };
    let classes = classify(text);
    let len = row.len().min(LONGEST + 1);
    let foreign = below(len) & !classes.colons & !classes.digits;
    if foreign == 0 {
        return read(text, classes.first(len));
    }
    let at = foreign.trailing_zeros() as usize;
    match text.get(at)? {
        b'%' if is_zone(row.bytes().get(at + 1..)?) => read(text, classes.first(at)),
        b'.' => {
            let colons = classes.colons & below(at);
            let tail = (u64::BITS - colons.leading_zeros()) as usize;
            let low = quad(dotted(row, tail)?)?;
            Some(read(text, classes.with_tail(tail))? & !0xffff_ffff | u128::from(low))
        }
        _ => None,
    }
}

fn dotted(row: Row<'_>, tail: usize) -> Option<Row<'_>> {
    let text = row.bytes().get(tail..)?;
    let end = text.iter().take(16).position(|&byte| byte == b'%');
    if let Some(end) = end
        && !is_zone(text.get(end + 1..)?)
    {
        return None;
    }
    Row::new(row.window().get(tail..)?, end.unwrap_or(text.len()))
}

/// Whether a text is what may follow a `%`.
fn is_zone(zone: &[u8]) -> bool {
    !zone.is_empty() && !zone.iter().any(|byte| matches!(byte, b'%' | b'/'))
}

impl Classes {
    fn first(self, len: usize) -> Self {
        Self { colons: self.colons & below(len), digits: self.digits & below(len) }
    }
    fn with_tail(self, tail: usize) -> Self {
        let head = self.first(tail);
        Self { colons: head.colons | 0b010 << tail, digits: head.digits | 0b101 << tail }
    }
}

#[inline]
fn below(len: usize) -> u64 {
    (1 << len) - 1
}

/// A copy that may be loaded as a whole; what does not fit is left out.
fn padded(text: &[u8]) -> [u8; LOADED] {
    let mut padded = [0; LOADED];
    for (to, from) in padded.iter_mut().zip(text) {
        *to = *from;
    }
    padded
}

#[inline(always)]
fn read(text: &[u8; LOADED], Classes { colons, digits }: Classes) -> Option<u128> {
    let ends = (digits << 1) & !digits; // the first byte behind a group
    let doubles = colons & (colons << 1); // the second colon of `::`
    let pairs = digits & (digits >> 1);
    let five = pairs & (pairs >> 2) & (digits >> 4);
    // A colon at either end is allowed only in `::`.
    let first = colons & 1 & !(doubles >> 1);
    let last = colons & !(colons >> 1 | digits >> 1) & !doubles;
    let wrong = five | first | last | doubles & doubles.wrapping_sub(1);
    if wrong != 0 {
        return None;
    }
    if doubles == 0 {
        let (value, count) = read_groups(text, 0, ends);
        return (count == 8).then_some(value);
    }
    let (head, before) = read_groups(text, 0, ends & doubles.wrapping_sub(1));
    let (tail, after) =
        read_groups(text, doubles.trailing_zeros() as usize + 1, ends & doubles.wrapping_neg());
    let missing = 8_u32.checked_sub(before + after).filter(|&missing| missing > 0)?;
    Some(head.checked_shl(16 * (missing + after)).unwrap_or(0) | tail)
}

#[inline(always)]
fn read_groups(text: &[u8; LOADED], mut start: usize, mut ends: u64) -> (u128, u32) {
    let (mut value, mut count) = (0, 0);
    while ends != 0 {
        let end = ends.trailing_zeros() as usize;
        let bytes = text.get(start..).and_then(|rest| rest.first_chunk()).copied().unwrap_or_default();
        value = value << 16 | u128::from(read_group(bytes, end.wrapping_sub(start)));
        count += 1;
        start = end + 1;
        ends &= ends.wrapping_sub(1);
    }
    (value, count)
}

/// The first `digits` of four bytes, 1 to 4 hexadecimal digits.
#[inline]
fn read_group(bytes: [u8; 4], digits: usize) -> u32 {
    let ascii = u32::from_be_bytes(bytes).wrapping_shr(32_u32.wrapping_sub(8 * digits as u32));
    let letters = ascii >> 6 & 0x0101_0101;
    // A letter has bit 6, and its low four bits are 9 less than its value.
    let nibbles = (ascii & 0x0f0f_0f0f).wrapping_add(letters.wrapping_mul(9));
    // 0a0b0c0d -> .. ab .. cd -> abcd
    let bytes = (nibbles | nibbles >> 4) & 0x00ff_00ff;
    (bytes | bytes >> 8) & 0xffff
}
