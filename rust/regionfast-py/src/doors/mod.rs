//! The doors for addresses: which of them an object goes through.

mod arrow;
mod list;
pub mod numpy;

use ::numpy::PyUntypedArray;
use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyInt, PyString};
use regionfast_core::addresses::Batch;
use regionfast_core::text::Parsed;

/// Adds addresses in any of the forms that `Addresses` names to a batch.
pub fn read<B: Batch>(addresses: &Bound<'_, PyAny>, batch: &mut B) -> PyResult<()> {
    let py = addresses.py();
    if let Ok(array) = addresses.cast::<PyUntypedArray>() {
        return numpy::read(array, batch);
    }
    if let Some(array) = numpy_of_pandas(addresses)? {
        return numpy::read(array.cast()?, batch);
    }
    if addresses.hasattr(intern!(py, "__arrow_c_array__"))? || addresses.hasattr(intern!(py, "__arrow_c_stream__"))? {
        return arrow::read(addresses, batch);
    }
    refuse_scalars(addresses)?;
    list::read(addresses, batch)
}

/// A pandas series or index whose values are a NumPy array. Those with Arrow memory go through Arrow, which
/// knows nulls; the others hold objects or numbers that only NumPy has.
fn numpy_of_pandas<'py>(addresses: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = addresses.py();
    let module = addresses.get_type().module()?;
    if module.to_str()?.split('.').next() != Some("pandas") {
        return Ok(None);
    }
    let kind = addresses.getattr_opt(intern!(py, "dtype"))?;
    let numpy = py.import("numpy")?.getattr("dtype")?;
    match kind {
        Some(kind) if kind.is_instance(&numpy)? => addresses.call_method0("to_numpy").map(Some),
        // A string column of an older pandas has no Arrow interface; its nulls come as `None` or NaN.
        Some(_) if !addresses.hasattr(intern!(py, "__arrow_c_stream__"))? => {
            addresses.call_method1("to_numpy", ("object",)).map(Some)
        }
        _ => Ok(None),
    }
}

fn refuse_scalars(addresses: &Bound<'_, PyAny>) -> PyResult<()> {
    if addresses.is_instance_of::<PyString>() {
        return Err(PyTypeError::new_err("`addresses` is one text: use `lookup`, or pass a list"));
    }
    if addresses.is_instance_of::<PyBytes>() || addresses.is_instance_of::<PyByteArray>() {
        return Err(PyTypeError::new_err(
            "`addresses` is bytes, which may be text or packed: pass a NumPy array of dtype uint8 and shape (n, 4) or (n, 16), or text",
        ));
    }
    Ok(())
}

/// One address that is not in a batch.
pub enum OneAddress<'a> {
    Parsed(Parsed),
    Text(&'a [u8]),
}

/// One address: text or an `ipaddress` object.
pub fn one<'a>(address: &'a Bound<'_, PyAny>) -> PyResult<OneAddress<'a>> {
    match list::item(address)? {
        Some(OneAddress::Parsed(Parsed::Missing)) | None => Err(not_one(address)),
        Some(one) => Ok(one),
    }
}

/// One address, or `None` or NaN for none.
pub fn one_or_missing<'a>(address: &'a Bound<'_, PyAny>) -> PyResult<OneAddress<'a>> {
    list::item(address)?.ok_or_else(|| not_one(address))
}

fn not_one(address: &Bound<'_, PyAny>) -> PyErr {
    PyTypeError::new_err(format!("an address is a text or an ipaddress object, not {}", kind(address)))
}

/// The type of an object for a message, with why the two ambiguous ones are refused.
fn kind(object: &Bound<'_, PyAny>) -> String {
    let name = object.get_type().name().map_or_else(|_| "object".to_owned(), |name| name.to_string());
    if object.is_exact_instance_of::<PyInt>() {
        return "int (IPv4 or IPv6? pass ipaddress objects or a NumPy uint32 array)".to_owned();
    }
    if object.is_instance_of::<PyBytes>() {
        return "bytes (packed or text? pass str or ipaddress objects)".to_owned();
    }
    name
}
