//! A column of slots as an Arrow dictionary array.

use std::sync::Arc;

use arrow_array::types::UInt16Type;
use arrow_array::{ArrayRef, DictionaryArray, PrimitiveArray, StringArray};
use arrow_schema::{DataType, Field};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyTuple};
use pyo3_arrow::ffi::to_array_pycapsules;
use regionfast_core::Slot;
use regionfast_core::column::{self, Dictionary};
use regionfast_core::slot::Label;

/// `DictionaryArray<uint16, utf8>`, null where not located; each code stands once in the dictionary.
pub fn dictionary(rows: &[Slot], labels: &[Label]) -> PyResult<ArrayRef> {
    let Dictionary { keys, valid, codes } = column::dictionary(rows, labels);
    let nulls = arrow_buffer::NullBuffer::from(valid);
    let keys = PrimitiveArray::<UInt16Type>::new(keys.into(), Some(nulls).filter(|nulls| nulls.null_count() > 0));
    let codes = StringArray::from(codes);
    let array =
        DictionaryArray::try_new(keys, Arc::new(codes)).map_err(|error| PyValueError::new_err(error.to_string()))?;
    Ok(Arc::new(array))
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
