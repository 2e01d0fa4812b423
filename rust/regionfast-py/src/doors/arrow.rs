//! Arrow arrays and chunked streams through the PyCapsule interface. Their memory does not change, by the Arrow
//! specification, so it is read in place.

use arrow_array::cast::AsArray;
use arrow_array::types::{ByteArrayType, UInt32Type};
use arrow_array::{Array, BinaryViewArray, GenericByteArray};
use arrow_buffer::NullBuffer;
use arrow_schema::DataType;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3_arrow::ffi::ArrayReader as _;
use pyo3_arrow::input::AnyArray;
use regionfast_core::addresses::{Batch, NullColumn, PackedColumn, TextColumn};
use regionfast_core::text::{Offset, Parsed, Row, Rows, SliceRows};

/// Adds the rows of an array, or of all chunks of a stream.
pub fn read<B: Batch>(addresses: &Bound<'_, PyAny>, batch: &mut B) -> PyResult<()> {
    let reader = addresses.extract::<AnyArray>()?.into_reader()?;
    check(reader.field().data_type())?;
    if *reader.field().data_type() == DataType::Null
        && let Ok(rows) = addresses.len()
    {
        // Polars sends a buffer with a column of type null, which the importer refuses. Its length says all.
        batch.extend(&NullColumn(rows));
        return Ok(());
    }
    for chunk in reader {
        let chunk = chunk.map_err(|error| PyValueError::new_err(format!("the Arrow stream broke off: {error}")))?;
        check_entries(chunk.as_ref())?;
        addresses.py().detach(|| extend(batch, chunk.as_ref()));
    }
    Ok(())
}

/// Whether a column of this type holds addresses.
fn check(kind: &DataType) -> PyResult<()> {
    match kind {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Ok(()),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => Ok(()),
        DataType::FixedSizeBinary(4 | 16) | DataType::UInt32 | DataType::Null => Ok(()),
        // An empty dictionary may be of any type: pandas makes one of numbers where all rows are null.
        DataType::Dictionary(..) => Ok(()),
        DataType::Struct(_) => Err(PyTypeError::new_err("a table has many columns: pass the one with the addresses")),
        _ => Err(PyTypeError::new_err(format!(
            "an Arrow column of {kind} holds no addresses: use text, binary or fixed-size binary of 4 or 16 bytes, uint32, or a \
             dictionary of these"
        ))),
    }
}

/// Whether the entries of a dictionary, if it has any, are addresses.
fn check_entries(chunk: &dyn Array) -> PyResult<()> {
    match chunk.as_any_dictionary_opt().map(|dictionary| dictionary.values()) {
        Some(entries) if !entries.is_empty() => check(entries.data_type()).and_then(|()| check_entries(entries)),
        _ => Ok(()),
    }
}

/// Adds one chunk. Its type has passed [`check`] and its entries [`check_entries`].
fn extend<B: Batch>(batch: &mut B, chunk: &dyn Array) {
    let before = batch.len();
    let nulls = chunk.nulls();
    match chunk.data_type() {
        DataType::Utf8 => text(batch, chunk.as_string::<i32>()),
        DataType::LargeUtf8 => text(batch, chunk.as_string::<i64>()),
        DataType::Utf8View => {
            let rows = Views { views: &chunk.as_string_view().clone().to_binary_view(), nulls };
            batch.extend(&TextColumn::new(&rows));
        }
        DataType::Binary => packed(batch, chunk.as_binary::<i32>()),
        DataType::LargeBinary => packed(batch, chunk.as_binary::<i64>()),
        DataType::BinaryView => batch.extend(&PackedColumn::new(&Views { views: chunk.as_binary_view(), nulls })),
        DataType::FixedSizeBinary(4) => batch.extend(chunk.as_fixed_size_binary().value_data().as_chunks::<4>().0),
        DataType::FixedSizeBinary(_) => batch.extend(chunk.as_fixed_size_binary().value_data().as_chunks::<16>().0),
        DataType::UInt32 => batch.extend(&chunk.as_primitive::<UInt32Type>().values()[..]),
        DataType::Dictionary(..) => dictionary(batch, chunk),
        _ => batch.extend(&NullColumn(chunk.len())),
    }
    if let Some(nulls) = nulls {
        let missing = nulls.iter().enumerate().filter(|(_, valid)| !valid);
        batch.replace(before, missing.map(|(row, _)| (row, Parsed::Missing)));
    }
}

fn text<T: ByteArrayType<Offset: Offset>>(batch: &mut impl Batch, array: &GenericByteArray<T>) {
    batch.extend(&TextColumn::new(&SliceRows { text: array.value_data(), offsets: array.value_offsets() }));
}

fn packed<T: ByteArrayType<Offset: Offset>>(batch: &mut impl Batch, array: &GenericByteArray<T>) {
    batch.extend(&PackedColumn::new(&SliceRows { text: array.value_data(), offsets: array.value_offsets() }));
}

/// Adds each entry of the dictionary once to a batch of its own, then follows the keys.
fn dictionary<B: Batch>(batch: &mut B, chunk: &dyn Array) {
    let dictionary = chunk.as_any_dictionary();
    let mut entries = batch.another();
    extend(&mut entries, dictionary.values().as_ref());
    if entries.is_empty() {
        // Without entries there is nothing that a key could mean: all rows are null.
        batch.extend(&NullColumn(chunk.len()));
        return;
    }
    batch.append(&entries, &dictionary.normalized_keys());
}

/// Rows of a view array. A null may have any view, so it is not followed.
struct Views<'a> {
    views: &'a BinaryViewArray,
    nulls: Option<&'a NullBuffer>,
}

impl Rows for Views<'_> {
    #[inline]
    fn len(&self) -> usize {
        self.views.len()
    }

    #[inline]
    fn row(&self, index: usize) -> Row<'_> {
        match self.nulls {
            _ if index >= self.views.len() => Row::INVALID,
            Some(nulls) if nulls.is_null(index) => Row::MISSING,
            _ => Row::from(self.views.value(index)),
        }
    }
}
