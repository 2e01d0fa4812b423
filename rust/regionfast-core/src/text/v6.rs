//! IPv6 text, portable but for the classes of bytes and the dotted tail, which the kernel reads.
//!
//! The places of colons and digits are gathered into bit masks, and the form of the text is judged on the masks
//! as a whole; only then the groups are read, each from its own place. A loop over bytes was rejected: it
//! branches on every byte, and the lengths of groups cannot be foreseen. To lay all groups side by side in memory
//! and to convert them at once was tried and was slower: such a load must wait for several stores.

use super::Row;

/// Longest text of groups only: eight of four digits, seven colons. What is longer and valid has a `.` or a
/// `%` among its first bytes, one more than these.
const LONGEST: usize = 8 * 4 + 7;

/// What is loaded of a text: the longest, rounded up to vectors of 16.
pub(super) const LOADED: usize = 48;

/// What the bytes of a text are; bit i for byte i. Bits from 40 on are not looked at.
#[derive(Clone, Copy)]
pub(super) struct Classes {
    /// Colons.
    pub(super) colons: u64,
    /// Hexadecimal digits.
    pub(super) digits: u64,
}

/// One IPv6 address; None when the row is none.
///
/// `quad` and `classify` are the functions of these names of a kernel. Always inlined, as
/// [`parse_blocks`](super::parse_blocks) is and for the same reason; so are the two that they are passed on to.
#[inline(always)]
pub(super) fn parse(
    row: Row<'_>,
    quad: impl Fn(Row<'_>) -> Option<u32> + Copy,
    classify: impl Fn(&[u8; LOADED]) -> Classes,
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
    let foreign = below(len) & !(classes.colons | classes.digits);
    if foreign == 0 {
        return read(text, classes.first(len));
    }
    let at = foreign.trailing_zeros() as usize;
    match text.get(at)? {
        b'%' => {
            let address = read(text, classes.first(at))?;
            is_zone(row.bytes().get(at + 1..)?).then_some(address)
        }
        b'.' => {
            let last_colon = u64::BITS - (classes.colons & below(at)).leading_zeros();
            parse_dotted(row, text, classes, last_colon as usize, quad)
        }
        _ => None,
    }
}

/// An address whose last 32 bits are a dotted quad, from byte `tail` on, perhaps with a zone.
#[inline(always)]
fn parse_dotted(
    row: Row<'_>,
    text: &[u8; LOADED],
    classes: Classes,
    tail: usize,
    quad: impl Fn(Row<'_>) -> Option<u32> + Copy,
) -> Option<u128> {
    // Two groups of one digit stand in for the quad while the form is judged; what they say is replaced.
    let head = classes.first(tail);
    let stand_in = Classes { colons: head.colons | 0b010 << tail, digits: head.digits | 0b101 << tail };
    let address = read(text, stand_in)?;
    let last = Row::new(row.window().get(tail..)?, row.len() - tail)?;
    let low = quad(last).or_else(|| {
        // A quad has at most 15 bytes.
        let at = last.bytes().iter().take(16).position(|&byte| byte == b'%')?;
        let low = quad(Row::new(last.window(), at)?)?;
        is_zone(last.bytes().get(at + 1..)?).then_some(low)
    })?;
    Some(address & !0xffff_ffff | u128::from(low))
}

/// Whether a text is what may follow the first `%`.
fn is_zone(text: &[u8]) -> bool {
    !text.is_empty() && !text.iter().any(|byte| matches!(byte, b'%' | b'/'))
}

impl Classes {
    /// Of the first `len` bytes only, the others are neither.
    #[inline]
    fn first(self, len: usize) -> Self {
        Self { colons: self.colons & below(len), digits: self.digits & below(len) }
    }
}

/// The lowest `len` bits, at most 63.
#[inline]
fn below(len: usize) -> u64 {
    !(u64::MAX << len)
}

/// A copy of fewer bytes that may be loaded as a whole.
fn padded(text: &[u8]) -> [u8; LOADED] {
    let mut padded = [0; LOADED];
    for (to, from) in padded.iter_mut().zip(text) {
        *to = *from;
    }
    padded
}

/// Groups of digits, `::` included. The classes cover the text without a hole, from its first byte on.
#[inline(always)]
fn read(text: &[u8; LOADED], Classes { colons, digits }: Classes) -> Option<u128> {
    let gap = colons & colons << 1; // the second colon of `::`
    let second_gap = gap & gap.wrapping_sub(1); // another `::`, or `:::`
    let pairs = digits & digits >> 1;
    let five = pairs & pairs >> 2 & digits >> 4; // a run of five digits
    let lone_first = colons & !(gap >> 1) & 1; // a colon at either end is allowed in `::` only
    let lone_last = colons & !gap & !((colons | digits) >> 1);
    if second_gap | five | lone_first | lone_last != 0 {
        return None;
    }
    let ends = digits << 1 & !digits; // the first byte behind each group
    if gap == 0 {
        let (address, count) = read_groups(text, 0, ends);
        return (count == 8).then_some(address);
    }
    let (head, before) = read_groups(text, 0, ends & gap.wrapping_sub(1));
    let (tail, after) = read_groups(text, gap.trailing_zeros() as usize + 1, ends & gap.wrapping_neg());
    if before + after > 7 {
        return None; // `::` stands for at least one group
    }
    // By all 128 bits where no group stands before the gap.
    Some(head.checked_shl(128 - 16 * before).unwrap_or(0) | tail)
}

/// Groups with one colon between them, and how many: the first starts at byte `start`, and before each bit of
/// `ends` one ends. The last is in the lowest 16 bits; what is too much for 128 is lost.
#[inline(always)]
fn read_groups(text: &[u8; LOADED], mut start: usize, mut ends: u64) -> (u128, u32) {
    let (mut address, mut count) = (0, 0_u32);
    while ends != 0 {
        let end = ends.trailing_zeros() as usize;
        let bytes = text.get(start..).and_then(|rest| rest.first_chunk()).copied().unwrap_or_default();
        address = address << 16 | u128::from(read_group(bytes, end.wrapping_sub(start)));
        count = count.wrapping_add(1);
        start = end.wrapping_add(1);
        ends &= ends.wrapping_sub(1);
    }
    (address, count)
}

/// The first `count` of four bytes, one to four hexadecimal digits, as a number.
///
/// `2F:a` with a count of 2: `3246` after the shift, nibbles `020f`, then `2f`.
#[inline]
fn read_group(bytes: [u8; 4], count: usize) -> u32 {
    let ascii = u32::from_be_bytes(bytes).wrapping_shr(32_u32.wrapping_sub((count as u32).wrapping_mul(8)));
    // Of all digits only letters have bit 6, and the low four bits of a letter are 9 less than its value.
    let letters = ascii >> 6 & 0x0101_0101;
    let nibbles = (ascii & 0x0f0f_0f0f).wrapping_add(letters.wrapping_mul(9));
    let bytes = (nibbles | nibbles >> 4) & 0x00ff_00ff;
    (bytes | bytes >> 8) & 0xffff
}
