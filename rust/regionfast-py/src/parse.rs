//! `parse_many`: a batch as the addresses that it holds.

use numpy::ndarray::Array2;
use numpy::{IntoPyArray, PyArray1, PyArray2};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use regionfast_core::addresses::Addresses;

use crate::doors;

type Columns<'py> = (Bound<'py, PyArray1<u8>>, Bound<'py, PyArray1<u32>>, Bound<'py, PyArray2<u8>>);

/// The addresses of a batch, which may have any form that `lookup_many` takes: `(families, v4, v6)`.
///
/// `families`, `uint8` `(n,)`: 4, 6, 0 for missing, 1 for text that is no address. `v4`, `uint32` `(n,)`, host order,
/// 0 where there is none. `v6`, `uint8` `(m, 16)`, network order: one row for each 6 in `families`. IPv4 inside IPv6
/// is not unwrapped. Copies Python objects under the interpreter lock and releases it for the rest. O(n).
#[pyfunction]
#[pyo3(signature = (addresses, /))]
pub fn parse_many<'py>(addresses: &Bound<'py, PyAny>) -> PyResult<Columns<'py>> {
    let py = addresses.py();
    let mut parsed = Addresses::default();
    doors::read(addresses, &mut parsed)?;
    Ok((parsed.families.into_pyarray(py), parsed.v4.into_pyarray(py), octets(py, parsed.v6)?))
}

/// Addresses as an array of shape `(m, 16)`, without a copy.
pub fn octets(py: Python<'_>, addresses: Vec<[u8; 16]>) -> PyResult<Bound<'_, PyArray2<u8>>> {
    let array = Array2::from_shape_vec((addresses.len(), 16), addresses.into_flattened());
    Ok(array.map_err(|error| PyValueError::new_err(error.to_string()))?.into_pyarray(py))
}
