//! NumPy arrays: `uint32`, `uint8` of shape `(n, 4)` or `(n, 16)`, `S`, `U` and objects.

use std::ops::Range;

use numpy::{PyArrayDescrMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use regionfast_core::addresses::{Batch, Column, Sink, TextColumn};
use regionfast_core::text::{FixedRows, narrow_ucs4};

use super::list;
use crate::buffer::{Buffer, Plain};

/// Bytes that are copied at a time: with what is made of them they stay in the L1 cache.
const PIECE_BYTES: usize = 16 << 10;

/// Adds the rows of an array.
pub fn read<B: Batch>(array: &Bound<'_, PyUntypedArray>, batch: &mut B) -> PyResult<()> {
    let py = array.py();
    // Only a subclass can have a mask, and asking for the class would import all of `numpy.ma`.
    if !array.is_exact_instance_of::<PyUntypedArray>() && array.hasattr(intern!(py, "mask"))? {
        return Err(PyTypeError::new_err(
            "a masked array is not taken, since its mask would be lost: pass an Arrow array, or objects with None",
        ));
    }
    let dtype = array.dtype();
    let (kind, width) = (char::from(dtype.kind()), dtype.itemsize());
    let (form, rows, width) = match (kind, width, array.shape()) {
        // A column of floats is one without addresses, as CSV readers make it: NaN is missing, and else an error.
        ('O' | 'f', _, [_]) => return list::read(&array.call_method0("tolist")?, batch),
        ('u', 4, &[rows]) => (Form::Integer, rows, 4),
        ('u', 1, &[rows, 4]) => (Form::Packed4, rows, 4),
        ('u', 1, &[rows, 16]) => (Form::Packed16, rows, 16),
        ('S', _, &[rows]) => (Form::Ascii, rows, width),
        ('U', _, &[rows]) => (Form::Ucs4, rows, width),
        ('O' | 'u' | 'S' | 'U', 1 | 4 | 8, _) | ('S' | 'U', ..) if kind != 'u' || width != 8 => {
            return Err(PyValueError::new_err(format!(
                "an array of dtype {dtype} has no addresses in shape {:?}: it is (n,) for uint32, text and objects, \
                 (n, 4) or (n, 16) for uint8",
                array.shape()
            )));
        }
        _ => {
            return Err(PyTypeError::new_err(format!(
                "an array of dtype {dtype} holds no addresses: use uint32, uint8 (packed), S, U or object"
            )));
        }
    };
    let foreign = Foreign { buffer: Buffer::new(array)?, rows, width, form };
    py.detach(|| batch.extend(&foreign));
    Ok(())
}

/// Copies the rows of an array of dtype `uint8` and shape `(m, 16)`.
pub fn sixteens(array: &Bound<'_, PyUntypedArray>) -> PyResult<Vec<[u8; 16]>> {
    let mut rows = Vec::new();
    match (array.dtype().char(), array.shape()) {
        (b'B', &[count, 16]) => {
            Buffer::new(array)?.copy(0, count * 16, &mut rows);
            Ok(rows)
        }
        (b'B', shape) => Err(PyValueError::new_err(format!("IPv6 addresses in shape {shape:?}: it is (m, 16)"))),
        (_, _) => Err(PyTypeError::new_err(format!("IPv6 addresses of dtype {}: it is uint8", array.dtype()))),
    }
}

/// What a row is.
#[derive(Clone, Copy)]
enum Form {
    /// IPv4, `u32` in host byte order.
    Integer,
    /// IPv4, 4 bytes in network order.
    Packed4,
    /// IPv6, 16 bytes in network order.
    Packed16,
    /// Text, one byte a character.
    Ascii,
    /// Text, four bytes a character in host byte order.
    Ucs4,
}

/// Rows in memory of others.
struct Foreign {
    buffer: Buffer,
    rows: usize,
    /// Bytes of a row.
    width: usize,
    form: Form,
}

impl Foreign {
    /// Copies `count` rows to the front of `values`, and gives back that front.
    fn copy<'a, T: Plain>(&self, start: usize, count: usize, values: &'a mut Vec<T>) -> &'a mut [T] {
        // A row of `Packed4` and `Packed16` is so many items of one byte, the other rows are one item.
        let items = if matches!(self.form, Form::Packed4 | Form::Packed16) { self.width } else { 1 };
        self.buffer.copy(start * items, count * items, values)
    }
}

impl Column for Foreign {
    fn len(&self) -> usize {
        self.rows
    }

    fn can_wrap(&self) -> bool {
        !matches!(self.form, Form::Integer | Form::Packed4)
    }

    fn read(&self, rows: Range<usize>, to: &mut impl Sink) {
        let piece = (PIECE_BYTES / self.width.max(1)).max(1);
        let (mut integers, mut sixteens, mut bytes) = (Vec::<u32>::new(), Vec::<[u8; 16]>::new(), Vec::<u8>::new());
        for at in rows.clone().step_by(piece) {
            let count = piece.min(rows.end - at);
            match self.form {
                Form::Integer => to.v4(self.copy(at, count, &mut integers)),
                Form::Packed4 => {
                    let integers = self.copy(at, count, &mut integers);
                    integers.iter_mut().for_each(|address| *address = u32::from_be(*address));
                    to.v4(integers);
                }
                Form::Packed16 => to.v6(self.copy(at, count, &mut sixteens)),
                Form::Ascii => {
                    let rows = FixedRows::new(self.copy(at, count, &mut bytes), self.width, count);
                    TextColumn::new(&rows).read(0..count, to);
                }
                Form::Ucs4 => {
                    let cells = self.copy(at, count, &mut integers);
                    bytes.resize(cells.len(), 0);
                    narrow_ucs4(cells.iter().copied(), &mut bytes);
                    let rows = FixedRows::new(&bytes, self.width / 4, count);
                    TextColumn::new(&rows).read(0..count, to);
                }
            }
        }
    }
}
