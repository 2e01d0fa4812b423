//! Columns of addresses in any form, and the one way to read them: piece by piece, by whoever wants the rows.
//!
//! Two want them: [`Resolved`](crate::lookup::Resolved) looks them up, [`Addresses`] keeps them as they are. So what a
//! form says, and what is an address in it, is written once.

use std::ops::Range;

use crate::text::{Parsed, Rows, TextKernel};

/// Rows that are parsed and handed over together: 4 KiB of addresses, so that they are still in the L1 cache when
/// somebody looks at them.
pub(crate) const PIECE: usize = 1024;

/// Addresses in some form.
pub trait Column: Sync {
    /// Number of rows.
    fn len(&self) -> usize;

    /// Whether there are no rows.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a row can be an IPv6 address, and so wrap an IPv4 address.
    fn can_wrap(&self) -> bool {
        true
    }

    /// Hands over rows that the column has, in their order.
    fn read(&self, rows: Range<usize>, to: &mut impl Sink);
}

/// Takes the rows of a column, in their order.
pub trait Sink {
    /// IPv4 addresses, host byte order.
    fn v4(&mut self, rows: &[u32]);

    /// IPv6 addresses, network order.
    fn v6(&mut self, rows: &[[u8; 16]]);

    /// Rows of any kind: `others` has what those say that are no IPv4 address, by index into `rows`, ascending. In
    /// `rows` they are 0.
    fn mixed(&mut self, rows: &[u32], others: &[(usize, Parsed)]);
}

/// What columns become behind each other, row by row.
pub trait Batch: Send {
    /// Number of rows so far.
    fn len(&self) -> usize;

    /// Whether there are no rows.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// An empty batch of the same kind.
    #[must_use]
    fn another(&self) -> Self;

    /// Makes room for so many rows.
    fn reserve(&mut self, rows: usize);

    /// Adds the rows of a column.
    fn extend<C: Column + ?Sized>(&mut self, column: &C);

    /// Makes rows say something else than their column did. `others` names them by index from the row `first` on,
    /// ascending; rows that do not exist are left out. O(rows from `first` on).
    fn replace(&mut self, first: usize, others: impl IntoIterator<Item = (usize, Parsed)>);

    /// Adds the rows of another batch that `rows` names, in its order; a row that does not exist is left out.
    fn append(&mut self, from: &Self, rows: &[usize]);
}

/// The kind of a row of [`Addresses`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Family {
    /// No address was given.
    Missing = 0,
    /// What was given is no address.
    Invalid = 1,
    /// IPv4.
    V4 = 4,
    /// IPv6.
    V6 = 6,
}

/// A batch as the addresses that it holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    /// The [`Family`] of each row.
    pub families: Vec<u8>,
    /// The IPv4 address of each row, host byte order; 0 where it holds none.
    pub v4: Vec<u32>,
    // INVARIANT: as many as there are `Family::V6` in `families`.
    /// The IPv6 addresses of the rows that hold one, in their order, network order.
    pub v6: Vec<[u8; 16]>,
}

impl Addresses {
    fn push(&mut self, parsed: Parsed) {
        let (family, v4) = match parsed {
            Parsed::V4(bits) => (Family::V4, bits),
            Parsed::V6(bits) => {
                self.v6.push(bits.to_be_bytes());
                (Family::V6, 0)
            }
            Parsed::Missing => (Family::Missing, 0),
            Parsed::Invalid => (Family::Invalid, 0),
        };
        self.families.push(family as u8);
        self.v4.push(v4);
    }

    /// What the rows from `first` on say, which are taken out.
    fn split_off(&mut self, first: usize) -> impl Iterator<Item = Parsed> + use<> {
        let families = self.families.split_off(first.min(self.families.len()));
        let v4 = self.v4.split_off(first.min(self.v4.len()));
        let sixes = families.iter().filter(|family| **family == Family::V6 as u8).count();
        let mut v6 = self.v6.split_off(self.v6.len().saturating_sub(sixes)).into_iter();
        families.into_iter().zip(v4).map(move |(family, v4)| match family {
            4 => Parsed::V4(v4),
            6 => v6.next().map_or(Parsed::Invalid, |octets| Parsed::V6(u128::from_be_bytes(octets))),
            0 => Parsed::Missing,
            _ => Parsed::Invalid,
        })
    }
}

impl Sink for Addresses {
    fn v4(&mut self, rows: &[u32]) {
        self.families.resize(self.families.len() + rows.len(), Family::V4 as u8);
        self.v4.extend_from_slice(rows);
    }

    fn v6(&mut self, rows: &[[u8; 16]]) {
        self.families.resize(self.families.len() + rows.len(), Family::V6 as u8);
        self.v4.resize(self.v4.len() + rows.len(), 0);
        self.v6.extend_from_slice(rows);
    }

    fn mixed(&mut self, rows: &[u32], others: &[(usize, Parsed)]) {
        let mut next = 0;
        for &(at, parsed) in others {
            self.v4(rows.get(next..at).unwrap_or_default());
            self.push(parsed);
            next = at + 1;
        }
        self.v4(rows.get(next..).unwrap_or_default());
    }
}

impl Batch for Addresses {
    fn len(&self) -> usize {
        self.families.len()
    }

    fn another(&self) -> Self {
        Self::default()
    }

    fn reserve(&mut self, rows: usize) {
        self.families.reserve_exact(rows);
        self.v4.reserve_exact(rows);
    }

    // On one thread: parsing keeps up with the memory that it fills, and IPv6 addresses have no place before those in
    // front of them are counted.
    fn extend<C: Column + ?Sized>(&mut self, column: &C) {
        self.families.reserve(column.len());
        self.v4.reserve(column.len());
        column.read(0..column.len(), self);
    }

    fn replace(&mut self, first: usize, others: impl IntoIterator<Item = (usize, Parsed)>) {
        let mut others = others.into_iter().peekable();
        if others.peek().is_none() {
            return;
        }
        for (row, parsed) in self.split_off(first).enumerate() {
            self.push(others.next_if(|(at, _)| *at == row).map_or(parsed, |(_, other)| other));
        }
    }

    fn append(&mut self, from: &Self, rows: &[usize]) {
        let entries: Vec<Parsed> = from.clone().split_off(0).collect();
        for &row in rows {
            if let Some(&parsed) = entries.get(row) {
                self.push(parsed);
            }
        }
    }
}

impl Column for [u32] {
    fn len(&self) -> usize {
        <[u32]>::len(self)
    }

    fn can_wrap(&self) -> bool {
        false
    }

    fn read(&self, rows: Range<usize>, to: &mut impl Sink) {
        to.v4(self.get(rows).unwrap_or_default());
    }
}

impl Column for [[u8; 16]] {
    fn len(&self) -> usize {
        <[[u8; 16]]>::len(self)
    }

    fn read(&self, rows: Range<usize>, to: &mut impl Sink) {
        to.v6(self.get(rows).unwrap_or_default());
    }
}

impl Column for [[u8; 4]] {
    fn len(&self) -> usize {
        <[[u8; 4]]>::len(self)
    }

    fn can_wrap(&self) -> bool {
        false
    }

    fn read(&self, rows: Range<usize>, to: &mut impl Sink) {
        let mut addresses = [0; PIECE];
        for rows in self.get(rows).unwrap_or_default().chunks(PIECE) {
            for (address, row) in addresses.iter_mut().zip(rows) {
                *address = u32::from_be_bytes(*row);
            }
            to.v4(addresses.get(..rows.len()).unwrap_or_default());
        }
    }
}

/// A column of packed addresses: 4 bytes or 16, in network order. An empty row is missing, one of any other
/// length invalid.
pub struct PackedColumn<'a, R: ?Sized> {
    rows: &'a R,
}

impl<'a, R: Rows + ?Sized> PackedColumn<'a, R> {
    /// The rows as a column.
    pub fn new(rows: &'a R) -> Self {
        Self { rows }
    }
}

impl<R: Rows + ?Sized> Column for PackedColumn<'_, R> {
    fn len(&self) -> usize {
        self.rows.len()
    }

    fn read(&self, rows: Range<usize>, to: &mut impl Sink) {
        let mut v4 = Vec::with_capacity(PIECE.min(rows.len()));
        let mut others: Vec<(usize, Parsed)> = Vec::new();
        for start in rows.clone().step_by(PIECE) {
            v4.clear();
            others.clear();
            for at in 0..PIECE.min(rows.end - start) {
                let bytes = self.rows.row(start + at).bytes();
                if let Ok(four) = <[u8; 4]>::try_from(bytes) {
                    v4.push(u32::from_be_bytes(four));
                    continue;
                }
                v4.push(0);
                others.push((
                    at,
                    match <[u8; 16]>::try_from(bytes) {
                        Ok(sixteen) => Parsed::V6(u128::from_be_bytes(sixteen)),
                        Err(_) if bytes.is_empty() => Parsed::Missing,
                        Err(_) => Parsed::Invalid,
                    },
                ));
            }
            to.mixed(&v4, &others);
        }
    }
}

/// A column of text.
pub struct TextColumn<'a, R: ?Sized> {
    rows: &'a R,
    kernel: TextKernel,
}

impl<'a, R: Rows + ?Sized> TextColumn<'a, R> {
    /// The rows as a column, parsed by the best kernel of this machine.
    pub fn new(rows: &'a R) -> Self {
        Self { rows, kernel: TextKernel::detect() }
    }
}

impl<R: Rows + ?Sized> Column for TextColumn<'_, R> {
    fn len(&self) -> usize {
        self.rows.len()
    }

    fn read(&self, rows: Range<usize>, to: &mut impl Sink) {
        let mut v4 = [0; PIECE];
        let mut others: Vec<(usize, Parsed)> = Vec::new();
        for start in rows.clone().step_by(PIECE) {
            let Some(v4) = v4.get_mut(..PIECE.min(rows.end - start)) else { return };
            others.clear();
            self.kernel.parse_rows(self.rows, start, v4, &mut others);
            to.mixed(v4, &others);
        }
    }
}

/// A column of nulls: so many rows without an address.
pub struct NullColumn(pub usize);

impl Column for NullColumn {
    fn len(&self) -> usize {
        self.0
    }

    fn can_wrap(&self) -> bool {
        false
    }

    fn read(&self, rows: Range<usize>, to: &mut impl Sink) {
        let (v4, others) = ([0; PIECE], std::array::from_fn::<_, PIECE, _>(|at| (at, Parsed::Missing)));
        for start in rows.clone().step_by(PIECE) {
            let count = PIECE.min(rows.end - start);
            to.mixed(v4.get(..count).unwrap_or_default(), others.get(..count).unwrap_or_default());
        }
    }
}

#[cfg(test)]
mod tests;
