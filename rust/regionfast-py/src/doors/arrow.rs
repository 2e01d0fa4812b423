//! Arrow arrays and chunked streams through the PyCapsule interface. Their memory does not change, by the Arrow
//! specification, so it is read in place.

use std::num::NonZero;

use arrow_array::cast::AsArray;
use arrow_array::types::{ByteArrayType, UInt32Type};
use arrow_array::{Array, BinaryViewArray, GenericByteArray};
use arrow_buffer::NullBuffer;
use arrow_schema::DataType;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3_arrow::ffi::ArrayReader as _;
use pyo3_arrow::input::AnyArray;
use regionfast_core::Status;
use regionfast_core::lookup::{Answers, PackedColumn, TextColumn};
use regionfast_core::table::Table;
use regionfast_core::text::{Offset, Row, Rows, SliceRows};
use regionfast_core::unwrap::Wrapping;

type Threads = Option<NonZero<usize>>;

/// Looks up the rows of an array, or of all chunks of a stream.
pub fn lookup_many(table: &Table, addresses: &Bound<'_, PyAny>, threads: Threads) -> PyResult<Answers> {
    let reader = addresses.extract::<AnyArray>()?.into_reader()?;
    check(reader.field().data_type())?;
    let mut answers = Answers::default();
    if *reader.field().data_type() == DataType::Null
        && let Ok(rows) = addresses.len()
    {
        // Polars sends a buffer with a column of type null, which the importer refuses. Its length says all.
        answers.slots.resize(rows, Status::Missing.slot());
        return Ok(answers);
    }
    for chunk in reader {
        let chunk = chunk.map_err(|error| PyValueError::new_err(format!("the Arrow stream broke off: {error}")))?;
        check_entries(chunk.as_ref())?;
        addresses.py().detach(|| extend(&mut answers, table, chunk.as_ref(), threads));
    }
    Ok(answers)
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

/// Looks up one chunk. Its type has passed [`check`] and its entries [`check_entries`].
fn extend(answers: &mut Answers, table: &Table, chunk: &dyn Array, threads: Threads) {
    let before = answers.slots.len();
    let nulls = chunk.nulls();
    match chunk.data_type() {
        DataType::Utf8 => text(answers, table, chunk.as_string::<i32>(), threads),
        DataType::LargeUtf8 => text(answers, table, chunk.as_string::<i64>(), threads),
        DataType::Utf8View => {
            let rows = Views { views: &chunk.as_string_view().clone().to_binary_view(), nulls };
            answers.extend(table, &TextColumn::new(&rows), threads);
        }
        DataType::Binary => packed(answers, table, chunk.as_binary::<i32>(), threads),
        DataType::LargeBinary => packed(answers, table, chunk.as_binary::<i64>(), threads),
        DataType::BinaryView => {
            let rows = Views { views: chunk.as_binary_view(), nulls };
            answers.extend(table, &PackedColumn::new(&rows), threads);
        }
        DataType::FixedSizeBinary(4) => {
            let (rows, _) = chunk.as_fixed_size_binary().value_data().as_chunks::<4>();
            answers.extend(table, rows, threads);
        }
        DataType::FixedSizeBinary(_) => {
            let (rows, _) = chunk.as_fixed_size_binary().value_data().as_chunks::<16>();
            answers.extend(table, rows, threads);
        }
        DataType::UInt32 => answers.extend(table, &chunk.as_primitive::<UInt32Type>().values()[..], threads),
        DataType::Dictionary(..) => dictionary(answers, table, chunk, threads),
        _ => answers.slots.resize(before + chunk.len(), Status::Missing.slot()),
    }
    if let Some(nulls) = nulls {
        for row in nulls.iter().enumerate().filter_map(|(row, valid)| (!valid).then_some(before + row)) {
            answers.set(row, (Status::Missing.slot(), Wrapping::None));
        }
    }
}

fn text<T>(answers: &mut Answers, table: &Table, array: &GenericByteArray<T>, threads: Threads)
where
    T: ByteArrayType<Offset: Offset>,
{
    let rows = SliceRows { text: array.value_data(), offsets: array.value_offsets() };
    answers.extend(table, &TextColumn::new(&rows), threads);
}

fn packed<T>(answers: &mut Answers, table: &Table, array: &GenericByteArray<T>, threads: Threads)
where
    T: ByteArrayType<Offset: Offset>,
{
    let rows = SliceRows { text: array.value_data(), offsets: array.value_offsets() };
    answers.extend(table, &PackedColumn::new(&rows), threads);
}

/// Looks up each entry of the dictionary once, then follows the keys.
fn dictionary(answers: &mut Answers, table: &Table, chunk: &dyn Array, threads: Threads) {
    let dictionary = chunk.as_any_dictionary();
    let mut entries = Answers::default();
    extend(&mut entries, table, dictionary.values().as_ref(), threads);
    if entries.slots.is_empty() {
        // Without entries there is nothing that a key could mean: all rows are null.
        answers.slots.resize(answers.slots.len() + chunk.len(), Status::Missing.slot());
        return;
    }
    answers.append(&entries, &dictionary.normalized_keys());
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
