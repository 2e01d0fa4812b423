//! Memory of NumPy arrays.
//!
//! It belongs to others: another thread may write to it while we read. So no reference to it is ever formed; pieces
//! of it are copied into memory of our own, which stays in the L1 cache, and the copy is what is looked at. See
//! `docs/soundness.md`.

#![expect(unsafe_code, reason = "the buffer door: copies out of memory that others may write to")]

use std::ptr;

use numpy::{PyArrayDescrMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::prelude::*;
use regionfast_core::column::Cells;

/// The items of an array, row after row, in native byte order.
// INVARIANT: `items * width` bytes from `first` on are the memory of `array`, which is contiguous and lives as long.
pub struct Buffer {
    first: *const u8,
    items: usize,
    width: usize,
    #[expect(dead_code, reason = "keeps the memory")]
    array: Py<PyUntypedArray>,
}

// SAFETY: the pointer is only read through, by `copy` and `at`, which never make a reference, so that it does not
// matter which thread calls them, nor how many do.
unsafe impl Sync for Buffer {}

/// Types that any bytes are a value of.
pub trait Plain: Copy + Default {}
impl Plain for u8 {}
impl Plain for u16 {}
impl Plain for u32 {}
impl Plain for [u8; 16] {}

impl Buffer {
    /// The memory of an array, or of a copy where it is not contiguous or in another byte order.
    pub fn new(array: &Bound<'_, PyUntypedArray>) -> PyResult<Self> {
        let dtype = array.dtype();
        let array = if array.is_c_contiguous() && dtype.is_native_byteorder() != Some(false) {
            array.clone()
        } else {
            let native = dtype.call_method1("newbyteorder", ("=",))?;
            array.py().import("numpy")?.call_method1("ascontiguousarray", (array, native))?.cast_into()?
        };
        let (items, width) = (array.len(), dtype.itemsize());
        // SAFETY: an array object has this field for as long as it lives.
        let first = unsafe { (*array.as_array_ptr()).fields.data.cast::<u8>().cast_const() };
        Ok(Self { first, items, width, array: array.unbind() })
    }

    /// Copies `count` items from `start` on to the front of `to`, and gives back that front: as many values as the
    /// bytes of the items make.
    pub fn copy<'a, T: Plain>(&self, start: usize, count: usize, to: &'a mut Vec<T>) -> &'a mut [T] {
        let bytes = count * self.width;
        assert!(start + count <= self.items && bytes.is_multiple_of(size_of::<T>()), "items of the array");
        let len = bytes / size_of::<T>();
        if to.len() < len {
            to.resize(len, T::default());
        }
        // SAFETY: inside the array, see its invariant and the assertion; `to` is ours, no part of the array, and has
        // room for the bytes, of which any are values of T.
        unsafe { ptr::copy_nonoverlapping(self.first.add(start * self.width), to.as_mut_ptr().cast(), bytes) };
        to.get_mut(..len).unwrap_or_default()
    }
}

/// The items of an array of `u32`; of another width they are what their first four bytes make, or 0.
impl Cells for Buffer {
    fn len(&self) -> usize {
        self.items
    }

    #[inline]
    fn at(&self, index: usize) -> u32 {
        if index >= self.items || self.width < size_of::<u32>() {
            return 0;
        }
        // SAFETY: inside the array, see its invariant and the line above; any four bytes are a `u32`.
        unsafe { self.first.add(index * self.width).cast::<u32>().read_unaligned() }
    }
}
