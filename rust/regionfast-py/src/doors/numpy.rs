//! NumPy arrays: `uint32`, `uint8` of shape `(n, 4)` or `(n, 16)`, `S`, `U` and objects.
//!
//! Memory of an array belongs to others: another thread may write to it while we read. So no reference to it is
//! ever formed; pieces of it are copied into memory of our own, which stays in the L1 cache, and the copy is what
//! is looked up. See `docs/soundness.md`.

#![expect(unsafe_code, reason = "the buffer door: copies out of memory that others may write to")]

use std::num::NonZero;
use std::ptr;

use numpy::{PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use regionfast_core::Slot;
use regionfast_core::lookup::{Answers, Column, TextColumn};
use regionfast_core::table::Table;
use regionfast_core::text::{FixedRows, narrow_ucs4};

use super::list;

/// Bytes that are copied at a time: with their slots they stay in the L1 cache.
const PIECE_BYTES: usize = 16 << 10;

/// Looks up the rows of an array.
pub fn lookup_many(
    table: &Table,
    array: &Bound<'_, PyUntypedArray>,
    threads: Option<NonZero<usize>>,
) -> PyResult<Answers> {
    let py = array.py();
    // Only a subclass can have a mask, and asking for the class would import all of `numpy.ma`.
    if !array.is_exact_instance_of::<PyUntypedArray>() && array.hasattr(intern!(py, "mask"))? {
        return Err(PyTypeError::new_err(
            "a masked array is not taken, since its mask would be lost: pass an Arrow array, or objects with None",
        ));
    }
    let dtype = array.dtype();
    let kind: char = dtype.getattr("kind")?.extract()?;
    let width: usize = dtype.getattr("itemsize")?.extract()?;
    let (form, rows, width) = match (kind, width, array.shape()) {
        // A column of floats is one without addresses, as CSV readers make it: NaN is missing, and else an error.
        ('O' | 'f', _, [_]) => return list::lookup_many(table, &array.call_method0("tolist")?, threads),
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
    // Contiguous and in native byte order: a copy where it is not, the same array where it is.
    let native = dtype.call_method1("newbyteorder", ("=",))?;
    let array = py.import("numpy")?.call_method1("ascontiguousarray", (array, native))?;
    let array = array.cast::<PyUntypedArray>()?;
    // SAFETY: an array object has this field for as long as it lives, and `array` lives to the end of the call.
    let first = unsafe { (*array.as_array_ptr()).fields.data.cast::<u8>().cast_const() };
    let foreign = Foreign { first, rows, width, form };
    let mut answers = Answers::default();
    py.detach(|| answers.extend(table, &foreign, threads));
    Ok(answers)
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
// INVARIANT: `rows * width` bytes from `first` on are the memory of a contiguous array that is kept alive.
struct Foreign {
    first: *const u8,
    rows: usize,
    width: usize,
    form: Form,
}

// SAFETY: `copy` reads through the pointer and never makes a reference, so that it does not matter which thread
// calls it, nor how many do.
unsafe impl Sync for Foreign {}

/// Types that any bytes are a value of.
trait Plain: Copy + Default {}
impl Plain for u8 {}
impl Plain for u32 {}
impl Plain for [u8; 16] {}

impl Foreign {
    /// Copies `count` rows to the front of `items`, and gives back that front.
    fn copy<'a, T: Plain>(&self, start: usize, count: usize, items: &'a mut Vec<T>) -> &'a mut [T] {
        let bytes = count * self.width;
        assert!(start + count <= self.rows && bytes.is_multiple_of(size_of::<T>()), "rows of the array");
        let len = bytes / size_of::<T>();
        if items.len() < len {
            items.resize(len, T::default());
        }
        // SAFETY: inside the array, see its invariant and the assertion; `items` is ours, no part of the array, and
        // has room for the bytes, of which any are values of T.
        unsafe { ptr::copy_nonoverlapping(self.first.add(start * self.width), items.as_mut_ptr().cast(), bytes) };
        items.get_mut(..len).unwrap_or_default()
    }
}

impl Column for Foreign {
    fn len(&self) -> usize {
        self.rows
    }

    fn can_wrap(&self) -> bool {
        !matches!(self.form, Form::Integer | Form::Packed4)
    }

    fn lookup(&self, table: &Table, start: usize, slots: &mut [Slot], wrappings: &mut [u8]) {
        let piece = (PIECE_BYTES / self.width.max(1)).max(1);
        let (mut integers, mut sixteens, mut bytes) = (Vec::<u32>::new(), Vec::<[u8; 16]>::new(), Vec::<u8>::new());
        let mut wrappings = wrappings.chunks_mut(piece);
        for (slots, at) in slots.chunks_mut(piece).zip((start..).step_by(piece)) {
            let (count, wrappings) = (slots.len(), wrappings.next().unwrap_or_default());
            match self.form {
                Form::Integer => table.lookup_v4_many(self.copy(at, count, &mut integers), slots),
                Form::Packed4 => {
                    let integers = self.copy(at, count, &mut integers);
                    integers.iter_mut().for_each(|address| *address = u32::from_be(*address));
                    table.lookup_v4_many(integers, slots);
                }
                Form::Packed16 => self.copy(at, count, &mut sixteens).lookup(table, 0, slots, wrappings),
                Form::Ascii => {
                    let rows = FixedRows::new(self.copy(at, count, &mut bytes), self.width, count);
                    TextColumn::new(&rows).lookup(table, 0, slots, wrappings);
                }
                Form::Ucs4 => {
                    let cells = self.copy(at, count, &mut integers);
                    bytes.resize(cells.len(), 0);
                    narrow_ucs4(cells.iter().copied(), &mut bytes);
                    let rows = FixedRows::new(&bytes, self.width / 4, count);
                    TextColumn::new(&rows).lookup(table, 0, slots, wrappings);
                }
            }
        }
    }
}
