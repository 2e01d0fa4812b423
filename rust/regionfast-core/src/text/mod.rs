//! Address text: what one text says, and the same for many at once.
//!
//! The language is that of Python's `ipaddress.ip_address(str)`, because that is what users compare with:
//!
//! * IPv4: four decimal octets of ASCII digits, no leading zero, at most 255, nothing around them.
//! * IPv6: RFC 4291 §2.2 in all three forms; `::` stands for at least one group. A zone (RFC 4007 §11) is
//!   what follows the first `%`: not empty, no further `%`, no `/`, otherwise any bytes, NUL included. It is
//!   not part of the address and is dropped.
//! * The empty text and `-`, which logs write where they have nothing, are *missing*.
//! * Everything else is *invalid*: ports, brackets, spaces, host names, digits outside ASCII.
//!
//! Texts are bytes. They need not be UTF-8: outside a zone only ASCII is ever accepted, and inside one
//! `ipaddress` asks nothing of a character but that it is neither `%` nor `/`, which UTF-8 never uses in a
//! longer sequence.
//!
//! | work | cost |
//! |---|---|
//! | dotted quad | constant: 16 bytes are looked at |
//! | IPv6, or text that is no address | constant: 40 bytes are looked at |
//! | zone behind an address | O(its length) |
//!
//! [`TextKernel::parse_rows`] is the hot path. The portable kernel is the definition of correct; its twin for
//! x86-64 has the same functions, and [`TextKernel::detect`] chooses at run time. Rows that are no dotted quad
//! are listed on the way and read in a second pass, so that a mixed column costs no mispredicted branch where
//! the quads are read.

mod rows;
mod scalar;
#[cfg(target_arch = "x86_64")]
mod sse41;
mod v6;

pub use rows::{FixedRows, Offset, Row, Rows, SliceRows, narrow_ucs4};

/// What one text says. Addresses are in host byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// A dotted quad.
    V4(u32),
    /// An IPv6 address; its zone is dropped, and an IPv4 address inside it is not looked for here.
    V6(u128),
    /// No address was given: the empty text or `-`.
    Missing,
    /// Any other text.
    Invalid,
}

/// Reads one text, with the fastest kernel.
#[must_use]
pub fn parse(text: &[u8]) -> Parsed {
    TextKernel::detect().parse(text)
}

/// One implementation. All give the same answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextKernel(Kernel);

/// Private, because a value of [`TextKernel`] is the proof that this CPU runs the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kernel {
    Scalar,
    #[cfg(target_arch = "x86_64")]
    Sse41,
}

impl TextKernel {
    /// The portable kernel, the definition of correct.
    pub const SCALAR: Self = Self(Kernel::Scalar);

    /// Every kernel that this CPU runs, the slowest first.
    pub fn available() -> impl Iterator<Item = Self> {
        #[cfg(target_arch = "x86_64")]
        let twin = std::arch::is_x86_feature_detected!("sse4.1").then_some(Self(Kernel::Sse41));
        #[cfg(not(target_arch = "x86_64"))]
        let twin = None;
        std::iter::once(Self::SCALAR).chain(twin)
    }

    /// The fastest kernel that this CPU runs. The standard library keeps what the CPU said, so that asking
    /// again is a load and a test.
    #[inline]
    #[must_use]
    pub fn detect() -> Self {
        Self::available().last().unwrap_or(Self::SCALAR)
    }

    /// `scalar` or `sse41`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self.0 {
            Kernel::Scalar => "scalar",
            #[cfg(target_arch = "x86_64")]
            Kernel::Sse41 => "sse41",
        }
    }

    /// Reads one text.
    #[must_use]
    pub fn parse(self, text: &[u8]) -> Parsed {
        self.parse_row(text.into())
    }

    /// Reads one text that stands in a buffer.
    #[must_use]
    pub fn parse_row(self, row: Row<'_>) -> Parsed {
        match self.0 {
            Kernel::Scalar => scalar::parse(row),
            #[cfg(target_arch = "x86_64")]
            Kernel::Sse41 => {
                #[expect(unsafe_code, reason = "a call into another instruction set")]
                // SAFETY: only `available` makes this variant, after the CPU said that it has SSE4.1.
                unsafe {
                    sse41::parse(row)
                }
            }
        }
    }

    /// Reads `rows[start..start + v4.len()]`; rows behind the last read as invalid.
    ///
    /// `v4[i]` becomes the IPv4 address of row `start + i`, or 0 where it holds none. Each row that holds none
    /// is appended to `others` as (`i`, what it says), with `i` ascending; a 0 that is not listed is `0.0.0.0`.
    /// `others` is not cleared, and grows by at most `v4.len()`.
    pub fn parse_rows<R: Rows + ?Sized>(
        self,
        rows: &R,
        start: usize,
        v4: &mut [u32],
        others: &mut Vec<(usize, Parsed)>,
    ) {
        match self.0 {
            Kernel::Scalar => scalar::parse_rows(rows, start, v4, others),
            #[cfg(target_arch = "x86_64")]
            Kernel::Sse41 => {
                #[expect(unsafe_code, reason = "a call into another instruction set")]
                // SAFETY: only `available` makes this variant, after the CPU said that it has SSE4.1.
                unsafe {
                    sse41::parse_rows(rows, start, v4, others);
                }
            }
        }
    }
}

/// Rows between two looks at the list of those that are no dotted quad. Their numbers fit a `u8`, and texts of
/// the usual length are still in the L1 cache when the second pass comes to them.
const BLOCK: usize = 256;

/// The loop of both kernels, with the kernel's `parse_quad` and `classify`.
///
/// The first pass does not branch on what a row says: each row is written down as the next that is no quad, and
/// stays where the next is written only if it was one. Always inlined, so that the functions of a kernel are
/// compiled, and inlined, for its instruction set; passed by value, because a reference to a closure is called
/// through a function that has not that instruction set.
#[inline(always)]
fn parse_blocks<R: Rows + ?Sized>(
    rows: &R,
    start: usize,
    v4: &mut [u32],
    others: &mut Vec<(usize, Parsed)>,
    quad: impl Fn(Row<'_>) -> Option<u32> + Copy,
    classify: impl Fn(&[u8; v6::LOADED]) -> v6::Classes + Copy,
) {
    for (v4, first) in v4.chunks_mut(BLOCK).zip((0..).step_by(BLOCK)) {
        // Wraps only from a `start` behind the last row of anything that fits into memory.
        let row = |at: usize| rows.row(start.wrapping_add(first).wrapping_add(at));
        let mut listed = [0_u8; BLOCK];
        let mut count = 0_usize;
        for (at, address) in v4.iter_mut().enumerate() {
            let parsed = quad(row(at));
            *address = parsed.unwrap_or(0);
            // The remainder changes nothing, and spares the check of the bound.
            if let Some(next) = listed.get_mut(count % BLOCK) {
                *next = at as u8;
            }
            count = count.wrapping_add(usize::from(parsed.is_none()));
        }
        for at in listed.iter().take(count).map(|&at| usize::from(at)) {
            others.push((first + at, parse_other(row(at), quad, classify)));
        }
    }
}

/// Reads a text that is no dotted quad.
#[inline(always)]
fn parse_other(
    row: Row<'_>,
    quad: impl Fn(Row<'_>) -> Option<u32> + Copy,
    classify: impl Fn(&[u8; v6::LOADED]) -> v6::Classes,
) -> Parsed {
    match row.bytes() {
        b"" | b"-" => Parsed::Missing,
        _ => v6::parse(row, quad, classify).map_or(Parsed::Invalid, Parsed::V6),
    }
}
