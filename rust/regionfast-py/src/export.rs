//! Columns of slots as Arrow dictionary arrays, and rows of a log as a struct.

use std::sync::Arc;

use arrow_array::types::{UInt8Type, UInt16Type};
use arrow_array::{
    Array, ArrayRef, DictionaryArray, PrimitiveArray, StringArray, StructArray, TimestampSecondArray, UInt64Array,
};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{ArrowError, DataType, Field};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyTuple};
use pyo3_arrow::ffi::to_array_pycapsules;
use regionfast_core::column::{self, Dictionary};
use regionfast_core::scan::Plan;
use regionfast_core::scan::rows::{Rows, Texts};
use regionfast_core::slot::Label;
use regionfast_core::{Slot, Status};

/// `DictionaryArray<uint16, utf8>`, null where not located; each code stands once in the dictionary.
pub fn dictionary(rows: &[Slot], labels: &[Label]) -> PyResult<ArrayRef> {
    let Dictionary { keys, valid, codes } = column::dictionary(rows, labels);
    let nulls = NullBuffer::from(valid);
    let keys = PrimitiveArray::<UInt16Type>::new(keys.into(), Some(nulls).filter(|nulls| nulls.null_count() > 0));
    let codes = StringArray::from(codes);
    Ok(Arc::new(DictionaryArray::try_new(keys, Arc::new(codes)).map_err(wrong)?))
}

/// The two capsules of the interface.
pub fn capsules<'py>(
    py: Python<'py>,
    array: ArrayRef,
    requested_schema: Option<Bound<'py, PyCapsule>>,
) -> PyResult<Bound<'py, PyTuple>> {
    let kind = DataType::Dictionary(Box::new(DataType::UInt16), Box::new(DataType::Utf8));
    let field = Arc::new(Field::new("region", kind, true));
    Ok(to_array_pycapsules(py, field, &array, requested_schema)?)
}

/// The rows of a log: a struct of `line`, `offset`, `time` where it is read, `region`, `status`, and what else is wanted.
pub fn rows(rows: Rows, labels: &[Label], kept: &[String], plan: &Plan) -> PyResult<StructArray> {
    let mut columns: Vec<(Field, ArrayRef)> = Vec::new();
    let mut add = |name: &str, array: ArrayRef, nullable: bool| {
        columns.push((Field::new(name, array.data_type().clone(), nullable), array));
    };
    let regions = dictionary(&rows.slots, labels)?;
    let statuses = statuses(&rows.slots, labels)?;
    add("line", Arc::new(UInt64Array::from(rows.lines)), false);
    add("offset", Arc::new(UInt64Array::from(rows.offsets)), false);
    if plan.layout.has_time() {
        add("time", Arc::new(TimestampSecondArray::from(rows.times).with_timezone("UTC")), true);
    }
    add("region", regions, true);
    add("status", statuses, false);
    if plan.address {
        add("address", texts(rows.addresses)?, true);
    }
    for (name, column) in kept.iter().zip(rows.kept) {
        add(name, texts(column)?, true);
    }
    if plan.line {
        add("text", texts(rows.texts)?, false);
    }
    let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = columns.into_iter().unzip();
    StructArray::try_new(fields.into(), arrays, None).map_err(wrong)
}

/// The words of the statuses.
fn statuses(rows: &[Slot], labels: &[Label]) -> PyResult<ArrayRef> {
    const WORDS: [Status; 7] = [
        Status::Unknown,
        Status::Private,
        Status::Reserved,
        Status::Invalid,
        Status::Missing,
        Status::Relay,
        Status::Located,
    ];
    let by_slot: Vec<u8> = labels.iter().map(|label| label.status() as u8).collect();
    let keys = PrimitiveArray::<UInt8Type>::from(column::map(rows, &by_slot));
    let words = StringArray::from_iter_values(WORDS.map(Status::name));
    Ok(Arc::new(DictionaryArray::try_new(keys, Arc::new(words)).map_err(wrong)?))
}

fn texts(column: Texts) -> PyResult<ArrayRef> {
    if i32::try_from(column.bytes.len()).is_err() {
        return Err(PyValueError::new_err("more than 2 GiB of text wait: take batches after smaller steps"));
    }
    let valid = NullBuffer::from(column.valid);
    let ends = column.ends.into_iter().map(|end| end as i32); // ascending, and the last is checked above
    let offsets = OffsetBuffer::new([0].into_iter().chain(ends).collect());
    let nulls = Some(valid).filter(|valid| valid.null_count() > 0);
    Ok(Arc::new(StringArray::try_new(offsets, column.bytes.into(), nulls).map_err(wrong)?))
}

/// The two capsules of a struct.
pub fn struct_capsules<'py>(
    py: Python<'py>,
    array: &StructArray,
    requested_schema: Option<Bound<'py, PyCapsule>>,
) -> PyResult<Bound<'py, PyTuple>> {
    let field = Arc::new(Field::new("", array.data_type().clone(), false));
    Ok(to_array_pycapsules(py, field, array, requested_schema)?)
}

fn wrong(error: ArrowError) -> PyErr {
    PyValueError::new_err(error.to_string())
}
