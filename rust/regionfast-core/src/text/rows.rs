//! Where texts lie: rows of Arrow buffers, of packed copies of strings, of fixed-width arrays.

/// One text inside a buffer.
///
/// `window` starts at the first byte of the row and goes on to the end of the buffer that holds it; the row is
/// its first `len` bytes. What lies behind them may be loaded but says nothing: it lets a kernel take 16 bytes
/// at once without a copy.
///
/// Not `Debug`, so that no message prints an address by accident.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    window: &'a [u8],
    // INVARIANT: len <= window.len()
    len: usize,
}

impl<'a> Row<'a> {
    /// The row of a null: the empty text, since both are missing.
    pub const MISSING: Row<'static> = Row { window: &[], len: 0 };

    /// The row of a place that does not exist: a text that is no address.
    pub const INVALID: Row<'static> = Row { window: b"?", len: 1 };

    /// The first `len` bytes of `window`; None when it has fewer.
    #[inline]
    #[must_use]
    pub fn new(window: &'a [u8], len: usize) -> Option<Self> {
        (len <= window.len()).then_some(Self { window, len })
    }

    /// The text.
    #[inline]
    #[must_use]
    pub fn bytes(self) -> &'a [u8] {
        self.window.get(..self.len).unwrap_or_default()
    }

    /// The text and what lies behind it.
    #[inline]
    pub(super) fn window(self) -> &'a [u8] {
        self.window
    }

    #[inline]
    pub(super) fn len(self) -> usize {
        self.len
    }
}

impl<'a> From<&'a [u8]> for Row<'a> {
    #[inline]
    fn from(text: &'a [u8]) -> Self {
        Self { window: text, len: text.len() }
    }
}

/// How rows are found. Mark `row` as `#[inline]`: it is called once or twice a row.
pub trait Rows: Sync {
    /// Number of rows.
    fn len(&self) -> usize;

    /// Row `index`. A null is [`Row::MISSING`]; an index that does not exist, or one whose place the buffer
    /// does not have, is [`Row::INVALID`]. Never panics.
    fn row(&self, index: usize) -> Row<'_>;

    /// Whether there is no row.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// An offset as Arrow has it: `i32` in `utf8`, `i64` in `large_utf8`; `u32` in packed copies of our own.
pub trait Offset: Copy + Sync {
    /// As a place in a buffer; a negative offset becomes one that no buffer has.
    fn place(self) -> u64;
}

macro_rules! offset {
    ($($integer:ty),*) => {$(
        impl Offset for $integer {
            #[inline]
            fn place(self) -> u64 {
                // Extends the sign. Not checked here: the bound of the buffer has to be checked anyway.
                self as u64
            }
        }
    )*};
}
offset!(i32, i64, u32);

/// Texts one after the other in one buffer: row `i` is `text[offsets[i]..offsets[i + 1]]`.
///
/// Nothing is checked beforehand: a row whose offsets are negative, fall, or point outside the text reads as
/// invalid, and the others are read.
#[derive(Clone, Copy)]
pub struct SliceRows<'a, O> {
    /// The buffer.
    pub text: &'a [u8],
    /// One more than there are rows; none at all is no rows.
    pub offsets: &'a [O],
}

impl<O: Offset> Rows for SliceRows<'_, O> {
    #[inline]
    fn len(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    #[inline]
    fn row(&self, index: usize) -> Row<'_> {
        let find = || {
            let [start, end] = self.offsets.get(index..)?.first_chunk()?.map(Offset::place);
            let window = self.text.get(usize::try_from(start).ok()?..)?;
            // An end before the start wraps, and the row is longer than any window.
            Row::new(window, usize::try_from(end.wrapping_sub(start)).ok()?)
        };
        find().unwrap_or(Row::INVALID)
    }
}

/// Texts in cells of one width, filled up with NUL, as NumPy lays out dtype `S`: NULs at the end of a cell are
/// no text, NULs before another byte are.
#[derive(Clone, Copy)]
pub struct FixedRows<'a> {
    text: &'a [u8],
    width: usize,
    len: usize,
}

impl<'a> FixedRows<'a> {
    /// `len` cells of `width` bytes each at the front of `text`; cells that it does not have read as invalid.
    /// `len` is asked for because cells of width 0, which NumPy has, take no room in `text`.
    #[must_use]
    pub fn new(text: &'a [u8], width: usize, len: usize) -> Self {
        Self { text, width, len }
    }
}

impl Rows for FixedRows<'_> {
    #[inline]
    fn len(&self) -> usize {
        self.len
    }

    #[inline]
    fn row(&self, index: usize) -> Row<'_> {
        let find = || {
            if index >= self.len {
                return None;
            }
            let window = self.text.get(index.checked_mul(self.width)?..)?;
            Row::new(window, unpadded(window.get(..self.width)?))
        };
        find().unwrap_or(Row::INVALID)
    }
}

/// The length of a cell without the NULs at its end. Eight bytes at a time: byte by byte it costs more than the
/// parse, where cells are made for the longest IPv6 address and hold quads.
#[inline]
fn unpadded(mut cell: &[u8]) -> usize {
    while let Some((front, last)) = cell.split_last_chunk::<8>() {
        let nuls = u64::from_le_bytes(*last).leading_zeros() as usize / 8;
        if nuls < 8 {
            return cell.len() - nuls;
        }
        cell = front;
    }
    cell.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1)
}

/// One byte for each UCS-4 cell of a NumPy `U` array, to be read with [`FixedRows`] of as many bytes a row as
/// the array has cells a row. Stops when either side ends.
///
/// ASCII stays. Every other cell becomes 0xff, a byte that makes a text invalid except inside a zone, which is
/// all that `ipaddress` makes of a character outside ASCII; UTF-8 could not say more, and would move the rows.
pub fn narrow_ucs4(cells: impl IntoIterator<Item = u32>, out: &mut [u8]) {
    for (byte, cell) in out.iter_mut().zip(cells) {
        *byte = if cell < 0x80 { cell as u8 } else { 0xff };
    }
}
